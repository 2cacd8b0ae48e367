//! What all calls together came to.

use std::{fmt, time::Duration};

use super::{Outcome, call::Call, dialect::Reading};

/// Counts, and the times of the calls that were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// An OTP was heard.
    pub heard: u64,
    /// The server refused.
    pub refused: u64,
    /// Neither: no answer, another status, or a 200 without an OTP.
    pub went_wrong: u64,
    answered: Vec<Duration>,
}

impl Report {
    /// Counts a call.
    pub fn add(&mut self, call: &Call) {
        match call.reading {
            Reading::Otp(_) => self.heard += 1,
            Reading::Refused => self.refused += 1,
            Reading::Unusable(_) => self.went_wrong += 1,
        }
        if call.status.is_some() {
            self.answered.push(call.took);
        }
    }

    /// For each share, the time within which that part of the answers came, by the nearest rank;
    /// `None` if nothing was answered.
    pub fn percentiles<const N: usize>(&self, shares: [f64; N]) -> Option<[Duration; N]> {
        let mut times = self.answered.clone();
        times.sort_unstable();
        let slowest = *times.last()?;
        Some(shares.map(|share| {
            // At least the first, so that the rank can be lowered by one.
            let rank = (share * times.len() as f64).ceil().max(1.0);
            times.get(rank as usize - 1).copied().unwrap_or(slowest)
        }))
    }

    /// How the run ended.
    pub fn outcome(&self) -> Outcome {
        match (self.heard + self.refused, self.went_wrong) {
            (0, 0) => Outcome::NothingCalled,
            (_, 0) => Outcome::Done,
            (_, _) => Outcome::Failed,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            heard,
            refused,
            went_wrong,
            ..
        } = self;
        let calls = heard + refused + went_wrong;
        write!(
            f,
            "{calls} calls: {heard} heard an OTP, {refused} refused, {went_wrong} went wrong"
        )?;
        let Some(times) = self.percentiles([0.5, 0.9, 0.99, 1.0]) else {
            return Ok(());
        };
        let [p50, p90, p99, max] = times.map(|time| format!("{:.1} ms", time.as_secs_f64() * 1e3));
        write!(
            f,
            "\ntime to answer: p50 {p50}, p90 {p90}, p99 {p99}, max {max}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Report;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let answered = (1..=100).rev().map(Duration::from_millis).collect();
        let report = Report {
            answered,
            ..Report::default()
        };
        let times = report.percentiles([0.5, 0.9, 0.99, 1.0, 0.0]);
        assert_eq!(times, Some([50, 90, 99, 100, 1].map(Duration::from_millis)));
        assert_eq!(Report::default().percentiles([0.5]), None);
    }
}
