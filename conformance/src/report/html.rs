//! The report as one page: offline, without a script, an anchor per clause.

use super::{ClauseReport, Outcome, Report};
use crate::{catalogue, verdict::Verdict};

const STYLE: &str = include_str!("page.css");

pub(super) fn render(report: &Report) -> String {
    let headline = super::terminal::headline(report);
    let title = format!("{headline}: {}", report.target.url);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&title)
    );
    out.push_str(&head(report, headline));
    out.push_str(&preflight(report));
    out.push_str(&overview(report));
    out.push_str("<h2>The clauses</h2>\n");
    for clause in &report.clauses {
        out.push_str(&article(clause));
    }
    out.push_str(&foot());
    out + "</main>\n</body>\n</html>\n"
}

fn head(report: &Report, headline: &str) -> String {
    let class = match report.summary.verdict {
        Outcome::Conformant => "pass",
        Outcome::NotConformant => "fail",
        Outcome::NoVerdict | Outcome::Contradiction => "untested",
    };
    let mut out = format!(
        "<header>\n<p class=\"what\">callotp-conformance</p>\n<h1 class=\"{class}\">{}</h1>\n",
        capital(headline)
    );
    let strict = if report.strict { ", strict" } else { "" };
    let rows = [
        ("Target", report.target.url.clone()),
        ("Tenant", report.target.tenant.clone()),
        ("Profile", format!("{}{strict}", report.target.profile)),
        ("Begun", report.started.replace('T', " ")),
        ("OTPs issued", report.summary.otps_issued.to_string()),
        (
            "Suite",
            format!("{}, catalogue {}", report.suite, report.catalogue),
        ),
        ("Exit code", report.summary.exit.to_string()),
    ];
    out.push_str("<dl class=\"facts\">\n");
    for (name, value) in rows {
        out.push_str(&format!(
            "<div><dt>{name}</dt><dd>{}</dd></div>\n",
            escape(&value)
        ));
    }
    out.push_str("</dl>\n");
    if !report.summary.reasons.is_empty() {
        out.push_str("<ul class=\"reasons\">\n");
        for reason in &report.summary.reasons {
            out.push_str(&format!("<li>{}</li>\n", escape(reason)));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<ul class=\"counts\">\n");
    for verdict in Verdict::ALL {
        let count = report.count(verdict);
        if count > 0 {
            out.push_str(&format!(
                "<li class=\"{verdict}\"><b>{count}</b> {} {verdict}</li>\n",
                verdict.symbol()
            ));
        }
    }
    out + "</ul>\n</header>\n"
}

fn preflight(report: &Report) -> String {
    let mut out = "<h2>The way to the target</h2>\n<ol class=\"steps\">\n".to_owned();
    for step in &report.preflight {
        let (class, symbol, word) = match step.ok {
            true => ("pass", '✓', "good"),
            false => ("fail", '✗', "failed"),
        };
        out.push_str(&format!(
            "<li><span class=\"badge {class}\">{symbol} {word}</span> <b>{}</b> {}",
            escape(&step.step),
            escape(&step.detail)
        ));
        if let Some(advice) = &step.advice {
            out.push_str(&format!(
                "<br><span class=\"advice\">{}</span>",
                escape(advice)
            ));
        }
        out.push_str("</li>\n");
    }
    out + "</ol>\n"
}

fn overview(report: &Report) -> String {
    let mut wanted: Vec<&ClauseReport> = report
        .clauses
        .iter()
        .filter(|clause| {
            matches!(
                clause.verdict,
                Verdict::Fail | Verdict::Warn | Verdict::Untested | Verdict::Error
            )
        })
        .collect();
    if wanted.is_empty() {
        return String::new();
    }
    wanted.sort_by_key(|clause| (clause.waived.is_some(), clause.verdict));
    let mut out = "<h2>To look at</h2>\n<ul class=\"overview\">\n".to_owned();
    for clause in wanted {
        out.push_str(&format!(
            "<li>{} <a href=\"#{id}\"><code>{id}</code></a> {}</li>\n",
            badge(clause),
            escape(&clause.got),
            id = escape(&clause.id)
        ));
    }
    out + "</ul>\n"
}

fn article(clause: &ClauseReport) -> String {
    let open = match clause.verdict {
        Verdict::Fail | Verdict::Warn | Verdict::Error => " open",
        _ => "",
    };
    let entry = catalogue::clause(&clause.id);
    let mut out = format!(
        "<details id=\"{id}\" class=\"clause {verdict}\"{open}>\n\
         <summary>{badge} <code>{id}</code> <span class=\"says\">{says}</span></summary>\n<dl>\n",
        id = escape(&clause.id),
        verdict = clause.verdict,
        badge = badge(clause),
        says = escape(entry.map_or("", |entry| entry.text)),
    );
    let mut row = |name: &str, text: &str| {
        if !text.is_empty() {
            out.push_str(&format!("<dt>{name}</dt><dd>{}</dd>\n", escape(text)));
        }
    };
    row("Level", &clause.level.to_string());
    row("Expected", &clause.expected);
    row("Got", &clause.got);
    row("Likely", clause.likely.as_deref().unwrap_or_default());
    if let Some(entry) = entry {
        if matches!(clause.verdict, Verdict::Fail | Verdict::Warn) {
            row("What to do", entry.remedy);
        }
        row("Source", entry.source);
    }
    if let Some(waived) = &clause.waived {
        row(
            "Waived",
            &format!("until {}: {}", waived.until, waived.reason),
        );
    }
    row("Took", &format!("{} ms", clause.milliseconds));
    out.push_str("</dl>\n");
    if let Some(exchange) = &clause.exchange {
        if !exchange.change.is_empty() {
            out.push_str(&change(&exchange.change));
        }
        out.push_str(&block("The request", &exchange.request));
        out.push_str(&block("The answer", &exchange.response));
    }
    if let Some(again) = &clause.again {
        out.push_str(&block("To send it again", again));
    }
    out + "</details>\n"
}

fn change(lines: &[String]) -> String {
    let mut out = "<h3>Changed from the golden request</h3>\n<pre class=\"change\">".to_owned();
    for line in lines {
        let line_of = |tag: &str| format!("<{tag}>{}</{tag}>\n", escape(line));
        out.push_str(&match line.starts_with('-') {
            true => line_of("del"),
            false => line_of("ins"),
        });
    }
    out + "</pre>\n"
}

fn block(title: &str, text: &str) -> String {
    format!("<h3>{title}</h3>\n<pre>{}</pre>\n", escape(text))
}

fn badge(clause: &ClauseReport) -> String {
    let waived = if clause.waived.is_some() {
        ", waived"
    } else {
        ""
    };
    format!(
        "<span class=\"badge {verdict}\">{} {verdict}{waived}</span>",
        clause.verdict.symbol(),
        verdict = clause.verdict
    )
}

fn foot() -> String {
    let mut out = "<h2>What this cannot see</h2>\n<ul>\n".to_owned();
    for unseen in catalogue::UNSEEN {
        out.push_str(&format!("<li>{}</li>\n", escape(unseen)));
    }
    out + "</ul>\n<p class=\"note\">Numbers, credentials and OTPs are masked. Equal tags (<code>#abcd</code>) \
        stand for equal values within this report.</p>\n"
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
