//! Search filters: read from the wire (RFC 4511 §4.5.1.7), written as text (RFC 4515),
//! and answered for an entry.
//!
//! The codec's own filter holds values as text, but a filter for an `objectGUID` is bytes;
//! so this one holds bytes.

use std::fmt;

use ldap3_lber::{
    common::TagClass,
    structure::{PL, StructureTag},
};

mod evaluate;
#[cfg(test)]
mod tests;

pub(in crate::ldap) use evaluate::{Truth, candidates};

/// A filter with its attributes as the client wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ldap) enum Filter {
    /// True if all are.
    And(Vec<Self>),
    /// True if one is.
    Or(Vec<Self>),
    /// True if it is false.
    Not(Box<Self>),
    /// A comparison of one attribute.
    Item(String, Comparison),
    /// A comparison by a named rule.
    Extensible {
        /// The rule, by name or number.
        rule: Option<String>,
        /// The attribute; all of them if absent.
        attribute: Option<String>,
        /// The value asserted.
        value: Vec<u8>,
        /// The values of the entry's name count as attributes too.
        name_too: bool,
    },
}

/// What is asked of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ldap) enum Comparison {
    /// `=`
    Equal(Vec<u8>),
    /// `~=`
    Approximately(Vec<u8>),
    /// `>=`
    AtLeast(Vec<u8>),
    /// `<=`
    AtMost(Vec<u8>),
    /// `=*`
    Present,
    /// `=initial*any*final`
    Substrings {
        /// What the value begins with.
        initial: Option<Vec<u8>>,
        /// What follows, in this order.
        any: Vec<Vec<u8>>,
        /// What the value ends with.
        ending: Option<Vec<u8>>,
    },
}

impl Filter {
    /// Reads a filter; `None` if it is not one.
    pub(in crate::ldap) fn decode(tag: StructureTag) -> Option<Self> {
        if tag.class != TagClass::Context {
            return None;
        }
        match (tag.id, tag.payload) {
            (0, PL::C(parts)) => Some(Self::And(Self::decode_all(parts)?)),
            (1, PL::C(parts)) => Some(Self::Or(Self::decode_all(parts)?)),
            (2, PL::C(parts)) => {
                let [inner] = <[StructureTag; 1]>::try_from(parts).ok()?;
                Some(Self::Not(Box::new(Self::decode(inner)?)))
            }
            (7, PL::P(attribute)) => Some(Self::Item(text(attribute)?, Comparison::Present)),
            (9, PL::C(parts)) => Self::decode_extensible(parts),
            (id, PL::C(parts)) => {
                let [attribute, asserted] = <[StructureTag; 2]>::try_from(parts).ok()?;
                let attribute = text(octets(attribute)?)?;
                let comparison = match id {
                    3 => Comparison::Equal(octets(asserted)?),
                    4 => Comparison::decode_substrings(asserted.expect_constructed()?)?,
                    5 => Comparison::AtLeast(octets(asserted)?),
                    6 => Comparison::AtMost(octets(asserted)?),
                    8 => Comparison::Approximately(octets(asserted)?),
                    _ => return None,
                };
                Some(Self::Item(attribute, comparison))
            }
            _ => None,
        }
    }

    fn decode_all(parts: Vec<StructureTag>) -> Option<Vec<Self>> {
        parts.into_iter().map(Self::decode).collect()
    }

    fn decode_extensible(parts: Vec<StructureTag>) -> Option<Self> {
        let (mut rule, mut attribute, mut asserted, mut name_too) = (None, None, None, false);
        for part in parts {
            match (part.class, part.id, part.payload) {
                (TagClass::Context, 1, PL::P(bytes)) => rule = Some(text(bytes)?),
                (TagClass::Context, 2, PL::P(bytes)) => attribute = Some(text(bytes)?),
                (TagClass::Context, 3, PL::P(bytes)) => asserted = Some(bytes),
                (TagClass::Context, 4, PL::P(bytes)) => name_too = bytes.iter().any(|&b| b != 0),
                _ => return None,
            }
        }
        if rule.is_none() && attribute.is_none() {
            return None;
        }
        Some(Self::Extensible {
            rule,
            attribute,
            value: asserted?,
            name_too,
        })
    }
}

impl Comparison {
    /// The pieces stand in their order, and there is at least one (RFC 4511 §4.5.1.7.2).
    fn decode_substrings(parts: Vec<StructureTag>) -> Option<Self> {
        let count = parts.len();
        let (mut initial, mut any, mut ending) = (None, Vec::new(), None);
        for (at, part) in parts.into_iter().enumerate() {
            match (part.id, part.payload) {
                (0, PL::P(bytes)) if at == 0 => initial = Some(bytes),
                (1, PL::P(bytes)) => any.push(bytes),
                (2, PL::P(bytes)) if at + 1 == count => ending = Some(bytes),
                _ => return None,
            }
        }
        (count > 0).then_some(Self::Substrings {
            initial,
            any,
            ending,
        })
    }
}

fn octets(tag: StructureTag) -> Option<Vec<u8>> {
    tag.match_class(TagClass::Universal)?
        .match_id(4)?
        .expect_primitive()
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// RFC 4515.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sign: char, parts: &[Self]| {
            write!(f, "({sign}")?;
            parts.iter().try_for_each(|part| part.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::And(parts) => list(f, '&', parts),
            Self::Or(parts) => list(f, '|', parts),
            Self::Not(inner) => write!(f, "(!{inner})"),
            Self::Item(attribute, comparison) => write!(f, "({attribute}{comparison})"),
            Self::Extensible {
                rule,
                attribute,
                value,
                name_too,
            } => {
                let attribute = attribute.as_deref().unwrap_or_default();
                let dn = if *name_too { ":dn" } else { "" };
                write!(f, "({attribute}{dn}")?;
                rule.iter().try_for_each(|rule| write!(f, ":{rule}"))?;
                write!(f, ":={})", Escaped(value))
            }
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(value) => write!(f, "={}", Escaped(value)),
            Self::Approximately(value) => write!(f, "~={}", Escaped(value)),
            Self::AtLeast(value) => write!(f, ">={}", Escaped(value)),
            Self::AtMost(value) => write!(f, "<={}", Escaped(value)),
            Self::Present => f.write_str("=*"),
            Self::Substrings {
                initial,
                any,
                ending,
            } => {
                write!(f, "={}*", Escaped(initial.as_deref().unwrap_or_default()))?;
                any.iter()
                    .try_for_each(|piece| write!(f, "{}*", Escaped(piece)))?;
                write!(f, "{}", Escaped(ending.as_deref().unwrap_or_default()))
            }
        }
    }
}

/// A value inside a filter: what would end it, and what is not text, in hexadecimal.
struct Escaped<'v>(&'v [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '*' | '(' | ')' | '\\' | '\u{0}' => {
                        write!(f, "\\{:02x}", u32::from(character))?
                    }
                    _ => write!(f, "{character}")?,
                }
            }
            chunk
                .invalid()
                .iter()
                .try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
        }
        Ok(())
    }
}
