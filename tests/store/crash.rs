//! What was answered before `kill -9` holds after it.
//!
//! The process that is killed is this very test program, started again: it takes
//! decisions, many users at once, and writes a line for each answer it got. Each user's
//! decisions come one after the other, so that at most one of them was under way when the
//! end came; it has happened or not.

use std::{
    collections::{BTreeMap, HashSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use callotp::{
    clock::{ManualClock, Timestamp},
    otp::store::{Claim, StoreKey, embedded::EmbeddedStore},
};

use super::{
    chance::{decision, scatter},
    model::{Asked, Model, People, RULES, Said},
};

const ROUNDS: u64 = 50;
const USERS: u64 = 64;
/// Time stands still, so that nothing but the crash takes anything away.
fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_800_000_000_000))
}

fn open(path: &Path) -> EmbeddedStore {
    let key = StoreKey::new(&[7; 32]);
    EmbeddedStore::open(path, &key, Arc::new(clock())).expect("the store")
}

/// Every user is alone in a tenant, so that a model is of one user.
fn people(user: u64) -> People {
    People::of(&format!("t{user}"))
}

/// The number of the claim in an answer's line.
fn claim_in(line: &str) -> Option<Claim> {
    let (_, rest) = line.split_once("Right(Claim(")?;
    rest.split_once(')')?.0.parse().ok().map(Claim)
}

const PATH: &str = "CRASH_TEST_STORE";
const ROUND: &str = "CRASH_TEST_ROUND";

/// Not a law: the program that is killed. Without its two variables it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let (Ok(path), Ok(round)) = (std::env::var(PATH), std::env::var(ROUND)) else {
        return;
    };
    let store = Arc::new(open(Path::new(&path)));
    let round = round.parse().expect("a number");
    let users = (0..USERS).map(|user| {
        let store = store.clone();
        tokio::spawn(async move {
            let people = people(user);
            let mut claim = Claim(0);
            for n in 0.. {
                let asked = decision(round, user, n, claim);
                let said = people.ask(&*store, &RULES, &asked).await.expect("no fault");
                let line = format!("answer {user} {n} {said:?}\n");
                claim = claim_in(&line).unwrap_or(claim);
                std::io::stdout()
                    .write_all(line.as_bytes())
                    .expect("a reader");
            }
        })
    });
    futures_util::future::join_all(users.collect::<Vec<_>>()).await;
}

#[test]
fn what_was_answered_before_kill_9_holds_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callotp.redb");
    // What may be true of each user: one thing, or two if a decision was under way.
    let fresh = || vec![Model::new(Timestamp::from_millis(1_800_000_000_000))];
    let mut may_be: BTreeMap<u64, Vec<Model>> = (0..USERS).map(|user| (user, fresh())).collect();
    let mut answers = 0;
    for round in 0..ROUNDS {
        let lines = killed_in_the_middle(&path, round);
        answers += lines.values().map(Vec::len).sum::<usize>();
        for (user, models) in &mut may_be {
            let said = lines.get(user).map_or(&[][..], Vec::as_slice);
            *models = models
                .drain(..)
                .filter_map(|model| replay(model, round, *user, said))
                .flatten()
                .collect::<HashSet<_>>()
                .into_iter()
                .collect();
            assert!(!models.is_empty(), "round {round}, user {user}: {said:#?}");
        }
        check(&path, &mut may_be, round);
    }
    assert!(answers > 10_000, "the load was real: {answers} answers");
}

/// Starts the program, and kills it when it has been answering for a while. The lines it
/// wrote, by user.
fn killed_in_the_middle(path: &Path, round: u64) -> BTreeMap<u64, Vec<String>> {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "store::crash::the_process_that_is_killed"])
        .arg("--nocapture")
        .env(PATH, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program again");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = BTreeMap::<u64, Vec<String>>::new();
    let enough = 1 + scatter(round) % 600;
    let (mut answers, mut line) = (0, String::new());
    while output.read_line(&mut line).expect("text") > 0 {
        if let Some((user, n, said)) = parse(&line) {
            let said_so_far = lines.entry(user).or_default();
            assert_eq!(said_so_far.len(), n, "no answer is missing");
            said_so_far.push(said.to_owned());
            answers += 1;
        }
        if answers == enough {
            child.kill().expect("ours to kill");
        }
        line.clear();
    }
    child.wait().expect("ours to bury");
    assert!(answers >= enough, "it ended by itself");
    lines
}

/// An answer, if the line is one and whole.
fn parse(line: &str) -> Option<(u64, usize, &str)> {
    let at = line.find("answer ")?;
    let mut parts = line[at..].strip_suffix('\n')?.splitn(4, ' ').skip(1);
    let user = parts.next()?.parse().ok()?;
    let n = parts.next()?.parse().ok()?;
    Some((user, n, parts.next()?))
}

/// What may be true of a user after these answers; nothing if a model would have
/// answered otherwise.
fn replay(mut model: Model, round: u64, user: u64, said: &[String]) -> Option<Vec<Model>> {
    model.end_claims();
    let mut claim = Claim(0);
    let step = |model: &mut Model, n: usize, claim| {
        let asked = decision(round, user, n as u64, claim);
        let given = said.get(n).and_then(|said| claim_in(said));
        let given = given.unwrap_or(Claim(u64::MAX));
        let tried = Said::Tried(callotp::otp::store::Tried::Right(given));
        model.step(&RULES, &asked, &tried)
    };
    for (n, said) in said.iter().enumerate() {
        let would = step(&mut model, n, claim);
        if format!("{would:?}") != *said {
            return None;
        }
        claim = claim_in(said).unwrap_or(claim);
    }
    let mut happened = model.clone();
    step(&mut happened, said.len(), claim);
    Some(vec![model, happened])
}

/// Opens the store as the next process would, and puts questions that tell everything:
/// is the user locked, how many failures and attempts are there, which code is right?
fn check(path: &Path, may_be: &mut BTreeMap<u64, Vec<Model>>, round: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = open(path);
    for (user, models) in may_be {
        models.iter_mut().for_each(Model::end_claims);
        let mut claim = Claim(0);
        for n in 0..6 {
            let asked = match (n, round % 2) {
                (0, _) => Asked::IsLocked { user: 0 },
                (1, 0) | (3, 1) => Asked::Try {
                    user: 0,
                    codes: vec![0],
                },
                (2, _) => Asked::Consume { user: 0, claim },
                (5, _) => Asked::Consume { user: 0, claim },
                (4, _) => Asked::Locks,
                _ => Asked::Try {
                    user: 0,
                    codes: vec![1],
                },
            };
            let asking = people(*user);
            let said = runtime.block_on(asking.ask(&store, &RULES, &asked));
            let said = said.expect("no fault");
            claim = claim_in(&format!("{said:?}")).unwrap_or(claim);
            models.retain_mut(|model| model.step(&RULES, &asked, &said) == said);
            assert!(
                !models.is_empty(),
                "round {round}, user {user}: {said:?} to {asked:?} contradicts what was answered"
            );
        }
    }
}
