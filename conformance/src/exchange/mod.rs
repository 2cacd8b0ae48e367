//! One request and what came of it.

mod answer;
mod hello;
mod http2;
mod reading;
mod request;
mod tls;
mod verifier;
mod wire;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use answer::Answer;
pub(crate) use hello::accepts_version;
pub(crate) use request::{Framing, Request};
pub(crate) use tls::{ClientSide, certificate_days_left};
pub(crate) use wire::Wire;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("the name cannot be resolved: {0}")]
    Address(String),
    #[error("nobody listens there: {0}")]
    Connection(String),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("the connection was closed before an answer came")]
    Closed,
    #[error("the connection was closed in the middle of the answer")]
    Cut,
    #[error("no complete answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("what came is no HTTP: {0}")]
    Malformed(&'static str),
    #[error("the answer is larger than {0} KiB")]
    Endless(usize),
    #[error("the budget of OTPs is spent")]
    Budget,
}

/// A request that was sent, and its answer.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) result: Result<Answer, Trouble>,
    pub(crate) took: Duration,
}

/// An exchange as a report shows it: masked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The request as a difference to the golden request, a line each.
    pub change: Vec<String>,
    /// The whole request.
    pub request: String,
    /// The answer, or why there is none.
    pub response: String,
}

impl Exchange {
    /// The status, when there was an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.result.as_ref().ok().map(Answer::status)
    }

    /// May the same request be answered otherwise the next time: was there no answer, or
    /// one of a server in trouble?
    pub(crate) fn is_unclear(&self) -> bool {
        match &self.result {
            Ok(answer) => answer.is_fault(),
            Err(trouble) => !matches!(trouble, Trouble::Budget),
        }
    }

    /// Was it not even sent, because the budget of OTPs is spent?
    pub(crate) fn is_over_budget(&self) -> bool {
        matches!(self.result, Err(Trouble::Budget))
    }

    /// What came of it in a few words, for `got`.
    pub(crate) fn got(&self) -> String {
        match &self.result {
            Ok(answer) if answer.any_otp().is_some() => {
                format!("{} with an OTP", answer.status())
            }
            Ok(answer) => answer.status().to_string(),
            Err(trouble) => trouble.to_string(),
        }
    }
}
