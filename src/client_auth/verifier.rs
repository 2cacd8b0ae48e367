//! Checks secrets against argon2id hashes, a few at a time, and remembers what was right.

use std::{fmt, sync::Arc, time::Duration};

use argon2::{Argon2, PasswordVerifier as _, password_hash::phc::PasswordHash};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{NotAuthenticated, shares::Shares};
use crate::{
    clock::{Clock, Deadline, Entropy, NoEntropy, Timestamp},
    secret::Secret,
};

/// How long a right credential is not checked again.
pub(super) const REMEMBERED: Duration = Duration::from_secs(300);

/// How many callers may wait for their turn; one more is told that we are busy.
const WAITING: usize = 256;

/// One argon2id check takes some 20 ms and 19 MiB, so no more run at once than there are
/// cores, whatever the number of callers. Shared by all tenants.
pub struct Verifier {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    shares: Shares,
    /// Of this process only: what is remembered under it is of no use to anybody else.
    key: Hmac<Sha256>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// A verifier that uses `cores` cores at most.
    pub fn new(
        cores: usize,
        entropy: &dyn Entropy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoEntropy> {
        let mut key = [0; 32];
        entropy.fill(&mut key)?;
        Ok(Self {
            turns: Arc::new(Semaphore::new(cores.max(1))),
            queue: Arc::new(Semaphore::new(WAITING)),
            shares: Shares::default(),
            key: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length"),
            clock,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Stands for `credential` without telling it.
    pub(super) fn digest(&self, credential: &[u8]) -> [u8; 32] {
        let mut mac = self.key.clone();
        mac.update(credential);
        mac.finalize().into_bytes().into()
    }

    /// A place among the passwords of `source` that are checked or wait for it.
    pub(super) async fn place(
        &self,
        source: u64,
        deadline: Deadline,
    ) -> Result<SemaphorePermit<'_>, NotAuthenticated> {
        self.shares.place(source, deadline).await
    }

    /// Waits for a turn, asks `gate` (somebody may have got the answer while this one waited,
    /// or too many may have been wrong), and then says which of `hashes` is of `secret`,
    /// looking at all.
    pub(super) async fn first_match<T>(
        &self,
        secret: Secret,
        hashes: Vec<Arc<str>>,
        deadline: Deadline,
        gate: impl FnOnce() -> Result<Option<T>, NotAuthenticated>,
    ) -> Result<Verified<T>, NotAuthenticated> {
        let busy = || NotAuthenticated::Busy;
        let place = Arc::clone(&self.queue).try_acquire_owned();
        let place = place.map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout_at(deadline.instant(), turn).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        if let Some(known) = gate()? {
            return Ok(Verified::Already(known));
        }
        let checked = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, not when whoever asked has gone away.
            let _held = (place, turn);
            let mut matching = None;
            for (index, hash) in hashes.iter().enumerate() {
                if matches(&secret, hash) {
                    matching = matching.or(Some(index));
                }
            }
            matching
        });
        let matching = checked.await.map_err(|_| NotAuthenticated::Busy)?;
        Ok(matching.map_or(Verified::None, Verified::Hash))
    }
}

/// What came of a check.
pub(super) enum Verified<T> {
    /// Somebody else got the answer in the meantime.
    Already(T),
    /// The hash at this place is the secret's.
    Hash(usize),
    /// None is.
    None,
}

fn matches(secret: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(secret.expose().as_bytes(), &hash)
            .is_ok()
    })
}
