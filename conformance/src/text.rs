//! Text that knows which of its parts are secret: written in full on the wire, and
//! masked everywhere else.

use crate::{
    mask::Mask,
    secret::{Number, Otp, Secret},
};

#[derive(Clone)]
enum Part {
    Plain(String),
    Number(String),
    Otp(String),
    Secret(&'static str, String),
    Filler(u8, usize),
}

/// A piece of a request.
#[derive(Clone, Default)]
pub(crate) struct Text(Vec<Part>);

impl Text {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(vec![Part::Plain(text.into())])
    }

    pub(crate) fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Plain(text.into()));
        self
    }

    /// The same with something before it.
    pub(crate) fn prefixed(&self, text: impl Into<String>) -> Self {
        let mut parts = vec![Part::Plain(text.into())];
        parts.extend(self.0.iter().cloned());
        Self(parts)
    }

    /// The same with its first word respelt.
    pub(crate) fn replaced_start(mut self, from: &str, to: &str) -> Self {
        if let Some(Part::Plain(text)) = self.0.first_mut() {
            *text = text.replacen(from, to, 1);
        }
        self
    }

    /// A number as it stands.
    pub(crate) fn number(mut self, number: &Number) -> Self {
        let text = number.expose().to_owned();
        self.0.push(match number.is_public() {
            true => Part::Plain(text),
            false => Part::Number(text),
        });
        self
    }

    /// A number as a JSON string, quotation marks included.
    pub(crate) fn json_number(self, number: &Number) -> Self {
        let inner = quoted(number.expose());
        let inner = match number.is_public() {
            true => Number::public(inner),
            false => Number::new(inner),
        };
        self.plain("\"").number(&inner).plain("\"")
    }

    /// A secret as a JSON string, quotation marks included; a shell finds it under `name`.
    pub(crate) fn json_secret(self, name: &'static str, secret: &Secret) -> Self {
        let inner = quoted(secret.expose());
        self.plain("\"").secret(name, inner).plain("\"")
    }

    /// An OTP as a JSON string, quotation marks included.
    pub(crate) fn json_otp(self, otp: &Otp) -> Self {
        let mut text = self.plain("\"");
        text.0.push(Part::Otp(quoted(otp.expose())));
        text.plain("\"")
    }

    /// A secret as it stands; a shell finds it under `name`.
    pub(crate) fn secret(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.push(Part::Secret(name, text.into()));
        self
    }

    /// One byte again and again.
    pub(crate) fn filler(mut self, byte: u8, count: usize) -> Self {
        self.0.push(Part::Filler(byte, count));
        self
    }

    /// What goes over the wire.
    pub(crate) fn wire(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &self.0 {
            match part {
                Part::Plain(text)
                | Part::Number(text)
                | Part::Otp(text)
                | Part::Secret(_, text) => {
                    bytes.extend_from_slice(text.as_bytes());
                }
                Part::Filler(byte, count) => bytes.resize(bytes.len() + count, *byte),
            }
        }
        bytes
    }

    /// What may be written down.
    pub(crate) fn shown(&self, mask: &Mask) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Plain(text) => text.clone(),
                Part::Number(text) => mask.number(text),
                Part::Otp(text) => mask.otp(text),
                Part::Secret(_, text) => mask.secret(text),
                Part::Filler(byte, count) => format!("‹{count} × {}›", char::from(*byte)),
            })
            .collect()
    }

    /// The same for a shell, where variables stand for what is secret.
    pub(crate) fn shell(&self) -> String {
        let mut line = String::from("'");
        for part in &self.0 {
            match part {
                Part::Plain(text) => line.push_str(&text.replace('\'', r"'\''")),
                Part::Number(_) => line.push_str("'\"$CALLOTP_NUMBER\"'"),
                Part::Otp(_) => line.push_str("'\"$CALLOTP_OTP\"'"),
                Part::Secret(name, _) => line.push_str(&format!("'\"${name}\"'")),
                Part::Filler(byte, count) => line.push_str(&format!(
                    "'\"$(head -c {count} /dev/zero | tr '\\0' '{}')\"'",
                    char::from(*byte)
                )),
            }
        }
        line.push('\'');
        line.replace("''\"", "\"").replace("\"''", "\"")
    }
}

/// A JSON string with its quotation marks.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// A JSON string without them.
fn quoted(text: &str) -> String {
    let quoted = quote(text);
    quoted[1..quoted.len() - 1].to_owned()
}
