//! What kind of directory it is: how it compares numbers, and whether it has an index of
//! them. Read from the directory itself; what cannot be read is taken for the worse.

use std::sync::Arc;

use ldap3::Scope;

use super::{entry::Entry, question::Question, servers::Session, terms::known};
use crate::{
    clock::Deadline,
    directory::{DirectoryFault, Schema, filter::Filter},
};

/// LDAP_CAP_ACTIVE_DIRECTORY_OID (MS-ADTS §3.1.1.3.4.3.1).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

/// An equality index (MS-ADTS §2.2.9, fATTINDEX).
const INDEXED: u64 = 1;

/// Whose directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Active Directory, or Samba being one.
    ActiveDirectory,
    /// OpenLDAP's slapd.
    OpenLdap,
    /// Another.
    Other,
}

impl Kind {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "Active Directory",
            Self::OpenLdap => "OpenLDAP",
            Self::Other => "an LDAP directory",
        }
    }
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) kind: Kind,
    pub(super) attributes: Vec<Attribute>,
}

/// A phone attribute, as the directory's schema describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: Box<str>,
    pub(super) known: Option<bool>,
    /// Compared without spaces and hyphens (RFC 4517 §4.2.29).
    pub(super) ignores_spacing: bool,
    pub(super) indexed: Option<bool>,
}

impl Dialect {
    /// Asks the server of a session.
    pub(super) async fn of(
        session: &Session,
        schema: &Schema,
        deadline: Deadline,
    ) -> Result<Self, DirectoryFault> {
        let answer = session.ask(&Question::about_the_server(), deadline).await?;
        let root = answer.entries.into_iter().next().unwrap_or_default();
        let kind = kind_of(&root);
        let mut attributes: Vec<Attribute> = schema
            .phone_attributes
            .iter()
            .map(|name| Attribute::unknown(name))
            .collect();
        // A schema that the service user may not read is no reason to fail.
        let read = match kind {
            Kind::ActiveDirectory => flags(session, &root, &mut attributes, deadline).await,
            _ => rules(session, &root, &mut attributes, deadline).await,
        };
        match read {
            Err(fault @ DirectoryFault::TimedOut) => return Err(fault),
            Err(fault) => tracing::debug!(%fault, "the directory's schema cannot be read"),
            Ok(()) => {}
        }
        Ok(Self { kind, attributes })
    }

    /// True if the directory compares texts and has no index of a phone attribute: then a
    /// question for the digits alone costs no more than one for the spellings.
    pub(super) fn always_scans(&self) -> bool {
        self.kind == Kind::ActiveDirectory
            && self.attributes.iter().any(|a| a.indexed == Some(false))
    }

    /// What is known of an attribute.
    pub(super) fn about(&self, attribute: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| *a.name == *attribute)
    }

    /// True if the attribute is compared without spaces and hyphens.
    pub(super) fn ignores_spacing(&self, attribute: &str) -> bool {
        self.about(attribute)
            .is_some_and(|attribute| attribute.ignores_spacing)
    }
}

impl Attribute {
    fn unknown(name: &str) -> Self {
        Self {
            name: name.into(),
            known: None,
            ignores_spacing: false,
            indexed: None,
        }
    }
}

fn kind_of(root: &Entry) -> Kind {
    let has = |attribute: &str, value: &str| {
        root.texts(attribute)
            .any(|text| text.eq_ignore_ascii_case(value))
    };
    match () {
        () if has("supportedCapabilities", ACTIVE_DIRECTORY) => Kind::ActiveDirectory,
        () if has("objectClass", "OpenLDAProotDSE") => Kind::OpenLdap,
        () => Kind::Other,
    }
}

/// Active Directory's own schema (MS-ADTS §3.1.1.2.3).
async fn flags(
    session: &Session,
    root: &Entry,
    attributes: &mut [Attribute],
    deadline: Deadline,
) -> Result<(), DirectoryFault> {
    let Some(base) = root.texts("schemaNamingContext").next() else {
        return Ok(());
    };
    // One that every schema has tells a schema that may not be read from unknown names.
    let names = attributes.iter().map(|attribute| &*attribute.name);
    let names = names.chain(["objectClass"]);
    let called = names.map(|name| Filter::equal(&known("lDAPDisplayName"), name));
    let mut question = Question::about_the_server();
    question.base = base.into();
    question.scope = Scope::Subtree;
    question.filter = Filter::Or(called.collect()).to_string().into();
    question.attributes = ["lDAPDisplayName".into(), "searchFlags".into()].into();
    let found = session.ask(&question, deadline).await?.entries;
    for attribute in attributes.iter_mut().filter(|_| !found.is_empty()) {
        let entry = found.iter().find(|entry| {
            let mut names = entry.texts("lDAPDisplayName");
            names.any(|name| name.eq_ignore_ascii_case(&attribute.name))
        });
        attribute.known = Some(entry.is_some());
        attribute.indexed = entry.map(|entry| {
            let flags = entry.texts("searchFlags").next();
            flags.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) & INDEXED != 0
        });
    }
    Ok(())
}

/// Everybody else's schema (RFC 4512 §4.2).
async fn rules(
    session: &Session,
    root: &Entry,
    attributes: &mut [Attribute],
    deadline: Deadline,
) -> Result<(), DirectoryFault> {
    let Some(base) = root.texts("subschemaSubentry").next() else {
        return Ok(());
    };
    let mut question = Question::about_the_server();
    question.base = base.into();
    question.attributes = ["attributeTypes".into()].into();
    question.keep = Arc::new(|_| true);
    let found = session.ask(&question, deadline).await?.entries;
    let descriptions: Vec<Described<'_>> = found
        .iter()
        .flat_map(|entry| entry.texts("attributeTypes"))
        .map(Described::read)
        .collect();
    for attribute in attributes.iter_mut().filter(|_| !descriptions.is_empty()) {
        let description = described(&descriptions, &attribute.name);
        attribute.known = Some(description.is_some());
        attribute.ignores_spacing = equality(&descriptions, &attribute.name, 0)
            .is_some_and(|rule| rule.eq_ignore_ascii_case("telephoneNumberMatch"));
    }
    Ok(())
}

/// An attribute type description (RFC 4512 §4.1.2), as far as it matters here.
#[derive(Debug, Default)]
struct Described<'a> {
    oid: &'a str,
    names: Vec<&'a str>,
    superior: Option<&'a str>,
    equality: Option<&'a str>,
}

impl<'a> Described<'a> {
    fn read(text: &'a str) -> Self {
        let mut described = Self::default();
        let mut words = text
            .split_ascii_whitespace()
            .skip_while(|word| *word == "(")
            .peekable();
        described.oid = words.next().unwrap_or_default();
        while let Some(word) = words.next() {
            match word {
                "NAME" if words.peek() == Some(&"(") => {
                    let names = words.by_ref().skip(1).take_while(|word| *word != ")");
                    described.names = names.map(|name| name.trim_matches('\'')).collect();
                }
                "NAME" => described
                    .names
                    .extend(words.next().map(|n| n.trim_matches('\''))),
                "SUP" => described.superior = words.next(),
                "EQUALITY" => described.equality = words.next(),
                _ => {}
            }
        }
        described
    }

    fn is_called(&self, name: &str) -> bool {
        self.oid == name || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

fn described<'a, 'b>(all: &'b [Described<'a>], name: &str) -> Option<&'b Described<'a>> {
    all.iter().find(|described| described.is_called(name))
}

/// The rule by which an attribute is compared, its own or an ancestor's.
fn equality<'a>(all: &[Described<'a>], name: &str, generation: usize) -> Option<&'a str> {
    const MOST_GENERATIONS: usize = 8;
    let described = described(all, name).filter(|_| generation < MOST_GENERATIONS)?;
    described
        .equality
        .or_else(|| equality(all, described.superior?, generation + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_says_how_an_attribute_is_compared() {
        let all = [
            "( 0.9.2342.19200300.100.1.41 NAME ( 'mobile' 'mobileTelephoneNumber' ) DESC 'RFC4524: mobile telephone number' EQUALITY telephoneNumberMatch SUBSTR telephoneNumberSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.50 )",
            "( 1.2.3 NAME 'ourMobile' SUP mobile )",
            "( 1.2.4 NAME 'loop' SUP loop )",
            "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
            "( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch )",
        ]
        .map(Described::read);
        assert_eq!(
            equality(&all, "MOBILETELEPHONENUMBER", 0),
            Some("telephoneNumberMatch")
        );
        assert_eq!(equality(&all, "ourMobile", 0), Some("telephoneNumberMatch"));
        assert_eq!(equality(&all, "commonname", 0), Some("caseIgnoreMatch"));
        assert_eq!(equality(&all, "loop", 0), None);
        assert!(described(&all, "mobil").is_none());
    }
}
