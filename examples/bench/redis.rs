//! A Redis of the benchmark's own, and the bare client that callotp is held against there.
//!
//! The bare client runs the script that callotp runs, with the same keys and arguments: for
//! each getOTP one decision about the number, then one about the user, on as many connections
//! as callotp opens. It looks nobody up, draws nothing, keeps no deadline and writes no log.
//!
//! Who calls it matters, since caller, client and Redis share the cores. So it answers the same
//! load over HTTP, as the bare server of the other rounds. How much it does when nobody has to
//! call it is printed beside that.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use redis::{Client, Script, aio::MultiplexedConnection};
use tokio::sync::OnceCell;

use super::load;

/// As many as callotp opens to one server.
const CONNECTIONS: usize = 4;

/// A server that keeps nothing on its disk.
pub struct Redis {
    process: Child,
    pub port: u16,
}

impl Redis {
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let process = Command::new("taskset")
            .args(["--cpu-list", &every_core(), "redis-server"])
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--dir", folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed (Debian: redis-server)");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Self { process, port }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn empty(&self) {
        redis::cmd("FLUSHALL").exec(&mut self.connection()).unwrap();
    }

    /// Bytes that everything in it takes.
    pub fn used(&self) -> u64 {
        let info: String = redis::cmd("INFO").query(&mut self.connection()).unwrap();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().trim().parse().unwrap()
    }

    fn connection(&self) -> redis::Connection {
        let client = Client::open(self.url()).unwrap();
        client.get_connection().unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// All of them, as `taskset` writes them. The load has a core of its own by now.
pub fn every_core() -> String {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    online.trim().to_owned()
}

/// Runs the bare client by itself for so many calls: how many it makes in a second.
pub fn alone(redis: &Redis, calls: usize) -> f64 {
    let output = Command::new("taskset")
        .args(["--cpu-list", &every_core()])
        .arg(env::current_exe().unwrap())
        .args(["alone-redis", &redis.url(), &calls.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.trim().parse().expect("calls in a second")
}

/// The process of that. Prints how many calls it makes in a second.
pub fn run_alone(url: &str, calls: usize) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    println!("{}", runtime.block_on(call(&BareClient::of(url), calls)));
    ExitCode::SUCCESS
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn call(client: &BareClient, calls: usize) -> f64 {
    let left = AtomicUsize::new(calls);
    let less = |left: usize| left.checked_sub(1);
    let start = Instant::now();
    let callers = (0..load::CONNECTIONS).map(async |_| {
        while left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
        {
            client.get_otp().await;
        }
    });
    futures_util::future::join_all(callers).await;
    calls as f64 / start.elapsed().as_secs_f64()
}

/// A client of Redis that does what a getOTP needs, for somebody else each time.
pub struct BareClient {
    url: String,
    script: Script,
    connections: OnceCell<Vec<MultiplexedConnection>>,
    /// The next user, and so the next connection's turn.
    next: AtomicUsize,
}

impl BareClient {
    /// Connects when it is first used.
    pub fn of(url: &str) -> Self {
        let script = fs::read_to_string("src/otp/store/redis/decide.lua").unwrap();
        Self {
            url: url.to_owned(),
            script: Script::new(&script),
            connections: OnceCell::new(),
            next: AtomicUsize::new(0),
        }
    }

    pub async fn get_otp(&self) {
        let who = self.next.fetch_add(1, Ordering::Relaxed) % 1_000_000;
        let connections = self.connections.get_or_init(|| self.connect()).await;
        let mut connection = connections[who % CONNECTIONS].clone();
        let (key, deadline) = (format!("{who:032x}"), u64::MAX >> 12);
        let mut request = self.script.key(format!("callotp:n:{key}"));
        let allowed: i64 = request
            .arg(("request", "", 1000, deadline))
            .arg((500, 5, 600_000))
            .invoke_async(&mut connection)
            .await
            .unwrap();
        let mut bind = self.script.key(format!("callotp:u:{{{key}}}"));
        let bound: i64 = bind
            .key(format!("callotp:l:{{{key}}}"))
            .arg(("bind", "", 1000, deadline))
            .arg(&who.to_be_bytes().repeat(2)[..])
            .arg(600_000)
            .invoke_async(&mut connection)
            .await
            .unwrap();
        assert_eq!((allowed, bound), (-1, 1));
    }

    async fn connect(&self) -> Vec<MultiplexedConnection> {
        let client = Client::open(self.url.as_str()).unwrap();
        let all = (0..CONNECTIONS).map(|_| client.get_multiplexed_async_connection());
        futures_util::future::try_join_all(all).await.unwrap()
    }
}
