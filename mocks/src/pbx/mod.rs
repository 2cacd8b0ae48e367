//! A simulated phone system: it places calls, asks for OTPs, and says what the caller would hear.

use std::path::PathBuf;

/// `callotp-mock pbx`
#[derive(Clone, Debug, clap::Args)]
pub struct PbxArgs {
    /// The server's address, up to and without `/api/authentication/getOTP`.
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// The value of the `tenant` header.
    #[arg(long, value_name = "ID")]
    pub tenant: String,
    /// How many calls to place.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub calls: u64,
    /// How many calls begin in a second, or minute, or hour: `5/s`, `30/m`, `100/h`. As fast as answers come if absent.
    #[arg(long, value_name = "N/s")]
    pub rate: Option<String>,
    /// A file with a calling number on each line; without it, the fiction number 070-174 06 05.
    #[arg(long, value_name = "FILE")]
    pub numbers: Option<PathBuf>,
}

/// How a run of the phone system ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every call was answered, with an OTP or a refusal.
    Done,
    /// Some call got neither.
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
