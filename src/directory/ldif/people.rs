//! The people of one version of the file, in memory.
//!
//! A million of them have to fit: texts lie end to end in two buffers, a person is
//! 16 bytes of offsets into them, and the indexes hold numbers instead of texts.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::index::Index;
use crate::{
    directory::{Match, filter},
    password_hash::PasswordHash,
    phone_number::PhoneNumber,
    user::User,
};

/// Between two names of one person, and between two passwords; in none of them.
pub(super) const SEPARATOR: char = '\0';

/// In an index: more than one person.
const SEVERAL: u32 = u32::MAX;

/// Everybody who can be found.
#[derive(Default)]
pub(super) struct People {
    persons: Vec<Person>,
    /// Each person's names, id and DN.
    texts: String,
    passwords: Zeroizing<String>,
    /// Persons by each of their names, folded.
    by_name: Index,
    /// Persons by the digits of E.164, which begin with no zero and so are a number.
    by_number: HashMap<u64, u32>,
    /// Persons by what does not fit there: extensions, and the texts of exact matching.
    by_text: HashMap<PhoneNumber, u32>,
    /// Of all passwords one that costs the most to check.
    pub(super) costliest: Option<PasswordHash>,
    /// What was left out or unwise.
    pub(super) counts: Counts,
}

/// What an operator would want to know of a file.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// People whose password stands in the file.
    pub(super) clear: usize,
    /// Passwords that cannot be compared with, and the line of the first.
    pub(super) unusable: usize,
    pub(super) first_unusable: u64,
    /// People that match the filter and have no name to log in with.
    pub(super) nameless: usize,
    /// Texts that are no telephone number, and the line of the first.
    pub(super) unreadable: usize,
    pub(super) first_unreadable: u64,
}

#[derive(Clone, Copy)]
struct Person {
    texts: u32,
    passwords: u32,
    names_length: u16,
    id_length: u16,
    dn_length: u16,
    passwords_length: u16,
}

#[cfg(test)]
pub(super) const PERSON_SIZE: usize = size_of::<Person>();

/// What makes a person, each text without [`SEPARATOR`].
pub(super) struct Draft<'a> {
    /// At least one; the first is the name that is answered.
    pub(super) names: &'a [String],
    pub(super) id: &'a str,
    pub(super) dn: &'a str,
    pub(super) passwords: &'a [Zeroizing<String>],
    pub(super) numbers: &'a [PhoneNumber],
}

/// Why a person cannot be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// This person has the name already.
    Name(String, u32),
    /// 64 KiB for a text, 4 GiB for all.
    TooLong,
}

impl People {
    pub(super) fn len(&self) -> usize {
        self.persons.len()
    }

    /// Adds a person, unless it is refused, and says how to ask for its parts.
    pub(super) fn add(&mut self, draft: &Draft<'_>) -> Result<u32, Refused> {
        let index = u32::try_from(self.persons.len()).map_err(|_| Refused::TooLong)?;
        let taken = |name: &String| Some((name.clone(), self.find_name(name)?));
        if let Some((name, person)) = draft.names.iter().find_map(taken) {
            return Err(Refused::Name(name, person));
        }
        let person = self.store(draft)?;
        self.persons.push(person);
        for name in draft.names {
            self.by_name.insert(&filter::folded(name.as_bytes()), index);
        }
        for number in draft.numbers {
            let holder = match packed(number) {
                Some(digits) => self.by_number.entry(digits).or_insert(index),
                None => self.by_text.entry(number.clone()).or_insert(index),
            };
            if *holder != index {
                *holder = SEVERAL;
            }
        }
        Ok(index)
    }

    pub(super) fn by_number(&self, number: &PhoneNumber) -> Option<Match> {
        let holder = match packed(number) {
            Some(digits) => self.by_number.get(&digits),
            None => self.by_text.get(number),
        };
        holder.map(|holder| match *holder {
            SEVERAL => Match::Several,
            index => Match::One(self.user(index)),
        })
    }

    pub(super) fn by_name(&self, name: &str) -> Option<User> {
        self.find_name(name).map(|index| self.user(index))
    }

    /// The passwords of the one who was `user`, if that one is still here.
    pub(super) fn passwords_of(&self, user: &User) -> Vec<PasswordHash> {
        let index = self.find_name(&user.name);
        let Some(index) = index.filter(|index| self.parts(*index)[1] == &*user.id) else {
            return Vec::new();
        };
        let person = self.persons[index as usize];
        let start = person.passwords as usize;
        let passwords = &self.passwords[start..start + usize::from(person.passwords_length)];
        passwords
            .split(SEPARATOR)
            .filter_map(|value| PasswordHash::from_user_password(value).ok())
            .collect()
    }

    /// Gives back what growing took too much.
    pub(super) fn shrink(&mut self) {
        self.persons.shrink_to_fit();
        self.texts.shrink_to_fit();
        // Not in place, so that what is given back has been wiped.
        self.passwords = Zeroizing::new(String::from(self.passwords.as_str()));
        self.by_number.shrink_to_fit();
        self.by_text.shrink_to_fit();
    }

    /// Numbers that belong to more than one person.
    pub(super) fn ambiguous(&self) -> usize {
        let holders = self.by_number.values().chain(self.by_text.values());
        holders.filter(|holder| **holder == SEVERAL).count()
    }

    fn store(&mut self, draft: &Draft<'_>) -> Result<Person, Refused> {
        let long = |_| Refused::TooLong;
        let names = draft.names.join("\0");
        let mut passwords = Zeroizing::new(String::new());
        for value in draft.passwords {
            if !passwords.is_empty() {
                passwords.push(SEPARATOR);
            }
            passwords.push_str(value);
        }
        let person = Person {
            texts: u32::try_from(self.texts.len()).map_err(long)?,
            passwords: u32::try_from(self.passwords.len()).map_err(long)?,
            names_length: u16::try_from(names.len()).map_err(long)?,
            id_length: u16::try_from(draft.id.len()).map_err(long)?,
            dn_length: u16::try_from(draft.dn.len()).map_err(long)?,
            passwords_length: u16::try_from(passwords.len()).map_err(long)?,
        };
        for text in [&names, draft.id, draft.dn] {
            self.texts.push_str(text);
        }
        self.passwords.push_str(&passwords);
        Ok(person)
    }

    fn find_name(&self, name: &str) -> Option<u32> {
        let wanted = filter::folded(name.as_bytes());
        self.by_name.find(&wanted, |person| {
            let [names, ..] = self.parts(person);
            names
                .split(SEPARATOR)
                .any(|name| filter::folded(name.as_bytes()) == wanted)
        })
    }

    /// Names, id and DN.
    pub(super) fn parts(&self, index: u32) -> [&str; 3] {
        let person = self.persons[index as usize];
        let names_end = person.texts as usize + usize::from(person.names_length);
        let id_end = names_end + usize::from(person.id_length);
        let dn_end = id_end + usize::from(person.dn_length);
        [
            &self.texts[person.texts as usize..names_end],
            &self.texts[names_end..id_end],
            &self.texts[id_end..dn_end],
        ]
    }

    fn user(&self, index: u32) -> User {
        let [names, id, dn] = self.parts(index);
        let name = names.split(SEPARATOR).next().unwrap_or_default();
        User {
            id: id.into(),
            name: name.into(),
            dn: dn.into(),
        }
    }
}

/// The digits of E.164 as a number, if they fit.
fn packed(number: &PhoneNumber) -> Option<u64> {
    let digits = number.as_str().strip_prefix('+')?;
    let is_number = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}
