//! Waivers: failures that are known, with a reason and an end.

use std::{fs, path::Path};

use jiff::civil::Date;
use serde::Deserialize;

use crate::{
    catalogue,
    target::{TargetError, toml_error},
    verdict::Verdict,
};

/// What is excused, until when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The clause.
    pub clause: String,
    /// The one verdict that is excused.
    pub verdict: Verdict,
    /// The one answer that is excused; any when absent.
    pub got: Option<String>,
    /// A glob for the target's address; every target when absent.
    pub target: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub until: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    waiver: Vec<WrittenWaiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWaiver {
    clause: String,
    verdict: String,
    got: Option<toml::Value>,
    target: Option<String>,
    reason: String,
    until: toml::Value,
}

/// Reads a `waivers.toml`.
///
/// # Errors
/// When it cannot be read, or a waiver lacks its reason, its end or its verdict, or
/// names a clause that is not in the catalogue.
pub fn read(path: &Path) -> Result<Vec<Waiver>, TargetError> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| TargetError(format!("{name} cannot be read: {error}")))?;
    parse(&text).map_err(|why| TargetError(format!("{name}: {why}")))
}

/// The same from text.
///
/// # Errors
/// As [`read`], without the file's name.
pub fn parse(text: &str) -> Result<Vec<Waiver>, String> {
    let written: WrittenFile = toml::from_str(text).map_err(|error| toml_error(&error, text))?;
    written
        .waiver
        .into_iter()
        .enumerate()
        .map(|(number, written)| {
            check(written).map_err(|why| format!("waiver {}: {why}", number + 1))
        })
        .collect()
}

fn check(written: WrittenWaiver) -> Result<Waiver, String> {
    if catalogue::clause(&written.clause).is_none() {
        return Err(format!(
            "clause: there is no {:?}; see the list command",
            written.clause
        ));
    }
    let verdict = match written.verdict.as_str() {
        "fail" => Verdict::Fail,
        "warn" => Verdict::Warn,
        "untested" => Verdict::Untested,
        other => {
            return Err(format!(
                "verdict: {other:?} cannot be excused; fail, warn or untested can"
            ));
        }
    };
    if written.reason.trim().is_empty() {
        return Err("reason: it is empty".to_owned());
    }
    let day = match &written.until {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(date) => date.to_string(),
        _ => String::new(),
    };
    Ok(Waiver {
        clause: written.clause,
        verdict,
        got: written.got.map(|got| match got {
            toml::Value::String(text) => text,
            other => other.to_string(),
        }),
        target: written.target,
        reason: written.reason.trim().to_owned(),
        until: day
            .parse()
            .map_err(|_| "until: a day is needed, as in \"2027-03-31\"".to_owned())?,
    })
}

impl Waiver {
    /// Is it about this target?
    pub fn concerns(&self, url: &str) -> bool {
        self.target.as_deref().is_none_or(|glob| matches(glob, url))
    }

    /// Has it ended before this day?
    pub fn expired(&self, today: Date) -> bool {
        today > self.until
    }

    /// Does it excuse this verdict, reached on these answers?
    pub fn covers(&self, verdict: Verdict, answers: &[String]) -> bool {
        let excused = |answer: &String, got: &str| {
            got.split(',')
                .map(str::trim)
                .any(|one| answer == one || answer.split(' ').next() == Some(one))
        };
        let answers_fit = match &self.got {
            Some(got) => !answers.is_empty() && answers.iter().all(|answer| excused(answer, got)),
            None => true,
        };
        verdict == self.verdict && answers_fit
    }
}

/// A glob: `*` stands for anything, `?` for one character; a slash at the end is nothing.
fn matches(glob: &str, text: &str) -> bool {
    let glob: Vec<char> = glob.trim_end_matches('/').chars().collect();
    let text: Vec<char> = text.trim_end_matches('/').chars().collect();
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<Waiver, String> {
        let text = format!(
            "[[waiver]]\nclause = \"refuse.status\"\nverdict = \"warn\"\nreason = \"r\"\nuntil = \"2027-03-31\"\n{line}"
        );
        parse(&text).map(|mut all| all.remove(0))
    }

    #[test]
    fn a_waiver_covers_its_own_verdict_and_answer_and_nothing_else() {
        let waiver = one("got = \"401\"").expect("a waiver");
        let answers = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert!(waiver.covers(Verdict::Warn, &answers(&["401"])));
        assert!(!waiver.covers(Verdict::Fail, &answers(&["401"])));
        assert!(!waiver.covers(Verdict::Warn, &answers(&["401", "404"])));
        assert!(!waiver.covers(Verdict::Warn, &answers(&[])));
    }

    #[test]
    fn its_last_day_still_counts() {
        let waiver = one("").expect("a waiver");
        assert!(!waiver.expired(jiff::civil::date(2027, 3, 31)));
        assert!(waiver.expired(jiff::civil::date(2027, 4, 1)));
    }

    #[test]
    fn a_glob_says_which_targets() {
        let waiver = one("target = \"https://*.example.org\"").expect("a waiver");
        assert!(waiver.concerns("https://mfa.example.org"));
        assert!(!waiver.concerns("https://mfa.example.com"));
    }

    #[test]
    fn a_waiver_without_reason_end_verdict_or_clause_is_refused() {
        for text in [
            "clause = \"no.such\"\nverdict = \"fail\"\nreason = \"r\"\nuntil = \"2027-03-31\"",
            "clause = \"golden.ok\"\nverdict = \"pass\"\nreason = \"r\"\nuntil = \"2027-03-31\"",
            "clause = \"golden.ok\"\nverdict = \"fail\"\nreason = \" \"\nuntil = \"2027-03-31\"",
            "clause = \"golden.ok\"\nverdict = \"fail\"\nreason = \"r\"\nuntil = \"soon\"",
            "clause = \"golden.ok\"\nverdict = \"fail\"\nreason = \"r\"",
            "clause = \"golden.ok\"\nverdict = \"fail\"\nuntil = \"2027-03-31\"",
        ] {
            assert!(parse(&format!("[[waiver]]\n{text}")).is_err(), "{text}");
        }
    }
}
