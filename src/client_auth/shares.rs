//! No source takes more than its share of what credentials cost to look at.
//!
//! The places at the password verifier and the questions to issuers are for all. Without
//! shares, one source that sends many credentials at once would take them all, and callers
//! from elsewhere would wait behind it until their time is over.

use std::sync::OnceLock;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::NotAuthenticated;
use crate::clock::Deadline;

/// Credentials of one source that are looked at or waiting for it at once; more wait outside.
const SHARE: usize = 16;

/// Sources are told apart by a keyed digest, into so many: bounded memory, and nobody can
/// aim at another one's share.
const SHARES: usize = 1024;

/// The shares of all sources in one thing that costs; made when it is first asked for.
#[derive(Default)]
pub(super) struct Shares(OnceLock<Box<[Semaphore]>>);

impl Shares {
    /// Waits for a place in the share of the source with this digest.
    pub(super) async fn place(
        &self,
        source: u64,
        deadline: Deadline,
    ) -> Result<SemaphorePermit<'_>, NotAuthenticated> {
        let all = || (0..SHARES).map(|_| Semaphore::new(SHARE)).collect();
        let index = usize::try_from(source % SHARES as u64).unwrap_or(0);
        let place = self.0.get_or_init(all)[index].acquire();
        let place = tokio::time::timeout_at(deadline.instant(), place);
        let place = place.await.map_err(|_| NotAuthenticated::Busy)?;
        place.map_err(|_| NotAuthenticated::Busy)
    }
}
