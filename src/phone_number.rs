//! A telephone number, read once from whatever a phone system or a directory wrote.

use regex::Regex;

/// `[tenant.phone]`: how numbers of one tenant are read.
#[derive(Debug)]
pub struct NumberPlan {
    region: Box<str>,
    matching: Matching,
    rewrite: Vec<(Regex, String)>,
}

/// When two numbers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// When they read the same after normalising.
    Normalised,
    /// When their texts are the same.
    Exact,
}

/// A number under one tenant's plan. Equal to another exactly if both are the same number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(Box<str>);

/// Why a text is not a number that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberRefusal {
    /// The caller withholds the number.
    #[error("the caller withholds the number")]
    Withheld,
    /// A phone system sent its own variable's name.
    #[error("the phone system sent an unfilled template")]
    Template,
    /// Not a telephone number.
    #[error("not a telephone number")]
    Unreadable,
}

impl PhoneNumber {
    /// The normalised number: E.164 with its plus sign, or the text itself when matching is exact.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl NumberPlan {
    /// temporary
    pub fn read(&self, text: &str) -> Result<PhoneNumber, NumberRefusal> {
        Ok(PhoneNumber(text.into()))
    }
}
