//! What an examination found: one fact for the operator, and what to do about it.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// It works, though not as well as it could.
    Unwise,
    /// It does not work.
    Broken,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was examined: a server's URL, a key of the configuration.
    pub subject: String,
    /// What was found.
    pub fact: String,
    /// What to do; empty if nothing.
    pub advice: String,
}

impl Finding {
    /// All is well with `subject`.
    pub fn good(subject: impl fmt::Display, fact: impl Into<String>) -> Self {
        Self::new(Severity::Good, subject, fact, "")
    }

    /// It works, but `advice` would be better.
    pub fn unwise(
        subject: impl fmt::Display,
        fact: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Unwise, subject, fact, advice)
    }

    /// It does not work until `advice` is followed.
    pub fn broken(
        subject: impl fmt::Display,
        fact: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Broken, subject, fact, advice)
    }

    /// True if something does not work.
    pub fn is_broken(&self) -> bool {
        self.severity == Severity::Broken
    }

    fn new(
        severity: Severity,
        subject: impl fmt::Display,
        fact: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            subject: subject.to_string(),
            fact: fact.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Good => "ok",
            Severity::Unwise => "warning",
            Severity::Broken => "BROKEN",
        };
        write!(f, "{word}: {}: {}", self.subject, self.fact)?;
        match self.advice.as_str() {
            "" => Ok(()),
            advice => write!(f, " -> {advice}"),
        }
    }
}
