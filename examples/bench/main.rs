//! Measures the server side by side with a bare hyper server that reads the same requests and
//! writes the same answers, in one run: `ci/bench`.
//!
//! Both servers are pinned to one core and the load to another. CPU time per call (user and
//! system time of the server's process, divided by calls) repeats to within some 5 % on a
//! busy machine; throughput and latency do not, so they are printed and not judged.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a program that measures and prints; what fails in it should stop it"
)]

use std::{env, process::ExitCode};

mod bare;
mod credentials;
mod figures;
mod load;
mod people;
mod process;
mod redis;
mod rounds;
mod stores;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["bare"] => bare::serve(bare::Extra::Nothing),
        ["bare-token", keys] => bare::serve(bare::Extra::token(keys)),
        ["bare-tls", folder] => bare::serve(bare::Extra::tls(folder)),
        ["bare-redis", url] => bare::serve(bare::Extra::Redis(redis::BareClient::of(url).into())),
        ["alone-redis", url, calls] => redis::run_alone(url, calls.parse().unwrap()),
        ["tokens", callotp] => measured(|| credentials::tokens(callotp)),
        ["tls", callotp] => measured(|| credentials::tls(callotp)),
        ["stores", callotp] => measured(|| stores::run(callotp)),
        [callotp] => measured(|| rounds::run(callotp, 1_000_000)),
        [callotp, people] => measured(|| rounds::run(callotp, people.parse().unwrap())),
        _ => {
            println!(
                "usage: bench [tokens|tls|stores] PATH-OF-CALLOTP | bench PATH-OF-CALLOTP [PEOPLE]"
            );
            ExitCode::from(2)
        }
    }
}

fn measured(figures: impl FnOnce() -> bool) -> ExitCode {
    process::pin_to_second_core();
    match figures() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
