//! The engine of one machine: a crash-safe file, and nothing beside the program.
//!
//! Decisions are taken in memory, and written to a journal before they are answered;
//! at the start, memory is what the journal says. What needs no answer to be kept is
//! not waited for:
//!
//! * A claim lives in memory alone. It belongs to a call, and no call outlives the process.
//! * The throttle answers at once. Its note is written before the OTP of the same call,
//!   since the journal keeps the order; a crash loses notes of unanswered calls only.
//! * What changes nothing (no OTP, locked, claimed) writes nothing.
//!
//! So getOTP waits for one commit, and so does a validate; all that wait at once share it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use self::{
    health::{Health, LastWords, closed},
    place::Place,
    writer::{Changed, Cleaning, Writer},
};
use super::{
    Bound, Claim, Counts, Failed, Lock, NumberKey, OtpMac, OtpStore, Requested, StoreError,
    StoreFault, StoreKey, Subject, SubjectKey, Tried,
    record::{Locked, UserRecord},
    table::Table,
};
use crate::{
    clock::Clock,
    otp::{
        lockout::LockoutPolicy,
        throttle::{Calls, ThrottlePolicy},
    },
    tenant::TenantId,
};

mod codec;
mod disk;
mod health;
mod journal;
mod place;
mod writer;

/// Changes that may wait for the disk. A disk that does not keep up is a fault, not a heap.
const WAITING: usize = 16 << 10;

/// Keeps everything in one file, and decides in memory.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    /// `None` only while the store is being dropped.
    queue: Option<mpsc::Sender<Changed>>,
    writer: Option<JoinHandle<()>>,
}

/// What those who decide and the one who writes have in common.
struct Shared {
    clock: Arc<dyn Clock>,
    table: Table,
    claims: AtomicU64,
    health: Health,
}

impl EmbeddedStore {
    /// Opens the file at `path`, which is made with mode 0600 if there is none, and holds
    /// it until the store is dropped. What is filed in it is filed under `key`.
    pub fn open(path: &Path, key: &StoreKey, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let place = Place::take(path, key.filing_fingerprint())?;
        Self::at(place, clock).map_err(|failed| match failed {
            Failure::Opening(error) => error,
            Failure::Thread(source) => StoreError::Io {
                path: path.to_owned(),
                source,
            },
        })
    }

    /// Could the file at `path` be opened under `key`? Nothing is made and nothing changed.
    /// False if there is none yet.
    pub fn examine(path: &Path, key: &StoreKey) -> Result<bool, StoreError> {
        Place::examine(path, key.filing_fingerprint())
    }

    /// True if there is no store at `path` yet.
    pub fn is_to_be_made(path: &Path) -> bool {
        place::is_to_be_made(path)
    }

    fn at(place: Place, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            clock,
            table: Table::new(),
            claims: AtomicU64::new(1),
            health: Health::default(),
        });
        let journal = place.open(&shared.table).map_err(Failure::Opening)?;
        let (queue, waiting) = mpsc::channel(WAITING);
        let writer = Writer {
            shared: shared.clone(),
            place,
            queue: waiting,
            journal,
            cleaning: Cleaning::default(),
        };
        let thread = std::thread::Builder::new().name("store".to_owned());
        let last_words = LastWords(shared.clone());
        let run = move || {
            let _said_at_the_end = last_words;
            writer.run();
        };
        let writer = thread.spawn(run).map_err(Failure::Thread)?;
        Ok(Self {
            shared,
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    /// Takes a decision about one user. If it `changed` something that has to be kept, the
    /// answer is given when that is on the disk.
    async fn decide<R>(
        &self,
        key: &SubjectKey,
        changed: impl FnOnce(&R) -> bool,
        decide: impl FnOnce(&mut UserRecord) -> R,
    ) -> Result<R, StoreFault> {
        let place = self.place_in_queue()?;
        // The queue is entered under the record's own lock, so that it keeps the order.
        let (answer, written) = self.shared.table.user(key, |record| {
            self.shared.health.check()?;
            let answer = decide(record);
            let written = changed(&answer).then(|| {
                let (waiting, written) = oneshot::channel();
                place.send(Changed::User(*key, waiting));
                written
            });
            Ok((answer, written))
        })?;
        match written {
            Some(written) => written
                .await
                .unwrap_or_else(|_| Err(closed()))
                .map(|()| answer),
            None => Ok(answer),
        }
    }

    /// A place in the queue, before anything is decided that could not be written.
    fn place_in_queue(&self) -> Result<mpsc::Permit<'_, Changed>, StoreFault> {
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.try_reserve().map_err(|full| match full {
            mpsc::error::TrySendError::Full(()) => {
                StoreFault::Unavailable("the disk does not keep up".to_owned())
            }
            mpsc::error::TrySendError::Closed(()) => closed(),
        })
    }
}

impl Drop for EmbeddedStore {
    /// Waits until everything is written and the file is closed.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _panicked = writer.join();
        }
    }
}

#[async_trait]
impl OtpStore for EmbeddedStore {
    async fn request(
        &self,
        number: &NumberKey,
        policy: &ThrottlePolicy,
    ) -> Result<Requested, StoreFault> {
        let place = self.place_in_queue()?;
        let now = self.shared.clock.now();
        self.shared.health.check()?;
        Ok(self.shared.table.number(number, |calls| {
            let quarantined = matches!(calls, Some(Calls::Quarantined { .. }));
            let (calls, requested) = Calls::request(calls, now, policy);
            if !(quarantined && matches!(calls, Calls::Quarantined { .. })) {
                place.send(Changed::Number(*number));
            }
            (calls, requested)
        }))
    }

    async fn bind(
        &self,
        subject: &Subject<'_>,
        mac: &OtpMac,
        lifetime: Duration,
    ) -> Result<Bound, StoreFault> {
        let now = self.shared.clock.now();
        let changed = |bound: &Bound| *bound == Bound::Bound;
        self.decide(subject.key, changed, |record| {
            record.bind(now, mac, lifetime)
        })
        .await
    }

    async fn try_otp(
        &self,
        subject: &Subject<'_>,
        macs: &[OtpMac],
        attempts: u8,
        lockout: &LockoutPolicy,
        hold: Duration,
    ) -> Result<Tried, StoreFault> {
        let now = self.shared.clock.now();
        let claim = Claim(self.shared.claims.fetch_add(1, Ordering::Relaxed));
        let changed = |tried: &Tried| matches!(tried, Tried::Wrong { .. });
        self.decide(subject.key, changed, |record| {
            record.try_otp(now, subject, macs, attempts, lockout, hold, claim)
        })
        .await
    }

    async fn consume(&self, subject: &Subject<'_>, claim: Claim) -> Result<bool, StoreFault> {
        let now = self.shared.clock.now();
        let changed = |consumed: &bool| *consumed;
        self.decide(subject.key, changed, |record| record.consume(now, claim))
            .await
    }

    async fn fail(
        &self,
        subject: &Subject<'_>,
        claim: Claim,
        lockout: &LockoutPolicy,
    ) -> Result<Failed, StoreFault> {
        let now = self.shared.clock.now();
        let failed = self
            .decide(subject.key, Option::is_some, |record| {
                record.fail(now, subject, claim, lockout)
            })
            .await?;
        Ok(failed.unwrap_or(Failed { locked: false }))
    }

    async fn release(&self, subject: &Subject<'_>, claim: Claim) -> Result<(), StoreFault> {
        let now = self.shared.clock.now();
        self.decide(subject.key, |()| false, |record| record.release(now, claim))
            .await
    }

    async fn is_locked(&self, subject: &Subject<'_>) -> Result<bool, StoreFault> {
        let now = self.shared.clock.now();
        self.shared.table.look_at_user(subject.key, |record| {
            self.shared.health.check()?;
            Ok(record.is_some_and(|record| record.is_locked(now)))
        })
    }

    async fn locks(&self) -> Result<Vec<Lock>, StoreFault> {
        self.shared.health.check()?;
        Ok(self.shared.table.locks(self.shared.clock.now()).await)
    }

    async fn lock(&self, lock: &Lock) -> Result<bool, StoreFault> {
        let now = self.shared.clock.now();
        let locked = Locked::from(lock);
        self.decide(
            &lock.key,
            |changed| *changed,
            |record| record.lock(now, locked),
        )
        .await
    }

    async fn unlock(&self, tenant: Option<&TenantId>, user: &str) -> Result<usize, StoreFault> {
        let now = self.shared.clock.now();
        let mut ended = 0;
        for lock in self.locks().await? {
            if lock.is_of(tenant, user) {
                let unlocked = self.decide(&lock.key, |ended| *ended, |record| record.unlock(now));
                ended += usize::from(unlocked.await?);
            }
        }
        Ok(ended)
    }

    async fn sweep(&self) -> Result<(), StoreFault> {
        self.shared.table.sweep(self.shared.clock.now()).await;
        Ok(())
    }

    async fn counts(&self) -> Result<Counts, StoreFault> {
        self.shared.health.check()?;
        Ok(self.shared.table.counts(self.shared.clock.now()).await)
    }

    async fn check(&self) -> Result<(), StoreFault> {
        self.shared.health.check()?;
        self.place_in_queue().map(drop)
    }
}

enum Failure {
    Opening(StoreError),
    Thread(std::io::Error),
}

#[cfg(test)]
mod tests;
