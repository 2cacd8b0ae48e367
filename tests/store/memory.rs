//! The engine in memory.

use std::sync::Arc;

use callotp::{
    clock::ManualClock,
    otp::store::{OtpStore, memory::MemoryStore},
};

use super::laws::{Claims, Engine, answers_as_the_reference};

struct Memory;

impl Engine for Memory {
    async fn open(&self, clock: ManualClock) -> Arc<dyn OtpStore> {
        Arc::new(MemoryStore::new(Arc::new(clock)))
    }

    /// It has nowhere to come back from.
    async fn restart(
        &self,
        store: Arc<dyn OtpStore>,
        _: ManualClock,
    ) -> (Arc<dyn OtpStore>, Claims) {
        (store, Claims::Kept)
    }
}

#[test]
fn memory_answers_as_the_reference() {
    answers_as_the_reference(&Memory, 800);
}
