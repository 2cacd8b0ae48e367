//! How many failures lock a user: one counter for wrong OTPs and wrong passwords alike.

use std::time::Duration;

use crate::clock::Timestamp;

/// `[tenant.lockout]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutPolicy {
    /// The failure that locks, 1 to 100 (NIST SP 800-63B-4 §3.2.2).
    pub failures: u8,
    /// How long a failure counts. The lock falls when `failures` of them are younger than this.
    pub window: Duration,
    /// How long a soft lock lasts.
    pub duration: Duration,
    /// Whether a lock ends by itself.
    pub kind: LockKind,
}

/// Whether a lock ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// It does, after `duration`.
    Soft,
    /// An administrator ends it.
    Hard,
}

impl LockoutPolicy {
    /// When a lock that falls at `now` ends; `None` if an administrator ends it.
    pub fn lock_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.kind {
            LockKind::Soft => Some(now.after(self.duration)),
            LockKind::Hard => None,
        }
    }
}

/// A user's failures that still count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// When they happened, the oldest first.
    pub at: Vec<Timestamp>,
    /// When the last of them stops counting.
    pub until: Timestamp,
}

impl Failures {
    /// Counts one failure at `now`. True if it is the one that locks, and the count starts anew.
    pub fn count(&mut self, now: Timestamp, policy: &LockoutPolicy) -> bool {
        self.at.retain(|at| at.after(policy.window) > now);
        self.at.push(now);
        self.until = now.after(policy.window);
        let locks = self.at.len() >= usize::from(policy.failures.max(1));
        if locks {
            self.clear();
        }
        locks
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets them if none counts any more.
    pub fn forget_expired(&mut self, now: Timestamp) {
        if self.until <= now {
            self.clear();
        }
    }

    /// True if there is none.
    pub fn are_none(&self) -> bool {
        self.at.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: LockoutPolicy = LockoutPolicy {
        failures: 3,
        window: Duration::from_secs(10),
        duration: Duration::from_secs(60),
        kind: LockKind::Soft,
    };

    /// Which of the failures at these milliseconds lock.
    fn locks(at: &[u64]) -> Vec<bool> {
        let mut failures = Failures::default();
        at.iter()
            .map(|at| failures.count(Timestamp::from_millis(*at), &POLICY))
            .collect()
    }

    #[test]
    fn the_last_failure_within_the_window_locks_and_the_count_starts_anew() {
        assert_eq!(
            locks(&[0, 1, 9_999, 9_999, 9_999, 10_000]),
            [false, false, true, false, false, true]
        );
    }

    #[test]
    fn a_failure_as_old_as_the_window_counts_no_more() {
        assert_eq!(
            locks(&[0, 5_000, 10_000, 14_999]),
            [false, false, false, true]
        );
    }

    #[test]
    fn a_soft_lock_ends_and_a_hard_one_does_not() {
        let hard = LockoutPolicy {
            kind: LockKind::Hard,
            ..POLICY
        };
        let now = Timestamp::from_millis(5);
        assert_eq!(POLICY.lock_until(now), Some(Timestamp::from_millis(60_005)));
        assert_eq!(hard.lock_until(now), None);
    }
}
