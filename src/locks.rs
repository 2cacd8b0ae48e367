//! The administrator's hand on the locks: of the running server where the store belongs to
//! it, of the store itself where it is shared or nobody has it open.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{Client, Response};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    admin::{Changed, Unlock, bearer},
    clock::{Clock, SystemEntropy},
    config::Config,
    otp::store::{
        KeyError, Lock, OtpStore, StoreError, StoreFault, StoreKey,
        engine::EngineConfig,
        lock_file::{self, LockFileError},
    },
    tenant::TenantId,
};

/// For an answer of the running server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever has the store.
pub struct Locks {
    keys: StoreKey,
    holder: Holder,
}

enum Holder {
    Running(SocketAddr),
    Store(Arc<dyn OtpStore>),
}

/// Why the locks are out of reach.
#[derive(Debug, thiserror::Error)]
pub enum LocksError {
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key lives in the server alone.
    #[error("store.key_file is not set: without it nobody but the server can read its store")]
    NoKeyFile,
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot decide.
    #[error(transparent)]
    Fault(#[from] StoreFault),
    /// The store belongs to the server, which does not say where to ask it.
    #[error("the running server has the store, and server.admin_listen is off")]
    NoAdmin,
    /// The running server does not answer.
    #[error("the server at {address} cannot be asked: {reason}")]
    Server {
        /// Its administration address.
        address: SocketAddr,
        /// What it said, or why it said nothing.
        reason: String,
    },
    /// The text to import is not one of locks.
    #[error(transparent)]
    File(#[from] LockFileError),
}

impl Locks {
    /// Finds out who has the store that `config` names.
    pub async fn of(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, LocksError> {
        let engine = &config.store.engine;
        let key_file = config
            .store
            .key_file
            .as_deref()
            .ok_or(LocksError::NoKeyFile)?;
        let (keys, _) = StoreKey::load(key_file, None)?;
        let admin = config.server.admin_listen.ok_or(LocksError::NoAdmin);
        let holder = match engine {
            EngineConfig::Memory => Holder::Running(admin?),
            EngineConfig::Embedded { .. } | EngineConfig::Redis(_) => {
                match engine.open(&keys, clock, Arc::new(SystemEntropy)).await {
                    Err(StoreError::InUse(_)) => Holder::Running(admin?),
                    opened => Holder::Store(opened?),
                }
            }
        };
        Ok(Self { keys, holder })
    }

    /// Every lock in force.
    pub async fn list(&self) -> Result<Vec<Lock>, LocksError> {
        match &self.holder {
            Holder::Store(store) => Ok(store.locks().await?),
            Holder::Running(address) => {
                let url = format!("http://{address}/locks");
                let answer = self.send(*address, client().get(url)).await?;
                let text = answer
                    .text()
                    .await
                    .map_err(|error| out_of_reach(*address, &error))?;
                Ok(lock_file::read(&text, &self.keys)?)
            }
        }
    }

    /// Ends the locks of `user`, in `tenant` or in any, and says how many there were.
    pub async fn unlock(&self, tenant: Option<&str>, user: &str) -> Result<usize, LocksError> {
        match &self.holder {
            Holder::Store(store) => Ok(store
                .unlock(tenant.map(TenantId::new).as_ref(), user)
                .await?),
            Holder::Running(address) => {
                let unlock = Unlock {
                    user: user.to_owned(),
                    tenant: tenant.map(str::to_owned),
                };
                self.change(*address, "unlock", text_of(&unlock)).await
            }
        }
    }

    /// All locks as text, to be imported elsewhere.
    pub async fn export(&self) -> Result<String, LocksError> {
        Ok(lock_file::write(&self.list().await?, &self.keys))
    }

    /// Puts the locks in `text` in force, and says how many are new or last longer now.
    pub async fn import(&self, text: &str) -> Result<usize, LocksError> {
        let locks = lock_file::read(text, &self.keys)?;
        match &self.holder {
            Holder::Running(address) => self.change(*address, "import", text.to_owned()).await,
            Holder::Store(store) => {
                let mut changed = 0;
                for lock in &locks {
                    changed += usize::from(store.lock(lock).await?);
                }
                Ok(changed)
            }
        }
    }

    async fn change(
        &self,
        address: SocketAddr,
        what: &str,
        body: String,
    ) -> Result<usize, LocksError> {
        let request = client()
            .post(format!("http://{address}/locks/{what}"))
            .body(body);
        let changed: Changed = json(address, self.send(address, request).await?).await?;
        Ok(changed.changed)
    }

    async fn send(
        &self,
        address: SocketAddr,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, LocksError> {
        let request = request
            .header("authorization", bearer(&self.keys))
            .timeout(PATIENCE);
        let answer = request
            .send()
            .await
            .map_err(|error| out_of_reach(address, &error))?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => {
                let status = answer.status();
                let said = answer.text().await.unwrap_or_default();
                let reason = format!("{status}: {}", said.trim());
                Err(LocksError::Server { address, reason })
            }
        }
    }
}

/// The private listener is asked directly, whatever proxy the environment names.
fn client() -> Client {
    Client::builder().no_proxy().build().unwrap_or_default()
}

async fn json<T: DeserializeOwned>(address: SocketAddr, answer: Response) -> Result<T, LocksError> {
    answer
        .json()
        .await
        .map_err(|error| out_of_reach(address, &error))
}

fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a structure of texts is always JSON")
}

fn out_of_reach(address: SocketAddr, error: &reqwest::Error) -> LocksError {
    let reason = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    LocksError::Server { address, reason }
}
