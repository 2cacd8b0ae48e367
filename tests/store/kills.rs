//! `kill -9` on the program that serves: what was answered before it holds after it.
//!
//! People call and log in, rightly and wrongly, each one thing after the other, and write down
//! what they were told; of each the reference knows what may be true now: one thing, or two
//! where something was under way when the end came. Every answer after that has to be one
//! that the reference gives as well.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    chance::scatter,
    model::{Asked, Model, Said},
    node::{Node, PEOPLE, Setting, another, callotp, name},
    visits::{self, TENANT, VISITS, WRONG, fresh},
};

const ROUNDS: u64 = 50;

struct Person {
    index: usize,
    /// The last OTP that the person heard, and the number that it has here.
    heard: Option<(u8, String)>,
    calls: u8,
    may_be: HashSet<Model>,
}

impl Person {
    fn new(index: usize) -> Self {
        Self {
            index,
            heard: None,
            calls: 0,
            may_be: HashSet::from([fresh()]),
        }
    }

    /// Calls. `None` if no answer came.
    async fn call(&mut self, node: &Node) -> Option<bool> {
        self.calls = (self.calls + 1) % WRONG;
        let code = self.calls;
        let answer = node.call_or_not(self.index).await;
        if let Some(Err(refused)) = &answer {
            assert_eq!(*refused, 403);
        }
        let told = answer.as_ref().map(Result::is_ok);
        self.saw(told, |model| visits::call(model, code));
        if let Some(Ok(otp)) = answer {
            self.heard = Some((code, otp));
        }
        told
    }

    /// Logs in with what the person last heard, or with something else.
    async fn log_in(&mut self, node: &Node, right: bool) -> Option<bool> {
        let (code, otp) = self.heard.clone()?;
        let (code, otp) = match right {
            true => (code, otp),
            false => (WRONG, another(&otp)),
        };
        let status = node.log_in(self.index, &otp).await;
        let told = status.map(|status| {
            assert!([200, 403].contains(&status), "{status}");
            status == 200
        });
        self.saw(told, |model| visits::log_in(model, code));
        told
    }

    /// Keeps of what may be true what explains the answer. Without one it has happened or not,
    /// and no claim has outlived it.
    fn saw(&mut self, told: Option<bool>, step: impl Fn(&mut Model) -> bool) {
        let before = self.may_be.clone();
        let after = self.may_be.drain().filter_map(|mut model| {
            let would = step(&mut model);
            told.is_none_or(|told| told == would).then_some(model)
        });
        self.may_be = after.collect();
        if told.is_none() {
            self.may_be.extend(before.iter().cloned());
            let ended = self.may_be.drain().map(|mut model| {
                model.end_claims();
                model
            });
            self.may_be = ended.collect();
        }
        let person = self.index;
        assert!(
            !self.may_be.is_empty(),
            "person {person} was told {told:?}, which contradicts {before:#?}"
        );
    }

    /// Is the person locked, as far as can be known?
    fn saw_lock(&mut self, listed: bool) {
        self.saw(Some(listed), |model| {
            let asked = Asked::IsLocked { user: 0 };
            model.step(&VISITS, &asked, &Said::Released) == Said::IsLocked(true)
        });
    }

    fn was_unlocked(&mut self) {
        self.saw(Some(true), |model| {
            let (user, anywhere) = (0, true);
            let asked = Asked::Unlock { user, anywhere };
            model.step(&VISITS, &asked, &Said::Released) == Said::Unlocked(1)
        });
    }

    /// Calls and logs in until the program is gone.
    async fn live_on(mut self, node: Arc<Node>, round: u64, answers: Arc<AtomicUsize>) -> Self {
        for n in 0.. {
            let chance = scatter(round * 1_000_003 + self.index as u64 * 10_007 + n);
            let told = match (chance % 8, &self.heard) {
                (0..=2, _) | (_, None) => self.call(&node).await,
                (3..=5, _) => self.log_in(&node, true).await,
                _ => self.log_in(&node, false).await,
            };
            if told.is_none() {
                break;
            }
            answers.fetch_add(1, Ordering::SeqCst);
        }
        self
    }
}

/// Lets everybody live on until the program is killed in the middle of it.
async fn killed_under_load(node: Arc<Node>, people: Vec<Person>, round: u64) -> Vec<Person> {
    let answers = Arc::new(AtomicUsize::new(0));
    let lives: Vec<_> = people
        .into_iter()
        .map(|person| tokio::spawn(person.live_on(node.clone(), round, answers.clone())))
        .collect();
    let enough = 20 + usize::try_from(scatter(round) % 300).expect("small");
    while answers.load(Ordering::SeqCst) < enough {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    node.kill();
    let mut people = Vec::new();
    for life in lives {
        people.push(life.await.expect("no panic"));
    }
    people
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_before_fifty_times_kill_9_holds_after_it() {
    let setting = Setting {
        tenant: TENANT,
        ..Setting::default()
    };
    let folder = setting.folder();
    let mut people: Vec<_> = (0..PEOPLE).map(Person::new).collect();
    let (mut live, mut gone, mut locks) = (0, 0, 0);
    for round in 0..ROUNDS {
        let node = Arc::new(Node::start(folder.path()));
        // One half logs in with what it has heard, twice; the other half's failures stay.
        let half = people
            .iter_mut()
            .skip(usize::from(round % 2 == 0))
            .step_by(2);
        let logins = half.map(async |person| {
            let once = person.log_in(&node, true).await;
            let twice = person.log_in(&node, true).await;
            assert_ne!(twice, Some(true), "person {}", person.index);
            once
        });
        for once in futures_util::future::join_all(logins).await {
            live += u32::from(once == Some(true));
            gone += u32::from(once == Some(false));
        }
        people = killed_under_load(node, people, round).await;
        if round % 5 == 4 {
            locks += look_at_locks(folder.path(), &mut people);
        }
    }
    assert!(live > 100 && gone > 100, "{live} live, {gone} used");
    assert!(locks > 20, "{locks} locks seen");
}

/// Compares the locks in the file with what has been answered, and ends half of them.
fn look_at_locks(folder: &std::path::Path, people: &mut [Person]) -> usize {
    let (listed, code) = callotp(folder, &["locks", "list"], "");
    assert_eq!(code, Some(0), "{listed}");
    let mut seen = 0;
    for person in people {
        let name = name(person.index);
        let line = format!("t1\t{name}\t");
        let locked = listed.lines().find(|listed| listed.starts_with(&line));
        person.saw_lock(locked.is_some());
        let Some(locked) = locked else { continue };
        assert!(locked.ends_with("an administrator ends it"), "{locked}");
        seen += 1;
        if seen % 2 == 0 {
            let (said, code) = callotp(folder, &["locks", "unlock", &name], "");
            assert_eq!(code, Some(0), "{said}");
            person.was_unlocked();
        }
    }
    seen
}
