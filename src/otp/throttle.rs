//! How often an OTP may be asked for with one number.

use std::time::Duration;

use super::store::Requested;
use crate::clock::Timestamp;

/// `[tenant.throttle]`: a moving average, as the original server has for its voice
/// delivery. A request is refused, and the number goes into quarantine, if the last
/// `lookback` requests that were allowed all lie within `lookback` times
/// `mean_interval` before it. After the quarantine the average starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// The shortest mean interval that is allowed.
    pub mean_interval: Duration,
    /// Over how many requests, 2 to 20.
    pub lookback: u8,
    /// How long the number is refused.
    pub quarantine: Duration,
}

impl ThrottlePolicy {
    fn span(&self) -> Duration {
        self.mean_interval.saturating_mul(self.lookback.into())
    }
}

/// What is remembered of one number. Two words, because there is one for every
/// caller of the last minutes and most of them called once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calls {
    /// One request was allowed.
    Once {
        /// When.
        at: Timestamp,
        /// For how many seconds it matters.
        matters: u32,
    },
    /// Several were.
    Several(Box<Several>),
    /// Too many were.
    Quarantined {
        /// When the number may ask again.
        until: Timestamp,
    },
}

/// The allowed requests of a number that asked more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several {
    /// The last `lookback` of them, the oldest first.
    pub at: Vec<Timestamp>,
    /// For how many seconds the newest matters.
    pub matters: u32,
}

const _: () = assert!(size_of::<Calls>() == 16, "a million callers, 16 MB");

impl Calls {
    /// Notes one request at `now`; `calls` is what is remembered so far.
    pub fn request(
        calls: Option<Self>,
        now: Timestamp,
        policy: &ThrottlePolicy,
    ) -> (Self, Requested) {
        let calls = calls.filter(|calls| calls.matter_at(now));
        if let Some(Self::Quarantined { until }) = calls {
            let remaining = until.since(now);
            return (
                Self::Quarantined { until },
                Requested::Quarantined { remaining },
            );
        }
        let matters = whole_seconds(policy.span());
        let Some(calls) = calls else {
            return (Self::Once { at: now, matters }, Requested::Allowed);
        };
        let mut at = calls.allowed();
        let lookback = usize::from(policy.lookback.max(1));
        at.drain(..at.len().saturating_sub(lookback));
        if at.len() == lookback && now.since(at[0]) < policy.span() {
            let remaining = policy.quarantine;
            let until = now.after(remaining);
            return (
                Self::Quarantined { until },
                Requested::Quarantined { remaining },
            );
        }
        if at.len() == lookback {
            at.remove(0);
        }
        at.push(now);
        (
            Self::Several(Box::new(Several { at, matters })),
            Requested::Allowed,
        )
    }

    /// False once a request would find nothing that could make it refused.
    pub fn matter_at(&self, now: Timestamp) -> bool {
        self.matter_until() > now
    }

    /// True while the number is in quarantine.
    pub fn quarantined_at(&self, now: Timestamp) -> bool {
        matches!(self, Self::Quarantined { until } if *until > now)
    }

    fn matter_until(&self) -> Timestamp {
        match self {
            Self::Once { at, matters } => at.after(seconds(*matters)),
            Self::Several(several) => several.at.iter().max().map_or_else(
                || Timestamp::from_millis(0),
                |newest| newest.after(seconds(several.matters)),
            ),
            Self::Quarantined { until } => *until,
        }
    }

    fn allowed(self) -> Vec<Timestamp> {
        match self {
            Self::Once { at, .. } => vec![at],
            Self::Several(several) => several.at,
            Self::Quarantined { .. } => Vec::new(),
        }
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_millis().div_ceil(1000);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: ThrottlePolicy = ThrottlePolicy {
        mean_interval: Duration::from_secs(30),
        lookback: 5,
        quarantine: Duration::from_secs(600),
    };

    /// What each request gets, in milliseconds after the start.
    fn answers(at: &[u64]) -> Vec<Requested> {
        let mut calls = None;
        at.iter()
            .map(|at| {
                let now = Timestamp::from_millis(1_000_000 + at);
                let (after, requested) = Calls::request(calls.take(), now, &POLICY);
                calls = Some(after);
                requested
            })
            .collect()
    }

    fn quarantined(milliseconds: u64) -> Requested {
        Requested::Quarantined {
            remaining: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn the_sixth_of_six_quick_requests_is_quarantined_and_the_quarantine_is_not_prolonged() {
        let got = answers(&[0, 1, 2, 3, 4, 149_999, 150_000, 749_998, 749_999]);
        let allowed = [Requested::Allowed; 5];
        assert_eq!(got[..5], allowed);
        assert_eq!(
            got[5..],
            [
                quarantined(600_000),
                quarantined(599_999),
                quarantined(1),
                Requested::Allowed
            ]
        );
    }

    #[test]
    fn a_request_every_mean_interval_is_always_allowed() {
        let at: Vec<u64> = (0..100).map(|n| n * 30_000).collect();
        assert!(answers(&at).iter().all(|got| *got == Requested::Allowed));
    }

    #[test]
    fn after_a_quarantine_the_average_starts_anew() {
        let got = answers(&[
            0, 0, 0, 0, 0, 0, 600_000, 600_000, 600_000, 600_000, 600_000,
        ]);
        assert_eq!(got[5], quarantined(600_000));
        assert_eq!(got[6..], [Requested::Allowed; 5]);
    }
}
