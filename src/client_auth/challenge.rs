//! What a 401 asks for, and how it says what was wrong with a token.

use hyper::header::HeaderValue;

use super::{NotAuthenticated, TokenRefusal};

/// The challenges of one tenant: one for each scheme that its clients use.
pub(super) struct Challenges {
    usual: Vec<HeaderValue>,
    invalid_token: Vec<HeaderValue>,
    insufficient_scope: Vec<HeaderValue>,
}

/// RFC 7617 §2.1.
const BASIC: &str = "Basic realm=\"callotp\", charset=\"UTF-8\"";
/// RFC 6750 §3: nothing more for a client that has shown no token.
const BEARER: &str = "Bearer realm=\"callotp\"";
/// RFC 6750 §3.1.
const INVALID_TOKEN: &str = "Bearer realm=\"callotp\", error=\"invalid_token\"";
const INSUFFICIENT_SCOPE: &str = "Bearer realm=\"callotp\", error=\"insufficient_scope\"";
/// A 401 has to ask for something (RFC 9110 §15.5.2), and no scheme is registered for
/// certificates.
const CERTIFICATE: &str = "Certificate realm=\"callotp\"";

impl Challenges {
    pub(super) fn new(basic: bool, bearer: bool) -> Self {
        let with = |of_bearer: &'static str| {
            let written = [
                (basic, BASIC),
                (bearer, of_bearer),
                (!basic && !bearer, CERTIFICATE),
            ];
            written
                .into_iter()
                .filter(|(is_used, _)| *is_used)
                .map(|(_, challenge)| HeaderValue::from_static(challenge))
                .collect()
        };
        Self {
            usual: with(BEARER),
            invalid_token: with(INVALID_TOKEN),
            insufficient_scope: with(INSUFFICIENT_SCOPE),
        }
    }

    /// What is asked of a client that was refused for `why`; nothing if better credentials
    /// would not help.
    pub(super) fn after(&self, why: &NotAuthenticated) -> &[HeaderValue] {
        match why {
            NotAuthenticated::Missing
            | NotAuthenticated::Malformed
            | NotAuthenticated::Wrong
            | NotAuthenticated::UnknownCertificate(_)
            | NotAuthenticated::ExpiredCertificate(_) => &self.usual,
            NotAuthenticated::Token(TokenRefusal::Scope) => &self.insufficient_scope,
            NotAuthenticated::Token(_) => &self.invalid_token,
            NotAuthenticated::Address
            | NotAuthenticated::Throttled { .. }
            | NotAuthenticated::Busy
            | NotAuthenticated::Issuer(_) => &[],
        }
    }
}
