//! A telephone number, read once from whatever a phone system or a directory wrote.
//!
//! [`NumberPlan::read`] is the door for callers and directories alike: what it
//! returns is equal exactly if the numbers are the same. It goes through these
//! rooms: [`address`] unwraps URIs and display names, [`absent`] knows callers
//! that withhold their number and phone systems that forgot to fill theirs in,
//! [`rewrite`] applies the tenant's rules, [`e164`] reads what is left under the
//! region's numbering plan. [`spellings`] goes the other way.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

use self::{address::Address, rewrite::Rule};

pub use self::number::PhoneNumber;

mod absent;
mod address;
mod e164;
mod number;
mod rewrite;
mod spellings;
#[cfg(test)]
mod tests;

/// Bytes of text in which a number is looked for; a SIP URI with its host and
/// parameters fits, an attempt to keep us busy does not.
const LONGEST_TEXT: usize = 256;

/// `[tenant.phone]`: how numbers of one tenant are read.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberPlan {
    region: Region,
    matching: Matching,
    rules: Vec<Rule>,
}

/// When two numbers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// When they read the same after normalising.
    Normalised,
    /// When their texts are the same, byte for byte. Region and rules play no part.
    Exact,
}

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

/// Why a plan cannot be made. Rules are counted from 0, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No numbering plan is known for the region.
    #[error("no such region: {0:?} (two letters of ISO 3166-1, such as \"SE\")")]
    Region(String),
    /// A rule's `from` is not a regular expression.
    #[error("the pattern {from:?} is not a regular expression: {reason}")]
    Pattern {
        /// Which rule.
        rule: usize,
        /// The pattern as it was written.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A rule's `to` speaks of a group that its `from` does not have.
    #[error("the replacement {to:?} refers to group {group}, which the pattern {from:?} lacks")]
    Group {
        /// Which rule.
        rule: usize,
        /// The pattern as it was written.
        from: String,
        /// The replacement as it was written.
        to: String,
        /// The group that is missing.
        group: usize,
    },
}

impl NumberPlan {
    /// The plan under which a number without country code belongs to `region`
    /// (ISO 3166-1, two letters, any case).
    ///
    /// Each rule is a pattern and its replacement, in which `$1` or `\1` stands for
    /// the pattern's first group. Rules see the text without white space,
    /// punctuation and URI, digits and plus in ASCII, an extension as `;ext=`; the
    /// first rule whose pattern is found replaces it, and no further rule is asked.
    pub fn new(
        region: &str,
        matching: Matching,
        rewrite: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, PlanError> {
        let known = PHONE_NUMBER_UTIL
            .get_supported_regions()
            .find(|known| known.as_region_str().eq_ignore_ascii_case(region));
        Ok(Self {
            region: known.ok_or_else(|| PlanError::Region(region.to_owned()))?,
            matching,
            rules: rewrite
                .into_iter()
                .enumerate()
                .map(|(index, (from, to))| Rule::new(index, from, to))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Reads a number as a phone system sends it or a directory holds it.
    ///
    /// A number with an extension is not the number without; neither is it any
    /// other extension's. Whether the numbering plan has such a number is not
    /// asked: a plan can be older than a number.
    pub fn read(&self, text: &str) -> Result<PhoneNumber, NumberRefusal> {
        match self.is_plain(text) {
            true => Ok(PhoneNumber::new(text)),
            false => self.read_any(text),
        }
    }

    /// True if numbers are compared as texts, so that each has one spelling.
    pub fn is_exact(&self) -> bool {
        self.matching == Matching::Exact
    }

    /// True for what most phone systems send: E.164 that reads as itself. Only a
    /// short cut, [`Self::read_any`] gives the same answer.
    fn is_plain(&self, text: &str) -> bool {
        self.matching == Matching::Normalised
            && e164::is_settled(text)
            && !absent::is_keypad_spelling(text)
            && !self.rules.iter().any(|rule| rule.finds(text))
    }

    fn read_any(&self, text: &str) -> Result<PhoneNumber, NumberRefusal> {
        if text.len() > LONGEST_TEXT {
            return Err(NumberRefusal::Unreadable);
        }
        let address = Address::of(text);
        absent::check(text, &address)?;
        let cleaned = address.cleaned().ok_or(NumberRefusal::Unreadable)?;
        match self.matching {
            Matching::Exact => Ok(PhoneNumber::new(text)),
            Matching::Normalised => self.normalise(cleaned),
        }
    }

    fn normalise(&self, cleaned: String) -> Result<PhoneNumber, NumberRefusal> {
        let rewritten = match self.rules.iter().find_map(|rule| rule.apply(&cleaned)) {
            Some(text) => address::compact(&text).ok_or(NumberRefusal::Unreadable)?,
            None => cleaned,
        };
        let (number, extension) = address::split_extension(&rewritten);
        let number = e164::read(number, self.region)?;
        match extension {
            None => Ok(PhoneNumber::new(&number)),
            Some(digits) if address::is_extension(digits) => {
                Ok(PhoneNumber::new(&format!("{number};ext={digits}")))
            }
            Some(_) => Err(NumberRefusal::Unreadable),
        }
    }
}

impl fmt::Debug for NumberPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberPlan")
            .field("region", &self.region)
            .field("matching", &self.matching)
            .field("rules", &self.rules)
            .finish()
    }
}
