//! Says a thing once per source and hour, so that nobody can fill the log with it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::limits::network;
use crate::clock::{Clock, Timestamp};

/// For how long nothing more is said of a source.
const WINDOW: Duration = Duration::from_secs(3600);

/// Sources that are remembered; when there are more, all are forgotten.
const SOURCES: usize = 256;

/// Remembers of which sources something has been said.
#[derive(Debug)]
pub struct OncePerSource {
    said: Mutex<HashMap<IpAddr, Timestamp>>,
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

    /// True if it is to be said of `source` now.
    pub fn is_first(&self, source: IpAddr) -> bool {
        let now = self.clock.now();
        let source = network(source);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&source).is_some_and(|until| now < *until) {
            return false;
        }
        if said.len() >= SOURCES {
            said.clear();
        }
        said.insert(source, now.after(WINDOW));
        true
    }
}
