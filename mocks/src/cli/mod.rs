//! The command line: arguments to a command, a command to an exit code.

mod judge;
mod lint;

mod relay;
mod serve;

use std::{
    ffi::OsString,
    io::Write as _,
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};

use crate::{
    ldap::Flavour,
    mock::{Mock, MockBuilder},
    pbx::{self, PbxArgs},
    scenario::Scenario,
};

/// Done.
pub const DONE: u8 = 0;
/// It could not be done, or the caller failed.
pub const FAILED: u8 = 1;
/// The flags or the scenario are wrong.
pub const USAGE: u8 = 2;
/// Nothing was called, so there is no verdict.
pub const NOTHING_CALLED: u8 = 3;

#[derive(Parser)]
#[command(
    name = "callotp-mock",
    version,
    about = "A world for phone systems and directories. Not for production."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the endpoint, the directory and the dashboard.
    Serve(serve::Arguments),
    /// Run a command as the phone system; the exit code is the verdict on its calls.
    Judge(judge::Arguments),

    /// Stand between a phone system and a real server, change nothing, judge both.
    Relay(relay::Arguments),
    /// Place calls as a phone system does, and say what the caller would hear.
    Pbx(PbxArgs),
    /// Is the scenario right? Warns of rules that can never match.
    Lint {
        /// The scenario.
        scenario: PathBuf,
    },
}

/// What a mock is to be like, for every command that starts one.
#[derive(Args)]
struct WorldArguments {
    /// The endpoint speaks TLS, with a certificate of the mock's own CA.
    #[arg(long)]
    tls: bool,
    /// Whose habits the directory has: openldap or ad.
    #[arg(long, value_parser = flavour)]
    flavour: Option<Flavour>,
    /// The seed of everything that is drawn.
    #[arg(long)]
    seed: Option<u64>,
    /// Every answer has the same form.
    #[arg(long)]
    plain: bool,
    /// Judge, and answer all the same (the default).
    #[arg(long, conflicts_with = "enforce")]
    judge: bool,
    /// Refuse what a real server would refuse.
    #[arg(long)]
    enforce: bool,
}

/// Runs the command line; the exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and succeeds; where nobody reads it, nothing is lost.
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { DONE };
        }
    };
    match arguments.command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Judge(arguments) => judge::run(arguments).await,

        Command::Relay(arguments) => relay::run(arguments).await,
        Command::Pbx(arguments) => pbx::run(arguments).await.code(),
        Command::Lint { scenario } => lint::run(&scenario),
    }
}

impl WorldArguments {
    /// A mock of this scenario; the message says what is wrong with it.
    fn builder(&self, path: Option<&Path>) -> Result<(MockBuilder, Scenario), String> {
        let scenario = match path {
            Some(path) => Scenario::load(path).map_err(|error| error.to_string())?,
            None => Scenario::without_file(),
        };
        let mut builder = Mock::builder().scenario(scenario.clone());
        if let Some(seed) = self.seed {
            builder = builder.seed(seed);
        }
        if let Some(flavour) = self.flavour {
            builder = builder.flavour(flavour);
        }
        if self.tls {
            builder = builder.tls();
        }
        if self.plain {
            builder = builder.plain();
        }
        if self.enforce {
            builder = builder.enforce();
        }
        Ok((builder, scenario))
    }
}

fn flavour(text: &str) -> Result<Flavour, String> {
    match text {
        "openldap" => Ok(Flavour::OpenLdap),
        "ad" => Ok(Flavour::Ad),
        _ => Err("the flavour is openldap or ad".to_owned()),
    }
}

/// An address with a port; a name is looked up.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let mut found = text
        .to_socket_addrs()
        .map_err(|_| format!("{text:?} is not an address like 127.0.0.1:8080"))?;
    found
        .next()
        .ok_or_else(|| format!("{text:?} has no address"))
}

/// A line for a program.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading: that ends no server.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line for a person.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A reason to stop, for a person.
fn complain(error: impl std::fmt::Display) {
    tell(&format!("callotp-mock: {error}"));
}

/// Listens for the signals to stop from now on; what it gives waits for one. Call it before
/// telling anybody where to find the program: a signal that nobody listens for kills it.
fn stopped() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).ok();
        let mut terminate = listen(SignalKind::terminate());
        let mut interrupt = listen(SignalKind::interrupt());
        async move {
            let came = |signal| async move {
                match signal {
                    Some::<&mut tokio::signal::unix::Signal>(signal) => {
                        signal.recv().await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = came(terminate.as_mut()) => {}
                () = came(interrupt.as_mut()) => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
}
