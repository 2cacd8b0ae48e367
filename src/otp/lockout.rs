//! How many failures lock a user: one counter for wrong OTPs and wrong passwords alike.

use std::time::Duration;

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
