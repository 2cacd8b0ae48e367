//! An answer, and the questions that may be asked about it. Its bytes leave this file
//! masked or not at all.

use std::time::Duration;

use serde_json::Value;

use crate::{contract, mask::Mask, secret::Otp};

/// What `callotp-mock` says of its caller beside every answer, on purpose.
const MOCK_VERDICT: &str = "callotp-verdict";

#[derive(Clone)]
pub(crate) struct Answer {
    pub(super) version: u8,
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// From the first byte of the request to the last of the answer.
    pub(super) took: Duration,
    /// Can another request follow on the connection?
    pub(super) reusable: bool,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    pub(crate) fn reusable(&self) -> bool {
        self.reusable
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn is_fault(&self) -> bool {
        self.status >= 500
    }

    /// Is this the status of a throttle or of a passing outage that asks to come back?
    pub(crate) fn asks_to_wait(&self) -> Option<Duration> {
        let named = self
            .header("retry-after")
            .and_then(|value| value.trim().parse().ok());
        match (self.status, named) {
            (429, seconds) => Some(Duration::from_secs(seconds.unwrap_or(1))),
            (503, Some(seconds)) => Some(Duration::from_secs(seconds)),
            _ => None,
        }
    }

    /// The documented form: a JSON object whose `otp` is a non-empty string.
    pub(crate) fn documented_otp(&self) -> Option<Otp> {
        match self.json()?.get(contract::OTP_MEMBER)? {
            Value::String(otp) if !otp.trim().is_empty() => Some(Otp::new(otp.clone())),
            _ => None,
        }
    }

    /// An OTP in any form that a caller, or an attacker, could make use of: a member
    /// of that name in any case and at any depth, as a string or a number, or in text
    /// right after the word.
    pub(crate) fn any_otp(&self) -> Option<Otp> {
        if self.is_success()
            && let Some(otp) = self.documented_otp()
        {
            return Some(otp);
        }
        let found = match self.json() {
            Some(value) => otp_in_json(&value, 0),
            None => otp_in_text(&String::from_utf8_lossy(&self.body)),
        };
        found.or_else(|| self.otp_in_headers())
    }

    fn otp_in_headers(&self) -> Option<Otp> {
        self.headers.iter().find_map(|(name, value)| {
            let value = String::from_utf8_lossy(value);
            let named = name
                .split('-')
                .any(|word| word.eq_ignore_ascii_case(contract::OTP_MEMBER));
            (named && plausible(value.trim())).then(|| Otp::new(value.trim()))
        })
    }

    pub(crate) fn is_json_object(&self) -> bool {
        self.json().is_some_and(|value| value.is_object())
    }

    /// Does the body look like a page for a person: a login form, a proxy's error?
    pub(crate) fn is_page(&self) -> bool {
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(512)]);
        let start = start
            .trim_start_matches(['\u{feff}', ' ', '\r', '\n', '\t'])
            .to_ascii_lowercase();
        start.starts_with("<!doctype") || start.starts_with("<html") || self.is_type("text/html")
    }

    pub(crate) fn is_type(&self, media: &str) -> bool {
        self.header("content-type").is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case(media)
        })
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// Does a comma-separated header hold this word, in any case?
    pub(crate) fn lists(&self, name: &str, word: &str) -> bool {
        self.values(name).any(|value| {
            value
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        })
    }

    /// A header's value, masked.
    pub(crate) fn shown_header(&self, mask: &Mask, name: &str) -> Option<String> {
        self.header(name)
            .map(|value| mask.header(name, value.as_bytes()))
    }

    /// Is a secret repeated in it, in clear?
    pub(crate) fn repeats(&self, secret: &str) -> bool {
        let everything = self
            .headers
            .iter()
            .map(|(_, value)| String::from_utf8_lossy(value))
            .chain([String::from_utf8_lossy(&self.body)]);
        secret.len() >= 4 && everything.into_iter().any(|text| text.contains(secret))
    }

    /// Does it hold this OTP as a word of its own?
    pub(crate) fn carries(&self, otp: &Otp) -> bool {
        let otp = otp.expose();
        let headers = self.headers.iter().map(|(_, value)| value.as_slice());
        otp.len() >= contract::OTP_MIN_DIGITS
            && headers.chain([self.body.as_slice()]).any(|bytes| {
                String::from_utf8_lossy(bytes)
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == otp)
            })
    }

    /// What two refusals are compared by: the headers, the length, and the body in pieces,
    /// a name and a value each. Values that change by themselves are for the caller to find.
    pub(crate) fn features(&self) -> Vec<(String, String)> {
        let mut features = vec![
            ("status".to_owned(), self.status.to_string()),
            ("length".to_owned(), self.body.len().to_string()),
        ];
        let headers = self.headers.iter();
        for (name, value) in headers.filter(|(name, _)| !name.eq_ignore_ascii_case(MOCK_VERDICT)) {
            let name = name.to_ascii_lowercase();
            let value = String::from_utf8_lossy(value).into_owned();
            features.push((format!("header {name}"), value));
        }
        match self.json() {
            Some(value) => flatten("body", &value, &mut features),
            None => {
                let text = String::from_utf8_lossy(&self.body).into_owned();
                for (number, word) in text.split_whitespace().enumerate() {
                    features.push((format!("word {}", number + 1), word.to_owned()));
                }
            }
        }
        features
    }

    /// The whole answer, masked.
    pub(crate) fn shown(&self, mask: &Mask) -> String {
        let version = match self.version {
            0 => "HTTP/1.0",
            1 => "HTTP/1.1",
            _ => "HTTP/2",
        };
        let mut text = format!("{version} {} {}", self.status, mask.foreign(&self.reason));
        for (name, value) in &self.headers {
            let shown = mask.header(name, value);
            text.push_str(&format!("\n{}: {shown}", mask.foreign(name)));
        }
        format!("{}\n\n{}", text.trim_end(), mask.body(&self.body))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = String> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// Could a person type this at a login? `otp: "denied"` in a refusal gives nothing away.
fn plausible(text: &str) -> bool {
    (4..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
        && text.chars().any(|c| c.is_ascii_digit())
}

fn otp_in_json(value: &Value, depth: usize) -> Option<Otp> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let own = match value {
                _ if !name.eq_ignore_ascii_case(contract::OTP_MEMBER) => None,
                Value::String(text) if depth == 0 && name == contract::OTP_MEMBER => {
                    let text = text.trim();
                    (plausible(text) || is_code(text)).then(|| Otp::new(text))
                }
                Value::String(text) if plausible(text.trim()) => Some(Otp::new(text.trim())),
                Value::Number(number) if plausible(&number.to_string()) => {
                    Some(Otp::new(number.to_string()))
                }
                _ => None,
            };
            own.or_else(|| otp_in_json(value, depth + 1))
        }),
        Value::Array(values) => values
            .iter()
            .find_map(|value| otp_in_json(value, depth + 1)),
        _ => None,
    }
}

/// A code of capital letters alone, or one that is short: still a code, under its documented name.
fn is_code(text: &str) -> bool {
    let capitals = text.len() >= 4 && text.chars().all(|c| c.is_ascii_uppercase());
    let short = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    capitals || short
}

/// `otp` in any case, a few characters that are no letters, then at least four digits.
fn otp_in_text(text: &str) -> Option<Otp> {
    let lower = text.to_ascii_lowercase();
    lower
        .match_indices(contract::OTP_MEMBER)
        .find_map(|(at, word)| {
            let after = &lower[at + word.len()..];
            let start = after.find(|c: char| c.is_ascii_alphanumeric())?;
            if after[..start].chars().count() > 12 {
                return None;
            }
            let code: String = after[start..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            (code.len() >= 4).then(|| Otp::new(code))
        })
}

fn flatten(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, into);
            }
        }
        other => into.push((name.to_owned(), other.to_string())),
    }
}
