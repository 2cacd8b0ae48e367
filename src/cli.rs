//! The command line: flags to a command, and what it comes to.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Parser, Subcommand};
use tokio::{
    signal::unix::{self, SignalKind},
    sync::Mutex,
};
use tracing_subscriber::{
    EnvFilter,
    layer::{Layer as _, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

use self::{
    locks::LocksCommand,
    reports::{ExplainCommand, PhonesCommand},
};
use crate::{
    app::{App, Reloader, Surroundings},
    check,
    clock::{Clock, SystemClock, SystemEntropy},
    config::{self, Config, Environment},
    doctor,
    finding::{Finding, Severity},
    password_hash,
    secret::Secret,
    shutdown,
    telemetry::{Log, event_line::Events, log::Format},
};

mod locks;
mod reports;

/// One-time passwords by phone call: issues an OTP for a calling number, and validates it at login.
#[derive(Parser)]
#[command(name = "callotp", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API.
    Serve(Serve),
    /// Is the configuration right? Reads files, uses no network.
    Check(ConfigFile),
    /// Can everything in the configuration be reached? Asks directories, stores and issuers.
    Doctor(ConfigFile),
    /// Why would this number be refused? Looks it up, and issues nothing.
    Explain(ExplainCommand),
    /// Which users cannot be served: no number, unreadable, ambiguous, slow to find?
    Phones(PhonesCommand),
    /// Who is locked? Ends, exports and imports locks, of a running server too.
    Locks(LocksCommand),
    /// Turn a client's password, read from standard input, into the hash for the configuration.
    HashPassword,
}

#[derive(Args)]
struct ConfigFile {
    /// The configuration (TOML); single keys can be overridden by CALLOTP__SERVER__LISTEN and the like.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// How log lines on standard error look [default: text on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT", env = "CALLOTP_LOG_FORMAT")]
    log_format: Option<Format>,
    /// Which events are logged beside the calls: error, warn, info, debug, or per module
    #[arg(
        long,
        value_name = "FILTER",
        env = "CALLOTP_LOG",
        default_value = "info"
    )]
    log: String,
}

/// What a command came to. The numbers are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 0: done.
    Done,
    /// 1: it could not be done.
    Failed,
    /// 2: the flags or the configuration are wrong.
    Misused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::from(1),
            Outcome::Misused => Self::from(2),
        }
    }
}

impl Cli {
    /// The arguments that the program was started with; what came of it if they ask for help
    /// or cannot be read.
    pub fn of_process() -> Result<Self, Outcome> {
        Self::try_parse().map_err(|told| {
            let written = told.print().and_then(|()| io::stdout().flush());
            match (told.use_stderr(), written) {
                (true, _) => Outcome::Misused,
                (false, Ok(())) => Outcome::Done,
                (false, Err(_)) => Outcome::Failed,
            }
        })
    }

    /// Runs the command to its end.
    pub async fn run(self) -> Outcome {
        // Named, so that a library that brings another one along does not decide. Fails only
        // if that has been done.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        match self.command {
            Command::Serve(serve) => serve.run().await,
            Command::Check(file) => check(&file.config),
            Command::Doctor(file) => examine(&file.config).await,
            Command::Explain(command) => command.run().await,
            Command::Phones(command) => command.run().await,
            Command::Locks(command) => command.run().await,
            Command::HashPassword => hash_password(),
        }
    }
}

/// Loads the configuration, or says everything that is wrong with it.
fn load(path: &Path) -> Result<Config, Outcome> {
    config::load(path, &Environment::of_process()).map_err(|problems| {
        complain(&problems.to_string());
        Outcome::Misused
    })
}

fn warn_of(config: &Config) {
    for warning in &config.warnings {
        complain(&format!("warning: {warning}"));
    }
}

fn check(path: &Path) -> Outcome {
    let config = match load(path) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    warn_of(&config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let found = check::check(&config, &clock);
    let noteworthy = found
        .iter()
        .filter(|finding| finding.severity != Severity::Good);
    noteworthy.for_each(|finding| complain(&finding.to_string()));
    match is_broken(&found) {
        true => Outcome::Misused,
        false => say(&format!("{}: the configuration is right", path.display())),
    }
}

async fn examine(path: &Path) -> Outcome {
    let config = match load(path) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    warn_of(&config);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let findings = doctor::examine(&config, &clock).await;
    for finding in &findings {
        if say(&finding.to_string()) != Outcome::Done {
            return Outcome::Failed;
        }
    }
    match is_broken(&findings) {
        true => Outcome::Failed,
        false => say(&format!("{}: nothing is broken", path.display())),
    }
}

fn is_broken(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.severity == Severity::Broken)
}

impl Serve {
    async fn run(self) -> Outcome {
        let config = match load(&self.file.config) {
            Ok(config) => config,
            Err(outcome) => return outcome,
        };
        let Ok(filter) = EnvFilter::try_new(&self.log) else {
            complain(&format!(
                "--log {:?} is no filter: try \"info\" or \"warn,callotp=debug\"",
                self.log
            ));
            return Outcome::Misused;
        };
        let format = self.log_format.unwrap_or(match io::stderr().is_terminal() {
            true => Format::Text,
            false => Format::Json,
        });
        let log = Log::to(io::stderr(), format);
        log_events(&log, filter);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let outcome = serve(config, self.file.config, Arc::clone(&log)).await;
        log.close();
        outcome
    }
}

async fn serve(config: Config, path: PathBuf, log: Arc<Log>) -> Outcome {
    // Before anything takes long: a hangup in the meantime must not end the program.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be listened for");
            return Outcome::Failed;
        }
    };
    let app = match App::build(config, Surroundings::of_the_machine(log)).await {
        Ok(app) => app,
        Err(error) => {
            tracing::error!("{error}");
            return Outcome::Failed;
        }
    };
    let (trigger, told) = shutdown::channel();
    let ready = serde_json::to_string(&app.addresses()).expect("addresses are always JSON");
    if say(&ready) != Outcome::Done {
        return Outcome::Failed;
    }
    let reloader = Arc::new(app.reloader());
    let turns = Arc::new(Mutex::new(()));
    let mut running = tokio::spawn(app.run(told));
    loop {
        tokio::select! {
            ended = &mut running => return match ended {
                Ok(()) => Outcome::Done,
                Err(_) => Outcome::Failed,
            },
            signal = signals.next() => match signal {
                // Beside the calls and the other signals, one after the other.
                Signal::Reload => {
                    let (turns, reloader) = (Arc::clone(&turns), Arc::clone(&reloader));
                    let path = path.clone();
                    tokio::spawn(async move {
                        let _turn = turns.lock().await;
                        reload(&reloader, path).await;
                    });
                }
                Signal::End(nth) => {
                    tracing::info!(nth, "told to stop");
                    if nth == 1 { trigger.drain() } else { trigger.stop() }
                }
            },
        }
    }
}

/// Takes the configuration as it is written now, or says why not and stays with the old one.
async fn reload(reloader: &Reloader, path: PathBuf) {
    let load = move || config::load(&path, &Environment::of_process());
    let newer = match tokio::task::spawn_blocking(load).await {
        Err(_) => return reloader.refused(),
        Ok(Ok(newer)) => newer,
        Ok(Err(problems)) => {
            tracing::error!("the new configuration is not taken: {problems}");
            return reloader.refused();
        }
    };
    for warning in &newer.warnings {
        tracing::warn!("{warning}");
    }
    match reloader.reload(newer).await {
        Ok(()) => tracing::info!("the new configuration is in force"),
        Err(error) => tracing::error!("the new configuration is not taken: {error}"),
    }
}

/// What the operator's signals ask for.
enum Signal {
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT, counted from 1.
    End(u32),
}

struct Signals {
    hangup: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
    ends: u32,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: unix::signal(SignalKind::hangup())?,
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            ends: 0,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => return Signal::Reload,
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        self.ends += 1;
        Signal::End(self.ends)
    }
}

/// Sends the events of the program and of its libraries into the log.
fn log_events(log: &Arc<Log>, filter: EnvFilter) {
    let events = Events {
        log: Arc::clone(log),
        clock: Arc::new(SystemClock::start()),
    };
    // Fails only if somebody has set one before, and then events go there.
    let _ = tracing_subscriber::registry()
        .with(events.with_filter(filter))
        .try_init();
}

fn hash_password() -> Outcome {
    let mut input = String::new();
    if io::stdin().is_terminal() {
        complain("type the password, then Enter:");
    }
    let read = io::stdin()
        .lock()
        .take(64 * 1024)
        .read_to_string(&mut input);
    if let Err(error) = read {
        complain(&format!("standard input cannot be read: {error}"));
        return Outcome::Failed;
    }
    let password = Secret::new(input);
    let line = password.expose().trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.chars().any(char::is_control) {
        complain("the password must be one line, not empty and without control characters");
        return Outcome::Misused;
    }
    match password_hash::hash(&Secret::new(line.to_owned()), &SystemEntropy) {
        Ok(hash) => say(&hash),
        Err(error) => {
            complain(&error.to_string());
            Outcome::Failed
        }
    }
}

/// One line for a program or a person, on standard output.
fn say(line: &str) -> Outcome {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Outcome::Done,
        Err(_) => Outcome::Failed,
    }
}

/// One line for a person, on standard error.
fn complain(line: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
