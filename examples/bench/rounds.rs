//! The measurement: alternating rounds against both servers, medians of ratios.

use std::{env, fs, net::SocketAddr, path::Path, sync::Arc, thread, time::Duration};

use super::{
    credentials,
    figures::{judged, median},
    load::{self, Connector, Seen, request},
    people,
    process::Server,
    stores,
};

/// Rounds per server; the first warms up and is not counted.
const ROUNDS: usize = 5;
/// Calls in a round.
const CALLS: usize = 100_000;

/// One operation, measured on both servers round by round.
#[derive(Default)]
struct Comparison {
    cpu: Vec<f64>,
    throughput: Vec<f64>,
    lines: Vec<String>,
}

impl Comparison {
    fn add(&mut self, bare: &Measured, ours: &Measured) {
        self.cpu.push(ours.cpu / bare.cpu);
        self.throughput
            .push(ours.seen.per_second() / bare.seen.per_second());
        for (name, measured) in [("bare", bare), ("callotp", ours)] {
            let seen = &measured.seen;
            self.lines.push(format!(
                "  {name:<8} {:>7.0}/s  {:>5.2} µs CPU  p50 {:>5} µs  p99 {:>5} µs  p99.9 {:>6} µs",
                seen.per_second(),
                measured.cpu,
                seen.percentile(50.0).as_micros(),
                seen.percentile(99.0).as_micros(),
                seen.percentile(99.9).as_micros(),
            ));
        }
    }

    fn print(&mut self, name: &str, at_most: f64) -> bool {
        println!(
            "\n{name}, {} connections, {CALLS} calls a round",
            load::CONNECTIONS
        );
        self.lines.iter().for_each(|line| println!("{line}"));
        let held = judged(
            &format!("{name}: CPU time per call against bare"),
            median(&mut self.cpu),
            "times",
            at_most,
        );
        println!(
            "{:<52} {:>9.2} times",
            "  throughput against bare",
            median(&mut self.throughput)
        );
        held
    }
}

pub struct Measured {
    /// Microseconds per call.
    pub cpu: f64,
    pub seen: Seen,
}

pub fn measure(server: &Server, requests: &[Vec<u8>]) -> Measured {
    measure_over(&Arc::new(Connector::Plain), server, requests)
}

pub fn measure_over(connector: &Arc<Connector>, server: &Server, requests: &[Vec<u8>]) -> Measured {
    let before = server.cpu();
    let seen = load::run_over(connector, server.address, requests);
    // The log is written a moment later, and counts.
    thread::sleep(Duration::from_millis(20));
    let cpu = (server.cpu() - before).as_secs_f64() * 1e6 / requests.len() as f64;
    Measured { cpu, seen }
}

/// Everything. Says whether all figures hold.
pub fn run(callotp: &str, people: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut held = start(callotp, folder.path());
    let hash = people::hash(callotp);
    println!("\nwriting a directory of {people} people");
    let config = people::write(folder.path(), people, &hash);
    let me = env::current_exe().unwrap();
    let bare = Server::start(
        me.to_str().unwrap(),
        &["bare"],
        &folder.path().join("bare.log"),
    );
    let ours = Server::start(
        callotp,
        &["serve", "--config", config.to_str().unwrap()],
        &folder.path().join("callotp.log"),
    );
    println!(
        "loaded and listening after {:.1} s, {} MiB resident",
        ours.started_in.as_secs_f64(),
        ours.resident() >> 20
    );
    held &= calls(&bare, &ours, people);
    held &= memory(&ours, people);
    drop((bare, ours));
    println!();
    held &= credentials::tokens(callotp);
    held &= credentials::tls(callotp);
    println!();
    held &= stores::run(callotp);
    held
}

/// getOTP and validate, alternating between the servers.
fn calls(bare: &Server, ours: &Server, people: usize) -> bool {
    let (mut issue, mut validate) = (Comparison::default(), Comparison::default());
    for round in 0..=ROUNDS {
        // Spread over the whole directory, so that look-ups miss the caches as real ones do.
        let who: Vec<usize> = (0..CALLS)
            .map(|n| (n * 7919 + round * 104_729) % people)
            .collect();
        let asked: Vec<_> = who
            .iter()
            .map(|&n| {
                request(
                    "getOTP",
                    &format!("{{\"phonenumber\":\"{}\"}}", people::number(n)),
                )
            })
            .collect();
        let (floor, own) = (measure(bare, &asked), measure(ours, &asked));
        let logins: Vec<_> = who
            .iter()
            .zip(&own.seen.answers)
            .map(|(&n, otp)| {
                let name = people::name(n);
                request(
                    "validate",
                    &format!("{{\"username\":\"{name}\",\"otp\":\"{otp}\"}}"),
                )
            })
            .collect();
        let (low, high) = (measure(bare, &logins), measure(ours, &logins));
        if round > 0 {
            issue.add(&floor, &own);
            validate.add(&low, &high);
        }
    }
    let issued = issue.print("getOTP", 2.2);
    validate.print("validate without a bind", 2.5) && issued
}

/// What one live OTP costs, the throttle's entry for its number included.
fn memory(ours: &Server, people: usize) -> bool {
    let before = ours.resident();
    for start in (0..people).step_by(CALLS) {
        let asked: Vec<_> = (start..people.min(start + CALLS))
            .map(|n| {
                request(
                    "getOTP",
                    &format!("{{\"phonenumber\":\"{}\"}}", people::number(n)),
                )
            })
            .collect();
        load::run(ours.address, &asked);
    }
    let grown = ours.resident().saturating_sub(before);
    println!();
    judged(
        "memory of one live OTP",
        grown as f64 / people as f64,
        "bytes",
        200.0,
    )
}

/// The quickstart: how soon it answers, and what it weighs.
fn start(callotp: &str, folder: &Path) -> bool {
    let quickstart = fs::read_to_string("examples/quickstart/callotp.toml").unwrap();
    let quickstart = quickstart.replace("127.0.0.1:8080", "127.0.0.1:0");
    let quickstart = quickstart.replace("127.0.0.1:9080", "127.0.0.1:0");
    fs::write(folder.join("quickstart.toml"), quickstart).unwrap();
    fs::copy(
        "examples/quickstart/people.ldif",
        folder.join("people.ldif"),
    )
    .unwrap();
    let config = folder.join("quickstart.toml");
    let mut times = Vec::new();
    let mut idle = Vec::new();
    for _ in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
        let start = std::time::Instant::now();
        let log = folder.join("quickstart.log");
        let server = Server::start(
            callotp,
            &["serve", "--config", config.to_str().unwrap()],
            &log,
        );
        first_answer(server.address);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        idle.push(server.resident() as f64 / f64::from(1 << 20));
    }
    let quick = judged(
        "quickstart: start to first answer",
        median(&mut times),
        "ms",
        100.0,
    );
    judged("quickstart: idle memory", median(&mut idle), "MiB", 20.0) && quick
}

fn first_answer(address: SocketAddr) {
    let seen = load::run(
        address,
        &[request("getOTP", "{\"phonenumber\":\"+46701740605\"}")],
    );
    assert_eq!(seen.answers.len(), 1);
}
