//! Search filters (RFC 4511 §4.5.1.7) and their text (RFC 4515).
//!
//! A [`Filter`] is the only way to a filter's text: whatever stands in a value is
//! escaped when it is written, so that no value can become structure.

use std::fmt;

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

pub use self::{
    evaluate::Attributes,
    parse::{FilterError, Problem},
};

pub(in crate::directory) use self::evaluate::folded;

/// What an entry has to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of these hold; the empty list always holds (RFC 4526).
    And(Vec<Filter>),
    /// One of these holds; the empty list never does (RFC 4526).
    Or(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// The attribute has the value.
    Equal(Attribute, Vec<u8>),
    /// The attribute has a value that sounds like it; compared as [`Self::Equal`] here.
    Approximate(Attribute, Vec<u8>),
    /// The attribute has a value that sorts at or after it.
    AtLeast(Attribute, Vec<u8>),
    /// The attribute has a value that sorts at or before it.
    AtMost(Attribute, Vec<u8>),
    /// The attribute has a value.
    Present(Attribute),
    /// The attribute has a value with these parts, in this order.
    Parts {
        /// Whose value.
        attribute: Attribute,
        /// At its start; empty if nothing is asked there.
        initial: Vec<u8>,
        /// Somewhere between.
        any: Vec<Vec<u8>>,
        /// At its end; empty if nothing is asked there.
        last: Vec<u8>,
    },
    /// A matching rule of its own.
    Extensible {
        /// Whose value; of any attribute if absent.
        attribute: Option<Attribute>,
        /// True if the values within the entry's name count as well.
        dn: bool,
        /// The rule's name or OID; the attribute's own equality if absent.
        rule: Option<Attribute>,
        /// What the rule is given.
        value: Vec<u8>,
    },
}

/// An attribute's description (RFC 4512 §2.5) or a rule's name: letters, digits,
/// hyphens, dots, and options behind semicolons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute(Box<str>);

/// Not an attribute's description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an attribute's name")]
pub struct NotAnAttribute(String);

impl Attribute {
    /// The attribute called `name`.
    pub fn new(name: &str) -> Result<Self, NotAnAttribute> {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                // The underscore is against the grammar, and in use.
                .all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b';')
                });
        match is_name {
            true => Ok(Self(name.into())),
            false => Err(NotAnAttribute(name.chars().take(64).collect())),
        }
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filter {
    /// Reads a filter's text. Values may hold any escape.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text)
    }

    /// `attribute` has `value`, whatever it consists of.
    pub fn equal(attribute: &Attribute, value: impl Into<Vec<u8>>) -> Self {
        Self::Equal(attribute.clone(), value.into())
    }

    /// One of `attributes` has one of `values`.
    pub fn any_equal<'a>(
        attributes: &[Attribute],
        values: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let of_one = |attribute: &Attribute| -> Vec<Self> {
            values
                .clone()
                .into_iter()
                .map(|value| Self::equal(attribute, value))
                .collect()
        };
        Self::Or(attributes.iter().flat_map(of_one).collect())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(filters) => write_list(f, '&', filters),
            Self::Or(filters) => write_list(f, '|', filters),
            Self::Not(filter) => write!(f, "(!{filter})"),
            Self::Equal(attribute, value) => write!(f, "({attribute}={})", Escaped(value)),
            Self::Approximate(attribute, value) => write!(f, "({attribute}~={})", Escaped(value)),
            Self::AtLeast(attribute, value) => write!(f, "({attribute}>={})", Escaped(value)),
            Self::AtMost(attribute, value) => write!(f, "({attribute}<={})", Escaped(value)),
            Self::Present(attribute) => write!(f, "({attribute}=*)"),
            Self::Parts {
                attribute,
                initial,
                any,
                last,
            } => {
                write!(f, "({attribute}={}*", Escaped(initial))?;
                for part in any {
                    write!(f, "{}*", Escaped(part))?;
                }
                write!(f, "{})", Escaped(last))
            }
            Self::Extensible {
                attribute,
                dn,
                rule,
                value,
            } => {
                f.write_str("(")?;
                if let Some(attribute) = attribute {
                    write!(f, "{attribute}")?;
                }
                if *dn {
                    f.write_str(":dn")?;
                }
                if let Some(rule) = rule {
                    write!(f, ":{rule}")?;
                }
                write!(f, ":={})", Escaped(value))
            }
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, sign: char, filters: &[Filter]) -> fmt::Result {
    write!(f, "({sign}")?;
    for filter in filters {
        write!(f, "{filter}")?;
    }
    f.write_str(")")
}

/// A value as RFC 4515 §3 writes it. More is escaped than has to be: all that is
/// not printable ASCII, so that no server and no log misreads it.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: &u8| match byte {
            b'*' | b'(' | b')' | b'\\' => false,
            byte => matches!(byte, b' '..=b'~'),
        };
        let mut rest = self.0;
        // A filter holds dozens of values, and most of them have nothing to escape.
        while !rest.is_empty() {
            let plain = rest.iter().take_while(|byte| is_plain(byte)).count();
            let (text, other) = rest.split_at(plain);
            f.write_str(std::str::from_utf8(text).expect("printable ASCII"))?;
            let Some((byte, left)) = other.split_first() else {
                break;
            };
            write!(f, "\\{byte:02x}")?;
            rest = left;
        }
        Ok(())
    }
}
