//! From a file's entries to its people.

use std::{collections::HashMap, fmt::Write as _, io::BufRead};

use zeroize::Zeroizing;

use super::{
    index::Index,
    people::{Draft, People, Refused, SEPARATOR},
    reader::{Entry, LineError, Problem, Reader},
};
use crate::{
    directory::{Schema, dn, filter::Filter},
    password_hash::PasswordHash,
    phone_number::{NumberPlan, PhoneNumber},
};

/// Classes that a stored entry need not name because another one implies them
/// (RFC 4512 §2.4.2 with the classes of RFC 4519 and RFC 2798, and Active Directory's).
const SUPERIORS: [(&str, &str); 5] = [
    ("inetOrgPerson", "organizationalPerson"),
    ("user", "organizationalPerson"),
    ("organizationalPerson", "person"),
    ("residentialPerson", "person"),
    ("person", "top"),
];

/// Which entries are people and what is taken from them.
pub(super) struct Rules<'a> {
    pub(super) schema: &'a Schema,
    pub(super) numbers: &'a NumberPlan,
    /// `schema.base`, normalised.
    pub(super) base: String,
    /// `schema.user_filter`, read.
    pub(super) filter: Filter,
}

/// Reads everybody, or says on which line the file is wrong.
pub(super) fn load(source: impl BufRead, rules: &Rules<'_>) -> Result<People, LineError> {
    let mut loading = Loading::default();
    let mut reader = Reader::new(source);
    let mut entry = Entry::default();
    while reader.read(&mut entry)? {
        loading.take(&entry, rules)?;
    }
    let mut people = loading.people;
    people.shrink();
    Ok(people)
}

#[derive(Default)]
struct Loading {
    people: People,
    /// Each person's line.
    lines: Vec<u64>,
    ids: Index,
    dns: Index,
    /// The lines of the entries that are no people, by DN.
    others: HashMap<Box<str>, u64>,
}

impl Loading {
    fn take(&mut self, entry: &Entry, rules: &Rules<'_>) -> Result<(), LineError> {
        let line = entry.line();
        let content = |text: String| LineError {
            line,
            problem: Problem::Content(text),
        };
        let dn = dn::normalised(entry.dn())
            .filter(|dn| !dn.contains(SEPARATOR))
            .ok_or_else(|| content(format!("{:?} is not a distinguished name", entry.dn())))?;
        if let Some(first) = self.line_of(&dn) {
            return Err(content(format!(
                "the same entry as on line {first}: {}",
                entry.dn()
            )));
        }
        if !dn::is_within(&dn, &rules.base) || !rules.filter.matches(&WithSuperiors(entry)) {
            self.others.insert(dn.into(), line);
            return Ok(());
        }
        let names = texts(entry, &rules.schema.username_attribute)?;
        if names.is_empty() {
            self.people.counts.nameless += 1;
            self.others.insert(dn.into(), line);
            return Ok(());
        }
        let id = id_of(entry, &rules.schema.user_id_attribute).unwrap_or_else(|| dn.clone());
        let has_id = |person| self.people.parts(person)[1] == id;
        if let Some(person) = self.ids.find(id.as_bytes(), has_id) {
            let first = self.lines[person as usize];
            return Err(content(format!(
                "the same user id as on line {first}: {id}"
            )));
        }
        let passwords = self.passwords(entry);
        let numbers = self.numbers(entry, rules);
        let draft = Draft {
            names: &names,
            id: &id,
            dn: entry.dn(),
            passwords: &passwords,
            numbers: &numbers,
        };
        let person = self.people.add(&draft).map_err(|refused| match refused {
            Refused::Name(name, person) => {
                let first = self.lines[person as usize];
                content(format!(
                    "the user name {name:?} is the one of line {first} as well"
                ))
            }
            Refused::TooLong => {
                content("a text is longer than 64 KiB, or all are than 4 GiB".into())
            }
        })?;
        self.lines.push(line);
        self.ids.insert(id.as_bytes(), person);
        self.dns.insert(dn.as_bytes(), person);
        Ok(())
    }

    /// Where the entry called `dn` was seen, if it was.
    fn line_of(&self, dn: &str) -> Option<u64> {
        let has_dn = |person| dn::normalised(self.people.parts(person)[2]).as_deref() == Some(dn);
        let person = self.dns.find(dn.as_bytes(), has_dn);
        person
            .map(|person| self.lines[person as usize])
            .or_else(|| self.others.get(dn).copied())
    }

    fn passwords(&mut self, entry: &Entry) -> Vec<Zeroizing<String>> {
        let mut passwords = Vec::new();
        let mut is_clear = false;
        for (value, line) in entry.values("userPassword") {
            let text = std::str::from_utf8(value)
                .ok()
                .filter(|text| !text.contains(SEPARATOR));
            match text.map(|text| (text, PasswordHash::from_user_password(text))) {
                Some((text, Ok(hash))) => {
                    is_clear |= hash.is_clear();
                    passwords.push(Zeroizing::new(text.to_owned()));
                    let costliest = self.people.costliest.as_ref().map(PasswordHash::cost);
                    if costliest.is_none_or(|cost| cost < hash.cost()) {
                        self.people.costliest = Some(hash);
                    }
                }
                _ => {
                    let counts = &mut self.people.counts;
                    counts.unusable += 1;
                    if counts.unusable == 1 {
                        counts.first_unusable = line;
                    }
                }
            }
        }
        self.people.counts.clear += usize::from(is_clear);
        passwords
    }

    fn numbers(&mut self, entry: &Entry, rules: &Rules<'_>) -> Vec<PhoneNumber> {
        let mut numbers = Vec::new();
        for attribute in &rules.schema.phone_attributes {
            for (value, line) in entry.values(attribute) {
                let text = std::str::from_utf8(value).ok();
                match text.and_then(|text| rules.numbers.read(text).ok()) {
                    Some(number) => numbers.push(number),
                    None => {
                        let counts = &mut self.people.counts;
                        counts.unreadable += 1;
                        if counts.unreadable == 1 {
                            counts.first_unreadable = line;
                        }
                    }
                }
            }
        }
        numbers
    }
}

/// The attribute's values that are texts, in their order, each once.
fn texts(entry: &Entry, attribute: &str) -> Result<Vec<String>, LineError> {
    let mut texts: Vec<String> = Vec::new();
    for (value, line) in entry.values(attribute) {
        let text = std::str::from_utf8(value).map_err(|_| Problem::Encoding);
        let text = text.map_err(|problem| LineError { line, problem })?.trim();
        if text.contains(SEPARATOR) {
            return Err(LineError {
                line,
                problem: Problem::Nul,
            });
        }
        if !text.is_empty() && !texts.iter().any(|known| known == text) {
            texts.push(text.to_owned());
        }
    }
    Ok(texts)
}

/// The unchanging id; octets that are no text (`objectGUID`) in hexadecimal.
fn id_of(entry: &Entry, attribute: &str) -> Option<String> {
    let (value, _) = entry.values(attribute).next()?;
    if value.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(value).ok();
    let text = text.filter(|text| !text.contains(char::is_control));
    Some(text.map_or_else(|| hexadecimal(value), str::to_owned))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An entry with the classes that its classes imply.
pub(super) struct WithSuperiors<'a>(pub(super) &'a Entry);

impl crate::directory::filter::Attributes for WithSuperiors<'_> {
    fn any_value(&self, attribute: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if self.0.any_value(attribute, visit) {
            return true;
        }
        attribute.eq_ignore_ascii_case("objectClass")
            && self.0.values(attribute).any(|(class, _)| {
                let mut class = class;
                while let Some((_, superior)) = SUPERIORS
                    .iter()
                    .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(class))
                {
                    if visit(superior.as_bytes()) {
                        return true;
                    }
                    class = superior.as_bytes();
                }
                false
            })
    }
}
