//! Two programs on one Redis: what is answered by one holds on the other, whoever asks first.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use callotp::otp::store::Claim;
use serde_json::json;

use super::{
    chance::scatter,
    model::Model,
    node::{Node, PEOPLE, Setting, another, number},
    server::Server,
    visits::{self, TENANT, WRONG, fresh},
};

/// Two programs that serve with these tables of the tenant.
fn two(server: &Server, tenant: &str) -> (tempfile::TempDir, Arc<[Node; 2]>) {
    let store = format!("kind = \"redis\"\nurl = \"{}\"", server.url());
    let setting = Setting {
        store: &store,
        tenant,
        ..Setting::default()
    };
    let folder = setting.folder();
    let nodes = [(); 2].map(|()| Node::start(folder.path()));
    (folder, Arc::new(nodes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_logins_at_once_over_two_nodes_one_succeeds() {
    let server = Server::start(&[]);
    let (_folder, nodes) = two(&server, "");
    for round in 0..25 {
        let races = (0..PEOPLE).map(async |person| {
            let otp = nodes[(person + round) % 2].call(person).await;
            let otp = otp.expect("an OTP");
            let logins = (0..16).map(|login| nodes[login % 2].log_in(person, &otp));
            let statuses = futures_util::future::join_all(logins).await;
            let won = statuses.iter().filter(|status| **status == Some(200));
            let lost = statuses.iter().filter(|status| **status == Some(403));
            assert_eq!((won.count(), lost.count()), (1, 15), "{statuses:?}");
        });
        futures_util::future::join_all(races).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_counted_over_all_nodes() {
    let server = Server::start(&[]);
    let (_folder, nodes) = two(&server, "");
    // Five failures lock, three of them on one OTP burn it.
    for failure in 0..5 {
        let otp = nodes[failure % 2].call(0).await.expect("an OTP");
        let wrong = nodes[1 - failure % 2].log_in(0, &another(&otp)).await;
        assert_eq!(wrong, Some(403));
    }
    for node in &*nodes {
        let body = json!({ "phonenumber": number(0) });
        let (status, _) = node.ask("getOTP", body).await.expect("an answer");
        assert_eq!(status, 403, "locked");
    }
}

/// Something that was asked and answered, and when, on a count of events that all share.
#[derive(Clone, Debug)]
struct Visit {
    did: Did,
    succeeded: bool,
    called: u64,
    answered: u64,
}

/// OTPs are numbered in the order of the calls.
#[derive(Clone, Copy, Debug)]
enum Did {
    Call(u8),
    LogIn(u8),
}

/// One person at two nodes: a first call, and then six at once, each with six visits.
struct Person<'a> {
    nodes: &'a [Node; 2],
    index: usize,
    moments: AtomicU64,
    calls: AtomicU8,
    /// Every OTP that was heard, and which it is.
    heard: Mutex<Vec<(u8, String)>>,
}

impl Person<'_> {
    async fn history(&self) -> Vec<Visit> {
        let first = self.visit(0, async |node| self.call(node).await).await;
        let callers = (0..6).map(async |caller| {
            let mut visits = Vec::new();
            for n in 0..6 {
                let chance = scatter(self.index as u64 * 977 + caller * 31 + n);
                let visit = self.visit(chance >> 20, async |node| match chance % 8 {
                    0 => self.call(node).await,
                    right => self.log_in(node, right > 1).await,
                });
                visits.push(visit.await);
            }
            visits
        });
        let callers = futures_util::future::join_all(callers).await;
        [vec![first], callers.concat()].concat()
    }

    async fn visit(&self, chance: u64, visit: impl AsyncFnOnce(&Node) -> (Did, bool)) -> Visit {
        let called = self.moments.fetch_add(1, Ordering::SeqCst);
        let (did, succeeded) = visit(&self.nodes[usize::from(chance & 1 == 1)]).await;
        Visit {
            did,
            succeeded,
            called,
            answered: self.moments.fetch_add(1, Ordering::SeqCst),
        }
    }

    async fn call(&self, node: &Node) -> (Did, bool) {
        let code = self.calls.fetch_add(1, Ordering::SeqCst);
        let told = node.call_or_not(self.index).await.expect("an answer");
        let succeeded = told.is_ok();
        let mut heard = self.heard.lock().expect("no panic");
        heard.extend(told.map(|otp| (code, otp)));
        (Did::Call(code), succeeded)
    }

    /// With what was heard last, or with something else.
    async fn log_in(&self, node: &Node, right: bool) -> (Did, bool) {
        let newest = self.heard.lock().expect("no panic").last().cloned();
        let (code, otp) = newest.expect("the first call was answered");
        let (code, otp) = match right {
            true => (code, otp),
            false => (WRONG, another(&otp)),
        };
        let status = node.log_in(self.index, &otp).await.expect("an answer");
        assert!([200, 403].contains(&status), "{status}");
        (Did::LogIn(code), status == 200)
    }
}

/// Is there an order that explains the visits, and never puts one before another that had
/// been answered when it began? A login takes place in two steps, and others' may lie between.
fn is_explained(visits: &[Visit]) -> bool {
    let all = (1_u64 << visits.len()) - 1;
    let mut open = vec![(0_u64, 0_u64, fresh())];
    let mut seen = HashSet::new();
    while let Some((claimed, done, model)) = open.pop() {
        if done == all {
            return true;
        }
        let under_way = || (0..visits.len()).filter(|n| done & (1 << n) == 0);
        let first_answer = under_way().map(|n| visits[n].answered).min();
        for n in under_way().filter(|n| Some(visits[*n].called) < first_answer) {
            let mut model = model.clone();
            let (has_claimed, is_done) = step(&visits[n], n, claimed & (1 << n) != 0, &mut model);
            if !(has_claimed || is_done) {
                continue;
            }
            let claimed = claimed | u64::from(has_claimed) << n;
            let done = done | u64::from(is_done) << n;
            if seen.insert((claimed, done, model.clone())) {
                open.push((claimed, done, model));
            }
        }
    }
    false
}

/// The next step of a visit: whether it has its claim now, and whether it has ended as it
/// was seen to end. Neither if it would have ended otherwise.
fn step(visit: &Visit, n: usize, has_claimed: bool, model: &mut Model) -> (bool, bool) {
    let own = Claim(n as u64);
    match visit.did {
        Did::Call(code) => (false, visits::call(model, code) == visit.succeeded),
        Did::LogIn(_) if has_claimed => (false, visits::consume(model, own) == visit.succeeded),
        Did::LogIn(code) => match visits::claim(model, code, own) {
            true => (true, false),
            false => (false, !visit.succeeded),
        },
    }
}

#[test]
fn an_order_is_found_only_where_there_is_one() {
    let visit = |did, succeeded, called, answered| Visit {
        did,
        succeeded,
        called,
        answered,
    };
    let heard = visit(Did::Call(0), true, 0, 1);
    let once = visit(Did::LogIn(0), true, 2, 9);
    let twice = |succeeded| visit(Did::LogIn(0), succeeded, 3, 8);
    assert!(is_explained(&[heard.clone(), once.clone(), twice(false)]));
    assert!(!is_explained(&[heard.clone(), once.clone(), twice(true)]));
    let neither = visit(Did::LogIn(0), false, 2, 9);
    assert!(!is_explained(&[heard.clone(), neither.clone()]));
    // One has the claim until the OTP is replaced, and is in the other's way.
    let replaced = visit(Did::Call(1), true, 4, 5);
    assert!(is_explained(&[
        heard.clone(),
        neither,
        twice(false),
        replaced
    ]));
    let late = visit(Did::Call(1), true, 10, 11);
    assert!(!is_explained(&[
        heard,
        once,
        late,
        visit(Did::LogIn(0), true, 12, 13)
    ]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_programs_answer_at_once_could_have_been_answered_in_some_order() {
    let server = Server::start(&[]);
    let (_folder, nodes) = two(&server, TENANT);
    let (mut met, mut logins) = (0, 0);
    for person in 0..PEOPLE {
        let person = Person {
            nodes: &nodes,
            index: person,
            moments: AtomicU64::new(0),
            calls: AtomicU8::new(0),
            heard: Mutex::default(),
        };
        let visits = person.history().await;
        let overlaps = |visit: &&Visit| visit.answered > visit.called + 1;
        met += visits.iter().filter(overlaps).count();
        let logged_in = |visit: &&Visit| matches!(visit.did, Did::LogIn(_)) && visit.succeeded;
        logins += visits.iter().filter(logged_in).count();
        assert!(is_explained(&visits), "no order explains {visits:#?}");
    }
    assert!(
        met > 500 && logins > PEOPLE / 2,
        "{met} met, {logins} logged in"
    );
}
