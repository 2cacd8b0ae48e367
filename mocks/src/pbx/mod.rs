//! A simulated phone system: it places calls, asks for OTPs the way a named system does, and says
//! what the caller would hear. A load generator too.
//!
//! What it prints contains OTPs, as words: that is what the person at the telephone hears.

use std::{
    io::{self, Write},
    path::PathBuf,
};

mod call;
mod dialect;
mod report;
mod speech;

pub use call::{Call, Plan, UsageError, place};
pub use dialect::Dialect;
pub use report::Report;
pub use speech::spoken;

/// `callotp-mock pbx`
#[derive(Clone, Debug, clap::Args)]
pub struct PbxArgs {
    /// The server, with or without the path `/api/authentication/getOTP`
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// The value of the `tenant` header
    #[arg(long, value_name = "ID")]
    pub tenant: String,
    /// How many calls to place
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub calls: u64,
    /// How many calls begin in a second, a minute or an hour: `5/s`, `30/m`, `100/h`
    #[arg(long, default_value = "5/s", value_name = "N/s")]
    pub rate: String,
    /// Calling numbers, one a line, taken in turn; without it the fiction number 070-174 06 05
    #[arg(long, value_name = "FILE")]
    pub numbers: Option<PathBuf>,
    /// Send every number as the file writes it, not in the spellings that trunks deliver
    #[arg(long)]
    pub as_written: bool,
    /// Whose way of asking, reading and speaking
    #[arg(long, value_enum, default_value_t)]
    pub dialect: Dialect,
    /// Basic credentials: a user name, and the environment variable that holds the password
    #[arg(long, value_name = "USER:env:NAME")]
    pub basic: Option<String>,
    /// A certificate authority to trust besides the system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// How a run of the phone system ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every call was answered as the contract has it: 200 with an OTP, or 403.
    Done,
    /// Some call was not.
    Failed,
    /// The arguments make no sense.
    Usage,
    /// Nothing was called.
    NothingCalled,
}

impl Outcome {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NothingCalled => 3,
        }
    }
}

/// Places the calls; says on standard output what was heard, and on standard error what is wrong
/// with the arguments.
pub async fn run(args: PbxArgs) -> Outcome {
    run_to(args, &mut io::stdout(), &mut io::stderr()).await
}

/// As [`run`], to other outputs. An output that cannot be written to ends the run as failed.
pub async fn run_to(args: PbxArgs, out: &mut impl Write, errors: &mut impl Write) -> Outcome {
    let plan = match Plan::from_args(args) {
        Ok(plan) => plan,
        Err(error) => {
            // If standard error is closed there is nobody to tell; the exit code remains.
            let _ = writeln!(errors, "callotp-mock pbx: {error}");
            return Outcome::Usage;
        }
    };
    let report = match place(&plan, |call| writeln!(out, "{call}")).await {
        Ok(report) => report,
        Err(_) => return Outcome::Failed,
    };
    match writeln!(out, "{report}") {
        Ok(()) => report.outcome(),
        Err(_) => Outcome::Failed,
    }
}
