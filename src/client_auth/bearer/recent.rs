//! What has been used recently, in a bounded number of places.
//!
//! Two halves: what is new goes into the first. When that is full it takes the second's
//! place, and what was there is forgotten, unless it was used in the meantime. Cheaper than
//! counting uses, and only tokens that were right get in: nobody can push others out with
//! rubbish.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, PoisonError, RwLock},
};

/// Values by the keyed digests that stand for them.
pub(super) struct Recent<V> {
    halves: RwLock<[Half<V>; 2]>,
    places: usize,
}

type Half<V> = HashMap<[u8; 32], Arc<V>>;

impl<V> Recent<V> {
    /// With so many places in each half.
    pub(super) fn new(places: usize) -> Self {
        Self {
            halves: RwLock::new([HashMap::new(), HashMap::new()]),
            places,
        }
    }

    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Arc<V>> {
        let halves = self.halves.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = halves[0].get(digest) {
            return Some(Arc::clone(value));
        }
        let value = Arc::clone(halves[1].get(digest)?);
        drop(halves);
        self.insert(*digest, Arc::clone(&value));
        Some(value)
    }

    pub(super) fn insert(&self, digest: [u8; 32], value: Arc<V>) {
        let mut halves = self.halves.write().unwrap_or_else(PoisonError::into_inner);
        if halves[0].len() >= self.places {
            let full = mem::take(&mut halves[0]);
            halves[1] = full;
        }
        halves[0].insert(digest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_are_known_and_no_more_than_there_are_places(
            inserted in proptest::collection::vec(any::<u8>(), 1..60),
        ) {
            let recent = Recent::new(4);
            for (index, key) in inserted.iter().enumerate() {
                recent.insert([*key; 32], Arc::new(index));
                let found = recent.get(&[*key; 32]).map(|value| *value);
                prop_assert_eq!(found, Some(index));
                let halves = recent.halves.read().expect("no panic");
                prop_assert!(halves.iter().all(|half| half.len() <= 4));
            }
            let newest = inserted.iter().rev().take(4);
            for key in newest {
                prop_assert!(recent.get(&[*key; 32]).is_some());
            }
        }

        #[test]
        fn what_is_used_stays(others in proptest::collection::vec(any::<[u8; 32]>(), 1..60)) {
            let recent = Recent::new(4);
            let used = [7; 32];
            recent.insert(used, Arc::new(0));
            for other in others {
                recent.insert(other, Arc::new(1));
                prop_assert!(recent.get(&used).is_some());
            }
        }
    }
}
