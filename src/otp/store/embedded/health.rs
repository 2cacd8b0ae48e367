//! Can the file be relied on?

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use super::Shared;
use crate::otp::store::StoreFault;

/// Whether what memory says is, or soon will be, on the disk.
#[derive(Default)]
pub(super) struct Health {
    failed: AtomicBool,
    why: Mutex<Option<StoreFault>>,
}

impl Health {
    pub(super) fn check(&self) -> Result<(), StoreFault> {
        if !self.failed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        Err(why.clone().unwrap_or_else(closed))
    }

    pub(super) fn fail(&self, fault: &StoreFault) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(super) fn recover(&self) {
        self.failed.store(false, Ordering::SeqCst);
    }
}

/// Dropped when the writer's thread ends, however it ends: from then on nothing can be
/// decided, and everybody who asks is told so.
pub(super) struct LastWords(pub(super) Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        let why = "the thread that writes has ended; the program has to be started again";
        self.0.health.fail(&StoreFault::Unavailable(why.to_owned()));
    }
}

pub(super) fn closed() -> StoreFault {
    StoreFault::Unavailable("the store is closed".to_owned())
}
