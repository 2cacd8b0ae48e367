//! Whether an entry is like a filter wants it, without a schema.
//!
//! Values are compared as most attributes of persons are (RFC 4517 §4.2.11,
//! caseIgnoreMatch): without case, white space at the ends and doubled white space
//! left out. An attribute that an entry lacks compares false.

use std::cmp::Ordering;

use super::{Attribute, Filter};

/// Active Directory's bit rules: all bits of the value are set, or one is.
const ALL_BITS: &str = "1.2.840.113556.1.4.803";
const SOME_BITS: &str = "1.2.840.113556.1.4.804";

/// An entry's attributes.
pub trait Attributes {
    /// Calls `visit` with each value of `attribute` (names without case, its
    /// subtypes by option included) until it returns true; says whether it did.
    fn any_value(&self, attribute: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

impl Filter {
    /// True if `entry` is like that.
    pub fn matches(&self, entry: &dyn Attributes) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.matches(entry)),
            Self::Or(filters) => filters.iter().any(|filter| filter.matches(entry)),
            Self::Not(filter) => !filter.matches(entry),
            Self::Present(attribute) => entry.any_value(attribute.as_str(), &mut |_| true),
            Self::Equal(attribute, wanted) | Self::Approximate(attribute, wanted) => {
                let wanted = folded(wanted);
                entry.any_value(attribute.as_str(), &mut |value| folded(value) == wanted)
            }
            Self::AtLeast(attribute, wanted) => ordered(entry, attribute, wanted, Ordering::is_ge),
            Self::AtMost(attribute, wanted) => ordered(entry, attribute, wanted, Ordering::is_le),
            Self::Parts {
                attribute,
                initial,
                any,
                last,
            } => {
                let parts: Vec<Vec<u8>> = any.iter().map(|part| lower(part)).collect();
                let (initial, last) = (lower(initial), lower(last));
                entry.any_value(attribute.as_str(), &mut |value| {
                    has_parts(&folded(value), &initial, &parts, &last)
                })
            }
            Self::Extensible {
                attribute,
                rule,
                value,
                ..
            } => attribute.as_ref().is_some_and(|attribute| {
                let rule = rule.as_ref().map(Attribute::as_str);
                extensible(entry, attribute, rule, value)
            }),
        }
    }

    /// A part of the filter that [`Self::matches`] cannot judge, if there is one: a
    /// matching rule other than the bit rules, one for any attribute, or one over names.
    pub fn not_evaluated(&self) -> Option<&Self> {
        match self {
            Self::And(filters) | Self::Or(filters) => filters.iter().find_map(Self::not_evaluated),
            Self::Not(filter) => filter.not_evaluated(),
            Self::Extensible {
                attribute,
                dn,
                rule,
                ..
            } => {
                let is_known = rule.as_ref().is_none_or(|rule| {
                    matches!(rule.as_str(), ALL_BITS | SOME_BITS)
                        || rule.as_str().eq_ignore_ascii_case("caseIgnoreMatch")
                });
                (attribute.is_none() || *dn || !is_known).then_some(self)
            }
            _ => None,
        }
    }
}

fn ordered(
    entry: &dyn Attributes,
    attribute: &Attribute,
    wanted: &[u8],
    holds: fn(Ordering) -> bool,
) -> bool {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.trim().parse::<i128>().ok();
    entry.any_value(attribute.as_str(), &mut |value| {
        holds(match (number(value), number(wanted)) {
            (Some(value), Some(wanted)) => value.cmp(&wanted),
            _ => folded(value).cmp(&folded(wanted)),
        })
    })
}

fn extensible(
    entry: &dyn Attributes,
    attribute: &Attribute,
    rule: Option<&str>,
    wanted: &[u8],
) -> bool {
    let bits = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.trim().parse::<i64>().ok();
    entry.any_value(
        attribute.as_str(),
        &mut |value| match (rule, bits(value), bits(wanted)) {
            (Some(ALL_BITS), Some(value), Some(wanted)) => value & wanted == wanted,
            (Some(SOME_BITS), Some(value), Some(wanted)) => value & wanted != 0,
            (Some(ALL_BITS | SOME_BITS), ..) => false,
            _ => folded(value) == folded(wanted),
        },
    )
}

fn has_parts(value: &[u8], initial: &[u8], any: &[Vec<u8>], last: &[u8]) -> bool {
    let Some(mut rest) = value
        .strip_prefix(initial)
        .and_then(|rest| rest.strip_suffix(last))
    else {
        return false;
    };
    any.iter().all(|part| {
        let found = rest
            .windows(part.len())
            .position(|window| window == part.as_slice());
        found.is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    })
}

/// Without case, and without white space where it does not matter. Bytes that are
/// not UTF-8 stay as they are.
pub(in crate::directory) fn folded(value: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(value) else {
        return value.to_vec();
    };
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded.into_bytes()
}

/// Without case only: white space at the edge of a part is part of it.
fn lower(part: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(part) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => part.to_vec(),
    }
}
