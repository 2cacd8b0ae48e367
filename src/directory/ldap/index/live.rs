//! The index that calls are answered from while it is kept fresh.

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::Notify;

use super::{Candidate, NumberIndex, Size};
use crate::{clock::Timestamp, directory::DirectoryFault, phone_number::PhoneNumber};

/// The index, and how fresh it is.
#[derive(Default)]
pub(in super::super) struct LiveIndex {
    numbers: RwLock<NumberIndex>,
    freshness: Mutex<Freshness>,
    changed: Notify,
}

/// When what is in the index was last true, and what has gone wrong since.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Freshness {
    /// When the directory was last asked with success.
    pub(in super::super) asked: Option<Timestamp>,
    /// Why it could not be asked since.
    pub(in super::super) fault: Option<DirectoryFault>,
    /// Nobody will ask.
    needless: bool,
}

impl LiveIndex {
    /// The entries that have `number`, as far as the index knows.
    pub(in super::super) fn candidates(&self, number: &PhoneNumber) -> Vec<Candidate> {
        let numbers = self.numbers.read();
        numbers
            .unwrap_or_else(PoisonError::into_inner)
            .candidates(number)
    }

    /// How large it is.
    pub(in super::super) fn size(&self) -> Size {
        let numbers = self.numbers.read();
        numbers.unwrap_or_else(PoisonError::into_inner).size()
    }

    /// How fresh it is.
    pub(in super::super) fn freshness(&self) -> Freshness {
        self.lock().clone()
    }

    /// True once it has been loaded.
    pub(in super::super) fn is_loaded(&self) -> bool {
        self.lock().asked.is_some()
    }

    /// Waits until it has been loaded.
    pub(in super::super) async fn loaded(&self) {
        self.wait(|freshness| freshness.asked.is_some()).await;
    }

    /// Waits until it has been loaded, that has failed, or nobody needs it.
    pub(in super::super) async fn tried(&self) {
        self.wait(|f| f.asked.is_some() || f.fault.is_some() || f.needless)
            .await;
    }

    /// It stays empty.
    pub(in super::super) fn leave_empty(&self) {
        self.lock().needless = true;
        self.changed.notify_waiters();
    }

    pub(super) fn write<T>(&self, change: impl FnOnce(&mut NumberIndex) -> T) -> T {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut numbers)
    }

    /// Writes down how asking went; what had gone wrong before.
    pub(super) fn note(
        &self,
        outcome: Result<Timestamp, DirectoryFault>,
    ) -> Option<DirectoryFault> {
        let before = {
            let mut freshness = self.lock();
            let before = freshness.fault.take();
            match outcome {
                Ok(asked) => freshness.asked = Some(asked),
                Err(fault) => freshness.fault = Some(fault),
            }
            before
        };
        self.changed.notify_waiters();
        before
    }

    async fn wait(&self, enough: impl Fn(&Freshness) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if enough(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Freshness> {
        self.freshness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
