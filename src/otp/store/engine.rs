//! The engines there are, and how one is opened.

use std::{path::PathBuf, sync::Arc};

use super::{
    KeyError, OtpStore, StoreError, StoreKey,
    embedded::EmbeddedStore,
    memory::MemoryStore,
    redis::{RedisConfig, RedisStore, TimeSource},
};
use crate::clock::{Clock, Entropy};

/// The engines of the store.
#[derive(Clone)]
pub enum EngineConfig {
    /// Lost at the end of the process; for trying and for tests.
    Memory,
    /// A crash-safe file.
    Embedded {
        /// The file.
        path: PathBuf,
    },
    /// Redis or Valkey.
    Redis(RedisConfig),
}

impl EngineConfig {
    /// The key in `key_file`, and what the operator should know about that file. Where one
    /// process has the store to itself, a missing file is made together with the store;
    /// without a file, the key is drawn and dies with the process.
    pub fn key(
        &self,
        key_file: Option<&std::path::Path>,
        entropy: &dyn Entropy,
    ) -> Result<(StoreKey, Option<String>), KeyError> {
        let lasts = match self {
            Self::Embedded { path } if !EmbeddedStore::is_to_be_made(path) => Some(path),
            _ => None,
        };
        let makes = lasts.is_none() && !matches!(self, Self::Redis(_));
        match key_file {
            Some(path) => {
                let loaded = StoreKey::load(path, makes.then_some(entropy));
                loaded.map_err(|error| match (error, lasts) {
                    (KeyError::Absent(path), Some(store)) => KeyError::Lost {
                        path,
                        store: store.clone(),
                    },
                    (error, _) => error,
                })
            }
            None => {
                let mut bytes = zeroize::Zeroizing::new([0; 32]);
                entropy.fill(bytes.as_mut())?;
                Ok((StoreKey::new(&bytes), None))
            }
        }
    }

    /// Opens the store. One that goes by a clock of its own does not ask `clock`.
    pub async fn open(
        &self,
        key: &StoreKey,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<dyn OtpStore>, StoreError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new(clock)),
            Self::Embedded { path } => Arc::new(EmbeddedStore::open(path, key, clock)?),
            Self::Redis(config) => {
                Arc::new(RedisStore::open(config, key, TimeSource::Server, entropy).await?)
            }
        })
    }
}
