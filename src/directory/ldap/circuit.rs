//! Whether a server is worth asking.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use crate::clock::Timestamp;

const UNTRIED: u8 = 0;
const UP: u8 = 1;
const OUT: u8 = 2;

/// The state of one server. It goes out at the first sign that it does not answer, is
/// probed while it is out, and comes back when a probe succeeds.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: AtomicU8,
    outage: Mutex<Option<Outage>>,
}

/// Since when a server is out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) since: Timestamp,
    pub(super) reason: String,
}

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It has answered for the first time.
    Found,
    /// It is out.
    Lost,
    /// It is back, after this long.
    Back(Duration),
}

impl Circuit {
    /// False while the server is out.
    pub(super) fn admits(&self) -> bool {
        self.state.load(Ordering::Acquire) != OUT
    }

    /// True once the server has answered, as long as it is not out.
    pub(super) fn is_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == UP
    }

    /// The outage, while there is one.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.lock().clone()
    }

    /// The server did not answer.
    pub(super) fn fail(&self, reason: String, now: Timestamp) -> Option<Change> {
        let mut outage = self.lock();
        match &mut *outage {
            Some(outage) => {
                outage.reason = reason;
                None
            }
            none => {
                *none = Some(Outage { since: now, reason });
                self.state.store(OUT, Ordering::Release);
                Some(Change::Lost)
            }
        }
    }

    /// The server answered a probe or a new connection.
    pub(super) fn succeed(&self, now: Timestamp) -> Option<Change> {
        let mut outage = self.lock();
        let before = self.state.swap(UP, Ordering::AcqRel);
        match (before, outage.take()) {
            (_, Some(outage)) => Some(Change::Back(now.since(outage.since))),
            (UNTRIED, None) => Some(Change::Found),
            _ => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_lost_once_and_comes_back_once() {
        let circuit = Circuit::default();
        let at = Timestamp::from_millis;
        assert!(circuit.admits() && !circuit.is_up());
        assert_eq!(circuit.succeed(at(1)), Some(Change::Found));
        assert_eq!(circuit.succeed(at(2)), None);
        assert!(circuit.is_up());
        assert_eq!(circuit.fail("refused".into(), at(10)), Some(Change::Lost));
        assert_eq!(circuit.fail("silent".into(), at(20)), None);
        assert!(!circuit.admits());
        let outage = circuit.outage().expect("it is out");
        assert_eq!((outage.since, outage.reason.as_str()), (at(10), "silent"));
        let away = Duration::from_millis(20);
        assert_eq!(circuit.succeed(at(30)), Some(Change::Back(away)));
        assert!(circuit.admits() && circuit.outage().is_none());
    }

    #[test]
    fn a_server_that_never_answered_is_lost_like_any_other() {
        let circuit = Circuit::default();
        let now = Timestamp::from_millis(1);
        assert_eq!(circuit.fail("refused".into(), now), Some(Change::Lost));
        assert!(!circuit.admits());
    }
}
