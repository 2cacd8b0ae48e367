//! Flags to a command, and what it came to as an exit code.

/// Says a line to the person at the terminal. A reader that has gone (`| head`) is no
/// reason to fail.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

/// The same on the standard error.
macro_rules! complain {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($part)*);
    }};
}

mod args;
mod catalogue;
mod compare;
mod dry;
mod run;
mod selftest;

use std::{ffi::OsString, io::IsTerminal as _, path::Path};

use clap::Parser as _;

use args::{Args, Colour, Command};

use crate::{report::Style, target};

/// Done; for `run`: conformant.
pub const DONE: u8 = 0;
/// It could not be done; for `run`: not conformant; for `diff`: they differ.
pub const FAILED: u8 = 1;
/// A flag or a file is wrong.
pub const USAGE: u8 = 2;
/// There is no verdict.
pub const NO_VERDICT: u8 = 3;
/// Refused for safety.
pub const UNSAFE: u8 = 4;
/// The suite contradicted itself.
pub const CONTRADICTION: u8 = 70;

/// Why a command did not come to its end: what to say, and the exit code.
struct Stop {
    code: u8,
    message: String,
}

impl Stop {
    fn usage(message: impl ToString) -> Self {
        Self {
            code: USAGE,
            message: message.to_string(),
        }
    }

    fn failed(message: impl ToString) -> Self {
        Self {
            code: FAILED,
            message: message.to_string(),
        }
    }
}

/// Runs the program and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Nothing is left to be done when even this cannot be written.
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { DONE };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain!("callotp-conformance: no runtime: {error}");
            return CONTRADICTION;
        }
    };
    let code = runtime.block_on(command(args)).unwrap_or_else(|stop| {
        complain!("callotp-conformance: {}", stop.message);
        stop.code
    });
    // A name server that hangs must not keep the program from ending.
    runtime.shutdown_background();
    code
}

async fn command(args: Args) -> Result<u8, Stop> {
    match args.command {
        Command::Run(run) => run::run(*run).await,
        Command::Preflight(preflight) => run::preflight(*preflight).await,
        Command::List { json } => Ok(catalogue::list(json)),
        Command::Explain { clause } => catalogue::explain(&clause),
        Command::Replay(replay) => compare::replay(*replay).await,
        Command::Diff { before, after } => compare::diff(&before, &after),
        Command::Selftest { colour } => Ok(selftest::run(style(colour, false)).await),
        Command::Init { path } => init(&path),
    }
}

fn init(path: &Path) -> Result<u8, Stop> {
    if path.as_os_str() == "-" {
        say_as_is(target::TEMPLATE);
        return Ok(DONE);
    }
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, target::TEMPLATE.as_bytes()));
    match written {
        Ok(()) => {
            say!(
                "{} is written; fill it in, then: callotp-conformance run {}",
                path.display(),
                path.display()
            );
            Ok(DONE)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Stop::failed(
            format!("{} is there already and is left alone", path.display()),
        )),
        Err(error) => Err(Stop::failed(format!("{}: {error}", path.display()))),
    }
}

/// Says text that has its own line breaks.
fn say_as_is(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}

fn style(colour: Colour, quiet: bool) -> Style {
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        // https://no-color.org: the variable counts when it is not empty.
        Colour::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    };
    Style { colour, quiet }
}
