//! The records of all users and numbers, in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Counts, Lock, NumberKey, SubjectKey, record::UserRecord};
use crate::{clock::Timestamp, otp::throttle::Calls};

/// Many small maps instead of one: few wait for one another, and a pass over one of
/// them is short.
const SHARDS: usize = 256;

/// Everything that is kept, by whom it is about. Everything about one user lies
/// behind one lock, and so does everything about one number.
pub(super) struct Table {
    users: Shards<SubjectKey, UserRecord>,
    numbers: Shards<NumberKey, Calls>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            users: Shards::new(),
            numbers: Shards::new(),
        }
    }

    /// Lets `decide` look at a user's record and change it; nobody else can meanwhile.
    pub(super) fn user<R>(&self, key: &SubjectKey, decide: impl FnOnce(&mut UserRecord) -> R) -> R {
        let mut users = self.users.shard(key.0[0]);
        match users.entry(*key) {
            Entry::Occupied(mut present) => {
                let answer = decide(present.get_mut());
                if present.get().is_nothing() {
                    present.remove();
                }
                answer
            }
            Entry::Vacant(absent) => {
                let mut record = UserRecord::default();
                let answer = decide(&mut record);
                if !record.is_nothing() {
                    absent.insert(record);
                }
                answer
            }
        }
    }

    /// Lets `look` see a user's record, if there is one.
    pub(super) fn look_at_user<R>(
        &self,
        key: &SubjectKey,
        look: impl FnOnce(Option<&UserRecord>) -> R,
    ) -> R {
        look(self.users.shard(key.0[0]).get(key))
    }

    /// Lets `decide` turn what is remembered of a number into what shall be.
    pub(super) fn number<R>(
        &self,
        key: &NumberKey,
        decide: impl FnOnce(Option<Calls>) -> (Calls, R),
    ) -> R {
        let mut numbers = self.numbers.shard(key.0[0]);
        match numbers.entry(*key) {
            Entry::Occupied(mut present) => {
                let blank = Calls::Quarantined {
                    until: Timestamp::default(),
                };
                let before = std::mem::replace(present.get_mut(), blank);
                let (after, answer) = decide(Some(before));
                *present.get_mut() = after;
                answer
            }
            Entry::Vacant(absent) => {
                let (after, answer) = decide(None);
                absent.insert(after);
                answer
            }
        }
    }

    /// Lets `look` see what is remembered of a number, if anything is.
    pub(super) fn look_at_number<R>(
        &self,
        key: &NumberKey,
        look: impl FnOnce(Option<&Calls>) -> R,
    ) -> R {
        look(self.numbers.shard(key.0[0]).get(key))
    }

    /// Files a record as it was written down; `None` takes it out.
    pub(super) fn put_user(&self, key: SubjectKey, record: Option<UserRecord>) {
        let mut users = self.users.shard(key.0[0]);
        match record {
            Some(record) => users.insert(key, record),
            None => users.remove(&key),
        };
    }

    /// Files what is remembered of a number.
    pub(super) fn put_number(&self, key: NumberKey, calls: Calls) {
        self.numbers.shard(key.0[0]).insert(key, calls);
    }

    /// Takes everything out. Whoever was deciding is done when this returns.
    pub(super) fn clear(&self) {
        for shard in &self.users.0 {
            *held(shard) = Map::default();
        }
        for shard in &self.numbers.0 {
            *held(shard) = Map::default();
        }
    }

    /// Every lock in force at `now`.
    pub(super) async fn locks(&self, now: Timestamp) -> Vec<Lock> {
        let mut locks = Vec::new();
        for shard in &self.users.0 {
            for (key, record) in held(shard).iter() {
                locks.extend(record.lock_in_force(now).map(|lock| lock.of(*key)));
            }
            tokio::task::yield_now().await;
        }
        locks
    }

    /// How much there is at `now`.
    pub(super) async fn counts(&self, now: Timestamp) -> Counts {
        let (mut live_otps, mut locks, mut quarantines) = (0, 0, 0);
        for shard in &self.users.0 {
            for record in held(shard).values() {
                live_otps += u64::from(record.has_otp(now));
                locks += u64::from(record.is_locked(now));
            }
            tokio::task::yield_now().await;
        }
        for shard in &self.numbers.0 {
            for calls in held(shard).values() {
                quarantines += u64::from(calls.quarantined_at(now));
            }
            tokio::task::yield_now().await;
        }
        Counts {
            live_otps: Some(live_otps),
            locks: Some(locks),
            quarantines: Some(quarantines),
        }
    }

    /// Drops what has expired at `now`, a shard at a time.
    pub(super) async fn sweep(&self, now: Timestamp) {
        for shard in &self.users.0 {
            keep_only(shard, |record| {
                record.forget_expired(now);
                !record.is_nothing()
            });
            tokio::task::yield_now().await;
        }
        for shard in &self.numbers.0 {
            keep_only(shard, |calls| calls.matter_at(now));
            tokio::task::yield_now().await;
        }
    }
}

struct Shards<K, V>(Box<[Mutex<Map<K, V>>]>);

type Map<K, V> = HashMap<K, V, BuildHasherDefault<DigestHasher>>;

impl<K, V> Shards<K, V> {
    fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, first_byte: u8) -> MutexGuard<'_, Map<K, V>> {
        held(&self.0[usize::from(first_byte) % SHARDS])
    }
}

/// A decision that panicked has changed its record wholly or not at all as far as
/// anyone can tell; the others go on.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what is not `worth` keeping. After a burst, a map keeps room for a few times
/// what it holds, and gives the rest back.
fn keep_only<K: Eq + Hash, V>(shard: &Mutex<Map<K, V>>, mut worth: impl FnMut(&mut V) -> bool) {
    let mut map = held(shard);
    map.retain(|_, value| worth(value));
    if map.capacity() / 8 > map.len() {
        let room = map.len() * 2;
        map.shrink_to(room);
    }
}

/// Keys are keyed digests, as evenly spread as a hash can be, and no caller can
/// choose them: their last eight bytes are their hash.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    /// An array writes its length before its bytes.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
