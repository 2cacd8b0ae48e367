//! Many at once, on one store or on two nodes of one.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use callotp::{
    clock::{Clock as _, ManualClock, SystemClock, Timestamp},
    otp::store::{
        Bound, Claim, OtpStore, StoreKey, Tried, embedded::EmbeddedStore, memory::MemoryStore,
        redis::TimeSource,
    },
};

use super::{
    chance::scatter,
    linear::{Event, is_linearizable},
    model::{Asked, Model, People, RULES, Said},
    redis::{at, open},
    server::Server,
};

type Nodes = Vec<Arc<dyn OtpStore>>;

fn embedded(folder: &tempfile::TempDir) -> Nodes {
    let key = StoreKey::new(&[7; 32]);
    let clock = Arc::new(SystemClock::start());
    let path = folder.path().join("callotp.redb");
    vec![Arc::new(
        EmbeddedStore::open(&path, &key, clock).expect("a store"),
    )]
}

async fn two_nodes(server: &Server) -> Nodes {
    let config = at(&[&server.url()]);
    let mut nodes = Nodes::new();
    for _ in 0..2 {
        let node = open(&config, TimeSource::Server).await;
        nodes.push(Arc::new(node.expect("the server")));
    }
    nodes
}

/// `races` times, 16 validates of one right OTP at once, spread over the nodes: how often
/// each race was won.
async fn wins(nodes: &Nodes, races: u64) -> Vec<usize> {
    let under_way = 32;
    let mut wins = Vec::new();
    for first in (0..races).step_by(under_way) {
        let some = (first..races.min(first + under_way as u64)).map(|race| {
            let nodes = nodes.clone();
            tokio::spawn(async move { race_once(&nodes, race).await })
        });
        for race in some.collect::<Vec<_>>() {
            wins.push(race.await.expect("no panic"));
        }
    }
    wins
}

async fn race_once(nodes: &Nodes, race: u64) -> usize {
    let people = People::of(&format!("race {race}"));
    let bind = Asked::Bind { user: 0, code: 1 };
    let bound = people.ask(&*nodes[0], &RULES, &bind).await;
    assert_eq!(bound, Ok(Said::Bound(Bound::Bound)));
    let runners: Vec<_> = (0..16)
        .map(|runner| {
            let (people, node) = (people.clone(), nodes[runner % nodes.len()].clone());
            tokio::spawn(async move { logs_in(&*node, &people).await })
        })
        .collect();
    let mut winners = 0;
    for runner in runners {
        winners += usize::from(runner.await.expect("no panic"));
    }
    winners
}

/// What a validate asks of the store when the password is right.
async fn logs_in(node: &dyn OtpStore, people: &People) -> bool {
    let right = Asked::Try {
        user: 0,
        codes: vec![1],
    };
    match people.ask(node, &RULES, &right).await.expect("no fault") {
        Said::Tried(Tried::Right(claim)) => {
            let consume = Asked::Consume { user: 0, claim };
            people.ask(node, &RULES, &consume).await == Ok(Said::Consumed(true))
        }
        Said::Tried(Tried::NoOtp | Tried::Claimed) => false,
        other => panic!("the code was right, and the answer {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_races_of_sixteen_on_one_machine_have_one_winner_each() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(wins(&embedded(&folder), 10_000).await, [1; 10_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_races_of_sixteen_over_two_nodes_have_one_winner_each() {
    let server = Server::start(&[]);
    assert_eq!(wins(&two_nodes(&server).await, 10_000).await, [1; 10_000]);
}

/// Six callers at two nodes, all about one user, forty decisions in all: a history with
/// the moment of every call and answer on one count.
async fn history(nodes: &Nodes, people: &People, seed: u64) -> Vec<Event> {
    let moments = Arc::new(AtomicU64::new(0));
    let claim = Arc::new(Mutex::new(Claim(0)));
    let callers = (0..6_u64).map(|caller| {
        let node = nodes[usize::try_from(caller).expect("small") % nodes.len()].clone();
        let (moments, claim, people) = (moments.clone(), claim.clone(), people.clone());
        tokio::spawn(async move {
            let mut events = Vec::new();
            for n in 0..6 {
                let held = *claim.lock().expect("no panic");
                let asked = decision(scatter(seed * 977 + caller * 31 + n), held);
                let called = moments.fetch_add(1, Ordering::SeqCst);
                let said = people.ask(&*node, &RULES, &asked).await.expect("no fault");
                let answered = moments.fetch_add(1, Ordering::SeqCst);
                if let Said::Tried(Tried::Right(given)) = said {
                    *claim.lock().expect("no panic") = given;
                }
                events.push(Event {
                    asked,
                    said: Some(said),
                    called,
                    answered,
                });
            }
            events
        })
    });
    let mut events = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        events.extend(caller.await.expect("no panic"));
    }
    events
}

fn decision(chance: u64, claim: Claim) -> Asked {
    let code = u8::try_from(chance >> 8 & 1).expect("a bit");
    let user = 0;
    match chance % 16 {
        0..=2 => Asked::Bind { user, code },
        3..=9 => Asked::Try {
            user,
            codes: vec![code],
        },
        10..=12 => Asked::Consume { user, claim },
        13 => Asked::Fail { user, claim },
        14 => Asked::Release { user, claim },
        _ if chance >> 9 & 1 == 0 => Asked::IsLocked { user },
        _ => Asked::Unlock {
            user,
            anywhere: false,
        },
    }
}

async fn histories_are_linearizable(nodes: &Nodes, now: Timestamp, histories: u64) {
    let mut overlapping = 0;
    for seed in 0..histories {
        let people = People::of(&format!("history {seed}"));
        let events = history(nodes, &people, seed).await;
        overlapping += events
            .iter()
            .filter(|event| event.answered > event.called + 1)
            .count();
        assert!(
            is_linearizable(&Model::new(now), &RULES, &events),
            "history {seed}: no order explains {events:#?}"
        );
    }
    assert!(overlapping > 100, "they met: {overlapping} times");
}

fn still() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_800_000_000_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_nodes_say_at_once_could_have_been_said_in_some_order() {
    let server = Server::start(&[]);
    let config = at(&[&server.url()]);
    let mut nodes = Nodes::new();
    for _ in 0..2 {
        let time = TimeSource::Given(Arc::new(still()));
        nodes.push(Arc::new(open(&config, time).await.expect("the server")));
    }
    histories_are_linearizable(&nodes, still().now(), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_machine_says_at_once_could_have_been_said_in_some_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = StoreKey::new(&[7; 32]);
    let path = folder.path().join("callotp.redb");
    let file = EmbeddedStore::open(&path, &key, Arc::new(still())).expect("a store");
    let memory = MemoryStore::new(Arc::new(still()));
    let stores: [Nodes; 2] = [vec![Arc::new(file)], vec![Arc::new(memory)]];
    histories_are_linearizable(&stores[0], still().now(), 200).await;
    for seed in 0..200 {
        let people = People::of(&format!("history {seed}"));
        let events = history(&stores[1], &people, seed).await;
        let model = Model::new(still().now());
        assert!(is_linearizable(&model, &RULES, &events), "{events:#?}");
    }
}
