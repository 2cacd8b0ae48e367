//! The body: an object with a string `phonenumber`, and whatever else was sent instead.

use std::{borrow::Cow, fmt};

use callotp_conformance::{catalogue::caller, contract};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::Findings;
use crate::{endpoint::request::Request, number::normalise};

/// A body as far as it can be understood.
#[derive(Debug)]
pub(super) struct Read {
    /// The members, when it is a JSON object.
    members: Result<Vec<(String, Value)>, String>,
    /// The number, wherever it was found; a real server would be less patient.
    pub(super) number: Option<String>,
}

/// Every member in its order: which of two with one name counts is nobody's guess here.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

pub(super) fn read(request: &Request) -> Read {
    let members = match request.body.is_empty() {
        true => Err("the body is empty".to_owned()),
        false => serde_json::from_slice::<Members>(&request.body)
            .map(|members| members.0)
            .map_err(|error| format!("the body is not a JSON object: {error}")),
    };
    let number = match &members {
        Ok(members) => number_member(members),
        Err(_) => None,
    };
    let number = number.or_else(|| elsewhere(request));
    Read { members, number }
}

pub(super) fn judge(request: &Request, read: &Read, found: &mut Findings) {
    if let Some(framing) = request.framing {
        found.add(&caller::BODY, framing);
    }
    let members = match &read.members {
        Ok(members) => members,
        Err(says) => return found.add(&caller::BODY, says.clone()),
    };
    let wanted = contract::NUMBER_MEMBER;
    let numbers: Vec<&Value> = members
        .iter()
        .filter(|(name, _)| name == wanted)
        .map(|(_, value)| value)
        .collect();
    match numbers[..] {
        [Value::String(_)] => {}
        [other] => found.add(
            &caller::BODY,
            format!("{wanted} is {}, not a string", kind(other)),
        ),
        [] => found.add(&caller::BODY, missing(members)),
        _ => found.add(&caller::BODY, format!("{wanted} stands there twice")),
    }
    let others: Vec<&str> = members
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| *name != wanted)
        .collect();
    // Without the number, what else is there is the wrong name for it, and said already.
    if !others.is_empty() && !numbers.is_empty() {
        let others = others.join(", ");
        found.add(&caller::BODY_ONLY, format!("further members: {others}"));
    }
}

/// validate: an object of strings, with a user and an OTP.
pub(super) fn judge_validate(request: &Request, found: &mut Findings) {
    let members = match read(request).members {
        Ok(members) => members,
        Err(says) => return found.add(&caller::BODY, says),
    };
    for wanted in [contract::USERNAME_MEMBER, contract::OTP_MEMBER] {
        let value = members.iter().find(|(name, _)| name == wanted);
        match value {
            Some((_, Value::String(_))) => {}
            Some((_, other)) => {
                let says = format!("{wanted} is {}, not a string", kind(other));
                found.add(&caller::BODY, says);
            }
            None => found.add(&caller::BODY, format!("{wanted} is missing")),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn missing(members: &[(String, Value)]) -> String {
    let wanted = contract::NUMBER_MEMBER;
    let like = members
        .iter()
        .map(|(name, _)| name)
        .find(|name| strsim::damerau_levenshtein(&name.to_lowercase(), wanted) <= 3);
    match like {
        Some(like) => format!("{wanted} is missing; {like} is another name"),
        None => format!("{wanted} is missing"),
    }
}

fn number_member(members: &[(String, Value)]) -> Option<String> {
    let as_text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let named = members
        .iter()
        .find(|(name, _)| name == contract::NUMBER_MEMBER);
    if let Some((_, value)) = named {
        return as_text(value);
    }
    members
        .iter()
        .filter_map(|(_, value)| as_text(value))
        .find(|text| is_long_number(text))
}

/// A number in a form, in the query, or anywhere in a body that is no JSON.
fn elsewhere(request: &Request) -> Option<String> {
    let body = String::from_utf8_lossy(&request.body);
    let (_, query) = request.path_and_query();
    [Some(body.as_ref()), query]
        .into_iter()
        .flatten()
        .find_map(in_form)
        .or_else(|| in_text(&body))
}

fn in_form(text: &str) -> Option<String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.map(|(_, value)| percent_decoded(value));
    values
        .find(|value| is_long_number(value))
        .map(Cow::into_owned)
}

/// Undoes percent-encoding as forms write it.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        decoded.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn in_text(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ');
    text.split(|c| !is_part(c))
        .map(str::trim)
        .find(|part| is_long_number(part))
        .map(str::to_owned)
}

fn is_long_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    digits >= 5 && normalise(text).is_some()
}
