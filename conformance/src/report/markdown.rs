//! The report as Markdown, for a pull request.

use super::{ClauseReport, Report};
use crate::verdict::Verdict;

pub(super) fn render(report: &Report) -> String {
    let mut out = format!(
        "## {} {}\n\n`{}`, tenant `{}`, profile {}, {}. {} OTPs issued.\n\n",
        symbol(report),
        super::terminal::headline(report),
        code(&report.target.url),
        code(&report.target.tenant),
        report.target.profile,
        report.started,
        report.summary.otps_issued,
    );
    for reason in &report.summary.reasons {
        out.push_str(&format!("- {}\n", text(reason)));
    }
    if report.preflight.iter().any(|step| !step.ok) {
        out.push_str("\n| preflight | | seen |\n|---|---|---|\n");
        for step in &report.preflight {
            let mark = if step.ok { "✓" } else { "✗" };
            let advice = step
                .advice
                .as_deref()
                .map_or(String::new(), |advice| format!("; {advice}"));
            out.push_str(&format!(
                "| {} | {mark} | {} |\n",
                step.step,
                cell(&format!("{}{advice}", step.detail))
            ));
        }
    }
    out.push_str("\n| | clause | level | verdict | got |\n|---|---|---|---|---|\n");
    for clause in &report.clauses {
        let waived = if clause.waived.is_some() {
            ", waived"
        } else {
            ""
        };
        out.push_str(&format!(
            "| {} | `{}` | {} | {}{waived} | {} |\n",
            clause.verdict.symbol(),
            code(&clause.id),
            clause.level,
            clause.verdict,
            cell(&clause.got)
        ));
    }
    for clause in report.clauses.iter().filter(|clause| is_detailed(clause)) {
        out.push_str(&detail(clause));
    }
    out
}

fn is_detailed(clause: &ClauseReport) -> bool {
    matches!(
        clause.verdict,
        Verdict::Fail | Verdict::Warn | Verdict::Error | Verdict::Untested
    ) && clause.exchange.is_some()
}

fn detail(clause: &ClauseReport) -> String {
    let mut out = format!(
        "\n<details><summary>{} <code>{}</code>: expected {}; got {}</summary>\n\n",
        clause.verdict.symbol(),
        text(&clause.id),
        text(&clause.expected),
        text(&clause.got)
    );
    if let Some(likely) = &clause.likely {
        out.push_str(&format!("Likely: {}\n\n", text(likely)));
    }
    if let Some(waived) = &clause.waived {
        out.push_str(&format!(
            "Waived until {}: {}\n\n",
            waived.until,
            text(&waived.reason)
        ));
    }
    if let Some(exchange) = &clause.exchange {
        if !exchange.change.is_empty() {
            out.push_str(&fence("diff", &exchange.change.join("\n")));
        }
        out.push_str(&fence(
            "http",
            &format!("{}\n\n{}", exchange.request, exchange.response),
        ));
    }
    if let Some(again) = &clause.again {
        out.push_str(&fence("sh", again));
    }
    out + "</details>\n"
}

fn symbol(report: &Report) -> char {
    match report.summary.exit {
        0 => '✓',
        1 => '✗',
        _ => '?',
    }
}

/// A fence longer than any run of backticks inside.
fn fence(language: &str, text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n\n")
}

fn code(text: &str) -> String {
    text.replace('`', "'").replace('|', "\\|")
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', " ")
}

fn cell(content: &str) -> String {
    text(content).replace('|', "\\|")
}
