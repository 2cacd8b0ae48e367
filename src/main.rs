//! The command line of the server; the story begins in `lib.rs`.

use std::process::ExitCode;

use callotp::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::of_process() {
        Ok(cli) => cli.run().await.into(),
        Err(outcome) => outcome.into(),
    }
}
