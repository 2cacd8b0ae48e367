//! The one place where the parts meet: a configuration goes in, a program with known
//! addresses comes out, which runs until it is told to stop.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{net::TcpListener, sync::Mutex, task::JoinSet};

use self::{
    door::{Door, Program},
    reload::InForce,
};
use crate::{
    admin::Admin,
    client_auth::{self, Clients, Forwarded},
    clock::{Clock, Entropy, NoEntropy, SystemClock, SystemEntropy},
    config::{Config, DirectoryConfig, DirectorySource, ServerConfig, TenantConfig},
    directory::{
        UserDirectory,
        ldap::{LdapDirectory, LdapSetupError},
        ldif::{LdifDirectory, LdifError},
    },
    http::{Http, Tenant, record::RequestIds},
    otp::{
        Authority,
        store::{KeyError, OtpStore, StoreError, StoreKey},
    },
    server::{Handler, Server},
    shutdown::Shutdown,
    telemetry::{Log, Metrics, Telemetry},
    tenant::TenantId,
    tls::{self, Tls, TlsError},
};

mod door;
mod reload;

pub use self::reload::Reloader;

/// Time, chance and the log, which a program is handed.
pub struct Surroundings {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives unpredictable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Takes the log lines.
    pub log: Arc<Log>,
}

impl Surroundings {
    /// The machine's own, with log lines to `log`.
    pub fn of_the_machine(log: Arc<Log>) -> Self {
        Self {
            clock: Arc::new(SystemClock::start()),
            entropy: Arc::new(SystemEntropy),
            log,
        }
    }
}

/// The program, bound to its addresses and not yet serving.
pub struct App {
    config: Arc<Config>,
    ldap: LdapDirectories,
    parts: Arc<Parts>,
    door: Arc<Door>,
    public: TcpListener,
    admin: Option<TcpListener>,
    addresses: Addresses,
}

/// Where the program listens: the readiness line, as it is printed in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Addresses {
    /// Clients call here.
    pub listening: SocketAddr,
    /// Health and metrics.
    pub admin: Option<SocketAddr>,
}

/// Why the program could not start, or a new configuration could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A tenant's directory could not be read.
    #[error("tenant {tenant}: {error}")]
    Directory {
        /// Whose.
        tenant: TenantId,
        /// Why.
        error: LdifError,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A tenant's LDAP servers could not be asked whatever they did.
    #[error("tenant {tenant}: {error}")]
    Ldap {
        /// Whose.
        tenant: TenantId,
        /// Why.
        error: LdapSetupError,
    },
    /// A file of `[server.tls]` cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The program has a mistake that this configuration meets.
    #[error("the program has a mistake that this configuration meets; the log says more")]
    Panicked,
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Something that cannot change at run time has changed.
    #[error("{0} cannot change while the program runs: restart it")]
    NeedsRestart(String),
}

/// What outlives a reload.
struct Parts {
    surroundings: Surroundings,
    telemetry: Arc<Telemetry>,
    ids: Arc<RequestIds>,
    clients: client_auth::Context,
    tls: Arc<Tls>,
    store: Arc<dyn OtpStore>,
    keys: Arc<StoreKey>,
}

/// The LDAP directories in force, for a reload to take over.
type LdapDirectories = HashMap<TenantId, Arc<LdapDirectory>>;

/// How often expired entries are dropped.
const SWEEP: Duration = Duration::from_secs(10);

impl App {
    /// Opens everything that `config` names and binds the addresses.
    pub async fn build(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let parts = Arc::new(Parts::open(&config, surroundings).await?);
        let (http, ldap) = parts.http(&config, &LdapDirectories::new())?;
        http.prepare();
        let public = bind(config.server.listen).await?;
        let admin = match config.server.admin_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let local = |listener: &TcpListener, asked: SocketAddr| {
            listener.local_addr().map_err(|error| StartError::Listen {
                address: asked,
                error,
            })
        };
        let addresses = Addresses {
            listening: local(&public, config.server.listen)?,
            admin: match (&admin, config.server.admin_listen) {
                (Some(listener), Some(asked)) => Some(local(listener, asked)?),
                _ => None,
            },
        };
        let door = Arc::new(Door {
            http: ArcSwap::from_pointee(http),
        });
        Ok(Self {
            config: Arc::new(config),
            ldap,
            parts,
            door,
            public,
            admin,
            addresses,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What takes a new configuration while the program runs.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            parts: Arc::clone(&self.parts),
            door: Arc::clone(&self.door),
            in_force: Mutex::new(InForce {
                config: Arc::clone(&self.config),
                ldap: self.ldap.clone(),
            }),
        }
    }

    /// Serves until `shutdown` begins and what was in flight has finished.
    pub async fn run(self, shutdown: Shutdown) {
        let Self {
            config,
            parts,
            door,
            public,
            admin,
            addresses,
            ..
        } = self;
        let mut tasks = JoinSet::new();
        if let Some((listener, address)) = admin.zip(addresses.admin) {
            let admin = Admin {
                running: Arc::new(Program {
                    parts: Arc::clone(&parts),
                    door: Arc::clone(&door),
                }),
                store: Arc::clone(&parts.store),
                keys: Arc::clone(&parts.keys),
                address: address.ip(),
            };
            let server = parts.server(listener, Arc::new(admin), &config.server);
            let server = Server {
                tls: None,
                max_connections: 64,
                ..server
            };
            tasks.spawn(server.run(shutdown.clone()));
        }
        tasks.spawn(housekeeping(Arc::clone(&parts), shutdown.clone()));
        tasks.spawn(certificates(Arc::clone(&parts.tls), shutdown.clone()));
        let server = parts.server(public, door, &config.server);
        server.run(shutdown).await;
        tasks.shutdown().await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| StartError::Listen { address, error })
}

/// Drops what has expired, now and then.
async fn housekeeping(parts: Arc<Parts>, mut shutdown: Shutdown) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if let Err(fault) = parts.store.sweep().await {
                    tracing::warn!(%fault, "expired entries could not be dropped");
                }
            }
            () = shutdown.draining() => return,
        }
    }
}

/// Looks at the certificates' files, now and then.
async fn certificates(tls: Arc<Tls>, mut shutdown: Shutdown) {
    let mut tick = tokio::time::interval(tls::LOOK);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let tls = Arc::clone(&tls);
                // Reads files; what it has to say it says in the log.
                let _ = tokio::task::spawn_blocking(move || tls.look()).await;
            }
            () = shutdown.draining() => return,
        }
    }
}

impl Parts {
    async fn open(config: &Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let entropy = &*surroundings.entropy;
        let clock = || Arc::clone(&surroundings.clock);
        let engine = &config.store.engine;
        let (keys, warning) = engine.key(config.store.key_file.as_deref(), entropy)?;
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let chance = Arc::clone(&surroundings.entropy);
        let store = engine.open(&keys, clock(), chance).await?;
        let metrics = Arc::new(Metrics::new());
        let log = Arc::clone(&surroundings.log);
        Ok(Self {
            telemetry: Arc::new(Telemetry { log, metrics }),
            ids: Arc::new(RequestIds::new(entropy)?),
            clients: client_auth::Context::new(cores, entropy, clock())?,
            tls: Arc::new(Tls::open(config.server.tls.as_ref(), clock())?),
            store,
            keys: Arc::new(keys),
            surroundings,
        })
    }

    fn server<H: Handler>(
        &self,
        listener: TcpListener,
        handler: Arc<H>,
        config: &ServerConfig,
    ) -> Server<H> {
        Server {
            listener,
            handler,
            tls: Some(Arc::clone(&self.tls)),
            failures: Arc::<Metrics>::clone(&self.telemetry.metrics),
            clock: Arc::clone(&self.surroundings.clock),
            max_connections: config.max_connections,
            head_timeout: config.request_timeout,
            grace: config.shutdown_grace,
        }
    }

    /// Everything that hangs on the configuration and can change with it. Of `older`, what
    /// `config` would only open again is kept.
    fn http(
        &self,
        config: &Config,
        older: &LdapDirectories,
    ) -> Result<(Http, LdapDirectories), StartError> {
        let proxy = config.server.proxy.as_ref();
        let clock = Arc::clone(&self.surroundings.clock);
        let forwarded = proxy.and_then(|proxy| Forwarded::new(proxy, clock));
        let forwarded = forwarded.map(Arc::new);
        let (mut tenants, mut ldap) = (HashMap::new(), LdapDirectories::new());
        for tenant in &config.tenants {
            let clock = Arc::clone(&self.surroundings.clock);
            let directory = match open_directory(tenant, older.get(&tenant.id), clock)? {
                Opened::Ldif(directory) => directory as Arc<dyn UserDirectory>,
                Opened::Ldap(directory) => {
                    ldap.insert(tenant.id.clone(), Arc::clone(&directory));
                    directory
                }
            };
            let built = self.tenant(tenant, directory, forwarded.as_ref());
            tenants.insert(tenant.id.as_str().into(), built);
        }
        let strangers = config
            .tenants
            .first()
            .map_or(&[][..], |tenant| &tenant.clients);
        let http = Http {
            refusals: config.server.refusals,
            accept_post: config.server.accept_post,
            max_body: config.server.max_body,
            request_timeout: config.server.request_timeout,
            tenants,
            strangers: Clients::new(strangers, &self.clients, forwarded.as_ref()),
            ids: Arc::clone(&self.ids),
            ledger: Arc::clone(&self.telemetry) as _,
            clock: Arc::clone(&self.surroundings.clock),
        };
        Ok((http, ldap))
    }

    fn tenant(
        &self,
        config: &TenantConfig,
        directory: Arc<dyn UserDirectory>,
        forwarded: Option<&Arc<Forwarded>>,
    ) -> Tenant {
        let authority = Authority {
            tenant: config.id.clone(),
            otp: config.otp,
            validate: config.validate,
            lockout: config.lockout,
            throttle: config.throttle,
            numbers: Arc::clone(&config.phone),
            directory,
            store: Arc::clone(&self.store),
            keys: Arc::clone(&self.keys),
            entropy: Arc::clone(&self.surroundings.entropy),
        };
        Tenant {
            operations: config.operations,
            clients: Clients::new(&config.clients, &self.clients, forwarded),
            authority,
        }
    }
}

/// A tenant's directory.
enum Opened {
    Ldif(Arc<LdifDirectory>),
    Ldap(Arc<LdapDirectory>),
}

fn open_directory(
    config: &TenantConfig,
    older: Option<&Arc<LdapDirectory>>,
    clock: Arc<dyn Clock>,
) -> Result<Opened, StartError> {
    let DirectoryConfig { source, schema } = &config.directory;
    match source {
        DirectorySource::Ldif { path } => {
            let opened = LdifDirectory::open(path, schema, Arc::clone(&config.phone));
            let directory = Arc::new(opened.map_err(|error| StartError::Directory {
                tenant: config.id.clone(),
                error,
            })?);
            for warning in directory.warnings() {
                tracing::warn!(tenant = %config.id, "{warning}");
            }
            directory.watch();
            Ok(Opened::Ldif(directory))
        }
        DirectorySource::Ldap(ldap, lookup) => {
            let same = |older: &&Arc<LdapDirectory>| {
                older.is_made_of(ldap, *lookup, schema, &config.phone)
            };
            if let Some(older) = older.filter(same) {
                return Ok(Opened::Ldap(Arc::clone(older)));
            }
            let (ldap, schema) = (ldap.clone(), schema.clone());
            let numbers = Arc::clone(&config.phone);
            match LdapDirectory::start(ldap, *lookup, schema, numbers, clock) {
                Ok(directory) => Ok(Opened::Ldap(directory)),
                Err(error) => Err(StartError::Ldap {
                    tenant: config.id.clone(),
                    error,
                }),
            }
        }
    }
}
