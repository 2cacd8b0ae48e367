//! Time and chance, which every other room takes as arguments: a scenario with a
//! seed plays the same way twice, and a test moves the time by hand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Milliseconds since the Unix epoch; never runs backwards.
    fn now(&self) -> u64;
}

/// The machine's clock: the wall clock at the start, carried on by the monotonic one.
#[derive(Debug)]
pub struct SystemClock {
    wall_at_start: u64,
    start: std::time::Instant,
}

impl SystemClock {
    /// Reads the wall clock once.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the mock asks the machine for the time"
    )]
    pub fn start() -> Self {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall_at_start: millis(wall),
            start: std::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        self.wall_at_start + millis(self.start.elapsed())
    }
}

/// A clock that stands still until it is moved. Clones share one time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands `milliseconds` after the Unix epoch.
    pub fn at(milliseconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(milliseconds)))
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A moment as RFC 3339 writes it, in UTC with milliseconds.
pub(crate) fn rfc3339(at: u64) -> String {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(at) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => "beyond the calendar".to_owned(),
    }
}

/// A seed that differs from start to start, for a world nobody gave one.
pub(crate) fn fresh_seed() -> u64 {
    // Seeds are typed by people: six digits are enough, and easier to copy.
    StdRng::try_from_rng(&mut rand::rngs::SysRng)
        .map_or(1, |mut rng| rng.random_range(1..1_000_000))
}

/// Chance that can be told again: the world's seed, apart for each tenant, so
/// that parallel jobs do not disturb each other's draws.
#[derive(Debug)]
pub(crate) struct Chance(StdRng);

impl Chance {
    /// The chance of `name` in the world of `seed`.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a, because the standard library's hash is free to change.
        let mixed = name
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(StdRng::seed_from_u64(mixed))
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.0.random_range(0..n) == 0
    }

    /// True with this probability, 0 to 1.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.0.random_range(0.0..1.0) < probability
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0.random_range(0..n)
    }
}
