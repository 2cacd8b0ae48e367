//! Does the journal hold what was expected? Yes, no with the closest calls, or
//! unknown because it no longer reaches back.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Call, Event, Journal, Question, Since};
use crate::{
    clock::millis,
    scenario::{Count, Expectation},
};

/// The answer to an expectation.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It holds, with so many calls.
    Held(usize),
    /// It does not.
    Unmet {
        /// So many calls matched.
        found: usize,
        /// Those that came closest.
        closest: Vec<Mismatch>,
    },
    /// Calls that would count were dropped.
    Unknown,
}

/// A call that does not count, and why.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The call.
    pub call: Arc<Call>,
    /// Why it does not count.
    pub mismatches: Vec<String>,
}

/// How many of the closest calls are told.
const CLOSEST: usize = 5;

impl Journal {
    /// Holds the journal to an expectation, at the moment `now`.
    pub fn verify(&self, expected: &Expectation, now: u64) -> Outcome {
        let since = expected
            .within
            .map(|within| now.saturating_sub(millis(within)));
        let page = self.ask(&Question {
            since: since.map(Since::Moment),
            ..Question::default()
        });
        let calls: Vec<&Arc<Call>> = page
            .calls
            .iter()
            .filter(|call| call.event == Event::Call && call.at <= now)
            .collect();
        let (hits, misses): (Vec<_>, Vec<_>) = calls
            .into_iter()
            .map(|call| (call, mismatches(expected, call)))
            .partition(|(_, mismatches)| mismatches.is_empty());
        let found = hits.len();
        let held = match expected.count {
            Count::Exactly(count) => found == count,
            Count::AtLeast(count) => found >= count,
        };
        // What was dropped can only add to what was found.
        let certain = page.complete
            || match expected.count {
                Count::Exactly(count) => found > count,
                Count::AtLeast(count) => found >= count,
            };
        match (certain, held) {
            (false, _) => Outcome::Unknown,
            (true, true) => Outcome::Held(found),
            (true, false) => Outcome::Unmet {
                found,
                closest: self.closest(expected, since, hits, misses),
            },
        }
    }

    fn closest(
        &self,
        expected: &Expectation,
        since: Option<u64>,
        hits: Vec<(&Arc<Call>, Vec<String>)>,
        misses: Vec<(&Arc<Call>, Vec<String>)>,
    ) -> Vec<Mismatch> {
        let mismatch = |call: &Arc<Call>, mismatches: Vec<String>| Mismatch {
            call: Arc::clone(call),
            mismatches,
        };
        if let Count::Exactly(count) = expected.count
            && hits.len() > count
        {
            let further = hits.into_iter().skip(count).take(CLOSEST);
            return further
                .map(|(call, _)| mismatch(call, vec![format!("one call more than {count}")]))
                .collect();
        }
        let earlier = self.calls().into_iter().filter(|call| {
            call.event == Event::Call
                && since.is_some_and(|since| call.at < since)
                && mismatches(expected, call).is_empty()
        });
        let mut all: Vec<Mismatch> = earlier
            .map(|call| mismatch(&call, vec!["within: it came too early to count".to_owned()]))
            .chain(misses.into_iter().map(|(call, why)| mismatch(call, why)))
            .collect();
        all.sort_by_key(|one| (one.mismatches.len(), distance(expected, &one.call)));
        all.truncate(CLOSEST);
        all
    }
}

impl Expectation {
    /// Does this call count?
    pub fn is_about(&self, call: &Call) -> bool {
        mismatches(self, call).is_empty()
    }
}

fn mismatches(expected: &Expectation, call: &Call) -> Vec<String> {
    let mut mismatches = Vec::new();
    if let Some(number) = &expected.number
        && !call
            .calling
            .as_ref()
            .is_some_and(|calling| calling.eq_ignore_ascii_case(number))
    {
        let got = call.calling.as_deref().unwrap_or("none");
        mismatches.push(format!("number: expected {number}, got {got}"));
    }
    if let Some(tenant) = &expected.tenant
        && call.tenant != *tenant
    {
        let got = &call.tenant;
        mismatches.push(format!("tenant: expected {tenant}, got {got}"));
    }
    mismatches
}

fn distance(expected: &Expectation, call: &Call) -> usize {
    let got = call.calling.as_deref().unwrap_or_default();
    strsim::levenshtein(expected.number.as_deref().unwrap_or_default(), got)
}

impl Outcome {
    /// As `POST /verify` answers it: the status and the body.
    pub(crate) fn to_json(&self) -> (u16, Value) {
        match self {
            Self::Held(found) => (200, json!({"verdict": "held", "found": found})),
            Self::Unmet { found, closest } => {
                let closest: Vec<Value> = closest
                    .iter()
                    .map(|one| json!({"call": one.call.id(), "mismatches": one.mismatches}))
                    .collect();
                (
                    409,
                    json!({"verdict": "unmet", "found": found, "closest": closest}),
                )
            }
            Self::Unknown => (
                410,
                json!({"verdict": "unknown", "says": "unknown: the journal no longer reaches back that far"}),
            ),
        }
    }

    /// Does it hold?
    pub fn held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}
