//! The command line of the conformance suite.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(callotp_conformance::cli::main(std::env::args_os()))
}
