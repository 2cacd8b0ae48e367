//! A signed JWT (RFC 7515 §7.1, RFC 7519, RFC 9068), taken apart before it is believed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    claims::{Claims, TokenRefusal},
    issuer_keys::Key,
};

/// The algorithms that are allowed; HMAC and `none` are not among them.
pub(super) const ALLOWED: [(&str, Algorithm); 4] = [
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// Bytes; more than fits into a header anyway.
const LONGEST: usize = 16 * 1024;

/// A token whose parts can be read. Nothing in it is true before [`Jwt::is_signed_by`].
pub(super) struct Jwt<'t> {
    algorithm: Algorithm,
    key_id: Option<String>,
    is_access_token: bool,
    claims: Claims,
    signed: &'t str,
    signature: &'t str,
}

/// Of the header's members these count. Keys that it brings along or points to (`jwk`,
/// `jku`, `x5c`, `x5u`) are not looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'t> Jwt<'t> {
    /// Takes `token` apart.
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenRefusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenRefusal::Malformed)?;
        if claims.contains('.') || token.len() > LONGEST {
            return Err(TokenRefusal::Malformed);
        }
        let header: Header = read(header)?;
        let allowed = ALLOWED.iter().find(|(name, _)| *name == header.alg);
        let (_, algorithm) = allowed.ok_or(TokenRefusal::Algorithm)?;
        if header.crit.is_some() {
            return Err(TokenRefusal::Critical);
        }
        Ok(Self {
            algorithm: *algorithm,
            key_id: header.kid,
            is_access_token: header.typ.is_some_and(|typ| is_access_token(&typ)),
            claims: read(claims)?,
            signed,
            signature,
        })
    }

    /// Who it says has issued it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.issuer()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(super) fn is_access_token(&self) -> bool {
        self.is_access_token
    }

    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// True if the key's owner has signed it.
    pub(super) fn is_signed_by(&self, key: &Key) -> bool {
        let message = self.signed.as_bytes();
        jsonwebtoken::crypto::verify(self.signature, message, key.public(), self.algorithm)
            .unwrap_or(false)
    }
}

/// `at+jwt`, with or without the media type's first half, in any case (RFC 9068 §4).
fn is_access_token(typ: &str) -> bool {
    let typ = match typ.split_at_checked("application/".len()) {
        Some((tree, rest)) if tree.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    typ.eq_ignore_ascii_case("at+jwt")
}

/// base64url without padding, and in it a JSON object.
fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenRefusal> {
    let json = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenRefusal::Malformed)?;
    // serde would read an array of the right length as a structure.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(TokenRefusal::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| TokenRefusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn taking_apart_never_panics(
            header in "\\PC{0,60}", claims in "\\PC{0,60}", signature in "\\PC{0,20}",
        ) {
            let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let _ = Jwt::parse(&format!("{header}.{claims}.{signature}"));
            let token = format!("{}.{}.{signature}", encoded(&header), encoded(&claims));
            let _ = Jwt::parse(&token);
        }

        #[test]
        fn times_of_any_size_never_panic(exp in any::<f64>(), nbf in any::<f64>(), now in any::<u64>()) {
            let claims = serde_json::json!({ "exp": exp, "nbf": nbf }).to_string();
            let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}");
            let token = format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims));
            if let Ok(jwt) = Jwt::parse(&token) {
                let now = crate::clock::Timestamp::from_millis(now);
                let _ = (jwt.claims().check_time(now), jwt.claims().expires());
            }
        }
    }
}
