//! Persons by a text of theirs, without the text.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

/// Eight bytes for each text. Whether the person found has the text, whoever asks
/// has to see; nothing but equal texts leads to a person whom nobody asks about.
#[derive(Default)]
pub(super) struct Index {
    table: HashTable<Entry>,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    person: u32,
}

impl Index {
    /// The person with `text` of whom `has_it` is true.
    pub(super) fn find(&self, text: &[u8], has_it: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash_of(text);
        let is_it = |entry: &Entry| entry.hash == hash && has_it(entry.person);
        self.table
            .find(spread(hash), is_it)
            .map(|entry| entry.person)
    }

    /// Leads from `text` to `person`. Texts that are there already stay.
    pub(super) fn insert(&mut self, text: &[u8], person: u32) {
        let hash = self.hash_of(text);
        let entry = Entry { hash, person };
        self.table
            .insert_unique(spread(hash), entry, |entry| spread(entry.hash));
    }

    /// Half of a hash: the other half would cost as much memory as the person's number.
    fn hash_of(&self, text: &[u8]) -> u32 {
        (self.hasher.hash_one(text) >> 32) as u32
    }
}

/// The table takes a place from the low bits of a hash and a tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
