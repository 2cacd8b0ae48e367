//! The catalogue: every clause of the contract as data. One entry gives the listing,
//! the explanation, the selection and the name of the test in every report.

mod answer;
pub mod caller;
mod request;
mod transport;
mod validate;

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the catalogue: raised when a clause comes, goes or changes its meaning.
pub const VERSION: &str = "1";

/// Whom a clause binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The deployment that answers.
    Server,
    /// The phone system that calls; judged by the mock, which sees it call.
    Caller,
}

/// How much weight a clause has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Recorded, never judged.
    Observe,
    /// A caller relies on it; counts with `--strict`.
    Should,
    /// Stated by the document, or follows from it directly.
    Must,
}

/// How deep to look; each profile contains the ones before.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// What the document says.
    #[default]
    Document,
    /// What real callers and HTTP need besides.
    Interop,
    /// What security asks besides.
    Hardened,
}

/// What a clause may do to a target that needs somebody's consent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// Wrong credentials on purpose: may lock an API client.
    Authfail,
    /// Requests that no ordinary client library sends.
    Raw,
    /// Many requests at the same time.
    Load,
    /// Text that would do harm in a badly built directory query.
    Inject,
    /// Waits for a lifetime of more than 10 s to end.
    Wait,
}

/// One clause.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// Its name for ever: words, never a position.
    pub id: &'static str,
    /// Whom it binds.
    pub side: Side,
    /// Its weight in the profile that brings it in.
    pub level: Level,
    /// A heavier weight from a later profile on.
    pub raised: Option<(Profile, Level)>,
    /// The first profile that contains it.
    pub profile: Profile,
    /// The consent without which it does not run.
    pub consent: Option<Consent>,
    /// What it says, in one line.
    pub text: &'static str,
    /// Where that comes from.
    pub source: &'static str,
    /// What the suite sends, or what the mock watches for.
    pub sent: &'static str,
    /// What to do when it fails.
    pub remedy: &'static str,
}

impl Clause {
    /// The weight of this clause in a run of `profile`.
    pub fn level_in(&self, profile: Profile) -> Level {
        match self.raised {
            Some((from, level)) if profile >= from => level,
            _ => self.level,
        }
    }
}

/// Every clause, the server's first, in the order of the contract.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    server_clauses().chain(caller_clauses())
}

/// The clauses that bind the server, in the order of the contract.
pub fn server_clauses() -> impl Iterator<Item = &'static Clause> {
    let sections: [&'static [Clause]; 4] = [
        request::CLAUSES,
        answer::CLAUSES,
        transport::CLAUSES,
        validate::CLAUSES,
    ];
    sections.into_iter().flatten()
}

/// The clauses that bind the caller, in the order of the contract.
pub fn caller_clauses() -> impl Iterator<Item = &'static Clause> {
    caller::CLAUSES.iter()
}

/// The clause of this name.
pub fn clause(id: &str) -> Option<&'static Clause> {
    all().find(|clause| clause.id == id)
}

/// What no client can see through this API, however hard it looks; told by `explain`,
/// so that nobody takes a green report for more than it is.
pub const UNSEEN: [&str; 6] = [
    "how the OTP is stored, and whether logs or backups hold it in the clear",
    "how the random source is built: a run of OTPs can look random and not be",
    "which of several users with one number would be served, unless such a number is given",
    "whether other tenants exist that would accept the same client",
    "what happens while the directory or the store is down",
    "who else can read the traffic between a proxy and the server behind it",
];

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Server => "server",
            Self::Caller => "caller",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Observe => "observe",
            Self::Should => "should",
            Self::Must => "must",
        })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Document => "document",
            Self::Interop => "interop",
            Self::Hardened => "hardened",
        })
    }
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Authfail => "authfail",
            Self::Raw => "raw",
            Self::Load => "load",
            Self::Inject => "inject",
            Self::Wait => "wait",
        })
    }
}

#[cfg(test)]
mod tests;
