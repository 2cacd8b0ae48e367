//! Credentials: the configured ones, once, on the first request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use callotp_conformance::{catalogue::caller, contract};

use super::Findings;
use crate::{concealed, endpoint::request::Request, scenario::Auth};

pub(super) fn judge(request: &Request, auth: &Auth, found: &mut Findings) {
    if *auth == Auth::None {
        return;
    }
    let values: Vec<&str> = request.values(contract::AUTHORIZATION_HEADER).collect();
    let Some(value) = values.first() else {
        return found.add(&caller::AUTH, "no Authorization header");
    };
    if values.iter().any(|other| other != value) {
        found.add(&caller::AUTH, "two different Authorization headers");
    } else if let Some(says) = wrong(value, auth) {
        found.add(&caller::AUTH, says);
    } else if values.len() > 1 {
        let says = "the Authorization header stands there more than once";
        found.add_tolerated(&caller::AUTH, says);
    }
}

/// What is wrong with these credentials; they themselves are never repeated.
fn wrong(value: &str, auth: &Auth) -> Option<String> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim_start();
    match auth {
        Auth::None => None,
        Auth::Basic { username, password } => match scheme.eq_ignore_ascii_case("basic") {
            true => wrong_basic(rest, username, password),
            false => Some(other_scheme(value, "Basic")),
        },
        Auth::Bearer(token) => match scheme.eq_ignore_ascii_case("bearer") {
            true if rest == token => None,
            true => Some("the token is another one".to_owned()),
            false => Some(other_scheme(value, "Bearer")),
        },
    }
}

/// Names the scheme only if it is one: without a scheme, the first word is the credential.
fn other_scheme(value: &str, wanted: &str) -> String {
    match concealed::scheme(value) {
        Some(scheme) => format!("the scheme is \"{scheme}\", not {wanted}"),
        None => format!("the value does not begin with the word {wanted} and a space"),
    }
}

fn wrong_basic(encoded: &str, username: &str, password: &str) -> Option<String> {
    let Ok(decoded) = STANDARD.decode(encoded) else {
        let says = match encoded.contains(':') {
            true => "the credentials are not encoded: Basic wants base64 of name:password",
            false => "the credentials are not valid base64",
        };
        return Some(says.to_owned());
    };
    let decoded = String::from_utf8_lossy(&decoded);
    if decoded.ends_with(['\n', '\r']) {
        let says =
            "a line break was encoded together with the password; encode with printf, not echo";
        return Some(says.to_owned());
    }
    match decoded.split_once(':') {
        None => Some("the decoded credentials are not name:password".to_owned()),
        Some((name, _)) if name != username => Some("the name is another one".to_owned()),
        Some((_, word)) if word != password => Some("the password is another one".to_owned()),
        Some(_) => None,
    }
}
