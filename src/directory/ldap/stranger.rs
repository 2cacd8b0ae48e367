//! A password for somebody who does not exist: answered after a bind like anybody else's,
//! and after as long a time.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::clock::Deadline;

/// A name below `base` that no directory has.
pub(super) fn dn(base: &str) -> String {
    format!("cn=callotp-has-no-such-user,{base}")
}

/// How long the directory takes to check a known user's password: hashing it takes a
/// while, and a name that does not exist has no hash.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// A known user's bind took this long. (A moving average over some eight binds; that
    /// two at once may overwrite each other does no harm.)
    pub(super) fn learn(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mean = self.0.load(Ordering::Relaxed);
        let next = match mean {
            0 => took,
            mean => mean - mean / 8 + took / 8,
        };
        self.0.store(next, Ordering::Relaxed);
    }

    /// Lets as much time pass as a known user's bind takes, though never the deadline.
    pub(super) async fn keep(&self, deadline: Deadline) {
        let mean = Duration::from_micros(self.0.load(Ordering::Relaxed));
        sleep_until((Instant::now() + mean).min(deadline.instant())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stranger_waits_as_long_as_a_known_user_takes() {
        let pace = Pace::default();
        for _ in 0..50 {
            pace.learn(Duration::from_millis(40));
        }
        let started = Instant::now();
        pace.keep(Deadline::within(Duration::from_secs(3))).await;
        let waited = started.elapsed();
        assert!((38..=42).contains(&waited.as_millis()), "{waited:?}");
        pace.learn(Duration::from_secs(3600));
        let started = Instant::now();
        pace.keep(Deadline::within(Duration::from_secs(3))).await;
        assert!(started.elapsed() <= Duration::from_millis(3002));
    }
}
