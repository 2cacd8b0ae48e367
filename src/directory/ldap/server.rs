//! One server: its connections, and whether it is worth asking.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use ldap3::{Ldap, LdapResult, controls::RawControl};
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time::{Instant, sleep, timeout_at},
};

use super::{
    ServerUrl,
    circuit::{Change, Circuit},
    dial::{DialError, Dialer, Purpose},
    outcome::PASSWORD_POLICY,
    question::{Answer, Question},
};
use crate::{
    clock::{Clock, Timestamp},
    secret::Secret,
};

/// Searches share connections; slapd is saturated by one, and more than four slow it down.
const SEARCH_CONNECTIONS: usize = 2;

/// Binds at once. A bind has its connection for itself.
const BINDS_AT_ONCE: usize = 32;

/// A connection is renewed after this long, before servers and firewalls tire of it and
/// so that a server's new rights and certificates take effect.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Or after so many questions: what a library leaks per question stays bounded.
const MAX_QUESTIONS: u64 = 1_000_000;

/// How often a server that is out is tried, and how long one try may take.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIME: Duration = Duration::from_secs(2);

/// How often a server is tried that says that the service user's password is wrong, or the
/// user locked: seldom, and less and less, because directories lock users who try too often.
const REFUSED_INTERVAL: Duration = Duration::from_secs(60);
const LONGEST_REFUSED_INTERVAL: Duration = Duration::from_secs(16 * 60);

/// One server of a directory.
pub(super) struct Server {
    pub(super) url: ServerUrl,
    pub(super) circuit: Circuit,
    pub(super) dialer: Arc<Dialer>,
    clock: Arc<dyn Clock>,
    heard: Arc<AtomicU64>,
    suspected: AtomicBool,
    first: AsyncMutex<()>,
    search: [Slot; SEARCH_CONNECTIONS],
    turn: AtomicUsize,
    bind: Mutex<Vec<Connection>>,
    bind_permits: Semaphore,
}

/// Why somebody wants a connection for searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// To ask something, if the server is not out.
    Question,
    /// To find out whether a server that is out is back.
    Recovery,
}

/// A place for one search connection.
#[derive(Default)]
struct Slot {
    current: ArcSwapOption<Connection>,
    opening: AsyncMutex<()>,
    renewing: AtomicBool,
}

struct Connection {
    ldap: Ldap,
    born: Timestamp,
    asked: AtomicU64,
}

/// The server could not be asked, or did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Lost(pub(super) DialError);

impl Server {
    pub(super) fn new(url: ServerUrl, dialer: Arc<Dialer>, clock: Arc<dyn Clock>) -> Self {
        Self {
            url,
            circuit: Circuit::default(),
            dialer,
            clock,
            heard: Arc::default(),
            suspected: AtomicBool::new(false),
            first: AsyncMutex::default(),
            search: Default::default(),
            turn: AtomicUsize::new(0),
            bind: Mutex::default(),
            bind_permits: Semaphore::new(BINDS_AT_ONCE),
        }
    }

    /// Messages received from the server, on whichever connection.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Asks a question. A connection that the server has closed in the meantime is not the
    /// server's end: it is asked again on a new one, once.
    pub(super) async fn ask(
        self: &Arc<Self>,
        question: &Question,
        deadline: Instant,
    ) -> Result<Answer, Lost> {
        let slot = &self.search[self.turn.fetch_add(1, Ordering::Relaxed) % SEARCH_CONNECTIONS];
        for _ in 0..2 {
            let connection = self
                .search_connection(slot, Errand::Question, deadline)
                .await?;
            connection.asked.fetch_add(1, Ordering::Relaxed);
            match question.ask(connection.ldap.clone()).await {
                Ok(answer) => {
                    self.answered();
                    return Ok(answer);
                }
                Err(_) => slot.forget(&connection),
            }
        }
        let broken = DialError::Broken("it was closed in mid-answer".into());
        self.lost(&broken);
        Err(Lost(broken))
    }

    /// Binds as a user, once, whatever happens.
    pub(super) async fn bind(
        self: &Arc<Self>,
        binder: Binder<'_>,
        dn: &str,
        password: &Secret,
        deadline: Instant,
    ) -> Result<LdapResult, Lost> {
        let Binder { mut connection, .. } = binder;
        let heard = self.heard();
        connection.asked.fetch_add(1, Ordering::Relaxed);
        connection.ldap.with_controls(RawControl {
            ctype: PASSWORD_POLICY.to_owned(),
            crit: false,
            val: None,
        });
        let bind = connection.ldap.simple_bind(dn, password.expose());
        match timeout_at(deadline, bind).await {
            Ok(Ok(result)) => {
                self.answered();
                self.keep(connection);
                Ok(result)
            }
            Ok(Err(_)) => Err(Lost(DialError::Broken("it was closed in mid-bind".into()))),
            Err(_) => {
                self.silent_since(heard);
                Err(Lost(DialError::Silent))
            }
        }
    }

    /// A connection on which nobody else binds at the moment.
    pub(super) async fn binder(self: &Arc<Self>, deadline: Instant) -> Result<Binder<'_>, Lost> {
        let permit = timeout_at(deadline, self.bind_permits.acquire())
            .await
            .map_err(|_| Lost(DialError::Silent))?
            .expect("the semaphore is never closed");
        let connection = match self.kept() {
            Some(connection) => connection,
            None => self.dial_now(Purpose::Bind, deadline).await?,
        };
        Ok(Binder {
            connection,
            _permit: permit,
        })
    }

    /// The server has not answered for a while. If it has not said a word to anybody since
    /// `heard` was read, it is out until a probe finds otherwise.
    pub(super) fn silent_since(self: &Arc<Self>, heard: u64) {
        match self.heard() == heard {
            true => self.lost(&DialError::Silent),
            false => self.suspect(),
        }
    }

    /// The server takes long, which it may: it is tried beside that, one try at a time.
    pub(super) fn suspect(self: &Arc<Self>) {
        if self.suspected.swap(true, Ordering::AcqRel) {
            return;
        }
        let server = self.clone();
        tokio::spawn(async move {
            let _ = server.probe().await;
            server.suspected.store(false, Ordering::Release);
        });
    }

    /// A connection bound as the service user, for the caller alone.
    pub(super) async fn session(self: &Arc<Self>, deadline: Instant) -> Result<Ldap, Lost> {
        let connection = self.dial(Errand::Question, deadline).await?;
        Ok(connection.ldap)
    }

    /// Tries the server with a question that every server answers. (One that only accepts
    /// connections has not come back.) The connection, if it is good, is kept.
    pub(super) async fn probe(self: &Arc<Self>) -> Result<(), Lost> {
        let deadline = Instant::now() + PROBE_TIME;
        let slot = &self.search[0];
        let errand = match self.circuit.admits() {
            true => Errand::Question,
            false => Errand::Recovery,
        };
        let connection = self.search_connection(slot, errand, deadline).await?;
        let question = Question::about_the_server();
        let answer = timeout_at(deadline, question.ask(connection.ldap.clone())).await;
        let error = match answer {
            Ok(Ok(_)) => {
                self.answered();
                return Ok(());
            }
            Ok(Err(_)) => DialError::Broken("it was closed in mid-answer".into()),
            Err(_) => DialError::Silent,
        };
        slot.forget(&connection);
        self.lost(&error);
        Err(Lost(error))
    }

    async fn search_connection(
        self: &Arc<Self>,
        slot: &Slot,
        errand: Errand,
        deadline: Instant,
    ) -> Result<Arc<Connection>, Lost> {
        if let Some(connection) = self.usable(slot) {
            return Ok(connection);
        }
        let _only_one_opens = slot.opening.lock().await;
        if let Some(connection) = self.usable(slot) {
            return Ok(connection);
        }
        let connection = Arc::new(self.dial(errand, deadline).await?);
        slot.current.store(Some(connection.clone()));
        Ok(connection)
    }

    fn usable(self: &Arc<Self>, slot: &Slot) -> Option<Arc<Connection>> {
        let connection = slot.current.load_full().filter(|c| c.is_open())?;
        if connection.is_due(self.clock.now()) && !slot.renewing.swap(true, Ordering::AcqRel) {
            self.renew(slot);
        }
        Some(connection)
    }

    /// Opens the next connection while the old one still answers.
    fn renew(self: &Arc<Self>, slot: &Slot) {
        let place = self.search.iter().position(|s| std::ptr::eq(s, slot));
        let (server, place) = (self.clone(), place.unwrap_or_default());
        tokio::spawn(async move {
            let slot = &server.search[place];
            if let Ok(next) = server
                .dial(Errand::Question, Instant::now() + PROBE_TIME)
                .await
            {
                slot.current.store(Some(Arc::new(next)));
            }
            slot.renewing.store(false, Ordering::Release);
        });
    }

    /// A connection for searching. As long as it is not known whether the server lets the
    /// service user in, one try says so for all: several at once could lock the user.
    async fn dial(self: &Arc<Self>, errand: Errand, deadline: Instant) -> Result<Connection, Lost> {
        if self.circuit.is_up() {
            return self.dial_now(Purpose::Search, deadline).await;
        }
        let Ok(_only_one_tries) = timeout_at(deadline, self.first.lock()).await else {
            return Err(Lost(DialError::Silent));
        };
        match self.circuit.outage() {
            Some(outage) if errand == Errand::Question => Err(Lost(DialError::Out(outage.reason))),
            _ => self.dial_now(Purpose::Search, deadline).await,
        }
    }

    async fn dial_now(
        self: &Arc<Self>,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<Connection, Lost> {
        match self
            .dialer
            .dial(&self.url, purpose, &self.heard, deadline)
            .await
        {
            Ok(ldap) => Ok(Connection {
                ldap,
                born: self.clock.now(),
                asked: AtomicU64::new(0),
            }),
            Err(error) => {
                self.lost(&error);
                Err(Lost(error))
            }
        }
    }

    fn kept(&self) -> Option<Connection> {
        let now = self.clock.now();
        let mut kept = self.bind.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = kept.pop() {
            if connection.is_open() && !connection.is_due(now) {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        if self.circuit.admits() {
            let mut kept = self.bind.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(connection);
        }
    }

    fn answered(&self) {
        if self.circuit.is_up() {
            return;
        }
        match self.circuit.succeed(self.clock.now()) {
            Some(Change::Back(after)) => {
                tracing::warn!(server = %self.url, after_seconds = after.as_secs(), "the LDAP server is back");
            }
            Some(_) => tracing::info!(server = %self.url, "the LDAP server answers"),
            None => {}
        }
    }

    /// Takes the server out, once, and looks after it until it is back.
    fn lost(self: &Arc<Self>, error: &DialError) {
        let reason = error.to_string();
        if self.circuit.fail(reason.clone(), self.clock.now()) != Some(Change::Lost) {
            return;
        }
        let advice = error.advice();
        tracing::error!(
            server = %self.url,
            %reason,
            advice,
            "the LDAP server is lost; it is tried again until it answers"
        );
        self.forget_connections();
        tokio::spawn(watch(Arc::downgrade(self), error.clone()));
    }

    /// What goes on on them may end, but nothing new begins.
    fn forget_connections(&self) {
        for slot in &self.search {
            slot.current.store(None);
        }
        let mut kept = self.bind.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }
}

/// A connection for one bind.
pub(super) struct Binder<'a> {
    connection: Connection,
    _permit: tokio::sync::SemaphorePermit<'a>,
}

impl Slot {
    fn forget(&self, connection: &Arc<Connection>) {
        let current = self.current.load_full();
        if current.is_some_and(|current| Arc::ptr_eq(&current, connection)) {
            self.current.store(None);
        }
    }
}

impl Connection {
    fn is_open(&self) -> bool {
        !self.ldap.clone().is_closed()
    }

    fn is_due(&self, now: Timestamp) -> bool {
        now.since(self.born) >= MAX_AGE || self.asked.load(Ordering::Relaxed) >= MAX_QUESTIONS
    }
}

/// Tries a server that is out until it is back or nobody wants it any more.
async fn watch(server: Weak<Server>, mut error: DialError) {
    let (mut pause, mut refused) = (Duration::ZERO, REFUSED_INTERVAL);
    loop {
        if matches!(error, DialError::ServiceBind(_)) {
            pause = refused;
            refused = (refused * 2).min(LONGEST_REFUSED_INTERVAL);
        }
        sleep(pause).await;
        pause = PROBE_INTERVAL;
        let Some(server) = server.upgrade() else {
            return;
        };
        match server.probe().await {
            Ok(()) => return,
            Err(Lost(again)) => error = again,
        }
    }
}
