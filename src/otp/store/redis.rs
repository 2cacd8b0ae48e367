//! The engine that several nodes share: Redis or Valkey.

use std::{path::PathBuf, time::Duration};

use crate::secret::Secret;

/// `[store]` with `kind = "redis"`.
#[derive(Clone)]
pub struct RedisConfig {
    /// One URL, or several for a cluster. May hold a password.
    pub urls: Vec<Secret>,
    /// The master's name and the sentinels' URLs.
    pub sentinel: Option<SentinelConfig>,
    /// PEM; the system's roots if absent.
    pub ca: Option<PathBuf>,
    /// Replicas that must have a write before it counts (`WAIT`); 0 asks for none.
    pub wait_replicas: u32,
    /// How long to wait for them.
    pub wait_timeout: Duration,
}

/// `sentinel = { master = "...", urls = [...] }`
#[derive(Clone)]
pub struct SentinelConfig {
    /// The name under which the sentinels know the group.
    pub master: String,
    /// The sentinels.
    pub urls: Vec<Secret>,
}
