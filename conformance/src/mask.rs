//! Masked forms: the only ones that can be written down.
//!
//! What the suite sends is masked by its type ([`crate::text::Text`]). What a target
//! answers is foreign text, which may repeat a secret anywhere and in any encoding:
//! [`Mask::foreign`] takes out what it knows, then every longer run of digits, and
//! withholds the whole text if a secret could still be decoded from it.

mod decode;
mod needle;

use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use needle::Needle;

/// How much of an answer is kept as evidence, in characters, after masking.
const EXCERPT: usize = 2_000;

/// Headers whose digits are their meaning; a known secret is taken out of them all the same.
const NUMERIC_HEADERS: [&str; 10] = [
    "content-length",
    "date",
    "age",
    "expires",
    "last-modified",
    "retry-after",
    "keep-alive",
    "cache-control",
    "strict-transport-security",
    "access-control-max-age",
];

/// Masks for one run: the tags of two runs cannot be compared.
pub(crate) struct Mask {
    key: [u8; 32],
    needles: Mutex<Vec<Needle>>,
}

impl Mask {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            needles: Mutex::default(),
        }
    }

    /// Remembers a secret, so that a target cannot smuggle it into a report by repeating it.
    pub(crate) fn learn(&self, what: &'static str, value: &str) {
        if value.is_empty() {
            return;
        }
        let mut needles = self.needles.lock().unwrap_or_else(PoisonError::into_inner);
        if needles.iter().all(|needle| needle.value() != value) {
            let label = format!("‹{what} #{}›", self.tag(value));
            needles.push(Needle::new(value, label));
            needles.sort_by_key(|needle| std::cmp::Reverse(needle.value().len()));
        }
    }

    /// `+4670•••••05`; a short number shows its length and tag only.
    pub(crate) fn number(&self, number: &str) -> String {
        let digits = number.chars().filter(char::is_ascii_digit).count();
        match digits {
            0 => self.foreign_text(number, true),
            1..9 => self.digits(digits, number),
            _ => bullets(number, digits),
        }
    }

    /// `‹6 digits #a91f›`
    pub(crate) fn otp(&self, otp: &str) -> String {
        let count = otp.chars().count();
        match otp.bytes().all(|byte| byte.is_ascii_digit()) {
            true => self.digits(count, otp),
            false => format!("‹{count} characters #{}›", self.tag(otp)),
        }
    }

    /// `‹secret #a91f›`
    pub(crate) fn secret(&self, secret: &str) -> String {
        format!("‹secret #{}›", self.tag(secret))
    }

    /// A body that a target sent.
    pub(crate) fn body(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let masked = match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) if value.is_object() || value.is_array() => self.json(&value).to_string(),
            _ => self.foreign_text(&text, true),
        };
        excerpt(masked)
    }

    /// The value of a header that a target sent.
    pub(crate) fn header(&self, name: &str, value: &[u8]) -> String {
        let numeric = NUMERIC_HEADERS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name));
        excerpt(self.foreign_text(&String::from_utf8_lossy(value), !numeric))
    }

    /// Any other text that a target sent.
    pub(crate) fn foreign(&self, text: &str) -> String {
        excerpt(self.foreign_text(text, true))
    }

    fn json(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (self.foreign_text(name, true), self.member(name, value)))
                    .collect(),
            ),
            Value::Array(values) => values.iter().map(|value| self.json(value)).collect(),
            Value::String(text) => Value::String(self.foreign_text(text, true)),
            Value::Number(number) => match self.foreign_text(&number.to_string(), true) {
                masked if masked == number.to_string() => value.clone(),
                masked => Value::String(masked),
            },
            other => other.clone(),
        }
    }

    /// Members whose meaning is secret are masked whatever their value looks like.
    fn member(&self, name: &str, value: &serde_json::Value) -> serde_json::Value {
        let name = name.to_ascii_lowercase();
        let text = match value {
            serde_json::Value::String(text) if !text.is_empty() => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            other => return self.json(other),
        };
        match name.as_str() {
            "otp" => self.otp(&text).into(),
            "username" | "user" | "password" | "token" | "authorization" => {
                self.secret(&text).into()
            }
            "status" | "code" if text.len() == 3 => value.clone(),
            _ => self.json(value),
        }
    }

    fn foreign_text(&self, text: &str, digits: bool) -> String {
        let needles = self.needles.lock().unwrap_or_else(PoisonError::into_inner);
        let mut masked = text.to_owned();
        for needle in needles.iter() {
            masked = needle.take_out(&masked);
        }
        if digits {
            masked = self.digit_runs(&masked);
        }
        let survives = decode::readings(&masked).iter().any(|reading| {
            let digits: String = reading.chars().filter(char::is_ascii_digit).collect();
            needles
                .iter()
                .any(|needle| needle.is_in(reading) || needle.is_spelt_in(&digits))
        });
        if survives {
            return format!("‹{} bytes withheld: they repeat a secret›", text.len());
        }
        // Control characters would let a target draw on a terminal or break an XML report.
        masked
            .chars()
            .map(|c| {
                if c.is_control() && !matches!(c, '\n' | '\t') {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect()
    }

    /// Masks every run of four digits and more; of six, where separators stand inside it.
    fn digit_runs(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let (end, digits) = run_of_digits(rest);
            let tagged = out.ends_with('#');
            // With separators between them, few digits are a version or an address.
            let enough = if end == digits { 4 } else { 6 };
            match digits >= enough && !tagged {
                true => out.push_str(&self.digits(digits, &rest[..end])),
                false => out.push_str(&rest[..end]),
            }
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    fn digits(&self, count: usize, text: &str) -> String {
        let only: String = text.chars().filter(char::is_ascii_digit).collect();
        format!("‹{count} digits #{}›", self.tag(&only))
    }

    fn tag(&self, value: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any key length will do");
        mac.update(value.as_bytes());
        let tag = mac.finalize().into_bytes();
        // Letters only: a tag that is all digits would look like an OTP of four.
        tag[..4]
            .iter()
            .map(|byte| char::from(b'a' + byte % 26))
            .collect()
    }
}

fn bullets(number: &str, digits: usize) -> String {
    let mut seen = 0;
    number
        .chars()
        .map(|c| match c.is_ascii_digit() {
            true => {
                seen += 1;
                if seen <= 4 || seen > digits - 2 {
                    c
                } else {
                    '•'
                }
            }
            false => c,
        })
        .collect()
}

/// Where the run of digits at the start of `text` ends, and how many digits it has.
fn run_of_digits(text: &str) -> (usize, usize) {
    let (mut end, mut digits, mut gap) = (0, 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => {
                digits += 1;
                gap = 0;
                end = at + 1;
            }
            ' ' | '-' | '(' | ')' | '/' | '\u{a0}' if gap < 3 => gap += 1,
            _ => break,
        }
    }
    (end, digits)
}

fn excerpt(text: String) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}… ‹{} bytes more›", &text[..end], text.len() - end),
        None => text,
    }
}

#[cfg(test)]
mod tests;
