//! Which clauses to run, how strictly, and what may be done to the target.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    catalogue::{self, Clause, Consent, Profile},
    target::Target,
    waiver::Waiver,
};

/// How fast requests may follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Duration);

impl Rate {
    /// At most one request a second: what a production target gets at most.
    pub const PRODUCTION: Self = Self(Duration::from_secs(1));
    /// As fast as the answers come.
    pub const UNLIMITED: Self = Self(Duration::ZERO);

    /// The pause from one request to the next.
    pub fn pause(self) -> Duration {
        self.0
    }

    /// The slower of two.
    pub fn slower(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self(Duration::from_millis(200))
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    /// `5/s`, `30/m`, or `0` for no limit.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no rate; write 5/s, 30/m, or 0 for no limit");
        let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
        let count: f64 = count.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            _ => return Err(wrong()),
        };
        match count {
            0.0 => Ok(Self::UNLIMITED),
            _ if count.is_finite() && count > 0.0 => Duration::try_from_secs_f64(seconds / count)
                .map(Self)
                .map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

/// Shell commands that make the target's directory unreachable, and reachable again. They
/// are given by the person who runs the suite and never by a file that is passed around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorySwitch {
    /// Switches it off, and ends when it is off.
    pub off: String,
    /// Switches it on again.
    pub on: String,
}

/// What to run, and how.
#[derive(Clone)]
pub struct Selection {
    /// How deep to look; `None` takes the target's own word.
    pub profile: Option<Profile>,
    /// Only clauses whose id begins with one of these; all when empty.
    pub only: Vec<String>,
    /// No clause whose id begins with one of these.
    pub skip: Vec<String>,
    /// Does a should count like a must?
    pub strict: bool,
    /// What is excused.
    pub waivers: Vec<Waiver>,
    /// The most OTPs to have issued.
    pub max_otp: u32,
    /// How fast requests may follow one another.
    pub rate: Rate,
    /// The longest to wait for an answer.
    pub timeout: Duration,
    /// Consents given.
    pub allow: BTreeSet<Consent>,
    /// How long a slow request is watched; shorter in a rehearsal.
    pub patience: Duration,
    /// How the target's directory is switched off and on; without it, nobody does.
    pub directory: Option<DirectorySwitch>,
    /// Against an endpoint that stands in for the target: nobody needs to be spared.
    pub rehearsal: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            profile: None,
            only: Vec::new(),
            skip: Vec::new(),
            strict: false,
            waivers: Vec::new(),
            max_otp: 60,
            rate: Rate::default(),
            timeout: Duration::from_secs(5),
            allow: BTreeSet::new(),
            patience: Duration::from_secs(15),
            directory: None,
            rehearsal: false,
        }
    }
}

impl Selection {
    /// The profile of a run against `target`.
    pub fn profile(&self, target: &Target) -> Profile {
        self.profile.unwrap_or(target.profile)
    }

    /// The clauses of a run against `target`, in the order of the catalogue.
    pub fn clauses(&self, target: &Target) -> Vec<&'static Clause> {
        let profile = self.profile(target);
        let begins = |clause: &Clause, prefixes: &[String]| {
            prefixes.iter().any(|prefix| is_prefix(prefix, clause.id))
        };
        catalogue::server_clauses()
            // A clause that is named in full is meant, whatever the profile.
            .filter(|clause| {
                clause.profile <= profile || self.only.iter().any(|only| only == clause.id)
            })
            .filter(|clause| self.only.is_empty() || begins(clause, &self.only))
            .filter(|clause| !begins(clause, &self.skip))
            .collect()
    }

    /// Whether a clause that needs `consent` may run against `target`. Wrong credentials
    /// and long waits are always asked for; the rest only where people depend on the target.
    pub fn permits(&self, consent: Consent, target: &Target) -> bool {
        let by_default = match consent {
            Consent::Authfail | Consent::Wait => false,
            Consent::Raw | Consent::Load | Consent::Inject => !target.production,
        };
        by_default || self.allow.contains(&consent)
    }

    /// The rate of a run against `target`.
    pub fn rate(&self, target: &Target) -> Rate {
        match target.production && !self.rehearsal {
            true => self.rate.slower(Rate::PRODUCTION),
            false => self.rate,
        }
    }

    /// The first prefix in `--only` or `--skip` that no clause begins with.
    pub fn unknown_prefix(&self) -> Option<&str> {
        self.only
            .iter()
            .chain(&self.skip)
            .map(String::as_str)
            .find(|prefix| !catalogue::server_clauses().any(|clause| is_prefix(prefix, clause.id)))
    }
}

fn is_prefix(prefix: &str, id: &str) -> bool {
    !prefix.is_empty() && id.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let pause = |text: &str| text.parse::<Rate>().map(Rate::pause);
        assert_eq!(pause("5/s"), Ok(Duration::from_millis(200)));
        assert_eq!(pause("30/m"), Ok(Duration::from_secs(2)));
        assert_eq!(pause("0"), Ok(Duration::ZERO));
        for text in ["", "/s", "fast", "-1/s", "5/h", "inf", "1e-300/s", "NaN"] {
            assert!(pause(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_profile_contains_the_one_before() {
        let ids = |profile| {
            let clauses =
                catalogue::server_clauses().filter(move |clause| clause.profile <= profile);
            clauses.map(|clause| clause.id).collect::<BTreeSet<_>>()
        };
        assert!(ids(Profile::Document).is_subset(&ids(Profile::Interop)));
        assert!(ids(Profile::Interop).is_subset(&ids(Profile::Hardened)));
    }
}
