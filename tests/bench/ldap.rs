//! callotp's LDAP adapter beside a bare `ldap3` client, on the same slapd with 100,000
//! users; and what an index of their 300,000 numbers costs. Ends with 1 if a promise is
//! not kept. Run by `ci/bench-ldap` with the path of the server's program.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a measuring program: it takes the machine's time and says what it took"
)]
#![allow(dead_code, reason = "it uses a part of what the tests use")]

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use callotp::{
    clock::{Deadline, SystemClock},
    directory::{
        Match, PasswordCheck, Schema, UserDirectory as _,
        ldap::{LdapConfig, LdapDirectory, Lookup, listing::Reports},
    },
    phone_number::{Matching, NumberPlan},
    secret::Secret,
    user::User,
};
use ldap3::{Ldap, LdapConnAsync, Scope, SearchEntry};

#[path = "../ldap/authority.rs"]
mod authority;
mod http;
#[path = "../../examples/bench/load.rs"]
mod load;
#[path = "../ldap/minder.rs"]
mod minder;
#[path = "../ldap/people.rs"]
mod people;
#[path = "../ldap/slapd.rs"]
mod slapd;

use people::PASSWORD;
use slapd::{PEOPLE, SERVICE, Slapd};

const USERS: usize = 100_000;
const IN_FLIGHT: usize = 64;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let slapd = Slapd::with(USERS);
    println!("slapd with {USERS} users, {IN_FLIGHT} questions in flight");
    let Some(program) = std::env::args().nth(1) else {
        println!("usage: bench_ldap PATH-OF-CALLOTP");
        return ExitCode::from(2);
    };
    let kept = [
        over_http(&program, &slapd).await,
        search(&slapd).await,
        bind(&slapd).await,
        index(&slapd).await,
    ];
    match kept.into_iter().all(|kept| kept) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn config(slapd: &Slapd) -> LdapConfig {
    LdapConfig {
        urls: vec![slapd.url()],
        start_tls: false,
        ca: None,
        bind_dn: Some(SERVICE.into()),
        bind_password: Some(Secret::new(PASSWORD.into())),
    }
}

fn schema() -> Schema {
    Schema {
        base: PEOPLE.into(),
        user_filter: "(objectClass=inetOrgPerson)".into(),
        username_attribute: "uid".into(),
        user_id_attribute: "entryUUID".into(),
        phone_attributes: ["mobile", "telephoneNumber", "homePhone"]
            .map(Into::into)
            .into(),
    }
}

fn plan() -> Arc<NumberPlan> {
    Arc::new(NumberPlan::new("SE", Matching::Normalised, []).expect("a plan"))
}

async fn adapter(slapd: &Slapd, lookup: Lookup) -> Arc<LdapDirectory> {
    let clock = Arc::new(SystemClock::start());
    let directory = LdapDirectory::start(config(slapd), lookup, schema(), plan(), clock);
    let directory = directory.expect("a usable configuration");
    while !directory.health().ready {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It learns how this directory compares numbers.
    tokio::time::sleep(Duration::from_millis(500)).await;
    directory
}

/// The number of the user at `place`.
fn number_of(place: usize) -> String {
    format!("+46846500{place:05}")
}

fn number(asked: usize) -> String {
    number_of(asked * 7919 % USERS)
}

/// What a round came to.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Answers a second.
    rate: f64,
    /// Microseconds of this process's processors per answer.
    cpu: f64,
}

/// Asks `question` with a running number for a while, so many at the same time.
async fn round<F: Future<Output = ()> + Send>(
    question: impl Fn(usize, usize) -> F + Send + Sync + 'static,
) -> Round {
    let (question, asked) = (Arc::new(question), Arc::new(AtomicUsize::new(0)));
    let (started, cpu) = (Instant::now(), cpu_time());
    let tasks = (0..IN_FLIGHT).map(|task| {
        let (question, asked) = (question.clone(), asked.clone());
        async move {
            while started.elapsed() < ROUND {
                question(task, asked.fetch_add(1, Ordering::Relaxed)).await;
            }
        }
    });
    futures_util::future::join_all(tasks).await;
    let asked = asked.load(Ordering::Relaxed) as f64;
    Round {
        rate: asked / started.elapsed().as_secs_f64(),
        cpu: (cpu_time() - cpu) * 1e6 / asked,
    }
}

/// Prints the medians of rounds taken by turns, and whether our rate is at least 0.8 of
/// the other, in the median of the rounds.
fn compare(what: &str, ours: &[Round], bare: &[Round]) -> bool {
    let median = |rounds: &[Round], figure: fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let (our_rate, our_cpu) = (median(ours, |r| r.rate), median(ours, |r| r.cpu));
    let (bare_rate, bare_cpu) = (median(bare, |r| r.rate), median(bare, |r| r.cpu));
    // Of rounds side by side, so that what else the machine does meets both.
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(bare)
        .map(|(ours, bare)| ours.rate / bare.rate)
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    println!(
        "{what}: callotp {our_rate:.0}/s with {our_cpu:.0} µs each, bare ldap3 {bare_rate:.0}/s \
         with {bare_cpu:.0} µs each, ratio {ratio:.2} (at least 0.80)"
    );
    ratio >= 0.8
}

/// Seconds that this process has had of its processors.
fn cpu_time() -> f64 {
    cpu_time_of("self")
}

fn cpu_time_of(process: &str) -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS_A_SECOND
}

async fn connection(slapd: &Slapd) -> Ldap {
    let (connection, ldap) = LdapConnAsync::new(&slapd.url())
        .await
        .expect("a connection");
    tokio::spawn(async move { connection.drive().await });
    ldap
}

/// A bare client's connection, bound as the service user, and the filter that callotp asks
/// with for `number(0)`.
async fn bare_searcher(slapd: &Slapd) -> (Ldap, String) {
    let mut ldap = connection(slapd).await;
    let bound = ldap.simple_bind(SERVICE, PASSWORD).await;
    bound
        .and_then(|bound| bound.success())
        .expect("the service user is let in");
    let clock = Arc::new(SystemClock::start());
    let reports = Reports::on(config(slapd), schema(), plan(), clock).expect("a configuration");
    let first = plan().read(&number(0)).expect("a number");
    let steps = reports.steps(&first).await.expect("an answer");
    let filter = steps.into_iter().find(|(what, _)| what == "filter");
    (ldap, filter.expect("a filter").1)
}

async fn bare_search(ldap: &Ldap, filter: &str) -> Round {
    let (filter, ldap) = (Arc::new(filter.to_owned()), ldap.clone());
    round(move |_, asked| {
        let filter = filter.replace(&number(0)[3..], &number(asked)[3..]);
        let mut ldap = ldap.clone();
        async move {
            let attributes = ["entryUUID", "uid", "mobile", "telephoneNumber", "homePhone"];
            let found = ldap.search(PEOPLE, Scope::Subtree, &filter, attributes);
            let found = found.await.and_then(|found| found.success());
            let found = found.expect("an answer").0.into_iter();
            assert_eq!(found.map(SearchEntry::construct).count(), 1);
        }
    })
    .await
}

/// As many connections as there are questions in flight.
async fn bare_binders(slapd: &Slapd) -> Arc<Vec<Ldap>> {
    let mut connections = Vec::new();
    for _ in 0..IN_FLIGHT {
        connections.push(connection(slapd).await);
    }
    Arc::new(connections)
}

fn dn(asked: usize) -> String {
    format!("uid=user{},{PEOPLE}", asked * 7919 % USERS)
}

async fn bare_bind(connections: &Arc<Vec<Ldap>>) -> Round {
    let connections = connections.clone();
    round(move |task, asked| {
        let mut ldap = connections[task].clone();
        async move {
            let bound = ldap.simple_bind(&dn(asked), PASSWORD).await;
            bound.and_then(|bound| bound.success()).expect("let in");
        }
    })
    .await
}

/// What a login asks of the directory at least: who is it, and is this the password?
async fn bare_login(ldap: &Ldap, connections: &Arc<Vec<Ldap>>) -> Round {
    let (ldap, connections) = (ldap.clone(), connections.clone());
    round(move |task, asked| {
        let (mut ldap, mut binder) = (ldap.clone(), connections[task].clone());
        let name = asked * 7919 % USERS;
        async move {
            let filter = format!("(&(objectClass=inetOrgPerson)(uid=user{name}))");
            let found = ldap.search(PEOPLE, Scope::Subtree, &filter, ["entryUUID", "uid"]);
            let found = found.await.and_then(|found| found.success());
            let mut found = found.expect("an answer").0.into_iter();
            let user = SearchEntry::construct(found.next().expect("a user"));
            let bound = binder.simple_bind(&user.dn, PASSWORD).await;
            bound.and_then(|bound| bound.success()).expect("let in");
        }
    })
    .await
}

/// Whole calls and whole logins beside a client that does nothing but ask the directory.
async fn over_http(program: &str, slapd: &Slapd) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Arc::new(http::Server::start(program, slapd, folder.path()));
    let (ldap, filter) = bare_searcher(slapd).await;
    let connections = bare_binders(slapd).await;
    let (mut calls, mut searches) = (Vec::new(), Vec::new());
    let (mut logins, mut finds) = (Vec::new(), Vec::new());
    let mut binds = Vec::new();
    // The first round warms up.
    for number in 0..=ROUNDS {
        searches.push(bare_search(&ldap, &filter).await);
        let (call, otps) = measured(&server, move |server| server.get_otp(number)).await;
        calls.push(call);
        binds.push(bare_bind(&connections).await);
        finds.push(bare_login(&ldap, &connections).await);
        let login = move |server: &http::Server| (server.validate(number, &otps), ());
        logins.push(measured(&server, login).await.0);
    }
    let held = compare("getOTP over HTTP", &calls[1..], &searches[1..]);
    // A login finds the user first, as nobody but the directory knows who may log in now.
    let what = "validate over HTTP (bare: search by name, then bind)";
    let held = compare(what, &logins[1..], &finds[1..]) && held;
    let rate = |rounds: &[Round]| rounds.iter().map(|round| round.rate).sum::<f64>();
    println!(
        "validate over HTTP beside bare binds of users whose names need no search: {:.2}",
        rate(&logins[1..]) / rate(&binds[1..])
    );
    held
}

/// One round of calls, away from this program's own threads for questions.
async fn measured<T: Send + 'static>(
    server: &Arc<http::Server>,
    calls: impl FnOnce(&http::Server) -> (f64, T) + Send + 'static,
) -> (Round, T) {
    let (before, server) = (server.cpu_time(), server.clone());
    let measure = move || {
        let (rate, more) = calls(&server);
        let cpu = (server.cpu_time() - before) * 1e6 / http::CALLS as f64;
        (Round { rate, cpu }, more)
    };
    let measured = tokio::task::spawn_blocking(measure).await;
    measured.expect("a measurement")
}

async fn search(slapd: &Slapd) -> bool {
    let directory = adapter(slapd, Lookup::Search).await;
    let (ldap, filter) = bare_searcher(slapd).await;
    println!("filter: {filter}");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_search(&ldap, &filter).await);
        let (directory, plan) = (directory.clone(), plan());
        ours.push(
            round(move |_, asked| {
                let (directory, plan) = (directory.clone(), plan.clone());
                async move {
                    let number = plan.read(&number(asked)).expect("a number");
                    let deadline = Deadline::within(Duration::from_secs(3));
                    match directory.find_by_number(&number, deadline).await {
                        Ok(Some(Match::One(_))) => {}
                        other => panic!("{other:?}"),
                    }
                }
            })
            .await,
        );
    }
    compare("the adapter's search by number", &ours, &bare)
}

async fn bind(slapd: &Slapd) -> bool {
    let directory = adapter(slapd, Lookup::Search).await;
    let connections = bare_binders(slapd).await;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_bind(&connections).await);
        let directory = directory.clone();
        ours.push(
            round(move |_, asked| {
                let directory = directory.clone();
                async move {
                    let user = User {
                        id: "".into(),
                        name: "".into(),
                        dn: dn(asked).into(),
                    };
                    let deadline = Deadline::within(Duration::from_secs(3));
                    let password = Secret::new(PASSWORD.into());
                    let checked = directory.check_password(Some(&user), &password, deadline);
                    assert_eq!(checked.await, Ok(PasswordCheck::Right));
                }
            })
            .await,
        );
    }
    compare("the adapter's bind", &ours, &bare)
}

async fn index(slapd: &Slapd) -> bool {
    let lookup = Lookup::Index {
        refresh: Duration::from_secs(60),
    };
    let (before, started) = (resident(), Instant::now());
    let directory = adapter(slapd, lookup).await;
    let (took, grown) = (started.elapsed(), resident() - before);
    println!("index: {}", directory.health().detail);
    println!(
        "index loaded in {took:.1?} (less than 60 s), {:.1} MiB (less than 64)",
        grown
    );
    let nobody: Vec<_> = (0..1000)
        .map(|place| {
            plan()
                .read(&format!("+46846509{place:05}"))
                .expect("a number")
        })
        .collect();
    let started = Instant::now();
    for number in nobody.iter().cycle().take(1_000_000) {
        let deadline = Deadline::within(Duration::from_secs(3));
        let found = directory.find_by_number(number, deadline).await;
        assert_eq!(found, Ok(None));
    }
    let each = started.elapsed() / 1_000_000;
    println!("a look-up in the index: {each:?} (less than 2 µs)");
    took < Duration::from_secs(60) && grown < 64.0 && each < Duration::from_micros(2)
}

/// MiB of this process in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.expect("a number") / 1024.0
}
