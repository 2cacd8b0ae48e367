//! What is written down of one call: the one log line, and what the metrics count.
//!
//! The fields are an interface, documented in `docs/log.md`. None can hold an OTP, a
//! password, a token or a whole number.

use std::{
    fmt,
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde::{Serialize, Serializer};

use crate::{
    clock::{Entropy, NoEntropy, Timestamp},
    tenant::Operation,
};

/// Takes what is written down of each call: the log and the metrics.
pub trait Ledger: Send + Sync {
    /// Writes one call down. Never blocks.
    fn note(&self, call: &Call<'_>);
}

/// One call, answered.
#[derive(Debug, Serialize)]
pub struct Call<'a> {
    /// When it came.
    #[serde(skip)]
    pub at: Timestamp,
    /// How grave it is.
    #[serde(skip)]
    pub level: Level,
    /// Names this call in the answer's body and here.
    pub id: RequestId,
    /// Where it came from.
    pub from: IpAddr,
    /// The operation, if the path names one.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "operation_name"
    )]
    pub operation: Option<Operation>,
    /// The tenant, if it is one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// The client, once it has proven who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a str>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, unless all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// More on a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// The status of the answer.
    pub status: u16,
    /// The user's name as the directory spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The last two digits of the calling number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<LastDigits>,
    /// From the request's head to the answer.
    #[serde(rename = "microseconds", serialize_with = "microseconds")]
    pub took: Duration,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An OTP was issued.
    Issued,
    /// A user was let in.
    Validated,
    /// The client or the user was refused.
    Refused,
    /// Our side or a backend broke.
    Fault,
}

impl Outcome {
    /// The word in log and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Validated => "validated",
            Self::Refused => "refused",
            Self::Fault => "fault",
        }
    }
}

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All went as it should, a refusal included.
    Info,
    /// Somebody may want to look at it.
    Warn,
    /// Something of ours or behind us is broken.
    Error,
}

impl Level {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The last two digits of a number, which is all of it that is ever written down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LastDigits([u8; 2]);

impl LastDigits {
    /// Of a number that has at least six digits; shorter ones would be told half.
    pub fn of(number: &str) -> Option<Self> {
        let mut digits = number.bytes().rev().filter(u8::is_ascii_digit);
        let (last, before) = (digits.next()?, digits.next()?);
        (digits.count() >= 4).then_some(Self([before, last]))
    }
}

impl fmt::Display for LastDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for LastDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LastDigits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Names one call: 16 hexadecimal digits, unlike those of an earlier run of the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    run: u32,
    number: u32,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:08x}", self.run, self.number)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Hands out request ids.
#[derive(Debug)]
pub struct RequestIds {
    run: u32,
    next: AtomicU32,
}

impl RequestIds {
    /// Those of one run of the program.
    pub fn new(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut run = [0; 4];
        entropy.fill(&mut run)?;
        Ok(Self {
            run: u32::from_be_bytes(run),
            next: AtomicU32::new(1),
        })
    }

    /// The next one.
    pub fn next(&self) -> RequestId {
        RequestId {
            run: self.run,
            number: self.next.fetch_add(1, Ordering::Relaxed),
        }
    }
}

#[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
fn operation_name<S: Serializer>(
    operation: &Option<Operation>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(operation.map_or("", Operation::as_str))
}

fn microseconds<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}
