//! Our certificate, and whose client certificates we take.
//!
//! [`files`] reads what is configured; [`Tls`] holds what is in force and exchanges it
//! while connections go on.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use rustls::{ServerConfig, pki_types::UnixTime, time_provider::TimeProvider};
use tokio_rustls::TlsAcceptor;

pub use self::{
    expiry::Expiry,
    files::{Loaded, TlsError},
};
use crate::clock::Clock;

mod expiry;
mod files;

/// `[server.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM, the chain.
    pub certificate: PathBuf,
    /// PEM.
    pub private_key: PathBuf,
    /// PEM; client certificates are asked for if present.
    pub client_ca: Option<PathBuf>,
    /// PEM or DER revocation lists for `client_ca`.
    pub client_crl: Vec<PathBuf>,
    /// Refuse a handshake without a client certificate.
    pub client_certificates_required: bool,
}

/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_secs(5);

/// What is in force: TLS as configured, or none.
pub struct Tls {
    current: ArcSwapOption<Loaded>,
    /// Which files could not be taken, so that it is said once.
    refused: Mutex<Option<[u8; 32]>>,
    clock: Arc<dyn Clock>,
}

impl Tls {
    /// Reads the files that `config` names.
    pub fn open(config: Option<&TlsConfig>, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let tls = Self {
            current: ArcSwapOption::empty(),
            refused: Mutex::default(),
            clock,
        };
        let loaded = tls.prepare(config)?;
        for expiry in loaded.iter().flat_map(|loaded| loaded.expiries()) {
            match expiry.has_passed(tls.clock.now()) {
                // A restart in the night must not make an outage of it: whoever does not
                // look at the date can go on calling.
                true => tracing::error!("{}", expiry.as_error()),
                false if expiry.is_near(tls.clock.now()) => tracing::warn!("{expiry}"),
                false => {}
            }
        }
        tls.take(loaded);
        Ok(tls)
    }

    /// What new connections are accepted with; `None` for plain HTTP.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        let current = self.current.load();
        let current = current.as_ref()?;
        Some(TlsAcceptor::from(Arc::clone(&current.server)))
    }

    /// Reads the files that a new configuration names, and takes nothing yet. What has not
    /// changed stays as it is, with its sessions.
    pub fn prepare(&self, config: Option<&TlsConfig>) -> Result<Option<Arc<Loaded>>, TlsError> {
        let Some(config) = config else {
            return Ok(None);
        };
        let current = self.current.load_full();
        let files = files::Files::read(config)?;
        if let Some(current) = current.filter(|current| current.is_of(config, &files)) {
            return Ok(Some(current));
        }
        let newer = Loaded::new(config, files, &self.clock)?;
        self.refuse_worse(&newer)?;
        Ok(Some(Arc::new(newer)))
    }

    /// An expired certificate does not take the place of one that is good.
    fn refuse_worse(&self, newer: &Loaded) -> Result<(), TlsError> {
        let now = self.clock.now();
        let current = self.current.load();
        let Some(current) = current.as_ref() else {
            return Ok(());
        };
        match newer.own.has_passed(now) && !current.own.has_passed(now) {
            true => Err(newer.own.as_error()),
            false => Ok(()),
        }
    }

    /// Accepts new connections with `loaded` from now on.
    pub fn take(&self, loaded: Option<Arc<Loaded>>) {
        self.current.store(loaded);
    }

    /// Takes the files anew if they have changed. Says what it did, and what is wrong with
    /// files that it does not take: once, and again when they have changed again.
    pub fn look(&self) {
        let Some(current) = self.current.load_full() else {
            return;
        };
        let before = Arc::clone(&current);
        let result = files::Files::read(&current.config).and_then(|files| {
            let digest = files.digest();
            if current.is_of(&current.config, &files) {
                return Ok(None);
            }
            let newer = Loaded::new(&current.config, files, &self.clock)
                .and_then(|newer| self.refuse_worse(&newer).map(|()| newer));
            newer.map(Some).map_err(|error| error.of(digest))
        });
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(None) => *refused = None,
            Ok(Some(newer)) => {
                *refused = None;
                // A reload may have been quicker, with another configuration.
                let newer = Some(Arc::new(newer));
                let was = self.current.compare_and_swap(&Some(before.clone()), newer);
                if was.as_ref().is_some_and(|was| Arc::ptr_eq(was, &before)) {
                    tracing::info!("the certificates have changed and are in force");
                }
            }
            Err(error) => {
                if *refused != Some(error.digest()) {
                    tracing::error!("the new certificates are not taken: {error}");
                }
                *refused = Some(error.digest());
            }
        }
    }
}

/// Tells rustls the time.
#[derive(Debug)]
struct RustlsTime(Arc<dyn Clock>);

impl TimeProvider for RustlsTime {
    fn current_time(&self) -> Option<UnixTime> {
        let now = Duration::from_millis(self.0.now().as_millis());
        Some(UnixTime::since_unix_epoch(now))
    }
}

/// The protocols that are offered, the better one first.
pub const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

fn finish(mut server: ServerConfig) -> Result<ServerConfig, rustls::Error> {
    server.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    // Sessions that need no memory, so that a phone system which connects anew for each call
    // pays for a whole handshake once. Their key dies with this configuration: what a new
    // revocation list says is asked of everybody again.
    server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    Ok(server)
}
