//! What a token says of itself, and what it must say.

use serde::Deserialize;

use super::LEEWAY;
use crate::{client_auth::BearerConfig, clock::Timestamp};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The claims that matter, of a JWT (RFC 9068 §2.2) or of an issuer's answer (RFC 7662 §2.2).
/// A claim of the wrong type is an error, and so is a claim that is there twice.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    iss: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<f64>,
    nbf: Option<f64>,
    sub: Option<String>,
    client_id: Option<String>,
    azp: Option<String>,
    scope: Option<OneOrMany>,
    cnf: Option<Confirmation>,
}

/// RFC 7519 §4.1.3; some issuers write scopes like that as well.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// RFC 7800 §3.1.
#[derive(Debug, Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
}

/// Why a token is nobody's. The later in this list, the nearer it was to being right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum TokenRefusal {
    /// Not a token.
    #[error("not a token that can be read")]
    Malformed,
    /// `alg` is none of ours.
    #[error("the token's algorithm is not allowed (RS256, PS256, ES256, EdDSA are)")]
    Algorithm,
    /// `crit` asks for something unknown (RFC 7515 §4.1.11).
    #[error("the token has critical extensions")]
    Critical,
    /// `iss` is no issuer's of the tenant.
    #[error("the token is from another issuer")]
    Issuer,
    /// The issuer has no such key.
    #[error("the issuer has no key for the token")]
    Key,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// The issuer says that it is not active.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// `exp` has passed or is missing.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the token is not valid yet")]
    TooEarly,
    /// `typ` is not `at+jwt`.
    #[error("the token is not an access token (its typ is not at+jwt; see any_type)")]
    Type,
    /// `aud` lacks the audience.
    #[error("the token is for another audience")]
    Audience,
    /// `sub`, `client_id` and `azp` are others.
    #[error("the token is another client's")]
    Client,
    /// `scope` lacks the scope.
    #[error("the token lacks the scope")]
    Scope,
    /// Bound to a certificate that was not shown, or to something that we cannot check.
    #[error("the token is bound to another certificate")]
    Binding,
}

impl Claims {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.iss.as_deref()
    }

    /// When the token expires; `None` if it does not say.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.exp.map(moment)
    }

    /// `exp` and `nbf`, if they are there.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), TokenRefusal> {
        if self.exp.is_some_and(|exp| moment(exp).after(LEEWAY) <= now) {
            return Err(TokenRefusal::Expired);
        }
        if self.nbf.is_some_and(|nbf| now.after(LEEWAY) < moment(nbf)) {
            return Err(TokenRefusal::TooEarly);
        }
        Ok(())
    }

    /// The certificate that the token is bound to. A token bound to anything else cannot
    /// be checked, and must not pass for one that is not bound.
    pub(super) fn bound_to(&self) -> Result<Option<[u8; 32]>, TokenRefusal> {
        let Some(confirmation) = &self.cnf else {
            return Ok(None);
        };
        let thumbprint = confirmation.thumbprint.as_deref();
        let bytes = thumbprint.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Some).ok_or(TokenRefusal::Binding)
    }
}

/// Seconds since the Unix epoch, perhaps with a fraction (RFC 7519 §2, NumericDate).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` keeps to the bounds: before the epoch is the epoch, beyond the end is the end"
)]
fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as u64)
}

/// What the configuration wants a token to say.
pub(super) struct Wanted {
    audience: Option<Box<str>>,
    scope: Option<Box<str>>,
    client: Option<Box<str>>,
    any_type: bool,
}

impl Wanted {
    pub(super) fn new(config: &BearerConfig) -> Self {
        Self {
            audience: config.audience.clone(),
            scope: config.scope.clone(),
            client: config.client.clone(),
            any_type: config.any_type,
        }
    }

    pub(super) fn check(&self, claims: &Claims, is_access_token: bool) -> Result<(), TokenRefusal> {
        if !is_access_token && !self.any_type {
            return Err(TokenRefusal::Type);
        }
        let holds = |list: &Option<OneOrMany>, wanted: &str, split: bool| match list {
            Some(OneOrMany::One(text)) if split => text.split(' ').any(|one| one == wanted),
            Some(OneOrMany::One(text)) => text == wanted,
            Some(OneOrMany::Many(texts)) => texts.iter().any(|one| one == wanted),
            None => false,
        };
        if let Some(audience) = &self.audience
            && !holds(&claims.aud, audience, false)
        {
            return Err(TokenRefusal::Audience);
        }
        if let Some(client) = &self.client {
            let names = [&claims.sub, &claims.client_id, &claims.azp];
            if !names.iter().any(|name| name.as_deref() == Some(client)) {
                return Err(TokenRefusal::Client);
            }
        }
        // Several scopes in the configuration are all wanted (RFC 6749 §3.3).
        let lacks = |scope: &str| !holds(&claims.scope, scope, true);
        if let Some(scopes) = &self.scope
            && scopes.split_ascii_whitespace().any(lacks)
        {
            return Err(TokenRefusal::Scope);
        }
        Ok(())
    }
}
