//! The report for a terminal: symbols and words, colour on top.

use super::{ClauseReport, Outcome, Report};
use crate::{catalogue, preflight::Step, verdict::Verdict};

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colour?
    pub colour: bool,
    /// Only the outcome?
    pub quiet: bool,
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const DIM: &str = "2";
const BOLD: &str = "1";

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// The outcome in a sentence.
pub(super) fn headline(report: &Report) -> &'static str {
    match report.summary.verdict {
        Outcome::Conformant => "conformant",
        Outcome::NotConformant => "not conformant",
        Outcome::NoVerdict => "no verdict",
        Outcome::Contradiction => "the suite contradicted itself",
    }
}

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if !style.quiet {
        for clause in &report.clauses {
            if matches!(
                clause.verdict,
                Verdict::Fail | Verdict::Warn | Verdict::Error
            ) {
                out.push_str(&detail(clause, style));
            }
        }
    }
    out + &summary(report, style)
}

fn summary(report: &Report, style: Style) -> String {
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| report.count(*verdict) > 0)
        .map(|verdict| format!("{} {verdict}", report.count(verdict)))
        .collect();
    let code = match report.summary.exit {
        0 => GREEN,
        1 => RED,
        _ => YELLOW,
    };
    let mut out = format!(
        "{} {}: {} ({}; {} OTPs issued)\n",
        style.paint(BOLD, &report.target.url),
        report.target.profile,
        style.paint(code, headline(report)),
        counts.join(", "),
        report.summary.otps_issued
    );
    for reason in &report.summary.reasons {
        out.push_str(&format!("  {reason}\n"));
    }
    out
}

/// One line for a step of the preflight, and a second with what to change.
pub fn step(step: &Step, style: Style) -> String {
    let mark = match step.ok {
        true => style.paint(GREEN, "✓"),
        false => style.paint(RED, "✗"),
    };
    let mut line = format!("{mark} {:<11}{}\n", step.step, step.detail);
    if let Some(advice) = &step.advice {
        line.push_str(&format!("  {:<11}{advice}\n", "→"));
    }
    line
}

/// One line for a clause.
pub fn line(clause: &ClauseReport, style: Style) -> String {
    let code = colour(clause.verdict);
    let mark = style.paint(code, &clause.verdict.symbol().to_string());
    let waived = clause.waived.as_ref().map_or(String::new(), |waived| {
        format!(" (waived until {}: {})", waived.until, waived.reason)
    });
    format!(
        "{mark} {:<24} {} {}{waived}\n",
        clause.id,
        style.paint(code, &format!("{:<15}", clause.verdict.to_string())),
        clause.got
    )
}

fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => GREEN,
        Verdict::Fail => RED,
        Verdict::Warn | Verdict::Untested | Verdict::Error => YELLOW,
        Verdict::Observed | Verdict::NotApplicable => DIM,
    }
}

fn detail(clause: &ClauseReport, style: Style) -> String {
    let code = colour(clause.verdict);
    let mut out = format!(
        "\n{} {} {} ({})\n",
        style.paint(code, &clause.verdict.symbol().to_string()),
        style.paint(BOLD, &clause.id),
        style.paint(code, &clause.verdict.to_string()),
        clause.level
    );
    let mut row = |name: &str, text: &str| {
        for (at, line) in text.lines().enumerate() {
            let name = if at == 0 { name } else { "" };
            out.push_str(&format!(
                "  {} {line}\n",
                style.paint(DIM, &format!("{name:<9}"))
            ));
        }
    };
    if let Some(entry) = catalogue::clause(&clause.id) {
        row("says", entry.text);
    }
    row("expected", &clause.expected);
    row("got", &clause.got);
    if let Some(likely) = &clause.likely {
        row("likely", likely);
    }
    if let Some(exchange) = &clause.exchange {
        row("changed", &exchange.change.join("\n"));
        row("answer", &exchange.response);
    }
    if let Some(again) = &clause.again {
        row("again", again);
    }
    out
}
