//! The stores, each behind a callotp that serves: the file beside memory, Redis beside a bare
//! client of the same script, and what one live OTP takes.

use std::{fs, path::Path};

use super::{
    figures::{judged, median},
    load::request,
    people,
    process::Server,
    redis::{Redis, alone, every_core},
    rounds::measure,
};

/// Rounds per server; the first warms up and is not counted.
const ROUNDS: usize = 5;
/// Calls in a round.
const CALLS: usize = 50_000;
/// In the end each of them has a live OTP.
const PEOPLE: usize = 1_000_000;

/// Measures all of them, and says whether the figures hold.
pub fn run(callotp: &str) -> bool {
    // Beside this program, and not where temporary files go: those may lie in memory.
    let here = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir_in(here.parent().unwrap()).unwrap();
    let folder = folder.path();
    people::write(folder, PEOPLE, &people::hash(callotp));
    fs::write(folder.join("bench.key"), "5a".repeat(32)).unwrap();
    let file = file(callotp, folder);
    redis(callotp, folder) && file
}

/// Starts callotp on these cores, with these lines as its `[store]`.
fn serve(callotp: &str, folder: &Path, cores: &str, store: &str) -> Server {
    let usual = fs::read_to_string(folder.join("callotp.toml")).unwrap();
    let config = folder.join("changed.toml");
    fs::write(&config, usual.replace("kind = \"memory\"", store)).unwrap();
    let arguments = ["serve", "--config", config.to_str().unwrap()];
    Server::start_on(cores, callotp, &arguments, &folder.join("callotp.log"))
}

/// getOTP for some of the people: calls in a second, and microseconds of CPU time per call.
fn get_otps(server: &Server, people: impl Iterator<Item = usize>) -> (f64, f64) {
    let all = people.map(|who| {
        let body = format!("{{\"phonenumber\":\"{}\"}}", people::number(who));
        request("getOTP", &body)
    });
    let measured = measure(server, &all.collect::<Vec<_>>());
    (measured.seen.per_second(), measured.cpu)
}

/// Other people each round, spread over all.
fn of_round(round: usize) -> impl Iterator<Item = usize> {
    (0..CALLS).map(move |n| (n * 7919 + round * CALLS) % PEOPLE)
}

/// A file, where an OTP is on the disk before it is told, beside memory.
fn file(callotp: &str, folder: &Path) -> bool {
    let store = "kind = \"embedded\"\npath = \"bench.redb\"\nkey_file = \"bench.key\"";
    let memory = serve(callotp, folder, "0", "kind = \"memory\"");
    let file = serve(callotp, folder, "0", store);
    let before = file.resident();
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        let ((quick, low), (kept, high)) = (
            get_otps(&memory, of_round(round)),
            get_otps(&file, of_round(round)),
        );
        println!(
            "  getOTP: memory {quick:.0}/s, {low:.1} µs CPU; embedded {kept:.0}/s, {high:.1} µs CPU"
        );
        if round > 0 {
            ratios.push(quick / kept);
        }
    }
    let throughput = judged(
        "getOTP: memory's throughput against embedded's",
        median(&mut ratios),
        "times",
        1.0 / 0.5,
    );
    for first in (0..PEOPLE).step_by(CALLS) {
        get_otps(&file, first..first + CALLS);
    }
    let each = |bytes: u64| bytes as f64 / PEOPLE as f64;
    let grown = file.resident().saturating_sub(before);
    let length = fs::metadata(folder.join("bench.redb")).unwrap().len();
    let resident = judged(
        "embedded: memory of one live OTP",
        each(grown),
        "bytes",
        300.0,
    );
    judged(
        "embedded: its part of the file",
        each(length),
        "bytes",
        300.0,
    ) && resident
        && throughput
}

/// Redis, beside a bare client of the same one. Three programs, the load among them, share
/// all cores on either side.
fn redis(callotp: &str, folder: &Path) -> bool {
    let redis = Redis::start(folder);
    let url = redis.url();
    let store = format!("kind = \"redis\"\nurl = \"{url}\"\nkey_file = \"bench.key\"");
    let ours = serve(callotp, folder, &every_core(), &store);
    let me = std::env::current_exe().unwrap();
    let bare = Server::start_on(
        &every_core(),
        me.to_str().unwrap(),
        &["bare-redis", &url],
        &folder.join("bare.log"),
    );
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        let alone = alone(&redis, CALLS);
        let ((floor, low), (own, high)) = (
            get_otps(&bare, of_round(round)),
            get_otps(&ours, of_round(round)),
        );
        println!(
            "  getOTP: bare {floor:.0}/s, {low:.1} µs CPU; callotp {own:.0}/s, {high:.1} µs CPU \
             (bare without callers {alone:.0}/s)"
        );
        if round > 0 {
            ratios.push(floor / own);
        }
    }
    let throughput = judged(
        "getOTP on Redis: a bare client's throughput against it",
        median(&mut ratios),
        "times",
        1.0 / 0.7,
    );
    redis.empty();
    let before = redis.used();
    get_otps(&ours, of_round(0));
    let each = redis.used().saturating_sub(before) as f64 / CALLS as f64;
    println!(
        "{:<52} {each:>9.2} bytes",
        "  memory of one live OTP in Redis"
    );
    throughput
}
