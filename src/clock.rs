//! Time and chance, which the rest of the program takes as arguments.
//!
//! `clippy.toml` disallows the wall clock, the monotonic clock and the thread's
//! random source everywhere else: what depends on them can then be tested by
//! moving a [`ManualClock`] by hand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{TryRng as _, rngs::SysRng};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `milliseconds` after the Unix epoch.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later; stays at the end of time instead of wrapping.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells the time. Never runs backwards within one process.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock: the wall clock as it was at the start, carried on by the
/// monotonic one, so that a correction of the wall clock neither revives an
/// expired OTP nor kills a live one.
#[derive(Debug)]
pub struct SystemClock {
    wall_at_start: Timestamp,
    start: std::time::Instant,
}

impl SystemClock {
    /// Reads the wall clock once.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one file that asks the machine for the time"
    )]
    pub fn start() -> Self {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall_at_start: Timestamp(millis(wall)),
            start: std::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.wall_at_start.after(self.start.elapsed())
    }
}

/// A clock that stands still until it is moved, for tests. Clones share one time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(start.0)))
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Unpredictable bytes.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills `bytes`, or says that the source failed, in which case nothing may be issued.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random source failed")]
pub struct NoEntropy;

/// The operating system's random source.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        SysRng.try_fill_bytes(bytes).map_err(|_| NoEntropy)
    }
}

/// The moment by which an answer has to be there. Runs on the runtime's timer,
/// not on [`Clock`]: it bounds waiting, and decides nothing about an OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(tokio::time::Instant);

impl Deadline {
    /// The deadline `duration` from now.
    pub fn within(duration: Duration) -> Self {
        Self(tokio::time::Instant::now() + duration)
    }

    /// The deadline `duration` after `start`.
    pub fn after(start: tokio::time::Instant, duration: Duration) -> Self {
        Self(start + duration)
    }

    /// The moment itself, for the runtime's timers.
    pub fn instant(self) -> tokio::time::Instant {
        self.0
    }

    /// What is left; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0
            .saturating_duration_since(tokio::time::Instant::now())
    }
}
