//! The report: one document from which every form of it is made.

mod html;
mod junit;
mod markdown;
mod terminal;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use terminal::{Style, line, step};
pub use write::{Kind, Sink};

use crate::{
    catalogue::{self, Level, Profile},
    clock::Origin,
    exchange::Evidence,
    preflight::Step,
    selection::Selection,
    target::{Described, Target},
    verdict::Verdict,
};

/// The version of the report's form; its schema is `schema/report.schema.json`.
pub const SCHEMA: u32 = 1;

/// The outcome of a run, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// At least one must ran, every selected must holds, nothing is untested.
    Conformant,
    /// A must does not hold, or a waiver is stale.
    NotConformant,
    /// Nothing can be said.
    NoVerdict,
    /// The suite contradicted itself.
    Contradiction,
}

/// Why a verdict is excused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waived {
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub until: String,
}

/// A clause in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClauseReport {
    /// Its name.
    pub id: String,
    /// Its weight in this run.
    pub level: Level,
    /// The profile that brings it in.
    pub profile: Profile,
    /// What is said about it.
    pub verdict: Verdict,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub got: String,
    /// The likely cause, when it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely: Option<String>,
    /// How long the judging took.
    pub milliseconds: u64,
    /// The waiver that excuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
    /// What was sent and what came, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Evidence>,
    /// A line for a shell that sends the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
}

/// The counts of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// The outcome.
    pub verdict: Outcome,
    /// The exit code of the program.
    pub exit: u8,
    /// How many clauses have each verdict; waived ones are counted by their verdict too.
    #[serde(flatten)]
    pub counts: BTreeMap<Verdict, usize>,
    /// How many are excused.
    pub waived: usize,
    /// How many OTPs the target issued.
    #[serde(rename = "otps_issued")]
    pub otps_issued: u32,
    /// Why the exit code is what it is, a line each.
    pub reasons: Vec<String>,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of its form.
    pub schema: u32,
    /// The version of the suite.
    pub suite: String,
    /// The version of the catalogue.
    pub catalogue: String,
    /// When the run began, in UTC.
    pub started: String,
    /// What was judged.
    pub target: Described,
    /// Did a should count like a must?
    pub strict: bool,
    /// The counts and the outcome.
    pub summary: Summary,
    /// The way to the target.
    pub preflight: Vec<Step>,
    /// The clauses, in the order of the catalogue.
    pub clauses: Vec<ClauseReport>,
}

impl Report {
    pub(crate) fn new(
        origin: Origin,
        target: &Target,
        selection: &Selection,
        preflight: Vec<Step>,
        clauses: Vec<ClauseReport>,
        otps_issued: u32,
        contradiction: bool,
    ) -> Self {
        let stale = stale_waivers(origin, target, selection, &clauses);
        let counts = Verdict::ALL
            .into_iter()
            .map(|verdict| {
                let count = clauses.iter().filter(|one| one.verdict == verdict).count();
                (verdict, count)
            })
            .collect();
        let (verdict, exit, reasons) = outcome(&preflight, &clauses, stale, contradiction);
        Self {
            schema: SCHEMA,
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            catalogue: catalogue::VERSION.to_owned(),
            started: origin
                .started
                .round(jiff::Unit::Second)
                .unwrap_or(origin.started)
                .to_string(),
            target: target.described(selection.profile(target)),
            strict: selection.strict,
            summary: Summary {
                verdict,
                exit,
                counts,
                waived: clauses.iter().filter(|one| one.waived.is_some()).count(),
                otps_issued,
                reasons,
            },
            preflight,
            clauses,
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    /// When it is none, or its form is of another version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let report: Self =
            serde_json::from_str(text).map_err(|error| format!("this is no report: {error}"))?;
        match report.schema {
            SCHEMA => Ok(report),
            other => Err(format!(
                "a report of version {other}; this suite reads {SCHEMA}"
            )),
        }
    }

    /// The report as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has string keys only") + "\n"
    }

    /// The report for a continuous integration server.
    pub fn junit(&self) -> String {
        junit::render(self)
    }

    /// The report as a page.
    pub fn html(&self) -> String {
        html::render(self)
    }

    /// The report for a pull request.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// The report for a terminal.
    pub fn terminal(&self, style: Style) -> String {
        terminal::render(self, style)
    }

    /// How many clauses have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.summary
            .counts
            .get(&verdict)
            .copied()
            .unwrap_or_default()
    }

    /// The clause of this name.
    pub fn clause(&self, id: &str) -> Option<&ClauseReport> {
        self.clauses.iter().find(|clause| clause.id == id)
    }
}

/// A waiver for a clause of this run that excuses nothing, or that has ended.
fn stale_waivers(
    origin: Origin,
    target: &Target,
    selection: &Selection,
    clauses: &[ClauseReport],
) -> Vec<String> {
    let url = target.url.to_string();
    let today = origin
        .started
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .date();
    let mut stale = Vec::new();
    for waiver in selection
        .waivers
        .iter()
        .filter(|waiver| waiver.concerns(&url))
    {
        let Some(clause) = clauses.iter().find(|clause| clause.id == waiver.clause) else {
            continue;
        };
        let excuses = clause
            .waived
            .as_ref()
            .is_some_and(|waived| waived.reason == waiver.reason);
        let judged = !matches!(
            clause.verdict,
            Verdict::Untested | Verdict::Error | Verdict::NotApplicable
        );
        if waiver.expired(today) {
            stale.push(format!(
                "the waiver for {} ended on {}",
                waiver.clause, waiver.until
            ));
        } else if judged && !excuses {
            stale.push(format!(
                "the waiver for {} no longer applies: the verdict is {}, {}",
                waiver.clause, clause.verdict, clause.got
            ));
        }
    }
    stale
}

fn outcome(
    preflight: &[Step],
    clauses: &[ClauseReport],
    stale: Vec<String>,
    contradiction: bool,
) -> (Outcome, u8, Vec<String>) {
    let open = |verdict: Verdict| -> Vec<&str> {
        clauses
            .iter()
            .filter(|clause| clause.verdict == verdict && clause.waived.is_none())
            .map(|clause| clause.id.as_str())
            .collect()
    };
    if contradiction {
        let reason = "the suite failed while judging a clause".to_owned();
        return (Outcome::Contradiction, 70, vec![reason]);
    }
    let failed = open(Verdict::Fail);
    let mut wrong = stale;
    if !failed.is_empty() {
        wrong.insert(0, format!("failed: {}", failed.join(", ")));
    }
    if !wrong.is_empty() {
        return (Outcome::NotConformant, 1, wrong);
    }
    let mut unknown = Vec::new();
    if let Some(step) = preflight.iter().find(|step| !step.ok) {
        unknown.push(format!(
            "the preflight failed at {}: {}",
            step.step, step.detail
        ));
    }
    for (verdict, word) in [(Verdict::Untested, "untested"), (Verdict::Error, "errors")] {
        let ids = open(verdict);
        if !ids.is_empty() && unknown.is_empty() {
            unknown.push(format!("{word}: {}", ids.join(", ")));
        }
    }
    let musts = clauses
        .iter()
        .filter(|clause| clause.level == Level::Must)
        .filter(|clause| matches!(clause.verdict, Verdict::Pass | Verdict::Fail))
        .count();
    if clauses.is_empty() {
        unknown.push("nothing was selected".to_owned());
    } else if musts == 0 && unknown.is_empty() {
        unknown.push("no must was judged".to_owned());
    }
    match unknown.is_empty() {
        true => (Outcome::Conformant, 0, Vec::new()),
        false => (Outcome::NoVerdict, 3, unknown),
    }
}

#[cfg(test)]
mod tests;
