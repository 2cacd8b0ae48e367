//! Asks an issuer once, for an operator who wants to know whether it can be asked.

use jiff::fmt::rfc2822;

use super::{
    introspection, issuer_keys,
    issuers::{KeySource, fetch},
    outgoing::{Answer, Outgoing},
};
use crate::{
    client_auth::{BearerConfig, TokenKeys},
    clock::Timestamp,
};

/// An issuer that answered as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// What it is and what it said.
    pub what: String,
    /// What its clock said, to the second.
    pub time: Option<Timestamp>,
}

/// Asks the issuer of `config` for its keys, or about a token that cannot exist.
///
/// # Errors
/// Why it cannot be used, with its URL.
pub async fn reach_issuer(config: &BearerConfig) -> Result<Reached, String> {
    let outgoing = Outgoing::default();
    match &config.keys {
        TokenKeys::Jwks(_) | TokenKeys::Metadata => {
            let source = KeySource::of(config);
            let answer = fetch(&outgoing, &source).await?;
            let keys = issuer_keys::read(&answer.body);
            match keys.len() {
                0 => Err(format!("{source}: no key that can be used")),
                usable => Ok(reached(
                    &answer,
                    format!("{source}: {usable} keys for tokens"),
                )),
            }
        }
        TokenKeys::Introspection {
            url,
            client_id,
            client_secret,
        } => {
            let credentials = (&**client_id, client_secret.expose());
            let answer = introspection::probe(&outgoing, url, credentials).await?;
            Ok(reached(&answer, format!("{url}: answers")))
        }
    }
}

fn reached(answer: &Answer, what: String) -> Reached {
    let date = answer.date.as_deref();
    let date = date.and_then(|date| rfc2822::parse(date).ok());
    let millis = date.and_then(|date| u64::try_from(date.timestamp().as_millisecond()).ok());
    Reached {
        what,
        time: millis.map(Timestamp::from_millis),
    }
}
