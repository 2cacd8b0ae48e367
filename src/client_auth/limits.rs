//! Wrong credentials cost time, and too many are no longer looked at for a while.
//!
//! Wrong attempts are counted per source and claimed name, and per source. An attacker
//! elsewhere therefore never locks the phone system out; one at the phone system's own
//! address does not lock out credentials that have been right before (see `basic`).
//! Each count is a leaky bucket: so many in a burst, then one in an interval. Names
//! that exist and names that do not are counted alike. An attempt is counted before it is
//! looked at and given back if it was not wrong, so that many at once get no further than
//! many in a row.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{NotAuthenticated, Verifier};
use crate::clock::{Clock, Deadline, Timestamp};

/// How many wrong attempts at once, and how long until there may be one more.
#[derive(Clone, Copy)]
struct Quota {
    burst: u32,
    interval: Duration,
}

/// For one name from one source: 30, then three in a minute.
const OF_NAME: Quota = Quota {
    burst: 30,
    interval: Duration::from_secs(20),
};

/// For all names and tokens from one source: 300, then one in two seconds.
const OF_SOURCE: Quota = Quota {
    burst: 300,
    interval: Duration::from_secs(2),
};

/// So many wrong attempts are answered at once, as people mistype; then the answer takes
/// longer each time.
const UNPUNISHED: u64 = 5;
const STEP: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(250);

/// Buckets that are kept, whatever the number of sources: 1 MiB. The emptiest bucket of a
/// row makes place for a new one.
const ROWS: usize = 1 << 14;
const ROW: usize = 4;

/// A bucket: whose (a keyed digest, so that nobody can aim at a row), and when it will have
/// drained, in milliseconds since the Unix epoch. Plain numbers: memory of zeros comes from
/// the operating system page by page, when it is used.
type Bucket = [u64; 2];
const OF: usize = 0;
const DRAINED: usize = 1;

/// The wrong attempts of all sources.
pub(super) struct Limits {
    rows: Mutex<Vec<[Bucket; ROW]>>,
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
}

/// Whose attempts: a source, and the name it claims if it claims one.
#[derive(Clone, Copy)]
pub(super) struct Claimant {
    of_source: u64,
    of_name: Option<u64>,
}

impl Limits {
    pub(super) fn new(verifier: Arc<Verifier>, clock: Arc<dyn Clock>) -> Self {
        Self {
            rows: Mutex::new(vec![[[0; 2]; ROW]; ROWS]),
            verifier,
            clock,
        }
    }

    /// Whoever at `source` claims to be `name`.
    pub(super) fn claimant(&self, source: IpAddr, name: Option<&str>) -> Claimant {
        let mut text = network(source).to_string().into_bytes();
        let of_source = self.id(&text);
        let of_name = name.map(|name| {
            text.push(b' ');
            text.extend_from_slice(name.as_bytes());
            self.id(&text)
        });
        Claimant { of_source, of_name }
    }

    /// Whether another attempt would be looked at.
    pub(super) fn check(&self, claimant: &Claimant) -> Result<(), NotAuthenticated> {
        allow(&self.rows(), claimant, self.clock.now())
    }

    /// Counts an attempt that is about to be looked at, if there is room for it.
    pub(super) fn attempt(&self, claimant: &Claimant) -> Result<Attempt<'_>, NotAuthenticated> {
        let now = self.clock.now();
        let mut rows = self.rows();
        allow(&rows, claimant, now)?;
        let level = count(&mut rows, claimant, now);
        Ok(Attempt {
            limits: self,
            claimant: Some(*claimant),
            level,
        })
    }

    /// Counts a wrong attempt that cost nothing to look at, and gives `why` back the later the
    /// more there were.
    pub(super) async fn punish(
        &self,
        claimant: &Claimant,
        why: NotAuthenticated,
        deadline: Deadline,
    ) -> NotAuthenticated {
        let level = count(&mut self.rows(), claimant, self.clock.now());
        delay(level, deadline).await;
        why
    }

    fn give_back(&self, claimant: &Claimant) {
        let mut rows = self.rows();
        for (of, quota) in claimant.counts() {
            let bucket = rows[row(of)].iter_mut().find(|bucket| bucket[OF] == of);
            if let Some(bucket) = bucket {
                bucket[DRAINED] = bucket[DRAINED].saturating_sub(quota.interval());
            }
        }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<[Bucket; ROW]>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, text: &[u8]) -> u64 {
        let digest = self.verifier.digest(text);
        let (first, _) = digest.split_at(8);
        let id = first.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
        // Zero is an unused bucket.
        id.max(1)
    }
}

/// An attempt that is being looked at, counted as wrong until it is dropped.
pub(super) struct Attempt<'l> {
    limits: &'l Limits,
    /// `None` once it is certain that it was wrong.
    claimant: Option<Claimant>,
    level: u64,
}

impl Attempt<'_> {
    /// It was wrong: it stays counted, and `why` is given back the later the more there were.
    pub(super) async fn was_wrong(
        mut self,
        why: NotAuthenticated,
        deadline: Deadline,
    ) -> NotAuthenticated {
        self.claimant = None;
        delay(self.level, deadline).await;
        why
    }
}

/// It was right, or nobody can say: a fault of ours is not held against anybody.
impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(claimant) = &self.claimant {
            self.limits.give_back(claimant);
        }
    }
}

impl Claimant {
    /// The digest that stands for the source.
    pub(super) fn source(&self) -> u64 {
        self.of_source
    }

    fn counts(&self) -> impl Iterator<Item = (u64, Quota)> {
        let of_name = self.of_name.map(|of| (of, OF_NAME));
        [(self.of_source, OF_SOURCE)].into_iter().chain(of_name)
    }
}

impl Quota {
    /// Milliseconds.
    fn interval(self) -> u64 {
        u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX)
    }
}

fn allow(
    rows: &[[Bucket; ROW]],
    claimant: &Claimant,
    now: Timestamp,
) -> Result<(), NotAuthenticated> {
    let remaining = claimant.counts();
    let remaining = remaining.map(|(of, quota)| left(find(rows, of), quota, now));
    match remaining.max() {
        Some(remaining) if !remaining.is_zero() => Err(NotAuthenticated::Throttled { remaining }),
        _ => Ok(()),
    }
}

/// Counts one attempt, and says how many count now: those of the name, or a tenth of the
/// source's.
fn count(rows: &mut [[Bucket; ROW]], claimant: &Claimant, now: Timestamp) -> u64 {
    let of_source = pour(rows, claimant.of_source, OF_SOURCE, now);
    let of_name = claimant
        .of_name
        .map_or(0, |of| pour(rows, of, OF_NAME, now));
    of_name.max(of_source / 10)
}

async fn delay(level: u64, deadline: Deadline) {
    let punished = u32::try_from(level.saturating_sub(UNPUNISHED)).unwrap_or(u32::MAX);
    let delay = STEP.saturating_mul(punished).min(LONGEST);
    tokio::time::sleep(delay.min(deadline.remaining())).await;
}

/// What counts as one source: an IPv6 subscriber has a /64 (RFC 6177 §2).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let mask = u128::MAX << 64;
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

fn row(of: u64) -> usize {
    usize::try_from(of % ROWS as u64).unwrap_or(0)
}

/// When the bucket will have drained; zero if there is none.
fn find(rows: &[[Bucket; ROW]], of: u64) -> u64 {
    let bucket = rows[row(of)].iter().find(|bucket| bucket[OF] == of);
    bucket.map_or(0, |bucket| bucket[DRAINED])
}

/// How long until a bucket that drains at `drained` takes one more.
fn left(drained: u64, quota: Quota, now: Timestamp) -> Duration {
    let level = Timestamp::from_millis(drained).since(now);
    let room = quota.interval.saturating_mul(quota.burst - 1);
    level.saturating_sub(room)
}

/// Pours one attempt in, and says how many there are now.
fn pour(rows: &mut [[Bucket; ROW]], of: u64, quota: Quota, now: Timestamp) -> u64 {
    let row = &mut rows[row(of)];
    let index = row.iter().position(|bucket| bucket[OF] == of);
    let index = index.unwrap_or_else(|| {
        let emptiest = row
            .iter()
            .enumerate()
            .min_by_key(|(_, bucket)| bucket[DRAINED]);
        emptiest.map_or(0, |(index, _)| index)
    });
    let bucket = &mut row[index];
    if bucket[OF] != of {
        *bucket = [of, 0];
    }
    let interval = quota.interval();
    let full = interval.saturating_mul(u64::from(quota.burst));
    let now = now.as_millis();
    bucket[DRAINED] = bucket[DRAINED]
        .max(now)
        .saturating_add(interval)
        .min(now.saturating_add(full));
    (bucket[DRAINED] - now).div_ceil(interval)
}

#[cfg(test)]
mod tests;
