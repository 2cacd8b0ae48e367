//! A server that is killed, frozen, or replaced by another: quick faults, nothing counted
//! that was not answered, nothing lost that was, and no restart of ours.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use callotp::{
    clock::{ManualClock, Timestamp},
    otp::store::{
        Claim, OtpStore, Tried,
        redis::{RedisConfig, RedisStore, TimeSource},
    },
};
use tokio::time::Instant;

use super::{
    chance::decision,
    model::{Asked, Model, People, RULES, Said},
    redis::{at, behind, open},
    server::Server,
};

fn still() -> Arc<ManualClock> {
    let now = Timestamp::from_millis(1_800_000_000_000);
    Arc::new(ManualClock::at(now))
}

fn fresh() -> Model {
    Model::new(Timestamp::from_millis(1_800_000_000_000))
}

/// Replicas are not as quick as their master says when they have just come.
async fn connect(config: &RedisConfig) -> RedisStore {
    let started = Instant::now();
    loop {
        match open(config, TimeSource::Given(still())).await {
            Ok(store) => return store,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
    }
}

async fn recovered(store: &dyn OtpStore) {
    let started = Instant::now();
    while store.check().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(15), "not yet");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn replica_of(master: &Server) -> Server {
    Server::start(&[&format!("replicaof 127.0.0.1 {}", master.port)])
}

pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "not yet");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks, and expects what the model says.
async fn agree(store: &dyn OtpStore, people: &People, model: &mut Model, asked: Asked) -> Said {
    let said = people.ask(store, &RULES, &asked).await.expect("no fault");
    assert_eq!(said, model.step(&RULES, &asked, &said), "{asked:?}");
    said
}

fn wrong() -> Asked {
    Asked::Try {
        user: 0,
        codes: vec![2],
    }
}

const BIND: Asked = Asked::Bind { user: 0, code: 1 };

#[tokio::test]
async fn a_frozen_server_is_a_quick_fault_and_moves_no_counter_when_it_thaws() {
    let server = Server::start(&[]);
    let store = connect(&at(&[&server.url()])).await;
    let (people, mut model) = (People::of("frozen"), fresh());
    agree(&store, &people, &mut model, BIND).await;
    agree(&store, &people, &mut model, wrong()).await;

    server.signal("-STOP");
    let frozen = Instant::now();
    let (ten, asked) = (0..10, wrong());
    let at_once = ten.map(|_| people.ask(&store, &RULES, &asked));
    for answer in futures_util::future::join_all(at_once).await {
        assert!(answer.is_err(), "{answer:?}");
    }
    let waited = frozen.elapsed();
    assert!(waited < Duration::from_millis(2_500), "{waited:?}");
    let refused = Instant::now();
    for _ in 0..100 {
        assert!(people.ask(&store, &RULES, &wrong()).await.is_err());
    }
    assert!(refused.elapsed() < Duration::from_millis(200), "no waiting");
    assert!(store.check().await.is_err());
    // It thaws with ten decisions in its socket that nobody waits for any more: after one
    // second they were given up, and after a quarter more they must not be taken.
    tokio::time::sleep_until(frozen + Duration::from_millis(1_500)).await;
    server.signal("-CONT");
    recovered(&store).await;
    for asked in [wrong(), wrong(), BIND, wrong(), BIND, wrong()] {
        agree(&store, &people, &mut model, asked).await;
    }
}

#[tokio::test]
async fn a_killed_server_is_a_quick_fault_and_what_it_keeps_on_disk_is_there_again() {
    let mut server = Server::start(&["appendonly yes", "appendfsync always"]);
    let store = connect(&at(&[&server.url()])).await;
    let (people, mut model) = (People::of("killed"), fresh());
    for asked in [BIND, wrong(), Asked::IsLocked { user: 0 }] {
        agree(&store, &people, &mut model, asked).await;
    }
    server.kill();
    let killed = Instant::now();
    for _ in 0..100 {
        assert!(people.ask(&store, &RULES, &wrong()).await.is_err());
    }
    assert!(
        killed.elapsed() < Duration::from_millis(1_000),
        "no waiting"
    );
    server.restart();
    recovered(&store).await;
    for asked in [wrong(), wrong(), BIND] {
        agree(&store, &people, &mut model, asked).await;
    }
    // The script is not there after a restart, and nobody notices.
    assert_eq!(server.say(&["SCRIPT", "FLUSH"]), "+OK\r\n");
    agree(&store, &people, &mut model, wrong()).await;
}

/// What one user asked and was told; nothing if it was a fault.
type Told = Vec<(Asked, Option<Said>)>;

/// Asks, one decision after the other, now this node and now that, until it is enough.
async fn ask_on(
    nodes: Arc<[RedisStore; 2]>,
    user: u64,
    enough: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
) -> Told {
    let people = People::of(&format!("t{user}"));
    let (mut told, mut claim) = (Told::new(), Claim(0));
    for n in 0.. {
        if enough.load(Ordering::SeqCst) {
            break;
        }
        let node = &nodes[usize::try_from((user + n) % 2).expect("0 or 1")];
        let asked = decision(7, user, n, claim);
        let said = people.ask(node, &RULES, &asked).await.ok();
        match said {
            Some(Said::Tried(Tried::Right(given))) => claim = given,
            // Nobody is kept busy with what is refused at once.
            None => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => {}
        }
        answers.fetch_add(usize::from(said.is_some()), Ordering::SeqCst);
        told.push((asked, said));
    }
    told
}

/// The first thing that the user was told and that nothing explains. What was answered with a fault has
/// happened or not; and a claim is not waited for, so a new master may not know of it.
fn unexplained(told: &Told) -> Option<usize> {
    let mut may_be = HashSet::from([fresh()]);
    for (n, (asked, said)) in told.iter().enumerate() {
        let unheard = Said::Released;
        let stepped = |mut model: Model| {
            let would = model.step(&RULES, asked, said.as_ref().unwrap_or(&unheard));
            (model, would)
        };
        may_be = match said {
            Some(said) => may_be
                .into_iter()
                .map(stepped)
                .filter(|(_, would)| would == said)
                .map(|(model, _)| model)
                .collect(),
            None => may_be
                .into_iter()
                .flat_map(|model| [model.clone(), stepped(model).0])
                .flat_map(|model| {
                    let mut unclaimed = model.clone();
                    unclaimed.end_claims();
                    [model, unclaimed]
                })
                .collect(),
        };
        if may_be.is_empty() {
            return Some(n);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_under_load_loses_nothing_that_replicas_have() {
    let mut master = Server::start(&["repl-diskless-sync-delay 0"]);
    let replicas = [(); 2].map(|()| replica_of(&master));
    until(|| {
        master
            .say(&["INFO", "replication"])
            .matches("state=online")
            .count()
            == 2
    })
    .await;
    let sentinel = Server::sentinel(master.port);
    let knows = ["SENTINEL", "MASTER", "otp"];
    until(|| sentinel.say(&knows).contains("num-slaves\r\n$1\r\n2")).await;
    let config = RedisConfig {
        wait_replicas: 1,
        ..behind(&[&sentinel])
    };
    let nodes = Arc::new([connect(&config).await, connect(&config).await]);
    let (enough, answers) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let users = (0..24).map(|user| {
        let (nodes, enough) = (nodes.clone(), enough.clone());
        tokio::spawn(ask_on(nodes, user, enough, Arc::clone(&answers)))
    });
    let users: Vec<_> = users.collect();
    let wait_for = async |more: usize| {
        let (from, started) = (answers.load(Ordering::SeqCst), Instant::now());
        while answers.load(Ordering::SeqCst) < from + more {
            assert!(started.elapsed() < Duration::from_secs(30), "no answers");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    wait_for(500).await;
    master.kill();
    wait_for(1_000).await;
    enough.store(true, Ordering::SeqCst);
    drop(replicas);
    let (mut faults, mut logins) = (0, 0);
    for user in users {
        let told = user.await.expect("no panic");
        let odd = unexplained(&told);
        let before = odd.map(|odd| &told[odd.saturating_sub(20)..=odd]);
        assert!(odd.is_none(), "{odd:?}: {before:?}");
        faults += told.iter().filter(|(_, said)| said.is_none()).count();
        logins += told
            .iter()
            .filter(|(_, said)| *said == Some(Said::Consumed(true)))
            .count();
    }
    assert!(faults > 0, "the outage was seen");
    assert!(logins > 10, "the load was real: {logins} logins");
}

#[tokio::test]
async fn a_write_that_too_few_replicas_have_is_a_fault() {
    let server = Server::start(&["repl-diskless-sync-delay 0"]);
    let config = RedisConfig {
        wait_replicas: 1,
        wait_timeout: Duration::from_millis(400),
        ..at(&[&server.url()])
    };
    // At the start already: what it is to wait for does not exist.
    let refused = open(&config, TimeSource::Server).await.err();
    let refused = refused.expect("refused").to_string();
    assert!(refused.contains("0 of 1 replicas"), "{refused}");
    let replica = Server::start(&[&format!("replicaof 127.0.0.1 {}", server.port)]);
    while !replica
        .say(&["INFO", "replication"])
        .contains("link_status:up")
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let store = connect(&config).await;
    let people = People::of("replicas");
    assert!(people.ask(&store, &RULES, &BIND).await.is_ok());
    drop(replica);
    let alone = people.ask(&store, &RULES, &BIND).await;
    assert!(alone.is_err(), "{alone:?}");
    assert_eq!(store.check().await, Ok(()), "it is there all the same");
}
