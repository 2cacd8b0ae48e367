//! One call, as it was received, judged and answered.

use bytes::Bytes;
use callotp_conformance::catalogue::Clause;
use serde_json::{Value, json};

use crate::{clock::rfc3339, number::masked};

/// One entry of the journal: a call, or something that happened to a connection.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its number, counted from 1 since the start.
    pub number: u64,
    /// When it came, in milliseconds since the Unix epoch.
    pub at: u64,
    /// What it is.
    pub event: Event,
    /// The tenant it was judged under; empty when it names none.
    pub tenant: String,
    /// The calling number as rules compare it.
    pub calling: Option<String>,
    /// The request line and the headers as they were received.
    pub head: Bytes,
    /// The body as it was received, decoded from its chunks.
    pub body: Bytes,
    /// Which phone system seems to be calling.
    pub system: &'static str,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What it was answered.
    pub answer: Answer,
    /// How long the caller stayed before it closed the connection on a request without a full answer.
    pub closed_by_client_after_ms: Option<u64>,
    /// From the request's last byte to the answer's.
    pub duration_ms: u64,
    /// What the caller was told, as somebody reported it.
    pub heard: Option<String>,
    /// What happened, where that was no request.
    pub note: Option<String>,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// getOTP.
    Call,
    /// An operation that checks an OTP, or something else over HTTP.
    Other,
    /// Bytes that are no HTTP.
    Garbage,
    /// The caller closed or stalled before its request was complete.
    Closed,
    /// A TLS handshake that did not succeed.
    Tls,
}

/// A clause that a call broke.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The clause.
    pub clause: &'static Clause,
    /// What was seen.
    pub says: String,
    /// What to do about it, in the words of the recognised phone system.
    pub remedy: String,
}

/// What was answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status; `None` when none was sent.
    pub status: Option<u16>,
    /// The body as planned, before a fault cut it.
    pub body: String,
    /// The fault on it.
    pub fault: Option<String>,
    /// What may be spoken.
    pub spoken: Spoken,
}

/// What the caller on the telephone may be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Spoken {
    /// No digits: no OTP was issued.
    #[default]
    Nothing,
    /// These digits.
    Digits(String),
    /// These or none: the answer carries them in a form that a strict caller refuses.
    DigitsOrNothing(String),
    /// Nothing, though the answer carries these.
    Decoy(String),
}

impl Call {
    /// Its name in headers and addresses.
    pub fn id(&self) -> String {
        id(self.number)
    }

    /// Did it keep every clause?
    pub fn passed(&self) -> bool {
        self.findings.is_empty()
    }

    /// `pass`, or `fail`.
    pub fn verdict(&self) -> &'static str {
        match self.passed() {
            true => "pass",
            false => "fail",
        }
    }

    /// The method and the path as they were received; empty when that was no HTTP.
    pub fn request_line(&self) -> (String, String) {
        let line = self
            .head
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        match self.event {
            Event::Call | Event::Other => (word(), word()),
            Event::Garbage | Event::Closed | Event::Tls => (String::new(), String::new()),
        }
    }

    /// The header lines in their order and spelling.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.head);
        text.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// What it takes in memory, roughly, in bytes.
    pub(crate) fn size(&self) -> usize {
        let findings = self.findings.iter();
        let findings = findings.map(|finding| 64 + finding.says.len() + finding.remedy.len());
        size_of::<Self>()
            + self.head.len()
            + self.body.len()
            + self.tenant.len()
            + self.answer.body.len()
            + findings.sum::<usize>()
    }

    /// As the administration port tells it.
    pub fn to_json(&self) -> Value {
        let (method, path) = self.request_line();
        let headers = self.headers();
        let headers: Vec<Value> = headers
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        json!({
            "id": self.id(),
            "at": rfc3339(self.at),
            "event": self.event.name(),
            "tenant": self.tenant,
            "number": self.calling.as_deref(),
            "masked_number": self.calling.as_deref().map(masked),
            "system": self.system,
            "request": {
                "method": method,
                "path": path,
                "headers": headers,
                "body": String::from_utf8_lossy(&self.body),
                "raw": String::from_utf8_lossy(&self.head),
            },
            "verdict": self.verdict(),
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "response": {
                "status": self.answer.status,
                "body": self.answer.body,
                "fault": self.answer.fault,
            },
            "closed_by_client_after_ms": self.closed_by_client_after_ms,
            "duration_ms": self.duration_ms,
            "heard": self.heard,
            "note": self.note,
        })
    }
}

/// The name of the call with this number.
pub(crate) fn id(number: u64) -> String {
    format!("c{number}")
}

/// The number in a call's name.
pub(crate) fn number_in(id: &str) -> Option<u64> {
    id.strip_prefix('c')?.parse().ok()
}

impl Event {
    /// Its word in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Other => "other",
            Self::Garbage => "garbage",
            Self::Closed => "closed",
            Self::Tls => "tls",
        }
    }
}

impl Finding {
    fn to_json(&self) -> Value {
        json!({
            "clause": self.clause.id,
            "level": self.clause.level,
            "says": self.says,
            "remedy": self.remedy,
        })
    }
}
