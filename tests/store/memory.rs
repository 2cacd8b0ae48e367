//! The engine in memory.

use std::sync::Arc;

use callotp::{
    clock::ManualClock,
    otp::store::{OtpStore, memory::MemoryStore},
};

use super::laws::{Engine, answers_as_the_reference};

struct Memory;

impl Engine for Memory {
    async fn open(&self, clock: ManualClock) -> Arc<dyn OtpStore> {
        Arc::new(MemoryStore::new(Arc::new(clock)))
    }
}

#[test]
fn memory_answers_as_the_reference() {
    answers_as_the_reference(&Memory, 800);
}
