use std::{io::Write as _, process::Stdio};

use proptest::prelude::*;

use super::*;
use crate::verdict::Verdict;

/// A report that a target could have brought about, with whatever text in it.
fn report(verdict: Verdict, text: &str, waived: bool) -> Report {
    let clause = |id: &str, verdict| ClauseReport {
        id: id.to_owned(),
        level: Level::Must,
        profile: Profile::Document,
        verdict,
        expected: text.to_owned(),
        got: text.to_owned(),
        likely: Some(text.to_owned()),
        milliseconds: 7,
        waived: waived.then(|| Waived {
            reason: text.to_owned(),
            until: "2027-03-31".to_owned(),
        }),
        exchange: Some(Evidence {
            change: vec![format!("- {text}"), format!("+ {text}")],
            request: text.to_owned(),
            response: text.to_owned(),
        }),
        again: Some(text.to_owned()),
    };
    let clauses = vec![
        clause("golden.ok", Verdict::Pass),
        clause("tenant.required", verdict),
    ];
    let preflight = vec![Step {
        step: "golden".to_owned(),
        ok: true,
        detail: text.to_owned(),
        advice: Some(text.to_owned()),
    }];
    let (outcome, exit, reasons) = outcome(&preflight, &clauses, Vec::new(), false);
    let count = |wanted| clauses.iter().filter(|one| one.verdict == wanted).count();
    Report {
        schema: SCHEMA,
        suite: "0.1.0".to_owned(),
        catalogue: "1".to_owned(),
        started: "2026-11-23T18:00:00Z".to_owned(),
        target: Described {
            url: "https://mfa.example.org".to_owned(),
            tenant: text.to_owned(),
            profile: Profile::Document,
            file: None,
        },
        strict: false,
        summary: Summary {
            verdict: outcome,
            exit,
            counts: Verdict::ALL
                .into_iter()
                .map(|one| (one, count(one)))
                .collect(),
            waived: usize::from(waived),
            otps_issued: 1,
            reasons,
        },
        preflight,
        clauses,
    }
}

fn against_the_schema(json: &str) -> Result<(), String> {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../schema/report.schema.json")).expect("a schema");
    let report: serde_json::Value =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    let validator = jsonschema::validator_for(&schema).expect("a sound schema");
    validator
        .validate(&report)
        .map_err(|error| error.to_string())
}

/// `xmllint` is an XML parser and a schema checker that is not ours.
fn against_the_junit_schema(xml: &str) -> Result<(), String> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/junit.xsd");
    let mut child = std::process::Command::new("xmllint")
        .args(["--noout", "--schema", schema, "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint (ci/install-components installs it)");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(xml.as_bytes()).expect("xmllint reads");
    drop(stdin);
    let output = child.wait_with_output().expect("xmllint ends");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

const NASTY: &str = "<script>alert('1')</script> & \"]]>\" ```` | \u{0}\u{7}\u{1b}[31m\u{fffe} … ‹6 digits #abcd› \n+x";

#[test]
fn every_verdict_makes_valid_json_and_valid_junit() {
    for verdict in Verdict::ALL {
        for waived in [false, true] {
            let report = report(verdict, NASTY, waived);
            assert_eq!(against_the_schema(&report.json()), Ok(()), "{verdict}");
            assert_eq!(
                against_the_junit_schema(&report.junit()),
                Ok(()),
                "{verdict}"
            );
        }
    }
}

#[test]
fn each_verdict_has_its_own_place_in_junit() {
    let has = |verdict, waived, tag: &str| report(verdict, "x", waived).junit().contains(tag);
    assert!(has(Verdict::Fail, false, "<failure"));
    assert!(has(Verdict::Untested, false, "<error"));
    assert!(has(Verdict::Error, false, "<error"));
    assert!(has(Verdict::NotApplicable, false, "<skipped"));
    assert!(has(Verdict::Fail, true, "<skipped"));
    for quiet in [Verdict::Pass, Verdict::Warn, Verdict::Observed] {
        for tag in ["<failure", "<error", "<skipped"] {
            assert!(!has(quiet, false, tag), "{quiet} as {tag}");
        }
    }
}

#[test]
fn a_page_has_an_anchor_per_clause_and_nothing_that_runs() {
    let html = report(Verdict::Fail, NASTY, false).html();
    assert!(html.contains("id=\"tenant.required\""));
    for forbidden in [
        "<script",
        "http-equiv=\"refresh",
        "src=",
        "onerror",
        "@import",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn the_exit_code_follows_from_the_verdicts() {
    let exit = |verdict, waived| report(verdict, "x", waived).summary.exit;
    assert_eq!(exit(Verdict::Pass, false), 0);
    assert_eq!(exit(Verdict::Warn, false), 0);
    assert_eq!(exit(Verdict::NotApplicable, false), 0);
    assert_eq!(exit(Verdict::Fail, false), 1);
    assert_eq!(exit(Verdict::Untested, false), 3);
    assert_eq!(exit(Verdict::Error, false), 3);
    assert_eq!(exit(Verdict::Fail, true), 0);
    assert_eq!(exit(Verdict::Untested, true), 0);
}

#[test]
fn a_report_reads_itself_back() {
    let report = report(Verdict::Warn, NASTY, true);
    assert_eq!(Report::parse(&report.json()), Ok(report));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_a_target_says_the_forms_stay_valid(text in any::<String>()) {
        let report = report(Verdict::Fail, &text, false);
        prop_assert_eq!(against_the_schema(&report.json()), Ok(()));
        prop_assert_eq!(against_the_junit_schema(&report.junit()), Ok(()));
        report.markdown();
        report.terminal(Style { colour: true, quiet: false });
    }
}
