//! `callotp check`: what can be told of a configuration from files alone.

use std::sync::Arc;

use crate::{clock::Clock, config::Config, finding::Finding, tls::Loaded};

/// Reads the files that `config` names, those of secrets left out, which have been read, and
/// looks them over. Uses no network.
pub fn check(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let Some(tls) = &config.server.tls else {
        return Vec::new();
    };
    let loaded = match Loaded::read(tls, clock) {
        Ok(loaded) => loaded,
        Err(error) => return vec![Finding::broken(error.file.display(), error.what, "")],
    };
    let now = clock.now();
    let expiries = loaded.expiries().map(|expiry| {
        let (file, date) = (expiry.file.display(), expiry.date());
        let fact = |verb: &str| format!("{} {verb} at {date}", expiry.what);
        match expiry.has_passed(now) {
            true => Finding::broken(file, fact("expired"), "put a newer one in its place"),
            false if expiry.is_near(now) => {
                Finding::unwise(file, fact("expires"), "put a newer one in its place")
            }
            false => Finding::good(file, fact("expires")),
        }
    });
    expiries.collect()
}
