//! Is a filter true of an entry? Three answers are possible (RFC 4511 §4.5.1.7): what cannot
//! be told is neither true nor false, and its negation is not either.

use std::cmp::Ordering;

use super::{Comparison, Filter};
use crate::ldap::{
    Flavour,
    dn::Dn,
    entry::{Attribute, Entry},
    schema::{self, Syntax},
    tree::Tree,
};

/// The value of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ldap) enum Truth {
    /// It matches.
    True,
    /// It does not.
    False,
    /// That cannot be told.
    Undefined,
}

impl Filter {
    /// Is it true of `entry`?
    pub(in crate::ldap) fn holds(&self, entry: &Entry, tree: &Tree) -> Truth {
        match self {
            Self::And(parts) => all(parts.iter().map(|part| part.holds(entry, tree))),
            Self::Or(parts) => all(parts.iter().map(|part| part.holds(entry, tree).not())).not(),
            Self::Not(inner) => inner.holds(entry, tree).not(),
            Self::Item(attribute, comparison) => {
                comparison.holds(&schema::key(attribute), entry, tree)
            }
            Self::Extensible {
                rule,
                attribute,
                value,
                name_too,
            } => {
                let key = attribute.as_deref().map(schema::key);
                extensible(
                    rule.as_deref(),
                    key.as_deref(),
                    value,
                    *name_too,
                    entry,
                    tree,
                )
            }
        }
    }
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Undefined => Self::Undefined,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// Conjunction: false wins over what cannot be told, which wins over true.
fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut whole = Truth::True;
    for truth in truths {
        match truth {
            Truth::False => return Truth::False,
            Truth::Undefined => whole = Truth::Undefined,
            Truth::True => {}
        }
    }
    whole
}

impl Comparison {
    fn holds(&self, key: &str, entry: &Entry, tree: &Tree) -> Truth {
        let Some(attribute) = entry.attribute(key) else {
            return if tree.knows(key) {
                Truth::False
            } else {
                Truth::Undefined
            };
        };
        let syntax = schema::syntax(tree.flavour(), key);
        match self {
            Self::Present => Truth::True,
            Self::Equal(value) => any_equal(attribute, syntax, value),
            Self::Approximately(value) => any_alike(attribute, syntax, value),
            Self::AtLeast(value) => any_ordered(attribute, syntax, value, Ordering::is_ge),
            Self::AtMost(value) => any_ordered(attribute, syntax, value, Ordering::is_le),
            Self::Substrings {
                initial,
                any,
                ending,
            } => any_containing(
                attribute,
                syntax,
                initial.as_deref(),
                any,
                ending.as_deref(),
            ),
        }
    }
}

fn any_equal(attribute: &Attribute, syntax: Syntax, asserted: &[u8]) -> Truth {
    let Some(asserted) = syntax.normal(asserted) else {
        return Truth::Undefined;
    };
    attribute
        .values
        .iter()
        .any(|value| value.normal.as_deref() == Some(&asserted))
        .into()
}

/// Equality that overlooks all spaces in text.
fn any_alike(attribute: &Attribute, syntax: Syntax, asserted: &[u8]) -> Truth {
    if syntax != Syntax::Text {
        return any_equal(attribute, syntax, asserted);
    }
    let Some(asserted) = syntax.normal(asserted) else {
        return Truth::Undefined;
    };
    let spaceless = |bytes: &[u8]| {
        bytes
            .iter()
            .copied()
            .filter(|&b| b != b' ')
            .collect::<Vec<_>>()
    };
    let asserted = spaceless(&asserted);
    let alike = |normal: &Vec<u8>| spaceless(normal) == asserted;
    attribute
        .values
        .iter()
        .filter_map(|value| value.normal.as_ref())
        .any(alike)
        .into()
}

fn any_ordered(
    attribute: &Attribute,
    syntax: Syntax,
    asserted: &[u8],
    accepts: fn(Ordering) -> bool,
) -> Truth {
    let Some(asserted) = syntax.normal(asserted) else {
        return Truth::Undefined;
    };
    if syntax.order(&asserted, &asserted).is_none() {
        return Truth::Undefined;
    }
    let normals = attribute
        .values
        .iter()
        .filter_map(|value| value.normal.as_deref());
    let mut orders = normals.filter_map(|normal| syntax.order(normal, &asserted));
    orders.any(accepts).into()
}

fn any_containing(
    attribute: &Attribute,
    syntax: Syntax,
    initial: Option<&[u8]>,
    any: &[Vec<u8>],
    ending: Option<&[u8]>,
) -> Truth {
    let part = |part: &[u8]| syntax.normal_part(part);
    let (initial, ending) = (initial.map(part), ending.map(part));
    let any: Option<Vec<Vec<u8>>> = any.iter().map(|piece| part(piece)).collect();
    let (Some(any), false, false) = (any, initial == Some(None), ending == Some(None)) else {
        return Truth::Undefined;
    };
    let (initial, ending) = (initial.flatten(), ending.flatten());
    let normals = attribute
        .values
        .iter()
        .filter_map(|value| value.normal.as_deref());
    let mut found =
        normals.map(|normal| contains(normal, initial.as_deref(), &any, ending.as_deref()));
    found.any(|found| found).into()
}

fn contains(value: &[u8], initial: Option<&[u8]>, any: &[Vec<u8>], ending: Option<&[u8]>) -> bool {
    let Some(rest) = value.strip_prefix(initial.unwrap_or_default()) else {
        return false;
    };
    let Some(mut rest) = rest.strip_suffix(ending.unwrap_or_default()) else {
        return false;
    };
    for piece in any.iter().filter(|piece| !piece.is_empty()) {
        let Some(at) = rest.windows(piece.len()).position(|window| window == piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// The matching rules that a client may name.
enum Rule {
    Equality(Option<Syntax>),
    AllBits,
    AnyBit,
    Chain,
}

impl Rule {
    fn named(name: &str) -> Option<Self> {
        let syntax = match name.to_ascii_lowercase().as_str() {
            "1.2.840.113556.1.4.803" | "integerbitandmatch" => return Some(Self::AllBits),
            "1.2.840.113556.1.4.804" | "integerbitormatch" => return Some(Self::AnyBit),
            "1.2.840.113556.1.4.1941" => return Some(Self::Chain),
            "2.5.13.2"
            | "caseignorematch"
            | "1.3.6.1.4.1.1466.109.114.2"
            | "caseignoreia5match" => Syntax::Text,
            "2.5.13.5" | "caseexactmatch" | "1.3.6.1.4.1.1466.109.114.1" | "caseexactia5match" => {
                Syntax::ExactText
            }
            "2.5.13.20" | "telephonenumbermatch" => Syntax::Telephone,
            "2.5.13.1" | "distinguishednamematch" => Syntax::Name,
            "2.5.13.14" | "integermatch" => Syntax::Integer,
            "2.5.13.17" | "octetstringmatch" => Syntax::Octets,
            "2.5.13.0" | "objectidentifiermatch" => Syntax::ObjectClass,
            _ => return None,
        };
        Some(Self::Equality(Some(syntax)))
    }

    /// Active Directory has its three rules and no other.
    fn is_known_to(&self, flavour: Flavour) -> bool {
        match self {
            Self::AllBits | Self::AnyBit => true,
            Self::Chain => flavour == Flavour::Ad,
            Self::Equality(named) => flavour == Flavour::OpenLdap || named.is_none(),
        }
    }
}

fn extensible(
    rule: Option<&str>,
    key: Option<&str>,
    asserted: &[u8],
    name_too: bool,
    entry: &Entry,
    tree: &Tree,
) -> Truth {
    let rule = rule.map_or(Some(Rule::Equality(None)), Rule::named);
    let Some(rule) = rule.filter(|rule| rule.is_known_to(tree.flavour())) else {
        return Truth::Undefined;
    };
    if key.is_some_and(|key| entry.attribute(key).is_none() && !tree.knows(key)) {
        return Truth::Undefined;
    }
    let mut attributes = entry
        .attributes
        .iter()
        .filter(|a| key.is_none_or(|key| a.key == key));
    match rule {
        Rule::AllBits | Rule::AnyBit => {
            let Some(mask) = std::str::from_utf8(asserted)
                .ok()
                .and_then(|t| t.trim().parse::<i64>().ok())
            else {
                return Truth::Undefined;
            };
            let wanted = |bits: i64| match rule {
                Rule::AllBits => bits & mask == mask,
                _ => bits & mask != 0,
            };
            attributes
                .any(|attribute| numbers(attribute).any(wanted))
                .into()
        }
        Rule::Chain => {
            let (Some(key), Some(goal)) = (key, std::str::from_utf8(asserted).ok()) else {
                return Truth::Undefined;
            };
            Dn::parse(goal).map_or(Truth::Undefined, |goal| {
                leads_to(entry, key, &goal, tree).into()
            })
        }
        Rule::Equality(named) => {
            let syntax_of =
                |key: &str| named.unwrap_or_else(|| schema::syntax(tree.flavour(), key));
            let equal = |key: &str, shown: &[u8]| {
                let syntax = syntax_of(key);
                let asserted = syntax.normal(asserted);
                asserted.is_some() && syntax.normal(shown) == asserted
            };
            let in_name = name_too
                && entry.dn.components().any(|(kind, value)| {
                    key.is_none_or(|key| key == kind) && equal(kind, value.as_bytes())
                });
            let in_attributes = attributes.any(|attribute| {
                attribute
                    .values
                    .iter()
                    .any(|v| equal(&attribute.key, &v.shown))
            });
            (in_name || in_attributes).into()
        }
    }
}

fn numbers(attribute: &Attribute) -> impl Iterator<Item = i64> {
    let texts = attribute
        .values
        .iter()
        .filter_map(|value| std::str::from_utf8(&value.shown).ok());
    texts.filter_map(|text| text.trim().parse().ok())
}

/// Does a chain of names in the attribute lead from the entry to the goal? Every entry is
/// visited once, so a ring ends.
fn leads_to(entry: &Entry, key: &str, goal: &Dn, tree: &Tree) -> bool {
    let mut visited = vec![entry.dn.clone()];
    let mut open: Vec<&Entry> = vec![entry];
    while let Some(entry) = open.pop() {
        let values = entry
            .attribute(key)
            .map(|a| a.values.as_slice())
            .unwrap_or_default();
        for value in values {
            let Some(dn) = std::str::from_utf8(&value.shown)
                .ok()
                .and_then(|t| Dn::parse(t).ok())
            else {
                continue;
            };
            if dn == *goal {
                return true;
            }
            if !visited.contains(&dn) {
                open.extend(tree.named(&dn).map(AsRef::as_ref));
                visited.push(dn);
            }
        }
    }
    false
}

/// Where the entries stand that a filter can be true of, found by the values it asks for;
/// `None` if every entry has to be looked at.
pub(in crate::ldap) fn candidates(filter: &Filter, tree: &Tree) -> Option<Vec<usize>> {
    match filter {
        Filter::Item(attribute, Comparison::Equal(value)) => {
            let key = schema::key(attribute);
            let normal = schema::syntax(tree.flavour(), &key).normal(value);
            Some(normal.map_or_else(Vec::new, |normal| tree.equal(&key, &normal).to_vec()))
        }
        // The common classes stand on every entry: a rarer part, if there is one, decides.
        Filter::And(parts) => {
            let sized = parts
                .iter()
                .filter_map(|part| Some((estimate(part, tree)?, part)));
            candidates(sized.min_by_key(|(size, _)| *size)?.1, tree)
        }
        Filter::Or(parts) => {
            let each: Option<Vec<Vec<usize>>> =
                parts.iter().map(|part| candidates(part, tree)).collect();
            let mut union = each?.concat();
            union.sort_unstable();
            union.dedup();
            Some(union)
        }
        Filter::Not(_) | Filter::Item(..) | Filter::Extensible { .. } => None,
    }
}

/// How many candidates there are at most, without collecting them.
fn estimate(filter: &Filter, tree: &Tree) -> Option<usize> {
    match filter {
        Filter::Item(attribute, Comparison::Equal(value)) => {
            let key = schema::key(attribute);
            let normal = schema::syntax(tree.flavour(), &key).normal(value);
            Some(normal.map_or(0, |normal| tree.equal(&key, &normal).len()))
        }
        Filter::And(parts) => parts.iter().filter_map(|part| estimate(part, tree)).min(),
        Filter::Or(parts) => parts.iter().map(|part| estimate(part, tree)).sum(),
        Filter::Not(_) | Filter::Item(..) | Filter::Extensible { .. } => None,
    }
}
