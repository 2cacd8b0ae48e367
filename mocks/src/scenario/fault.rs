//! What can go wrong with an answer, as written in a rule or in `next` and as meant.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::{self, Span};
use crate::authority::Certificate;

/// One thing that goes wrong with one answer, on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing at all for this long, then the answer; `None` is for ever.
    Delay(Option<Duration>),
    /// The first byte comes this late, and alone; the rest follows it.
    FirstByte(Duration),
    /// One byte at a time, this far apart.
    Dribble(Duration, Place),
    /// The connection is reset (a true RST) after this many bytes of the place.
    Reset(Place, usize),
    /// The connection is closed in good order (FIN) after this many bytes of the place.
    Fin(Place, usize),
    /// 200, without a body.
    Empty,
    /// Bytes that are no HTTP, then the end of the connection.
    Garbage,
    /// A chunked body whose second chunk has a size nobody can read.
    BadChunk,
    /// A body shorter than its Content-Length.
    ShortLength,
    /// Another status.
    Status {
        /// The status.
        status: u16,
        /// Its body; a neutral one when `None`.
        body: Option<String>,
        /// The seconds of `Retry-After`; 429 and 503 always carry one.
        retry_after: Option<u64>,
    },
    /// Another body, by default under 200.
    Body {
        /// The status.
        status: u16,
        /// The body.
        body: String,
        /// Its media type.
        content_type: String,
    },
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        to: String,
    },
    /// The next TLS handshake shows this certificate.
    Tls(Certificate),
    /// Connections are refused for this long.
    RefuseConnect(Duration),
}

/// Which part of the answer a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Before the first byte.
    #[default]
    Before,
    /// Inside the status line and the headers.
    Headers,
    /// Inside the body.
    Body,
}

/// A fault as it is written; which keys belong to which kind is checked in
/// [`FaultAsWritten::meant`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultAsWritten {
    kind: Kind,
    #[serde(alias = "for", alias = "delay", alias = "duration")]
    after: Option<After>,
    #[serde(alias = "interval")]
    every: Option<Span>,
    at: Option<At>,
    after_bytes: Option<usize>,
    status: Option<u16>,
    body: Option<serde_json::Value>,
    content_type: Option<String>,
    retry_after: Option<RetryAfter>,
    #[serde(alias = "location")]
    to: Option<String>,
    #[serde(alias = "cert", alias = "reason", alias = "problem")]
    certificate: Option<Certificate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Delay,
    FirstByte,
    Dribble,
    Reset,
    Fin,
    Empty,
    Garbage,
    BadChunk,
    ShortLength,
    Status,
    Body,
    Redirect,
    Tls,
    RefuseConnect,
}

/// The kinds of fault, for the nearest name and for the dashboard.
pub(crate) const KINDS: [&str; 14] = [
    "delay",
    "first-byte",
    "dribble",
    "reset",
    "fin",
    "empty",
    "garbage",
    "bad-chunk",
    "short-length",
    "status",
    "body",
    "redirect",
    "tls",
    "refuse-connect",
];

/// A duration or `"never"`.
#[derive(Clone, Copy, Debug)]
struct After(Option<Duration>);

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self(None));
        }
        let read = duration::read(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(Some(read)))
    }
}

/// Where a reset strikes; for a `tls` fault the certificate may stand here too.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum At {
    Before,
    #[serde(alias = "header", alias = "head")]
    Headers,
    Body,
    Expired,
    WrongName,
    Untrusted,
}

/// Seconds, or a duration.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RetryAfter {
    Seconds(u64),
    Text(String),
}

/// How late an answer is when its fault does not say.
const DEFAULT_DELAY: Duration = Duration::from_secs(3);
/// How far apart a dribble's bytes are when it does not say.
pub(crate) const DEFAULT_DRIBBLE: Duration = Duration::from_millis(200);
/// How long connections are refused when it is not said.
const DEFAULT_REFUSAL: Duration = Duration::from_secs(1);
/// How much of the body is sent before a break that does not say where: `{"otp":"` and a bit.
pub(crate) const DEFAULT_BREAK: usize = 9;

impl FaultAsWritten {
    /// What was meant, or which key does not belong to this kind.
    pub(crate) fn meant(self) -> Result<Fault, String> {
        self.refuse_strange_keys()?;
        let after = || match self.after {
            Some(After(Some(after))) => Ok(after),
            Some(After(None)) => {
                Err("`after` is a duration here; \"never\" goes with `delay`".to_owned())
            }
            None => Ok(DEFAULT_DELAY),
        };
        Ok(match self.kind {
            Kind::Delay => Fault::Delay(self.after.map_or(Some(DEFAULT_DELAY), |after| after.0)),
            Kind::FirstByte => Fault::FirstByte(after()?),
            Kind::Dribble => {
                let every = self.every.map_or(DEFAULT_DRIBBLE, |every| every.0);
                Fault::Dribble(every, self.place()?)
            }
            Kind::Reset => Fault::Reset(self.place()?, self.bytes()),
            Kind::Fin => Fault::Fin(self.place()?, self.bytes()),
            Kind::Empty => Fault::Empty,
            Kind::Garbage => Fault::Garbage,
            Kind::BadChunk => Fault::BadChunk,
            Kind::ShortLength => Fault::ShortLength,
            Kind::Status => Fault::Status {
                status: self
                    .checked_status()?
                    .ok_or("`status` is missing: { kind = \"status\", status = 503 }")?,
                body: self.body.as_ref().map(text_of),
                retry_after: self.retry_after.map(RetryAfter::seconds).transpose()?,
            },
            Kind::Body => Fault::Body {
                status: self.checked_status()?.unwrap_or(200),
                body: self.body.as_ref().map(text_of).unwrap_or_default(),
                content_type: self.content_type.map_or_else(
                    || Ok("application/json".to_owned()),
                    |value| one_line("content_type", value),
                )?,
            },
            Kind::Redirect => Fault::Redirect {
                status: match self.checked_status()?.unwrap_or(302) {
                    status @ 300..=399 => status,
                    other => return Err(format!("`status` {other} is no redirect")),
                },
                to: one_line("to", self.to.unwrap_or_else(|| "/elsewhere".to_owned()))?,
            },
            Kind::Tls => Fault::Tls(self.certificate()?),
            Kind::RefuseConnect => Fault::RefuseConnect(match self.after {
                None => DEFAULT_REFUSAL,
                Some(_) => after()?,
            }),
        })
    }

    fn refuse_strange_keys(&self) -> Result<(), String> {
        use Kind as K;
        let keys: [(&str, bool, &[Kind]); 9] = [
            (
                "after",
                self.after.is_some(),
                &[K::Delay, K::FirstByte, K::RefuseConnect],
            ),
            ("every", self.every.is_some(), &[K::Dribble]),
            (
                "at",
                self.at.is_some(),
                &[K::Reset, K::Fin, K::Dribble, K::Tls],
            ),
            (
                "after_bytes",
                self.after_bytes.is_some(),
                &[K::Reset, K::Fin],
            ),
            (
                "status",
                self.status.is_some(),
                &[K::Status, K::Body, K::Redirect],
            ),
            ("body", self.body.is_some(), &[K::Status, K::Body]),
            ("content_type", self.content_type.is_some(), &[K::Body]),
            ("retry_after", self.retry_after.is_some(), &[K::Status]),
            ("to", self.to.is_some(), &[K::Redirect]),
        ];
        for (key, given, kinds) in keys {
            if given && !kinds.contains(&self.kind) {
                return Err(format!(
                    "`{key}` does not belong to a fault of kind \"{}\"",
                    KINDS[self.kind as usize]
                ));
            }
        }
        match self.certificate {
            Some(_) if self.kind != K::Tls => Err(format!(
                "`certificate` does not belong to a fault of kind \"{}\"",
                KINDS[self.kind as usize]
            )),
            _ => Ok(()),
        }
    }

    fn place(&self) -> Result<Place, String> {
        match self.at {
            // Bytes are counted in the body, unless it is said where.
            None if self.after_bytes.is_some() => Ok(Place::Body),
            None | Some(At::Before) => Ok(Place::Before),
            Some(At::Headers) => Ok(Place::Headers),
            Some(At::Body) => Ok(Place::Body),
            Some(_) => Err("`at` is \"before\", \"headers\" or \"body\"".to_owned()),
        }
    }

    fn bytes(&self) -> usize {
        self.after_bytes.unwrap_or(DEFAULT_BREAK)
    }

    fn certificate(&self) -> Result<Certificate, String> {
        match (self.certificate, self.at) {
            (Some(Certificate::Good), _) => {
                Err("a good certificate is no fault: expired, wrong-name or untrusted".to_owned())
            }
            (Some(certificate), _) => Ok(certificate),
            (None, Some(At::Expired)) => Ok(Certificate::Expired),
            (None, Some(At::Untrusted)) => Ok(Certificate::Untrusted),
            (None, None | Some(At::WrongName)) => Ok(Certificate::WrongName),
            (None, Some(_)) => {
                Err("a `tls` fault is \"expired\", \"wrong-name\" or \"untrusted\"".to_owned())
            }
        }
    }

    fn checked_status(&self) -> Result<Option<u16>, String> {
        match self.status {
            Some(status) if !(200..=599).contains(&status) => {
                Err(format!("`status` {status} is not between 200 and 599"))
            }
            status => Ok(status),
        }
    }
}

impl RetryAfter {
    fn seconds(self) -> Result<u64, String> {
        match self {
            Self::Seconds(seconds) => Ok(seconds),
            Self::Text(text) => match text.parse() {
                Ok(seconds) => Ok(seconds),
                Err(_) => duration::read(&text).map(|duration| duration.as_secs()),
            },
        }
    }
}

/// A body may be given as text, or as the JSON it shall be.
fn text_of(body: &serde_json::Value) -> String {
    match body {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn one_line(key: &str, value: String) -> Result<String, String> {
    match value.chars().any(char::is_control) {
        true => Err(format!(
            "`{key}` holds a control character, which no header may"
        )),
        false => Ok(value),
    }
}

impl Fault {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        let index = match self {
            Self::Delay(_) => 0,
            Self::FirstByte(_) => 1,
            Self::Dribble(..) => 2,
            Self::Reset(..) => 3,
            Self::Fin(..) => 4,
            Self::Empty => 5,
            Self::Garbage => 6,
            Self::BadChunk => 7,
            Self::ShortLength => 8,
            Self::Status { .. } => 9,
            Self::Body { .. } => 10,
            Self::Redirect { .. } => 11,
            Self::Tls(_) => 12,
            Self::RefuseConnect(_) => 13,
        };
        KINDS[index]
    }

    /// Does it strike the connection, before there is a request to look at?
    pub fn strikes_connections(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::RefuseConnect(_))
    }

    /// A line for the journal and the dashboard.
    pub fn describe(&self) -> String {
        let kind = self.kind();
        let place = |place: &Place, bytes: &usize| match place {
            Place::Before => "before the headers".to_owned(),
            Place::Headers => format!("{bytes} bytes into the headers"),
            Place::Body => format!("{bytes} bytes into the body"),
        };
        match self {
            Self::Delay(Some(after)) | Self::FirstByte(after) => {
                format!("{kind} {}", duration::write(*after))
            }
            Self::Delay(None) => format!("{kind} never"),
            Self::Dribble(every, _) => format!("{kind} {}", duration::write(*every)),
            Self::Reset(at, bytes) | Self::Fin(at, bytes) => {
                format!("{kind} {}", place(at, bytes))
            }
            Self::Status { status, .. } | Self::Body { status, .. } => format!("{kind} {status}"),
            Self::Redirect { status, to } => format!("{kind} {status} {to}"),
            Self::Tls(certificate) => format!("{kind} {certificate:?}"),
            Self::RefuseConnect(after) => format!("{kind} {}", duration::write(*after)),
            Self::Empty | Self::Garbage | Self::BadChunk | Self::ShortLength => kind.to_owned(),
        }
    }
}
