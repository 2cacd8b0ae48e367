//! The report as JUnit XML, in the form continuous integration servers read.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{ClauseReport, Outcome, Report};
use crate::{catalogue, verdict::Verdict};

pub(super) fn render(report: &Report) -> String {
    let mut suite = TestSuite::new(format!("callotp-conformance {}", report.target.profile));
    suite.add_property(("url", clean(&report.target.url).as_str()));
    suite.add_property(("tenant", clean(&report.target.tenant).as_str()));
    suite.add_property(("catalogue", report.catalogue.as_str()));
    suite.add_test_cases(report.clauses.iter().map(case));
    let mut document = Document::new("callotp-conformance");
    // Without a clause the reason for the exit code still has to be seen.
    if report.summary.verdict != Outcome::Conformant {
        suite.add_test_cases(run_itself(report));
    }
    document.add_test_suite(suite);
    document
        .to_string()
        .unwrap_or_else(|error| format!("<!-- {error} -->"))
}

fn case(clause: &ClauseReport) -> TestCase {
    let message = message(clause);
    let status = match (clause.verdict, &clause.waived) {
        (_, Some(waived)) => skipped(format!(
            "waived until {}: {} ({})",
            waived.until, waived.reason, clause.verdict
        )),
        (Verdict::Pass | Verdict::Warn | Verdict::Observed, None) => TestCaseStatus::success(),
        (Verdict::Fail, None) => non_success(NonSuccessKind::Failure, message, clause),
        (Verdict::NotApplicable, None) => skipped(message),
        (Verdict::Untested | Verdict::Error, None) => {
            non_success(NonSuccessKind::Error, message, clause)
        }
    };
    let mut case = TestCase::new(clean(&clause.id), status);
    let group = clause.id.split('.').next().unwrap_or_default();
    case.set_classname(format!("callotp.{}", clean(group)));
    case.set_time(Duration::from_millis(clause.milliseconds));
    case.add_property(("level", clause.level.to_string().as_str()));
    case.add_property(("verdict", clause.verdict.to_string().as_str()));
    case.set_system_out(clean(&detail(clause)));
    case
}

/// The reasons of the exit code that no single clause shows: a stale waiver, a preflight
/// that failed, a selection that was empty.
fn run_itself(report: &Report) -> Option<TestCase> {
    let reasons: Vec<&str> = report
        .summary
        .reasons
        .iter()
        .map(String::as_str)
        .filter(|reason| {
            !["failed:", "untested:", "errors:"]
                .iter()
                .any(|start| reason.starts_with(start))
        })
        .collect();
    if reasons.is_empty() {
        return None;
    }
    let kind = match report.summary.exit {
        1 => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(clean(&reasons.join("; ")));
    status.set_type("run");
    let mut case = TestCase::new("run", status);
    case.set_classname("callotp.run");
    case.set_time(Duration::ZERO);
    Some(case)
}

fn skipped(why: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(clean(&why));
    status
}

fn non_success(kind: NonSuccessKind, message: String, clause: &ClauseReport) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(clean(&message));
    status.set_type(clause.verdict.to_string());
    status.set_description(clean(&detail(clause)));
    status
}

fn message(clause: &ClauseReport) -> String {
    match clause.verdict {
        Verdict::Fail | Verdict::Warn => {
            format!("expected {}; got {}", clause.expected, clause.got)
        }
        _ => clause.got.clone(),
    }
}

fn detail(clause: &ClauseReport) -> String {
    let mut lines = Vec::new();
    if let Some(entry) = catalogue::clause(&clause.id) {
        lines.push(entry.text.to_owned());
    }
    lines.push(format!("{}: {}", clause.verdict, message(clause)));
    if let Some(likely) = &clause.likely {
        lines.push(format!("likely: {likely}"));
    }
    if let Some(exchange) = &clause.exchange {
        lines.extend(exchange.change.iter().cloned());
        lines.push(format!("\n{}\n\n{}", exchange.request, exchange.response));
    }
    if let Some(again) = &clause.again {
        lines.push(format!("\n{again}"));
    }
    lines.join("\n")
}

/// XML 1.0 has no way to write most control characters (section 2.2).
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}
