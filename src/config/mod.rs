//! The configuration as it is meant: checked types that the rest of the program
//! can use without checking again. How it is written is `written`'s affair.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    client_auth::{ClientConfig, ProxyConfig},
    directory::{
        Schema,
        ldap::{LdapConfig, Lookup},
    },
    http::Refusals,
    otp::{
        OtpPolicy, lockout::LockoutPolicy, store::redis::RedisConfig, throttle::ThrottlePolicy,
        validate::ValidatePolicy,
    },
    phone_number::NumberPlan,
    tenant::{Operations, TenantId},
    tls::TlsConfig,
};

/// Everything an operator can say. Paths are absolute or relative to the working
/// directory; they were relative to the file when they were written.
pub struct Config {
    /// The sockets and what is common to all tenants.
    pub server: ServerConfig,
    /// Where OTPs are kept.
    pub store: StoreConfig,
    /// At least one; ids are unique.
    pub tenants: Vec<TenantConfig>,
    /// What is allowed but unwise, for the operator to read at the start.
    pub warnings: Vec<String>,
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where clients call.
    pub listen: SocketAddr,
    /// Where health and metrics are served; nowhere if absent.
    pub admin_listen: Option<SocketAddr>,
    /// How refusals look.
    pub refusals: Refusals,
    /// Serve POST like PUT.
    pub accept_post: bool,
    /// Bytes of a request body.
    pub max_body: usize,
    /// For a request's head, and then again for the whole answer.
    pub request_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// For calls in flight when the program is told to stop.
    pub shutdown_grace: Duration,
    /// Our own TLS; plain HTTP if absent.
    pub tls: Option<TlsConfig>,
    /// A reverse proxy in front that ends TLS.
    pub proxy: Option<ProxyConfig>,
}

/// `[store]`
#[derive(Clone)]
pub struct StoreConfig {
    /// Which engine.
    pub engine: EngineConfig,
    /// The MAC key's file. `memory` can do without: its key then dies with it.
    pub key_file: Option<PathBuf>,
}

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

/// `[[tenant]]`
#[derive(Clone)]
pub struct TenantConfig {
    /// The value of the `tenant` header.
    pub id: TenantId,
    /// For people.
    pub display_name: Box<str>,
    /// What is served at all.
    pub operations: Operations,
    /// `[tenant.otp]`
    pub otp: OtpPolicy,
    /// `[tenant.validate]`
    pub validate: ValidatePolicy,
    /// `[tenant.lockout]`
    pub lockout: LockoutPolicy,
    /// `[tenant.throttle]`
    pub throttle: ThrottlePolicy,
    /// `[tenant.phone]`
    pub phone: Arc<NumberPlan>,
    /// `[tenant.directory]`
    pub directory: DirectoryConfig,
    /// `[[tenant.client]]`, at least one.
    pub clients: Vec<ClientConfig>,
}

/// `[tenant.directory]`
#[derive(Clone)]
pub struct DirectoryConfig {
    /// Which kind, and where.
    pub source: DirectorySource,
    /// Which entries and attributes matter.
    pub schema: Schema,
}

/// Where the users are.
#[derive(Clone)]
pub enum DirectorySource {
    /// An LDIF file.
    Ldif {
        /// The file.
        path: PathBuf,
    },
    /// LDAP servers, and how a number is found there.
    Ldap(LdapConfig, Lookup),
}
