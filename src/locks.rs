//! `callotp locks`: who is locked, and the end of it. A store that belongs to a running
//! server is asked through that server; one that several share, or that nobody has open,
//! is opened.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    admin::{LockLine, Unlock, Unlocked, bearer},
    clock::{SystemClock, SystemEntropy},
    config::{Config, EngineConfig},
    otp::store::{
        KeyError, OtpStore, StoreError, StoreFault, StoreKey,
        lock_file::{self, LockFileError},
    },
};

/// Where the locks are asked for.
pub enum Locks {
    /// The store itself.
    Store(Arc<dyn OtpStore>, Arc<StoreKey>),
    /// The server that has it.
    Server {
        /// Its private listener.
        address: SocketAddr,
        /// What it wants to be shown.
        authorization: String,
    },
}

/// Why the locks cannot be seen or changed.
#[derive(Debug, thiserror::Error)]
pub enum LocksError {
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] StoreError),
    /// The store cannot answer.
    #[error(transparent)]
    Fault(#[from] StoreFault),
    /// The locks to take in are none.
    #[error(transparent)]
    File(#[from] LockFileError),
    /// A store in memory is its server's alone.
    #[error("the store is in the memory of a server, and {0}")]
    NoServer(String),
    /// The server says no.
    #[error("the server at {address} answers {status}: {text}")]
    Refused {
        /// Its private listener.
        address: SocketAddr,
        /// The status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// The server does not answer, or not as one does.
    #[error("the server at {address}: {source}")]
    Unanswered {
        /// Its private listener.
        address: SocketAddr,
        /// What happened.
        source: reqwest::Error,
    },
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Locks {
    /// Finds out who has the store.
    pub async fn of(config: &Config) -> Result<Self, LocksError> {
        let engine = &config.store.engine;
        let key = match &config.store.key_file {
            Some(path) => Some(StoreKey::load(path, None)?.0),
            None => None,
        };
        let server = match (&key, config.server.admin_listen) {
            (Some(key), Some(address)) if !matches!(engine, EngineConfig::Redis(_)) => {
                Some(Self::Server {
                    address,
                    authorization: bearer(&key.administration()),
                })
            }
            _ => None,
        };
        match (server, key) {
            (Some(server), _) if server.is_there().await => Ok(server),
            (_, Some(key)) if !matches!(engine, EngineConfig::Memory) => {
                let clock = Arc::new(SystemClock::start());
                let store = engine.open(&key, clock, Arc::new(SystemEntropy)).await?;
                Ok(Self::Store(store, Arc::new(key)))
            }
            (Some(_), _) => Err(LocksError::NoServer(
                "none answers at `admin_listen`".to_owned(),
            )),
            (None, _) => Err(LocksError::NoServer(
                "it cannot be asked without `admin_listen` and `key_file`".to_owned(),
            )),
        }
    }

    async fn is_there(&self) -> bool {
        let Self::Server { address, .. } = self else {
            return false;
        };
        tokio::net::TcpStream::connect(address).await.is_ok()
    }

    /// Every lock in force.
    pub async fn list(&self) -> Result<Vec<LockLine>, LocksError> {
        match self {
            Self::Store(store, _) => Ok(store.locks().await?.iter().map(LockLine::from).collect()),
            Self::Server { .. } => self.ask(reqwest::Method::GET, "/locks", "").await,
        }
    }

    /// Ends the locks of `user` in every tenant. Says how many there were.
    pub async fn unlock(&self, user: &str) -> Result<usize, LocksError> {
        match self {
            Self::Store(store, _) => Ok(store.unlock(None, user).await?),
            Self::Server { .. } => {
                let asked = Unlock {
                    user: user.to_owned(),
                    tenant: None,
                };
                let asked = serde_json::to_string(&asked).unwrap_or_default();
                let answer = self.ask(reqwest::Method::POST, "/locks/unlock", &asked);
                Ok(answer.await.map(|Unlocked { unlocked }| unlocked)?)
            }
        }
    }

    /// The locks as text, for another store.
    pub async fn export(&self) -> Result<String, LocksError> {
        match self {
            Self::Store(store, key) => Ok(lock_file::write(&store.locks().await?, key)),
            Self::Server { .. } => {
                self.ask_text(reqwest::Method::GET, "/locks/export", "")
                    .await
            }
        }
    }

    /// Puts the locks in `text` in force. Says how many that changed.
    pub async fn import(&self, text: &str) -> Result<usize, LocksError> {
        match self {
            Self::Store(store, key) => {
                let mut locked = 0;
                for lock in lock_file::read(text, key)? {
                    locked += usize::from(store.lock(&lock).await?);
                }
                Ok(locked)
            }
            Self::Server { .. } => {
                let answer = self.ask(reqwest::Method::POST, "/locks/import", text);
                Ok(answer
                    .await
                    .map(|crate::admin::Imported { locked }| locked)?)
            }
        }
    }

    async fn ask<R: serde::de::DeserializeOwned>(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &str,
    ) -> Result<R, LocksError> {
        let text = self.ask_text(method, path, body).await?;
        serde_json::from_str(&text).map_err(|_| match self {
            Self::Server { address, .. } => LocksError::Refused {
                address: *address,
                status: 200,
                text,
            },
            Self::Store(..) => LocksError::NoServer("none was asked".to_owned()),
        })
    }

    async fn ask_text(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &str,
    ) -> Result<String, LocksError> {
        let Self::Server {
            address,
            authorization,
        } = self
        else {
            return Err(LocksError::NoServer("none was asked".to_owned()));
        };
        let unanswered = |source| LocksError::Unanswered {
            address: *address,
            source,
        };
        // The private listener is on this machine or on a private network: no proxy.
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
        let request = client
            .build()
            .map_err(unanswered)?
            .request(method, format!("http://{address}{path}"))
            .header("authorization", authorization)
            .body(body.to_owned());
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unanswered)?;
        match status.is_success() {
            true => Ok(text),
            false => Err(LocksError::Refused {
                address: *address,
                status: status.as_u16(),
                text: text.trim().to_owned(),
            }),
        }
    }
}

impl fmt::Display for LockLine {
    /// Columns with tabs between them, for people and for `cut`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |millis: u64| {
            let moment = i64::try_from(millis).map(jiff::Timestamp::from_millisecond);
            match moment {
                Ok(Ok(moment)) => format!("{moment:.0}"),
                _ => "out of time".to_owned(),
            }
        };
        let until = self
            .until
            .map_or_else(|| "an administrator ends it".to_owned(), moment);
        let since = moment(self.since);
        write!(f, "{}\t{}\t{since}\t{until}", self.tenant, self.user)
    }
}
