//! How a directory is described, and started.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock, RwLock, atomic::AtomicU64},
};

use jiff::Timestamp;
use tokio::net::TcpListener;

use super::{
    Flavour,
    armed::Armed,
    content::Content,
    directory::Directory,
    fault::DirectoryFault,
    journal::Journal,
    ldif::LdifError,
    shared::{Clock, Settings, Shared},
};
use crate::{
    authority::{Authority, AuthorityError},
    people::Person,
};

/// What a directory is to be like. Begin with [`Directory::builder`].
pub struct DirectoryBuilder {
    settings: Settings,
    content: Content,
    faults: Vec<DirectoryFault>,
    seed: u64,
    listen: SocketAddr,
    ldaps: Option<SocketAddr>,
    authority: Option<Arc<Authority>>,
    clock: Clock,
}

/// The directory cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        reason: io::Error,
    },
    /// The LDIF cannot be read.
    #[error("the LDIF cannot be loaded: {0}")]
    Ldif(#[from] LdifError),
    /// The suffix, or a person, has a name that cannot be written down, or that is taken.
    #[error("the directory cannot be filled: {0}")]
    Content(String),
    /// No certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

impl Default for DirectoryBuilder {
    fn default() -> Self {
        Self {
            settings: Settings {
                flavour: Flavour::OpenLdap,
                suffix: "dc=example,dc=org".to_owned(),
                anonymous_search: true,
                require_tls: false,
                unauthenticated_bind: false,
                size_limit: None,
                lockout_after: None,
            },
            content: Content::default(),
            faults: Vec::new(),
            seed: 7,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            ldaps: None,
            authority: None,
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl DirectoryBuilder {
    /// Whose habits it has; OpenLDAP's if not said.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.settings.flavour = flavour;
        // A domain controller gives a thousand entries and no more, unless asked for pages.
        self.settings.size_limit = (flavour == Flavour::Ad).then_some(1_000);
        self
    }

    /// The entry at the top; `dc=example,dc=org` if not said.
    #[must_use]
    pub fn suffix(mut self, suffix: &str) -> Self {
        suffix.clone_into(&mut self.settings.suffix);
        self
    }

    /// Adds people.
    #[must_use]
    pub fn people(mut self, people: impl IntoIterator<Item = Person>) -> Self {
        self.content.people.extend(people);
        self
    }

    /// Adds the entries of an LDIF text (RFC 2849). Who has a `userPassword` there can bind.
    #[must_use]
    pub fn ldif(mut self, text: &str) -> Self {
        self.content.ldif.push(text.to_owned());
        self
    }

    /// Adds an account that is nobody's: `cn=NAME` below the suffix (in Active Directory below
    /// `CN=Users`, and `NAME@domain`).
    #[must_use]
    pub fn service(mut self, name: &str, password: &str) -> Self {
        self.content
            .services
            .push((name.to_owned(), password.to_owned()));
        self
    }

    /// Adds faults; the first that matches an operation decides.
    #[must_use]
    pub fn faults(mut self, faults: impl IntoIterator<Item = DirectoryFault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// What ids and probabilities are drawn from; 7 if not said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where LDAP is spoken, with StartTLS on offer; a free loopback port if not said.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Where LDAPS is spoken; nowhere if not said.
    #[must_use]
    pub fn ldaps(mut self, address: SocketAddr) -> Self {
        self.ldaps = Some(address);
        self
    }

    /// The authority behind its certificates; one of its own if not said.
    #[must_use]
    pub fn authority(mut self, authority: Arc<Authority>) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Whether a search needs no bind; true if not said.
    #[must_use]
    pub fn anonymous_search(mut self, allowed: bool) -> Self {
        self.settings.anonymous_search = allowed;
        self
    }

    /// Whether a bind with a password needs TLS; false if not said.
    #[must_use]
    pub fn require_tls(mut self, required: bool) -> Self {
        self.settings.require_tls = required;
        self
    }

    /// Whether a bind with a name and no password succeeds, as RFC 4513 §5.1.2 has it; refused
    /// if not said, as both kinds of directory do today.
    #[must_use]
    pub fn unauthenticated_bind(mut self, succeeds: bool) -> Self {
        self.settings.unauthenticated_bind = succeeds;
        self
    }

    /// How many entries a search gives at most without pages, and a page at most; no limit for
    /// OpenLDAP, 1,000 for Active Directory if not said.
    #[must_use]
    pub fn size_limit(mut self, limit: Option<usize>) -> Self {
        self.settings.size_limit = limit;
        self
    }

    /// After how many wrong passwords an account is locked; never if not said.
    #[must_use]
    pub fn lockout_after(mut self, failures: u32) -> Self {
        self.settings.lockout_after = Some(failures);
        self
    }

    /// What tells the time; the machine if not said.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Fills the directory and listens.
    pub async fn start(self) -> Result<Directory, StartError> {
        let tree = self
            .content
            .fill(&self.settings, self.seed, (self.clock)())?;
        let authority = match self.authority {
            Some(authority) => authority,
            None => Arc::new(Authority::new()),
        };
        let ldap = bind(self.listen).await?;
        let ldaps = match self.ldaps {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let shared = Arc::new(Shared {
            faults: Armed::new(self.faults, self.seed),
            journal: Journal::default(),
            tls: OnceLock::new(),
            ip: self.listen.ip(),
            authority,
            clock: self.clock,
            tree: RwLock::new(tree),
            connections: AtomicU64::new(0),
            settings: self.settings,
        });
        let addresses = (
            address(&ldap, self.listen)?,
            match (&ldaps, self.ldaps) {
                (Some(listener), Some(asked)) => Some(address(listener, asked)?),
                _ => None,
            },
        );
        let directory = Directory::of(shared, addresses);
        directory.accept(ldap, false);
        if let Some(ldaps) = ldaps {
            directory.accept(ldaps, true);
        }
        Ok(directory)
    }
}

/// Listens on an address.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|reason| StartError::Listen { address, reason })
}

fn address(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|reason| StartError::Listen { address, reason })
}
