//! All numbers of a directory in memory: which entries have which number.
//!
//! The index only says where to look. Whoever it names is read again before anybody is
//! answered, so an entry that is stale, or a clash of two hashes, costs a question and
//! nothing else.

use std::{
    collections::{HashMap, hash_map::Entry as Place},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use crate::phone_number::PhoneNumber;

pub(super) mod live;
mod mark;
pub(super) mod refresh;
#[cfg(test)]
mod tests;

/// Sized for hundreds of thousands of entries: a number takes 8 bytes and its share of
/// the map, an entry its name, its id and three words.
#[derive(Default)]
pub(super) struct NumberIndex {
    hasher: RandomState,
    owners: HashMap<u64, Owners>,
    entries: Vec<Option<Indexed>>,
    free: Vec<u32>,
    places: HashMap<Arc<[u8]>, u32>,
    load: u32,
}

struct Indexed {
    dn: Box<str>,
    id: Arc<[u8]>,
    numbers: Box<[u64]>,
    /// The load in which the directory last named this entry.
    seen: u32,
}

/// Almost every number has one owner.
enum Owners {
    One(u32),
    Several(Vec<u32>),
}

/// An entry that has, or had, a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) dn: Box<str>,
    /// The raw value of the id attribute.
    pub(super) id: Arc<[u8]>,
}

/// How large the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) entries: usize,
    pub(super) numbers: usize,
}

impl NumberIndex {
    /// The entries that have `number`, as far as the index knows.
    pub(super) fn candidates(&self, number: &PhoneNumber) -> Vec<Candidate> {
        let places: &[u32] = match self.owners.get(&self.hash(number)) {
            None => &[],
            Some(Owners::One(place)) => std::slice::from_ref(place),
            Some(Owners::Several(places)) => places,
        };
        let entries = places.iter().filter_map(|place| self.entry(*place));
        entries
            .map(|entry| Candidate {
                dn: entry.dn.clone(),
                id: entry.id.clone(),
            })
            .collect()
    }

    /// Puts an entry in, in place of what was known of it. Without numbers it is left out.
    pub(super) fn put(&mut self, id: &[u8], dn: &str, numbers: &[PhoneNumber]) {
        let mut hashes: Vec<u64> = numbers.iter().map(|number| self.hash(number)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let known = self.places.get(id).copied();
        if let Some(place) = known
            && let Some(entry) = self.entries[place as usize].as_mut()
            && *entry.dn == *dn
            && *entry.numbers == *hashes
        {
            entry.seen = self.load;
            return;
        }
        if let Some(place) = known {
            self.remove(place);
        }
        if !hashes.is_empty() {
            self.insert(Indexed {
                dn: dn.into(),
                id: id.into(),
                numbers: hashes.into(),
                seen: self.load,
            });
        }
    }

    /// The entry is as it was.
    pub(super) fn saw(&mut self, id: &[u8]) {
        let known = self.places.get(id).copied();
        if let Some(entry) = known.and_then(|place| self.entries[place as usize].as_mut()) {
            entry.seen = self.load;
        }
    }

    /// The entry is gone.
    pub(super) fn forget(&mut self, id: &[u8]) {
        if let Some(place) = self.places.get(id).copied() {
            self.remove(place);
        }
    }

    /// From now on entries are marked as seen in a new load.
    pub(super) fn begin_load(&mut self) {
        self.load = self.load.wrapping_add(1);
    }

    /// Drops what the load that has just ended did not see: it is gone from the directory.
    pub(super) fn end_load(&mut self) {
        let load = self.load;
        let gone = (0_u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.as_ref().is_some_and(|entry| entry.seen != load));
        let gone: Vec<u32> = gone.map(|(place, _)| place).collect();
        for place in gone {
            self.remove(place);
        }
    }

    /// How large it is.
    pub(super) fn size(&self) -> Size {
        Size {
            entries: self.places.len(),
            numbers: self.owners.len(),
        }
    }

    fn hash(&self, number: &PhoneNumber) -> u64 {
        self.hasher.hash_one(number.as_str())
    }

    fn entry(&self, place: u32) -> Option<&Indexed> {
        self.entries.get(place as usize)?.as_ref()
    }

    fn insert(&mut self, entry: Indexed) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer entries than 2^32")
        });
        for number in &entry.numbers {
            match self.owners.entry(*number) {
                Place::Vacant(vacant) => {
                    vacant.insert(Owners::One(place));
                }
                Place::Occupied(mut owners) => owners.get_mut().add(place),
            }
        }
        self.places.insert(entry.id.clone(), place);
        self.entries[place as usize] = Some(entry);
    }

    fn remove(&mut self, place: u32) {
        let Some(entry) = self.entries[place as usize].take() else {
            return;
        };
        self.free.push(place);
        self.places.remove(&entry.id);
        for number in &entry.numbers {
            if let Place::Occupied(mut owners) = self.owners.entry(*number)
                && owners.get_mut().drop_and_is_empty(place)
            {
                owners.remove();
            }
        }
    }
}

impl Owners {
    fn add(&mut self, place: u32) {
        match self {
            Self::One(first) => *self = Self::Several(vec![*first, place]),
            Self::Several(places) => places.push(place),
        }
    }

    fn drop_and_is_empty(&mut self, place: u32) -> bool {
        match self {
            Self::One(only) => *only == place,
            Self::Several(places) => {
                places.retain(|other| *other != place);
                match places.as_slice() {
                    [] => true,
                    [only] => {
                        *self = Self::One(*only);
                        false
                    }
                    _ => false,
                }
            }
        }
    }
}
