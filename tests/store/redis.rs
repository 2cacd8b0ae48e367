//! The engine on a server of its own: a real one.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::spawn,
    time::Duration,
};

use callotp::{
    clock::{ManualClock, SystemEntropy},
    otp::store::{
        OtpStore, StoreError, StoreKey,
        redis::{RedisConfig, RedisStore, SentinelConfig, TimeSource},
    },
    secret::Secret,
};

use super::{
    laws::{Claims, Engine, answers_as_the_reference},
    model::{Asked, People, RULES},
    server::Server,
};

struct Redis {
    server: Server,
}

fn key() -> StoreKey {
    StoreKey::new(&[7; 32])
}

/// A configuration with these URLs.
pub(crate) fn at(urls: &[&str]) -> RedisConfig {
    RedisConfig {
        urls: urls.iter().map(|url| Secret::new((*url).into())).collect(),
        password: None,
        sentinel: None,
        ca: None,
        wait_replicas: 0,
        wait_timeout: Duration::from_millis(500),
    }
}

pub(crate) fn behind(sentinels: &[&Server]) -> RedisConfig {
    let urls = sentinels.iter().map(|sentinel| Secret::new(sentinel.url()));
    RedisConfig {
        sentinel: Some(SentinelConfig {
            master: "otp".to_owned(),
            urls: urls.collect(),
        }),
        ..at(&[])
    }
}

pub(crate) async fn open(config: &RedisConfig, time: TimeSource) -> Result<RedisStore, StoreError> {
    RedisStore::open(config, &key(), time, Arc::new(SystemEntropy)).await
}

async fn refusal(config: &RedisConfig) -> String {
    let refused = open(config, TimeSource::Server).await.err();
    refused.expect("refused").to_string()
}

impl Redis {
    async fn connect(&self, clock: ManualClock) -> Arc<dyn OtpStore> {
        let time = TimeSource::Given(Arc::new(clock));
        let store = open(&at(&[&self.server.url()]), time).await;
        Arc::new(store.expect("the server"))
    }
}

impl Engine for Redis {
    async fn open(&self, clock: ManualClock) -> Arc<dyn OtpStore> {
        assert_eq!(self.server.say(&["FLUSHALL"]), "+OK\r\n");
        self.connect(clock).await
    }

    /// Another node takes over: what the server keeps is the same for all.
    async fn restart(
        &self,
        store: Arc<dyn OtpStore>,
        clock: ManualClock,
    ) -> (Arc<dyn OtpStore>, Claims) {
        drop(store);
        (self.connect(clock).await, Claims::Kept)
    }
}

#[test]
fn redis_answers_as_the_reference() {
    let server = Server::start(&[]);
    answers_as_the_reference(&Redis { server }, 100);
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_named_at_the_start() {
    let nobody = format!("redis://127.0.0.1:{}", super::server::free_port());
    let absent = refusal(&at(&[&nobody])).await;
    assert!(absent.contains("cannot be reached"), "{absent}");
    assert!(absent.contains(&nobody["redis://".len()..]), "{absent}");

    let locked = Server::start(&["requirepass right"]);
    let none = refusal(&at(&[&locked.url()])).await;
    assert!(none.contains("wants a password"), "{none}");
    let wrong = format!("redis://:wr0ng@127.0.0.1:{}", locked.port);
    let wrong = refusal(&at(&[&wrong])).await;
    assert!(wrong.contains("password is wrong"), "{wrong}");
    assert!(!wrong.contains("wr0ng"), "{wrong}");

    for policy in ["allkeys-lru", "volatile-ttl"] {
        let evicts = Server::start(&[&format!("maxmemory-policy {policy}")]);
        let evicts = refusal(&at(&[&evicts.url()])).await;
        assert!(evicts.contains("maxmemory-policy"), "{evicts}");
        assert!(evicts.contains(policy), "{evicts}");
    }

    let server = Server::start(&[]);
    let replica = Server::start(&[&format!("replicaof 127.0.0.1 {}", server.port)]);
    let replica = refusal(&at(&[&replica.url()])).await;
    assert!(replica.contains("is a replica"), "{replica}");
    let two = refusal(&at(&[&server.url(), &server.url()])).await;
    assert!(two.contains("cluster"), "{two}");
}

#[tokio::test]
async fn what_the_servers_user_may_not_do_is_named_at_the_start() {
    let server = Server::start(&[]);
    let user = [
        "ACL",
        "SETUSER",
        "otp",
        "on",
        ">secret",
        "~callotp:*",
        "+@all",
    ];
    assert_eq!(server.say(&user), "+OK\r\n");
    let url = format!("redis://otp:secret@127.0.0.1:{}", server.port);
    assert!(open(&at(&[&url]), TimeSource::Server).await.is_ok());
    for command in ["evalsha", "hset", "scan", "pexpire", "time"] {
        let minus = format!("-{command}");
        let lacking = [&user[..], &[&minus]].concat();
        assert_eq!(server.say(&lacking), "+OK\r\n");
        let refusal = refusal(&at(&[&url])).await;
        let named = refusal.to_lowercase().contains(command);
        assert!(named, "{command}: {refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
    let elsewhere = ["ACL", "SETUSER", "otp", "resetkeys", "~other:*", "+@all"];
    assert_eq!(server.say(&elsewhere), "+OK\r\n");
    let elsewhere = refusal(&at(&[&url])).await;
    assert!(elsewhere.contains("key"), "{elsewhere}");
}

/// What `docs/store.md` asks for is enough, and is all.
#[tokio::test]
async fn the_documented_rights_are_enough() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/store.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, rights) = page
        .split_once("on the keys `callotp:*`: ")
        .expect("rights");
    let (rights, _) = rights.split_once(" if replicas").expect("an end");
    let commands = rights.split(|c: char| !c.is_ascii_uppercase() && c != '|');
    let commands: Vec<String> = commands
        .filter(|word| word.len() > 2)
        .map(|word| format!("+{}", word.to_lowercase()))
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    let server = Server::start(&[]);
    let mut user = vec![
        "ACL",
        "SETUSER",
        "otp",
        "on",
        ">secret",
        "~callotp:*",
        "-@all",
    ];
    user.extend(commands.iter().map(String::as_str));
    assert_eq!(server.say(&user), "+OK\r\n");
    let url = format!("redis://otp:secret@127.0.0.1:{}", server.port);
    let opened = open(&at(&[&url]), TimeSource::Server).await;
    let store = opened.map_err(|error| error.to_string()).expect("opened");
    assert_eq!(store.check().await, Ok(()));
    assert_eq!(store.locks().await, Ok(Vec::new()));
    let people = People::of("t1");
    for asked in [
        Asked::Request { number: 0 },
        Asked::Bind { user: 0, code: 0 },
        Asked::Try {
            user: 0,
            codes: vec![1],
        },
    ] {
        let said = people.ask(&store, &RULES, &asked).await;
        assert!(said.is_ok(), "{said:?}");
    }
}

/// A real server that says it is an older one, as long as nobody looks closely.
fn older(server: &Server) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let to = server.port;
    // Ends with the test program, like whatever waits in it.
    spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a connection");
            let server = TcpStream::connect(("127.0.0.1", to)).expect("the server");
            let (mut asked, mut asks) = (
                client.try_clone().expect("a handle"),
                server.try_clone().expect("a handle"),
            );
            spawn(move || std::io::copy(&mut asked, &mut asks));
            let (mut from, mut to) = (server, client);
            spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(some @ 1..) = from.read(&mut bytes) {
                    let says = b"redis_version:";
                    for at in 0..some.saturating_sub(says.len()) {
                        if bytes[at..].starts_with(says) {
                            bytes[at + says.len()] = b'6';
                        }
                    }
                    if to.write_all(&bytes[..some]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_version_without_what_is_needed_is_named_at_the_start() {
    let server = Server::start(&[]);
    let older = format!("redis://127.0.0.1:{}", older(&server));
    let refusal = refusal(&at(&[&older])).await;
    assert!(refusal.contains("it is version \"6."), "{refusal}");
    assert!(refusal.contains("Redis 7 or later"), "{refusal}");
}

#[tokio::test]
async fn nodes_with_different_keys_notice_it_at_the_start() {
    let server = Server::start(&[]);
    let config = at(&[&server.url()]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callotp.key");
    let (a, b) = ("aa".repeat(32), "bb".repeat(32));
    let start = async |content: String| {
        std::fs::write(&path, content).expect("a key file");
        let (key, _) = StoreKey::load(&path, None).expect("a key");
        let time = TimeSource::Server;
        let started = RedisStore::open(&config, &key, time, Arc::new(SystemEntropy)).await;
        started.err().map(|error| error.to_string())
    };
    assert_eq!(start(a.clone()).await, None);
    let other = start(b.clone()).await.expect("refused");
    assert!(other.contains("another key"), "{other}");
    // A rotation: every node learns the new key, then every node uses it.
    assert_eq!(start(format!("{a}\n{b}\nfiling {a}\n")).await, None);
    assert_eq!(start(format!("{b}\n{a}\n")).await, None);
    // A node that has missed it.
    let missed = start(a.clone()).await.expect("refused");
    assert!(missed.contains("not in this node's"), "{missed}");
}
