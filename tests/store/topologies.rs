//! More than one server, or one behind TLS: reached as the configuration says, by users with
//! rights of their own, and found again when a server has been replaced.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use callotp::{
    clock::ManualClock,
    otp::store::{
        OtpStore,
        redis::{RedisConfig, TimeSource},
    },
};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    laws::{Claims, Engine, answers_as_the_reference},
    node::{Node, PEOPLE, folder},
    outages::until,
    redis::{at, open},
    server::{Server, free_port},
};

/// Three masters that share the slots.
struct Cluster([Server; 3]);

impl Cluster {
    async fn start() -> Self {
        let settings = ["cluster-enabled yes", "cluster-node-timeout 2000"];
        let servers = [(); 3].map(|()| Server::start(&settings));
        let slots = [("0", "5461"), ("5462", "10922"), ("10923", "16383")];
        let first = servers[0].port.to_string();
        for (n, (server, (from, to))) in servers.iter().zip(slots).enumerate() {
            let epoch = (n + 1).to_string();
            assert_eq!(
                server.say(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]),
                "+OK\r\n"
            );
            assert_eq!(
                server.say(&["CLUSTER", "ADDSLOTSRANGE", from, to]),
                "+OK\r\n"
            );
            if n > 0 {
                server.say(&["CLUSTER", "MEET", "127.0.0.1", &first]);
            }
        }
        let started = Instant::now();
        for server in &servers {
            while !server
                .say(&["CLUSTER", "INFO"])
                .contains("cluster_state:ok")
            {
                assert!(started.elapsed() < Duration::from_secs(30), "no cluster");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Self(servers)
    }

    async fn connect(&self, clock: ManualClock, urls: &[&str]) -> Arc<dyn OtpStore> {
        let time = TimeSource::Given(Arc::new(clock));
        Arc::new(open(&at(urls), time).await.expect("the cluster"))
    }
}

impl Engine for Cluster {
    async fn open(&self, clock: ManualClock) -> Arc<dyn OtpStore> {
        for server in &self.0 {
            assert_eq!(server.say(&["FLUSHALL"]), "+OK\r\n");
        }
        // One address is enough to find the others.
        self.connect(clock, &[&self.0[1].url()]).await
    }

    async fn restart(
        &self,
        store: Arc<dyn OtpStore>,
        clock: ManualClock,
    ) -> (Arc<dyn OtpStore>, Claims) {
        drop(store);
        let urls = self.0.each_ref().map(Server::url);
        let urls = urls.each_ref().map(String::as_str);
        (self.connect(clock, &urls).await, Claims::Kept)
    }
}

#[test]
fn a_cluster_answers_as_the_reference() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let cluster = runtime.block_on(Cluster::start());
    answers_as_the_reference(&cluster, 10);
}

/// Takes every call and login of everybody, however often each is refused before.
async fn everybody_gets_in(node: &Node) {
    for person in 0..PEOPLE {
        let started = Instant::now();
        loop {
            assert!(started.elapsed().as_secs() < 30, "person {person}: not yet");
            let Ok(otp) = node.call_or_not(person).await.expect("an answer") else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            match node.log_in(person, &otp).await.expect("an answer") {
                200 => break,
                status => assert_eq!(status, 503, "person {person}"),
            }
        }
    }
}

#[tokio::test]
async fn a_program_on_a_cluster_goes_on_when_a_replica_has_taken_over() {
    let mut cluster = Cluster::start().await;
    let replica = Server::start(&["cluster-enabled yes", "cluster-node-timeout 2000"]);
    let [first, second, _] = &cluster.0;
    replica.say(&["CLUSTER", "MEET", "127.0.0.1", &second.port.to_string()]);
    let id = first.say(&["CLUSTER", "MYID"]);
    let id = id.lines().nth(1).expect("an id").to_owned();
    until(|| {
        replica
            .say(&["CLUSTER", "REPLICATE", &id])
            .starts_with("+OK")
    })
    .await;
    until(|| {
        replica
            .say(&["INFO", "replication"])
            .contains("link_status:up")
    })
    .await;
    until(|| second.say(&["CLUSTER", "NODES"]).contains("slave")).await;
    let urls = cluster
        .0
        .each_ref()
        .map(|server| format!("\"{}\"", server.url()));
    let folder = folder(&format!("kind = \"redis\"\nurl = [{}]", urls.join(", ")));
    let node = Node::start(folder.path());
    everybody_gets_in(&node).await;
    cluster.0[0].kill();
    everybody_gets_in(&node).await;
    assert_eq!(node.readiness().await.0, 200);
    assert!(replica.say(&["ROLE"]).contains("master"));
}

/// A server that speaks TLS only, to users with rights of their own.
struct Guarded {
    server: Server,
    tls: u16,
    /// Its certificate, which is its authority too.
    ca: PathBuf,
    _folder: TempDir,
}

const USER: &str = "user otp on >secret ~callotp:* +@all";

impl Guarded {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let named = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(named).expect("a certificate");
        let file = |name: &str, content: String| {
            let path = folder.path().join(name);
            fs::write(&path, content).expect("a file");
            path
        };
        let ca = file("redis.pem", made.cert.pem());
        let key = file("redis.key", made.signing_key.serialize_pem());
        let tls = free_port();
        let server = Server::start(&[
            &format!("tls-port {tls}"),
            &format!("tls-cert-file {}", ca.display()),
            &format!("tls-key-file {}", key.display()),
            "tls-auth-clients no",
            USER,
        ]);
        Self {
            server,
            tls,
            ca,
            _folder: folder,
        }
    }
}

#[tokio::test]
async fn a_server_with_tls_and_users_is_reached_by_who_knows_its_authority() {
    let guarded = Guarded::start();
    let url = format!("rediss://otp:secret@127.0.0.1:{}", guarded.tls);
    let store = format!(
        "kind = \"redis\"\nurl = \"{url}\"\nca = \"{}\"",
        guarded.ca.display()
    );
    let folder = folder(&store);
    let node = Node::start(folder.path());
    everybody_gets_in(&node).await;
    let strangers = RedisConfig {
        ca: None,
        ..at(&[&url])
    };
    let strangers = open(&strangers, TimeSource::Server).await.err();
    let strangers = strangers.expect("refused").to_string();
    assert!(strangers.contains("certificate"), "{strangers}");
    assert!(!strangers.contains("secret"), "{strangers}");
    drop(guarded.server);
}

#[tokio::test]
async fn a_program_behind_sentinels_with_passwords_follows_them_to_the_new_master() {
    let mut master = Server::start(&["repl-diskless-sync-delay 0", USER]);
    let replica = Server::start(&[&format!("replicaof 127.0.0.1 {}", master.port), USER]);
    until(|| {
        replica
            .say(&["INFO", "replication"])
            .contains("link_status:up")
    })
    .await;
    let sentinel = Server::sentinel_with(master.port, &["requirepass watch"]);
    until(|| {
        let asked = ["SENTINEL", "MASTER", "otp"];
        let said = sentinel.say_as("watch", &asked);
        said.contains("num-slaves\r\n$1\r\n1")
    })
    .await;
    let folder = folder(&format!(
        "kind = \"redis\"\nurl = \"redis://otp:secret@master.example\"\n\
         sentinel = {{ master = \"otp\", urls = [\"redis://:watch@127.0.0.1:{}\"] }}",
        sentinel.port
    ));
    let node = Node::start(folder.path());
    everybody_gets_in(&node).await;
    master.kill();
    everybody_gets_in(&node).await;
    assert!(replica.say(&["ROLE"]).contains("master"));
}
