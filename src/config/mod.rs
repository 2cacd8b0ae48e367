//! The configuration as it is meant: checked types that the rest of the program
//! can use without checking again.
//!
//! [`load`] goes through these rooms: [`document`] makes a tree of the file,
//! [`environment`] writes the variables over it, [`written`] turns the tree into
//! what is meant, with [`reader`] and by the [`catalogue`] of keys. Whatever is
//! wrong becomes a [`Problem`], and all of them are told together.

use std::{
    fs::File,
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

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
    secret::Secret,
    tenant::{Operations, TenantId},
    tls::TlsConfig,
};

pub use crate::otp::store::engine::EngineConfig;

pub use self::{
    environment::Environment,
    problem::{Place, Problem, Problems},
    reference::reference,
};

mod catalogue;
mod client_hash;
mod document;
mod environment;
mod nearest;
mod problem;
mod reader;
mod reference;
mod secret_file;
mod unit;
mod value;
mod written;

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

/// Bytes; a file that is longer is not a configuration.
const LONGEST_FILE: u64 = 1 << 20;

/// Reads the file at `path`, with the variables in `environment` written over it, and
/// the files of secrets that it names. Touches nothing else.
///
/// # Errors
/// Everything that is wrong, not only the first thing.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Problems> {
    let text = read_file(path).map_err(|what| {
        let problem = Problem {
            place: Place::File,
            key: String::new(),
            whose: String::new(),
            what,
        };
        Problems::new(path, vec![problem])
    })?;
    let (mut root, mut problems) = document::read(&text);
    let whole = problems.is_empty();
    let broken_lines: Vec<usize> = problems.iter().filter_map(Problem::line_number).collect();
    problems.extend(environment.write_over(&mut root, whole));
    let folder = path.parent().unwrap_or(Path::new(""));
    let findings = reader::Findings::new(folder);
    let config = written::config(&reader::Section::root(&root, &findings));
    let (found, missing, warnings) = findings.into_lists();
    match whole {
        true => problems.extend(found.into_iter().chain(missing)),
        // What a line that cannot be read held is not missing, nor is the rest of it wrong.
        false => problems.extend(
            found
                .into_iter()
                .filter(|problem| !problem.is_on_any_of(&broken_lines)),
        ),
    }
    let problems = Problems::new(path, problems);
    match config {
        _ if !problems.is_empty() => Err(problems),
        Some(config) => Ok(Config {
            warnings: Problems::new(path, warnings).lines().collect(),
            ..config
        }),
        None => unreachable!("what is left out of the configuration is a problem"),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LONGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err("is longer than 1 MiB".to_owned());
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let line = bytes[..error.valid_up_to()]
                .split(|byte| *byte == b'\n')
                .count();
            Err(format!("is not UTF-8 (line {line})"))
        }
    }
}

impl Config {
    /// The key that differs in `newer` and cannot be changed while the program runs.
    pub fn needs_restart(&self, newer: &Self) -> Option<String> {
        let (server, newer_server) = (&self.server, &newer.server);
        let changed = [
            ("server.listen", server.listen != newer_server.listen),
            (
                "server.admin_listen",
                server.admin_listen != newer_server.admin_listen,
            ),
            (
                "server.max_connections",
                server.max_connections != newer_server.max_connections,
            ),
            (
                "server.shutdown_grace",
                server.shutdown_grace != newer_server.shutdown_grace,
            ),
            (
                "server.request_timeout",
                server.request_timeout != newer_server.request_timeout,
            ),
            ("store", !self.store.is_same(&newer.store)),
        ];
        let names: Vec<&str> = changed
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl StoreConfig {
    fn is_same(&self, other: &Self) -> bool {
        let engines = match (&self.engine, &other.engine) {
            (EngineConfig::Memory, EngineConfig::Memory) => true,
            (EngineConfig::Embedded { path }, EngineConfig::Embedded { path: other }) => {
                path == other
            }
            (EngineConfig::Redis(redis), EngineConfig::Redis(other)) => is_same_redis(redis, other),
            _ => false,
        };
        engines && self.key_file == other.key_file
    }
}

fn is_same_redis(one: &RedisConfig, other: &RedisConfig) -> bool {
    let is_same = |one: &[Secret], other: &[Secret]| {
        let pairs = one.iter().zip(other);
        one.len() == other.len()
            && pairs.fold(true, |same, (a, b)| same && a.expose() == b.expose())
    };
    let sentinels = match (&one.sentinel, &other.sentinel) {
        (Some(one), Some(other)) => one.master == other.master && is_same(&one.urls, &other.urls),
        (None, None) => true,
        _ => false,
    };
    sentinels
        && is_same(&one.urls, &other.urls)
        && one.ca == other.ca
        && one.wait_replicas == other.wait_replicas
        && one.wait_timeout == other.wait_timeout
}
