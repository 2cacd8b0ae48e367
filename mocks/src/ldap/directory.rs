//! The directory as a whole: built, listening, changed while it runs, gone when dropped.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{
    Flavour,
    account::{Account, Password},
    armed::Armed,
    dn::Dn,
    entry::Entry,
    fault::DirectoryFault,
    journal::Journal,
    ldif::{self, LdifError},
    published,
    schema::{self, Syntax},
    session,
    tree::Tree,
};
use crate::{
    authority::{Authority, AuthorityError, Certificate},
    people::Person,
};

/// What a directory is to be like. Begin with [`Directory::builder`].
pub struct DirectoryBuilder {
    settings: Settings,
    people: Vec<Person>,
    ldif: Vec<String>,
    services: Vec<(String, String)>,
    faults: Vec<DirectoryFault>,
    seed: u64,
    listen: SocketAddr,
    ldaps: Option<SocketAddr>,
    authority: Option<Arc<Authority>>,
    clock: Clock,
}

/// Tells the time that changes are marked with.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

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
    tls: OnceLock<Arc<ServerConfig>>,
    ip: IpAddr,
    pub(super) clock: Clock,
    tree: RwLock<Tree>,
    connections: AtomicU64,
}

/// A running directory. It stops when it is dropped, and closes every connection.
pub struct Directory {
    shared: Arc<Shared>,
    ldap: SocketAddr,
    ldaps: Option<SocketAddr>,
    listening: Mutex<Vec<JoinHandle<()>>>,
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
        self.people.extend(people);
        self
    }

    /// Adds the entries of an LDIF text (RFC 2849). Who has a `userPassword` there can bind.
    #[must_use]
    pub fn ldif(mut self, text: &str) -> Self {
        self.ldif.push(text.to_owned());
        self
    }

    /// Adds an account that is nobody's: `cn=NAME` below the suffix (in Active Directory below
    /// `CN=Users`, and `NAME@domain`).
    #[must_use]
    pub fn service(mut self, name: &str, password: &str) -> Self {
        self.services.push((name.to_owned(), password.to_owned()));
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
        let tree = self.fill()?;
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
        let directory = Directory {
            ldap: address(&ldap, self.listen)?,
            ldaps: match (&ldaps, self.ldaps) {
                (Some(listener), Some(asked)) => Some(address(listener, asked)?),
                _ => None,
            },
            shared,
            listening: Mutex::default(),
        };
        directory.accept(ldap, false);
        if let Some(ldaps) = ldaps {
            directory.accept(ldaps, true);
        }
        Ok(directory)
    }

    fn fill(&self) -> Result<Tree, StartError> {
        let Settings {
            flavour, suffix, ..
        } = &self.settings;
        let mut tree = Tree::new(*flavour, suffix, self.seed);
        let now = (self.clock)();
        // What the LDIF says of the top comes first; what is missing is added after it.
        for text in &self.ldif {
            for record in ldif::read(text)? {
                let line = record.line;
                let entry = entry_of(*flavour, record)?;
                tree.add(entry, now).map_err(|e| LdifError {
                    line,
                    says: e.to_string(),
                })?;
            }
        }
        for (name, class) in frame(*flavour, suffix) {
            let mut entry = Entry::new(name.clone(), Dn::parse(&name).map_err(content)?);
            entry.set(*flavour, "objectClass", false, ["top", class]);
            let components: Vec<(String, String)> = entry
                .dn
                .components()
                .take(1)
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect();
            for (kind, value) in components {
                entry.set(*flavour, &kind, false, [value]);
            }
            if tree.named(&entry.dn).is_none() {
                tree.add(entry, now).map_err(content)?;
            }
        }
        for entry in published::entries(*flavour, suffix).map_err(content)? {
            if tree.named(&entry.dn).is_none() {
                tree.add(entry, now).map_err(content)?;
            }
        }
        for (name, password) in &self.services {
            tree.add(service(*flavour, suffix, name, password)?, now)
                .map_err(content)?;
        }
        for person in &self.people {
            add_person(&mut tree, person, suffix, now)?;
        }
        Ok(tree)
    }
}

impl Directory {
    /// A directory of OpenLDAP's flavour on a free loopback port, with nobody in it.
    pub fn builder() -> DirectoryBuilder {
        DirectoryBuilder {
            settings: Settings {
                flavour: Flavour::OpenLdap,
                suffix: "dc=example,dc=org".to_owned(),
                anonymous_search: true,
                require_tls: false,
                unauthenticated_bind: false,
                size_limit: None,
                lockout_after: None,
            },
            people: Vec::new(),
            ldif: Vec::new(),
            services: Vec::new(),
            faults: Vec::new(),
            seed: 7,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            ldaps: None,
            authority: None,
            clock: Arc::new(Timestamp::now),
        }
    }

    /// Where LDAP is spoken.
    pub fn ldap_address(&self) -> SocketAddr {
        self.ldap
    }

    /// Where LDAPS is spoken.
    pub fn ldaps_address(&self) -> Option<SocketAddr> {
        self.ldaps
    }

    /// `ldap://` and the address.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.ldap)
    }

    /// `ldaps://` and the address.
    pub fn ldaps_url(&self) -> Option<String> {
        self.ldaps.map(|address| format!("ldaps://{address}"))
    }

    /// The certificate to trust for LDAPS and StartTLS.
    pub fn ca_pem(&self) -> String {
        self.shared.authority.pem()
    }

    /// The entry below which people are.
    pub fn people_base(&self) -> String {
        let Settings {
            flavour, suffix, ..
        } = &self.shared.settings;
        flavour.people_base(suffix)
    }

    /// What it was asked.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Replaces all faults; counting begins again.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = DirectoryFault>) {
        self.shared.faults.set(faults.into_iter().collect());
    }

    /// How often each fault has struck, in their order.
    pub fn faults_struck(&self) -> Vec<u64> {
        self.shared.faults.struck()
    }

    /// The distinguished name of the person with this user name.
    pub fn name_of(&self, username: &str) -> Option<String> {
        self.shared.person(username).map(|entry| entry.name.clone())
    }

    /// The bytes of the first value of an attribute of that person.
    pub fn value_of(&self, username: &str, attribute: &str) -> Option<Vec<u8>> {
        let entry = self.shared.person(username)?;
        let values = &entry.attribute(&schema::key(attribute))?.values;
        values.first().map(|value| value.shown.clone())
    }

    /// Adds a person.
    pub fn add(&self, person: &Person) -> Result<(), StartError> {
        let now = (self.shared.clock)();
        add_person(
            &mut self.shared.tree_mut(),
            person,
            &self.shared.settings.suffix,
            now,
        )
    }

    /// Rewrites the entry of the person with the same user name; id and name of the entry stay.
    /// False if there is none.
    pub fn change(&self, person: &Person) -> bool {
        let Settings {
            flavour, suffix, ..
        } = &self.shared.settings;
        let Some(entry) = self.shared.person(&person.username) else {
            return false;
        };
        self.shared
            .change(&entry.dn, |entry| flavour.describe(entry, person, suffix))
    }

    /// Replaces the values of one attribute of the entry of this name; false if there is none.
    pub fn set(&self, name: &str, attribute: &str, values: &[&str]) -> bool {
        let flavour = self.shared.settings.flavour;
        let values = values.iter().map(|value| value.as_bytes());
        Dn::parse(name).is_ok_and(|dn| {
            self.shared
                .change(&dn, |entry| entry.set(flavour, attribute, false, values))
        })
    }

    /// Takes the person with this user name out; false if there is none.
    pub fn remove(&self, username: &str) -> bool {
        let Some(entry) = self.shared.person(username) else {
            return false;
        };
        let now = (self.shared.clock)();
        self.shared.tree_mut().remove(&entry.dn, now)
    }

    /// Stops listening and closes all connections, as a machine does that is switched off.
    pub async fn go_down(&self) {
        let tasks = std::mem::take(&mut *self.listening());
        for task in tasks {
            task.abort();
            // The task was told to stop: how it ended says nothing.
            let _ = task.await;
        }
    }

    /// Listens again on the same addresses after [`Directory::go_down`].
    pub async fn come_up(&self) -> Result<(), StartError> {
        self.accept(bind(self.ldap).await?, false);
        if let Some(ldaps) = self.ldaps {
            self.accept(bind(ldaps).await?, true);
        }
        Ok(())
    }

    fn accept(&self, listener: TcpListener, ldaps: bool) {
        let task = tokio::spawn(accept(listener, ldaps, self.shared.clone()));
        self.listening().push(task);
    }

    fn listening(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.listening().drain(..).for_each(|task| task.abort());
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("ldap", &self.ldap)
            .field("ldaps", &self.ldaps)
            .finish_non_exhaustive()
    }
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

    fn tree_mut(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, dn: &Dn, change: impl FnOnce(&mut Entry)) -> bool {
        let now = (self.clock)();
        self.tree_mut().change(dn, now, change)
    }

    fn person(&self, username: &str) -> Option<Arc<Entry>> {
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

async fn accept(listener: TcpListener, ldaps: bool, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while sessions.try_join_next().is_some() {}
        // Out of file handles, or a client that was gone at once: the next one may fare better.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        sessions.spawn(session::serve(shared.clone(), stream, ldaps));
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|reason| StartError::Listen { address, reason })
}

fn address(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|reason| StartError::Listen { address, reason })
}

/// The entries that hold the people, with their classes.
fn frame(flavour: Flavour, suffix: &str) -> Vec<(String, &'static str)> {
    let people = (flavour.people_base(suffix), "organizationalUnit");
    match flavour {
        Flavour::OpenLdap => vec![(suffix.to_owned(), "domain"), people],
        Flavour::Ad => {
            let users = (format!("CN=Users,{suffix}"), "container");
            vec![(suffix.to_owned(), "domainDNS"), users, people]
        }
    }
}

fn entry_of(flavour: Flavour, record: ldif::Record) -> Result<Entry, LdifError> {
    let line = record.line;
    let error = |says: String| LdifError { line, says };
    let dn = Dn::parse(&record.dn).map_err(|e| error(e.to_string()))?;
    let mut entry = Entry::new(record.dn, dn);
    for (name, value) in record.attributes {
        if !name.eq_ignore_ascii_case("userPassword") {
            let syntax = schema::syntax(flavour, &schema::key(&name));
            if syntax == Syntax::Telephone && syntax.normal(&value).is_none() {
                return Err(error(format!("{name} holds ASCII only (RFC 4517 §3.3.31)")));
            }
            entry.push(flavour, &name, value);
            continue;
        }
        let password = Password::stored(&value).map_err(|e| error(e.to_string()))?;
        entry.account = Some(Account {
            password,
            status: Default::default(),
            failures: 0,
        });
    }
    let status = flavour.status_shown(&entry);
    if let Some(account) = &mut entry.account {
        account.status = status;
    }
    Ok(entry)
}

fn service(
    flavour: Flavour,
    suffix: &str,
    name: &str,
    password: &str,
) -> Result<Entry, StartError> {
    let place = match flavour {
        Flavour::OpenLdap => format!("cn={},{suffix}", super::dn::escape(name)),
        Flavour::Ad => format!("CN={},CN=Users,{suffix}", super::dn::escape(name)),
    };
    let mut entry = Entry::new(place.clone(), Dn::parse(&place).map_err(content)?);
    entry.set(flavour, "objectClass", false, ["top", "applicationProcess"]);
    entry.set(flavour, "cn", false, [name]);
    if flavour == Flavour::Ad {
        let principal = format!("{name}@{}", super::flavour::domain(suffix));
        entry.set(flavour, "sAMAccountName", false, [name]);
        entry.set(flavour, "userPrincipalName", false, [principal]);
    }
    let password = Password::Clear(password.as_bytes().to_vec());
    entry.account = Some(Account {
        password,
        status: Default::default(),
        failures: 0,
    });
    Ok(entry)
}

fn add_person(
    tree: &mut Tree,
    person: &Person,
    suffix: &str,
    now: Timestamp,
) -> Result<(), StartError> {
    let flavour = tree.flavour();
    let entry = |second| {
        let name = flavour.name_of(person, suffix, second);
        flavour.entry_of(person, name, suffix).map_err(content)
    };
    let first = entry(false)?;
    let entry = if tree.named(&first.dn).is_some() {
        entry(true)?
    } else {
        first
    };
    tree.add(entry, now).map_err(content)
}

fn content(error: impl fmt::Display) -> StartError {
    StartError::Content(error.to_string())
}
