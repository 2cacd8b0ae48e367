//! The adapter to LDAP servers, Active Directory included.
//!
//! [`LdapDirectory`] answers the port's questions: a number is looked up by search or by
//! index ([`lookup`]), a password is checked by one bind. Both go to the [`servers`], in
//! order and within the question's deadline; each [`server`] has its connections and its
//! [`circuit`]; a connection is [`dial`]led through a [`guard`] that lets only bounded,
//! well-formed [`message`]s through to the client library.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::AbortHandle;

use self::{
    dial::{Dialer, ServiceBind},
    lookup::Directory,
    outcome::BindOutcome,
    server::Server,
    servers::Servers,
};
use super::{
    DirectoryFault, DirectoryHealth, Match, PasswordCheck, Schema, UserDirectory, WrongPassword,
    filter::{FilterError, NotAnAttribute},
};
use crate::{
    clock::{Clock, Deadline, SystemClock},
    phone_number::{NumberPlan, PhoneNumber},
    secret::Secret,
    user::User,
};

mod circuit;
mod dial;
mod dialect;
pub mod doctor;
mod entry;
mod guard;
mod index;
pub mod listing;
mod lookup;
mod message;
mod outcome;
mod pattern;
mod question;
mod server;
mod server_url;
mod servers;
mod stranger;
mod sync;
mod terms;
mod trust;
mod upkeep;

pub use server_url::{BadUrl, ServerUrl};
pub use trust::NoTrust;
use trust::Trusted;

/// `[tenant.directory]` with `kind = "ldap"`.
#[derive(Clone, PartialEq, Eq)]
pub struct LdapConfig {
    /// In the order in which they are tried.
    pub urls: Vec<String>,
    /// Ask for TLS on `ldap://`.
    pub start_tls: bool,
    /// PEM; the system's roots if absent.
    pub ca: Option<PathBuf>,
    /// The service user; anonymous if absent.
    pub bind_dn: Option<Box<str>>,
    /// Its password.
    pub bind_password: Option<Secret>,
}

/// How a number finds its user in LDAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// One question per call.
    Search,
    /// All numbers in memory.
    Index {
        /// How often changes are asked for.
        refresh: Duration,
    },
}

/// What in the configuration makes an adapter impossible. An unreachable server does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdapSetupError {
    /// Nobody to ask.
    #[error("urls names no server")]
    NoServer,
    /// Not a server's URL.
    #[error("urls: {0}: {1}")]
    Url(String, BadUrl),
    /// Whom to believe is not known.
    #[error(transparent)]
    Trust(#[from] NoTrust),
    /// A search filter that no server would accept.
    #[error("user_filter: {0}")]
    Filter(#[from] FilterError),
    /// An attribute's name that no server would accept.
    #[error(transparent)]
    Attribute(#[from] NotAnAttribute),
    /// RFC 4513 §5.1.2 would make of it somebody nobody asked for.
    #[error("bind_dn needs a bind_password that is not empty")]
    NoPassword,
}

impl LdapSetupError {
    /// What to do, where the message does not say it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Trust(NoTrust::Unreadable(..) | NoTrust::File(..)) => {
                "name the PEM file of the authority that signed the servers' certificates with ca"
            }
            _ => "",
        }
    }
}

/// A directory behind one or more LDAP servers. Its background tasks end with it.
pub struct LdapDirectory {
    config: LdapConfig,
    lookup: Lookup,
    trusted: Trusted,
    directory: Arc<Directory>,
    strangers: stranger::Pace,
    tasks: Vec<AbortHandle>,
}

impl LdapDirectory {
    /// Begins to talk to the servers. Returns at once, whether or not they answer; needs
    /// a runtime.
    pub fn start(
        config: LdapConfig,
        lookup: Lookup,
        schema: Schema,
        plan: Arc<NumberPlan>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, LdapSetupError> {
        let trusted = trust::anchors(config.ca.as_deref())?;
        let made = Directory::new(config.clone(), &trusted, lookup, schema, plan, clock)?;
        let directory = Arc::new(made);
        let mut tasks = Vec::new();
        for server in &directory.servers.0 {
            let server = server.clone();
            tasks.push(tokio::spawn(async move { drop(server.probe().await) }).abort_handle());
        }
        tasks.push(tokio::spawn(directory.clone().look_after()).abort_handle());
        Ok(Arc::new(Self {
            config,
            lookup,
            trusted,
            directory,
            strangers: stranger::Pace::default(),
            tasks,
        }))
    }

    /// True if starting with these would begin a directory like this one: the same servers,
    /// password and authorities (what is in the file of `ca` counts, not its name), and
    /// numbers read alike. What has been learnt of the servers can then be kept.
    pub fn is_made_of(
        &self,
        config: &LdapConfig,
        lookup: Lookup,
        schema: &Schema,
        plan: &NumberPlan,
    ) -> bool {
        self.config == *config
            && self.lookup == lookup
            && *self.directory.schema == *schema
            && *self.directory.plan == *plan
            && trust::anchors(config.ca.as_deref()).is_ok_and(|now| now == self.trusted)
    }

    /// Waits until the index of numbers is loaded, if there is one. May wait for as long as
    /// the servers are out.
    pub async fn loaded(&self) {
        if self.lookup != Lookup::Search {
            self.directory.index.loaded().await;
        }
    }
}

impl Drop for LdapDirectory {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

#[async_trait]
impl UserDirectory for LdapDirectory {
    async fn find_by_number(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Option<Match>, DirectoryFault> {
        self.directory.find_by_number(number, deadline).await
    }

    async fn find_by_name(
        &self,
        name: &str,
        deadline: Deadline,
    ) -> Result<Option<User>, DirectoryFault> {
        self.directory.find_by_name(name, deadline).await
    }

    async fn check_password(
        &self,
        user: Option<&User>,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<PasswordCheck, DirectoryFault> {
        // RFC 4513 §5.1.2: servers answer "success" to a name without a password, and
        // some take one of NUL bytes for one of no bytes.
        if password.expose().trim_matches('\0').is_empty() {
            return Ok(PasswordCheck::Wrong(WrongPassword::Mismatch));
        }
        match user {
            Some(user) => {
                let started = tokio::time::Instant::now();
                let checked = self.bind(&user.dn, password, deadline).await;
                self.strangers.learn(started.elapsed());
                checked
            }
            None => {
                let pace = self.strangers.keep(deadline);
                let dn = stranger::dn(&self.directory.schema.base);
                let (checked, ()) = tokio::join!(self.bind(&dn, password, deadline), pace);
                checked.map(|_| PasswordCheck::Wrong(WrongPassword::Mismatch))
            }
        }
    }

    fn health(&self) -> DirectoryHealth {
        self.directory.health()
    }
}

impl LdapDirectory {
    async fn bind(
        &self,
        dn: &str,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<PasswordCheck, DirectoryFault> {
        let servers = &self.directory.servers;
        let (place, result) = servers.bind(dn, password, deadline).await?;
        let url = &servers.0[place].url;
        match outcome::of_bind(&result) {
            BindOutcome::Checked(checked) => {
                if let PasswordCheck::Wrong(reason) = checked {
                    tracing::debug!(server = %url, ?reason, said = %outcome::describe(&result), "a bind was refused");
                }
                Ok(checked)
            }
            BindOutcome::Unavailable(said) => {
                Err(DirectoryFault::Unavailable(format!("{url}: {said}")))
            }
            BindOutcome::Unusable(said) => Err(DirectoryFault::Unusable(format!("{url}: {said}"))),
        }
    }
}

/// Says what in a configuration makes an adapter impossible; reads files, uses no network.
pub fn check(config: &LdapConfig, schema: &Schema) -> Result<(), LdapSetupError> {
    terms::Terms::try_from(schema)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let trusted = trust::anchors(config.ca.as_deref())?;
    servers_of(config.clone(), &trusted, &clock).map(drop)
}

fn servers_of(
    config: LdapConfig,
    trusted: &Trusted,
    clock: &Arc<dyn Clock>,
) -> Result<Servers, LdapSetupError> {
    let bind = match (config.bind_dn, config.bind_password) {
        (None, _) => None,
        (Some(dn), Some(password)) if !password.is_empty() => Some(ServiceBind { dn, password }),
        (Some(_), _) => return Err(LdapSetupError::NoPassword),
    };
    let dialer = Arc::new(Dialer {
        start_tls: config.start_tls,
        tls: trust::client_config(trusted),
        bind,
    });
    let servers = config.urls.iter().map(|text| {
        let url = ServerUrl::parse(text).map_err(|bad| LdapSetupError::Url(text.clone(), bad))?;
        Ok(Arc::new(Server::new(url, dialer.clone(), clock.clone())))
    });
    let servers: Vec<_> = servers.collect::<Result<_, LdapSetupError>>()?;
    match servers.is_empty() {
        true => Err(LdapSetupError::NoServer),
        false => Ok(Servers(servers)),
    }
}
