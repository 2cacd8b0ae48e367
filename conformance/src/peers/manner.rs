//! The manner of an answer, where the contract leaves a choice.

use std::time::Duration;

use super::Tls;

/// How the body of a refusal looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `application/problem+json` (RFC 9457).
    Problem,
    /// Nothing.
    Empty,
    /// A page.
    Html,
}

/// How the endpoint wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Basic.
    Basic,
    /// Bearer.
    Bearer,
    /// None: it trusts its network.
    None,
}

/// The choices.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// White space in the JSON.
    pub pretty: bool,
    /// Further members in the JSON.
    pub further_members: bool,
    /// A chunked body.
    pub chunked: bool,
    /// `Connection: close`.
    pub close: bool,
    /// HTTP/1.0 answers.
    pub http10: bool,
    /// Header names in lower case.
    pub lower_case: bool,
    /// `; charset=UTF-8` on the type.
    pub charset: bool,
    /// The pause before an answer.
    pub delay: Duration,
    /// The body of a refusal.
    pub refusal: Refusal,
    /// The status of a refusal for the credentials' sake.
    pub unauthorized: u16,
    /// The shortest and the longest OTP.
    pub digits: (usize, usize),
    /// How it knows its clients.
    pub credentials: Credentials,
    /// Over TLS.
    pub tls: Option<Tls>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            pretty: false,
            further_members: false,
            chunked: false,
            close: false,
            http10: false,
            lower_case: false,
            charset: false,
            delay: Duration::ZERO,
            refusal: Refusal::Problem,
            unauthorized: 403,
            digits: (6, 6),
            credentials: Credentials::Basic,
            tls: None,
        }
    }
}
