//! Verdicts, and how a finding becomes one.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    catalogue::Level,
    exchange::{Exchange, Trouble},
};

/// What is said about a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// A should does not hold, and shoulds do not count.
    Warn,
    /// Recorded, never judged.
    Observed,
    /// The target's description, or a consent not given, takes it out of the run.
    NotApplicable,
    /// It should have run and could not be judged.
    Untested,
    /// The suite or the network failed.
    Error,
}

impl Verdict {
    /// Every verdict, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Fail,
        Self::Warn,
        Self::Observed,
        Self::NotApplicable,
        Self::Untested,
        Self::Error,
    ];

    /// A symbol beside the word: never colour alone.
    pub fn symbol(self) -> char {
        match self {
            Self::Pass => '✓',
            Self::Fail => '✗',
            Self::Warn => '!',
            Self::Observed => '·',
            Self::NotApplicable => '–',
            Self::Untested => '?',
            Self::Error => '⚡',
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Observed => "observed",
            Self::NotApplicable => "not-applicable",
            Self::Untested => "untested",
            Self::Error => "error",
        })
    }
}

/// What a clause found, before its level is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Held,
    Broken,
    NotApplicable,
    Untested,
    Error,
}

/// What a clause found, with its evidence.
#[derive(Clone)]
pub(crate) struct Finding {
    pub(crate) found: Found,
    pub(crate) expected: String,
    pub(crate) got: String,
    /// The answers that decided, one word or a few each: what a waiver is compared with.
    pub(crate) answers: BTreeSet<String>,
    pub(crate) likely: Option<String>,
    pub(crate) exchange: Option<Exchange>,
    pub(crate) took: Duration,
    /// Does it stand only if the control after its group is answered?
    pub(crate) provisional: bool,
}

impl Finding {
    fn new(found: Found, got: impl Into<String>) -> Self {
        Self {
            found,
            expected: String::new(),
            got: got.into(),
            answers: BTreeSet::new(),
            likely: None,
            exchange: None,
            took: Duration::ZERO,
            provisional: false,
        }
    }

    pub(crate) fn held(got: impl Into<String>) -> Self {
        Self::new(Found::Held, got)
    }

    pub(crate) fn broken(got: impl Into<String>) -> Self {
        let mut finding = Self::new(Found::Broken, got);
        finding.answers.insert(finding.got.clone());
        finding
    }

    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::new(Found::NotApplicable, why)
    }

    pub(crate) fn untested(why: impl Into<String>) -> Self {
        Self::new(Found::Untested, why)
    }

    pub(crate) fn error(why: impl Into<String>) -> Self {
        Self::new(Found::Error, why)
    }

    /// Trouble where an answer was needed: the suite's budget is no fault of the network.
    pub(crate) fn trouble(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Budget => Self::untested(trouble.to_string()),
            _ => Self::error(trouble.to_string()),
        }
    }

    pub(crate) fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    pub(crate) fn likely(mut self, cause: impl Into<String>) -> Self {
        self.likely = Some(cause.into());
        self
    }

    pub(crate) fn provisional(mut self) -> Self {
        self.provisional = true;
        self
    }

    /// The finding after its control was answered.
    pub(crate) fn settled(mut self) -> Self {
        self.provisional = false;
        self
    }

    /// What is left of a provisional finding when the control after it was lost.
    pub(crate) fn without_control(self, why: &str) -> Self {
        match self.provisional {
            true => Self {
                found: Found::Untested,
                got: why.to_owned(),
                likely: None,
                provisional: false,
                ..self
            },
            false => self,
        }
    }

    pub(crate) fn with(mut self, exchange: &Exchange) -> Self {
        self.exchange = Some(exchange.clone());
        self
    }

    pub(crate) fn answered(mut self, answers: impl IntoIterator<Item = String>) -> Self {
        self.answers = answers.into_iter().collect();
        self
    }

    /// The verdict under this level.
    pub(crate) fn verdict(&self, level: Level, strict: bool) -> Verdict {
        match (self.found, level) {
            (Found::NotApplicable, _) => Verdict::NotApplicable,
            (Found::Untested, _) => Verdict::Untested,
            (Found::Error, _) => Verdict::Error,
            (Found::Held | Found::Broken, Level::Observe) => Verdict::Observed,
            (Found::Held, _) => Verdict::Pass,
            (Found::Broken, Level::Should) if !strict => Verdict::Warn,
            (Found::Broken, _) => Verdict::Fail,
        }
    }
}
