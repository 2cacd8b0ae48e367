//! The connections to the server, and what to do without one.
//!
//! A call that finds no connection is refused at once; one task looks for the server
//! meanwhile. A call that gets no answer in time ends the connections for all, so that
//! the next ones do not wait as long.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo as _, Pipeline, RedisError, RedisFuture, RedisResult, Script,
    ScriptInvocation, ServerErrorKind, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::RedisConfig;
use crate::{clock::Timestamp, otp::store::StoreFault, secret::Secret};

/// For one decision. A validate makes two, and the directory wants its share of the
/// answer's deadline too.
const ANSWER: Duration = Duration::from_secs(1);
/// What a decision may come late, since two machines never quite agree about the time.
const GRACE: Duration = Duration::from_millis(250);
/// For one attempt to connect, everything included.
const CONNECT: Duration = Duration::from_secs(2);
/// Connections to one server. Many decisions travel on each at once.
const CONNECTIONS: usize = 4;
/// Decisions under way at once. More are refused: a slow server is a fault, not a heap.
const UNDER_WAY: usize = 8192;
/// Between two attempts to connect; then twice as long, and so on, up to the last.
const PATIENCE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// A connection to whatever kind of server there is.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// The connections in use, or why there is none.
pub(super) struct Link {
    shared: Arc<Shared>,
    mender: JoinHandle<()>,
    turn: AtomicUsize,
    under_way: Semaphore,
}

struct Shared {
    state: ArcSwap<State>,
    broken: Notify,
    /// What the server's clock said, and when.
    time: ArcSwapOption<(Timestamp, Instant)>,
}

enum State {
    Up(Vec<Connection>),
    Down(StoreFault),
}

impl Link {
    /// Connects, and stays connected as far as it can.
    pub(super) async fn open(config: RedisConfig) -> RedisResult<Self> {
        let connections = connect(&config).await?;
        let shared = Arc::new(Shared {
            time: ArcSwapOption::new(time_of(&connections).await?),
            state: ArcSwap::from_pointee(State::Up(connections)),
            broken: Notify::new(),
        });
        Ok(Self {
            mender: tokio::spawn(mend(shared.clone(), config)),
            shared,
            turn: AtomicUsize::new(0),
            under_way: Semaphore::new(UNDER_WAY),
        })
    }

    /// Takes a decision. Says also on which connection, for those who wait for replicas.
    pub(super) async fn invoke(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<(Value, Connection), StoreFault> {
        self.within(ANSWER, async |mut connection| {
            invocation.invoke_async(&mut connection).await
        })
        .await
    }

    /// Runs `ask` on one of the connections.
    pub(super) async fn within<R>(
        &self,
        patience: Duration,
        ask: impl AsyncFnOnce(Connection) -> RedisResult<R>,
    ) -> Result<(R, Connection), StoreFault> {
        let _place = self
            .under_way
            .try_acquire()
            .map_err(|_| StoreFault::Unavailable("too many decisions wait for Redis".to_owned()))?;
        let state = self.shared.state.load_full();
        let connections = match &*state {
            State::Up(connections) => connections,
            State::Down(fault) => return Err(fault.clone()),
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % connections.len();
        let connection = connections[turn].clone();
        match timeout(patience, ask(connection.clone())).await {
            Ok(Ok(answer)) => Ok((answer, connection)),
            Ok(Err(error)) => {
                let fault = StoreFault::Unavailable(plain(&error));
                if is_of_the_connection(&error) {
                    self.shared.break_down(&state, &fault);
                }
                Err(fault)
            }
            Err(_elapsed) => {
                self.shared.break_down(&state, &StoreFault::TimedOut);
                Err(StoreFault::TimedOut)
            }
        }
    }

    /// By when, on the server's clock, a decision that is sent now has to be taken: then
    /// nobody waits for it any more. Empty in a cluster, which has no one clock.
    pub(super) fn deadline(&self) -> String {
        let time = self.shared.time.load_full();
        time.map_or_else(String::new, |time| {
            let (said, when) = *time;
            let deadline = said.after(when.elapsed() + ANSWER + GRACE);
            deadline.as_millis().to_string()
        })
    }

    /// Notes what the server's clock says, so that the deadlines keep up with it.
    pub(super) fn note(&self, time: Timestamp) {
        if self.shared.time.load().is_some() {
            let now = Instant::now();
            self.shared.time.store(Some(Arc::new((time, now))));
        }
    }

    /// The connections, if there are any.
    pub(super) fn is_up(&self) -> Result<(), StoreFault> {
        match &*self.shared.state.load_full() {
            State::Up(_) => Ok(()),
            State::Down(fault) => Err(fault.clone()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.mender.abort();
    }
}

impl Shared {
    /// Ends the connections in `seen`, unless somebody has already.
    fn break_down(&self, seen: &Arc<State>, fault: &StoreFault) {
        let down = Arc::new(State::Down(fault.clone()));
        let found = self.state.compare_and_swap(seen, down);
        if Arc::ptr_eq(&found, seen) {
            tracing::error!(%fault, "the store is out of reach; it is looked for");
            self.broken.notify_one();
        }
    }
}

/// Connects again whenever the connections have broken.
async fn mend(shared: Arc<Shared>, config: RedisConfig) {
    loop {
        shared.broken.notified().await;
        let mut patience = PATIENCE[0];
        let connections = loop {
            let connected = async {
                let connections = connect(&config).await?;
                let time = time_of(&connections).await?;
                Ok((connections, time))
            };
            match connected.await {
                Ok((connections, time)) => {
                    shared.time.store(time);
                    break connections;
                }
                Err(error) => {
                    let fault = StoreFault::Unavailable(plain(&error));
                    shared.state.store(Arc::new(State::Down(fault)));
                    tokio::time::sleep(patience).await;
                    patience = PATIENCE[1].min(patience * 2);
                }
            }
        };
        tracing::info!("the store is within reach again");
        shared.state.store(Arc::new(State::Up(connections)));
    }
}

/// Replicas that must have what was just written on the same connection.
pub(super) struct Wait<'a> {
    pub(super) replicas: u32,
    pub(super) within: Duration,
    /// The hash tag of what was written: in a cluster it says which server.
    pub(super) tag: &'a str,
}

impl Wait<'_> {
    pub(super) async fn on(&self, connection: Connection, link: &Link) -> Result<(), StoreFault> {
        let mut wait = redis::cmd("WAIT");
        let within = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
        wait.arg(self.replicas).arg(within);
        let (have, _) = link
            .within(ANSWER + self.within, async |_| match connection {
                Connection::One(mut one) => wait.query_async::<u32>(&mut one).await,
                Connection::Cluster(mut cluster) => {
                    let master = Route::new(slot(self.tag), SlotAddr::Master);
                    let routing =
                        RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(master));
                    let value = cluster.route_command(wait, routing).await?;
                    Ok(redis::from_redis_value(value)?)
                }
            })
            .await?;
        if have < self.replicas {
            return Err(StoreFault::Unavailable(format!(
                "{have} of {} replicas have the write",
                self.replicas
            )));
        }
        Ok(())
    }
}

/// The slot of a hash tag in a cluster: CRC-16/XMODEM of it (Redis cluster specification,
/// "Key distribution model").
fn slot(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    });
    crc % 16384
}

/// What the server's clock says; nothing in a cluster.
async fn time_of(connections: &[Connection]) -> RedisResult<Option<Arc<(Timestamp, Instant)>>> {
    let Some(Connection::One(one)) = connections.first() else {
        return Ok(None);
    };
    let time = redis::cmd("TIME");
    let mut one = one.clone();
    let asked = time.query_async(&mut one);
    let (seconds, micros): (u64, u64) = timeout(ANSWER, asked).await.map_err(late)??;
    let said = Timestamp::from_millis(seconds * 1000 + micros / 1000);
    Ok(Some(Arc::new((said, Instant::now()))))
}

fn late(_: tokio::time::error::Elapsed) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}

/// Opens all connections. Fails if any of them fails, or takes too long.
async fn connect(config: &RedisConfig) -> RedisResult<Vec<Connection>> {
    timeout(CONNECT, connect_now(config)).await.map_err(late)?
}

async fn connect_now(config: &RedisConfig) -> RedisResult<Vec<Connection>> {
    let certificates = certificates(config)?;
    if let Some(sentinel) = &config.sentinel {
        return one(&master(config, sentinel, &certificates).await?).await;
    }
    let urls: Vec<ConnectionInfo> = config
        .urls
        .iter()
        .map(|url| url.expose().into_connection_info())
        .collect::<RedisResult<_>>()?;
    match &urls[..] {
        [url] => {
            let connections = one(&client(url.clone(), &certificates)?).await?;
            match is_cluster(connections[0].clone()).await? {
                true => cluster(urls, certificates).await,
                false => Ok(connections),
            }
        }
        _ => cluster(urls, certificates).await,
    }
}

fn client(url: ConnectionInfo, certificates: &TlsCertificates) -> RedisResult<Client> {
    match url.addr() {
        ConnectionAddr::TcpTls { .. } => Client::build_with_tls(url, certificates.clone()),
        _ => Client::open(url),
    }
}

async fn one(client: &Client) -> RedisResult<Vec<Connection>> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None);
    let connections = (0..CONNECTIONS).map(|_| async {
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(Connection::One(connection))
    });
    futures_util::future::try_join_all(connections).await
}

async fn is_cluster(mut connection: Connection) -> RedisResult<bool> {
    let mut ask = redis::cmd("INFO");
    match ask
        .arg("cluster")
        .query_async::<String>(&mut connection)
        .await
    {
        Ok(info) => Ok(info.contains("cluster_enabled:1")),
        // Whoever may not ask has a server of one, until it says MOVED.
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn cluster(
    urls: Vec<ConnectionInfo>,
    certificates: TlsCertificates,
) -> RedisResult<Vec<Connection>> {
    let tls = urls
        .iter()
        .any(|url| matches!(url.addr(), ConnectionAddr::TcpTls { .. }));
    let mut builder = ClusterClient::builder(urls)
        // A slot that has moved is asked for once more, at its new place.
        .retries(1)
        .min_retry_wait(10)
        .max_retry_wait(50)
        .connection_timeout(CONNECT)
        .response_timeout(ANSWER);
    if tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates);
    }
    let mut connection = builder.build()?.get_async_connection().await?;
    redis::cmd("PING").exec_async(&mut connection).await?;
    Ok(vec![Connection::Cluster(connection)])
}

/// The server that the sentinels call the master, and that calls itself one. What the
/// `url` says beside the host (user, password, database, TLS) is for it.
async fn master(
    config: &RedisConfig,
    sentinel: &super::SentinelConfig,
    certificates: &TlsCertificates,
) -> RedisResult<Client> {
    let read = |urls: &[Secret]| -> RedisResult<Vec<ConnectionInfo>> {
        urls.iter()
            .map(|url| url.expose().into_connection_info())
            .collect()
    };
    let sentinels = read(&sentinel.urls)?;
    let addresses: Vec<ConnectionAddr> = sentinels.iter().map(|url| url.addr().clone()).collect();
    let mut builder =
        SentinelClientBuilder::new(addresses, &sentinel.master, SentinelServerType::Master)?;
    if let Some(first) = sentinels.first() {
        if let Some(user) = first.redis_settings().username() {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = first.redis_settings().password() {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if matches!(first.addr(), ConnectionAddr::TcpTls { .. }) {
            builder = builder
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
    }
    if let Some(url) = read(&config.urls)?.first() {
        let settings = url.redis_settings();
        builder = builder.set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if matches!(url.addr(), ConnectionAddr::TcpTls { .. }) {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone());
        }
    } else if let Some(password) = &config.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    builder.build()?.async_get_client().await
}

fn certificates(config: &RedisConfig) -> RedisResult<TlsCertificates> {
    // The client takes the process's provider; whoever was first has chosen the same.
    let _chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let root_cert = match &config.ca {
        None => None,
        Some(path) => Some(fs::read(path).map_err(|error| {
            let what = format!("{}: {error}", path.display());
            RedisError::from((ErrorKind::InvalidClientConfig, "cannot read `ca`", what))
        })?),
    };
    Ok(TlsCertificates {
        client_tls: None,
        root_cert,
    })
}

/// True if the next decision would fail as well, on these connections.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::AuthenticationFailed
        || matches!(
            error.code(),
            Some("READONLY" | "LOADING" | "MASTERDOWN" | "NOREPLICAS" | "NOAUTH" | "LATE")
        )
}

/// What an error comes to, on one line; it never holds what was sent.
pub(super) fn plain(error: &RedisError) -> String {
    let mut said = error.to_string();
    // A script's error ends with the script's name and line; nobody needs those.
    if let Some(at) = said.rfind(" script: ")
        && said[at..].contains("@user_script")
    {
        said.truncate(at);
    }
    said.replace(['\r', '\n'], " ")
}

/// The script, made once.
pub(super) fn script() -> Script {
    Script::new(include_str!("decide.lua"))
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example, and what `CLUSTER KEYSLOT` says of the others.
    #[test]
    fn a_tag_lies_on_the_slot_that_the_server_says() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("bar"), 5061);
        assert_eq!(slot(""), 0);
    }
}
