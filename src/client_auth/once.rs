//! Says a thing once per source and hour, so that nobody can fill the log with it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::limits::network;
use crate::clock::{Clock, Timestamp};

/// For how long nothing more of the kind is said of a source.
const WINDOW: Duration = Duration::from_secs(3600);

/// What is said in a window, of all sources together: an attacker with many addresses cannot
/// fill the log either.
const SAID: usize = 512;

/// Remembers what has been said of which sources.
#[derive(Debug)]
pub struct OncePerSource {
    said: Mutex<HashMap<(IpAddr, &'static str), Timestamp>>,
    clock: Arc<dyn Clock>,
}

impl OncePerSource {
    /// Nothing has been said yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            said: Mutex::default(),
            clock,
        }
    }

    /// True if `what` is to be said of `source` now.
    pub fn is_first(&self, source: IpAddr, what: &'static str) -> bool {
        let now = self.clock.now();
        let key = (network(source), what);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if said.len() >= SAID {
            said.retain(|_, until| now < *until);
        }
        if said.len() >= SAID {
            return false;
        }
        said.insert(key, now.after(WINDOW));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn any_number_of_sources_makes_no_more_than_so_many_lines_an_hour() {
        let clock = ManualClock::at(Timestamp::from_millis(1));
        let once = OncePerSource::new(Arc::new(clock.clone()));
        let lines = |what| {
            let sources = (0..5000_u32).map(|n| IpAddr::from(n.to_be_bytes()));
            sources.filter(|from| once.is_first(*from, what)).count()
        };
        assert!(once.is_first(IpAddr::from([1, 2, 3, 4]), "a"));
        assert!(once.is_first(IpAddr::from([1, 2, 3, 4]), "b"));
        assert!(!once.is_first(IpAddr::from([1, 2, 3, 4]), "a"));
        assert_eq!(lines("a"), SAID - 2);
        clock.advance(WINDOW);
        assert_eq!(lines("a"), SAID);
    }
}
