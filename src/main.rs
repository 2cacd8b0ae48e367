//! The command line of the server; the story begins in `lib.rs`.

use std::process::ExitCode;

use callotp::cli::Cli;
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await.into()
}
