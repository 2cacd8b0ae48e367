//! What all connections of a directory share: how it behaves, and what is in it.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use rustls::ServerConfig;

use super::{Flavour, armed::Armed, dn::Dn, entry::Entry, journal::Journal, schema, tree::Tree};
use crate::authority::{Authority, AuthorityError, Certificate};

/// Tells the time that changes are marked with.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the directory behaves; fixed at start.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) flavour: Flavour,
    pub(super) suffix: String,
    pub(super) anonymous_search: bool,
    pub(super) require_tls: bool,
    pub(super) unauthenticated_bind: bool,
    pub(super) size_limit: Option<usize>,
    pub(super) lockout_after: Option<u32>,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) faults: Armed,
    pub(super) journal: Journal,
    pub(super) authority: Arc<Authority>,
    /// Made with the first handshake, as the authority's key is.
    pub(super) tls: OnceLock<Arc<ServerConfig>>,
    pub(super) ip: IpAddr,
    pub(super) clock: Clock,
    pub(super) tree: RwLock<Tree>,
    pub(super) connections: AtomicU64,
}

impl Shared {
    pub(super) fn tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The TLS server that shows a good certificate.
    pub(super) fn tls(&self) -> Result<Arc<ServerConfig>, AuthorityError> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let made = self.authority.server(Certificate::Good, self.ip)?;
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }

    /// Connections are counted from 1.
    pub(super) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn tree_mut(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the entry of this name; false if there is none.
    pub(super) fn change(&self, dn: &Dn, change: impl FnOnce(&mut Entry)) -> bool {
        let now = (self.clock)();
        self.tree_mut().change(dn, now, change)
    }

    /// The entry of the person with this user name.
    pub(super) fn person(&self, username: &str) -> Option<Arc<Entry>> {
        let key = match self.settings.flavour {
            Flavour::OpenLdap => "uid",
            Flavour::Ad => "samaccountname",
        };
        let tree = self.tree();
        let places = tree.equal(key, schema::fold_text(username).as_bytes());
        places
            .iter()
            .filter_map(|&place| tree.at(place))
            .find(|e| !e.is_deleted())
            .cloned()
    }
}
