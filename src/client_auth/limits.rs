//! Wrong credentials cost time, and too many are no longer looked at for a while.
//!
//! Wrong attempts are counted per source and claimed name, and per source. An attacker
//! elsewhere therefore never locks the phone system out; one at the phone system's own
//! address does not lock out credentials that have been right before (see `basic`).
//! Each count is a leaky bucket: so many in a burst, then one in an interval. Names
//! that exist and names that do not are counted alike.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
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
/// drained, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Default)]
struct Bucket {
    of: u64,
    drained: u64,
}

/// The wrong attempts of all sources.
pub(super) struct Limits {
    rows: Mutex<Vec<[Bucket; ROW]>>,
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
}

/// Whose attempts: a source, and the name it claims if it claims one.
pub(super) struct Claimant {
    of_source: u64,
    of_name: Option<u64>,
}

impl Limits {
    pub(super) fn new(verifier: Arc<Verifier>, clock: Arc<dyn Clock>) -> Self {
        Self {
            rows: Mutex::new(vec![[Bucket::default(); ROW]; ROWS]),
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

    /// Whether another attempt is looked at.
    pub(super) fn check(&self, claimant: &Claimant) -> Result<(), NotAuthenticated> {
        let now = self.clock.now();
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let remaining = [
            (Some(claimant.of_source), OF_SOURCE),
            (claimant.of_name, OF_NAME),
        ]
        .into_iter()
        .filter_map(|(of, quota)| of.map(|of| left(find(&rows, of), quota, now)))
        .max();
        match remaining {
            Some(remaining) if !remaining.is_zero() => {
                Err(NotAuthenticated::Throttled { remaining })
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong attempt, and gives `why` back the later the more there were. What cannot
    /// be guessed, a certificate, is not counted.
    pub(super) async fn punish(
        &self,
        claimant: &Claimant,
        why: NotAuthenticated,
        deadline: Deadline,
    ) -> NotAuthenticated {
        let delay = self.count(claimant);
        tokio::time::sleep(delay.min(deadline.remaining())).await;
        why
    }

    fn count(&self, claimant: &Claimant) -> Duration {
        let now = self.clock.now();
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = pour(&mut rows, claimant.of_source, OF_SOURCE, now);
        let of_name = claimant
            .of_name
            .map_or(0, |of| pour(&mut rows, of, OF_NAME, now));
        let punished = of_name.max(of_source / 10).saturating_sub(UNPUNISHED);
        STEP.saturating_mul(u32::try_from(punished).unwrap_or(u32::MAX))
            .min(LONGEST)
    }

    fn id(&self, text: &[u8]) -> u64 {
        let digest = self.verifier.digest(text);
        let (first, _) = digest.split_at(8);
        let id = first.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
        // Zero is an unused bucket.
        id.max(1)
    }
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
    let bucket = rows[row(of)].iter().find(|bucket| bucket.of == of);
    bucket.map_or(0, |bucket| bucket.drained)
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
    let index = row.iter().position(|bucket| bucket.of == of);
    let index = index.unwrap_or_else(|| {
        let emptiest = row
            .iter()
            .enumerate()
            .min_by_key(|(_, bucket)| bucket.drained);
        emptiest.map_or(0, |(index, _)| index)
    });
    let bucket = &mut row[index];
    if bucket.of != of {
        *bucket = Bucket { of, drained: 0 };
    }
    let interval = u64::try_from(quota.interval.as_millis()).unwrap_or(u64::MAX);
    let full = interval.saturating_mul(u64::from(quota.burst));
    let now = now.as_millis();
    bucket.drained = bucket
        .drained
        .max(now)
        .saturating_add(interval)
        .min(now.saturating_add(full));
    (bucket.drained - now).div_ceil(interval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SystemEntropy};
    use proptest::prelude::*;

    fn limits(clock: &ManualClock) -> Limits {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let verifier = Verifier::new(1, &SystemEntropy, Arc::clone(&clock)).expect("entropy");
        Limits::new(Arc::new(verifier), clock)
    }

    fn source(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_source() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn any_number_of_sources_takes_the_same_room_and_the_busiest_stay() {
        let clock = ManualClock::at(Timestamp::from_millis(1));
        let limits = limits(&clock);
        let busy = limits.claimant(source(1), Some("pbx"));
        for _ in 0..OF_NAME.burst {
            limits.count(&busy);
        }
        let before = limits.rows.lock().expect("no panic").len();
        for n in 2..50_000 {
            limits.count(&limits.claimant(source(n), None));
        }
        assert_eq!(limits.rows.lock().expect("no panic").len(), before);
        assert!(
            limits.check(&busy).is_err(),
            "pushed out by others that did less"
        );
    }

    proptest! {
        /// Whatever the pauses: no more attempts are looked at than the burst and one for
        /// each interval since.
        #[test]
        fn no_more_are_looked_at_than_the_quota(pauses in proptest::collection::vec(0..60_u64, 1..300)) {
            let clock = ManualClock::at(Timestamp::from_millis(1));
            let limits = limits(&clock);
            let claimant = limits.claimant(source(1), Some("pbx"));
            let (mut passed, mut looked_at) = (0, 0);
            for pause in pauses {
                clock.advance(Duration::from_secs(pause));
                passed += pause;
                if limits.check(&claimant).is_ok() {
                    limits.count(&claimant);
                    looked_at += 1;
                }
            }
            let allowed = u64::from(OF_NAME.burst) + passed / OF_NAME.interval.as_secs();
            prop_assert!(looked_at <= allowed, "{looked_at} > {allowed}");
        }
    }
}
