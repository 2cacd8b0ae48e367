//! Who can bind as an entry: the password and the account's state.

use std::fmt;

use argon2::{Argon2, PasswordVerifier as _, password_hash::phc::PasswordHash};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest as _, Sha1};

use crate::people::Status;

/// What decides over a bind.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// The password.
    pub(super) password: Password,
    /// The account's state.
    pub(super) status: Status,
    /// Wrong passwords since the last right one.
    pub(super) failures: u32,
}

/// A password, as clear text or hashed in one of OpenLDAP's schemes (RFC 2307 §5.3).
#[derive(Clone)]
pub(super) enum Password {
    /// The text itself.
    Clear(Vec<u8>),
    /// `{SHA}` and `{SSHA}`: a digest of password and salt.
    Sha1 {
        /// The digest.
        digest: Vec<u8>,
        /// The salt, empty for `{SHA}`.
        salt: Vec<u8>,
    },
    /// `{ARGON2}`: a PHC string.
    Argon2(String),
}

/// A stored password whose scheme is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a password is clear text, {{CLEARTEXT}}, {{SHA}}, {{SSHA}} or {{ARGON2}}, and well-formed; not {{{0}}}"
)]
pub(super) struct UnknownScheme(String);

impl Password {
    /// Reads a value of `userPassword`.
    pub(super) fn stored(value: &[u8]) -> Result<Self, UnknownScheme> {
        let Some((scheme, rest)) = scheme(value) else {
            return Ok(Self::Clear(value.to_vec()));
        };
        let unknown = || UnknownScheme(scheme.to_owned());
        match scheme.to_ascii_uppercase().as_str() {
            "CLEARTEXT" => Ok(Self::Clear(rest.as_bytes().to_vec())),
            "SHA" | "SSHA" => {
                let mut digest = STANDARD.decode(rest).map_err(|_| unknown())?;
                if digest.len() < 20 {
                    return Err(unknown());
                }
                let salt = digest.split_off(20);
                Ok(Self::Sha1 { digest, salt })
            }
            "ARGON2" => {
                PasswordHash::new(rest).map_err(|_| unknown())?;
                Ok(Self::Argon2(rest.to_owned()))
            }
            _ => Err(unknown()),
        }
    }

    /// Is this the password?
    pub(super) fn is(&self, candidate: &[u8]) -> bool {
        match self {
            Self::Clear(password) => password == candidate,
            Self::Sha1 { digest, salt } => {
                let made = Sha1::new()
                    .chain_update(candidate)
                    .chain_update(salt)
                    .finalize();
                made.as_slice() == digest.as_slice()
            }
            Self::Argon2(hash) => PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(candidate, &hash).is_ok()),
        }
    }

    /// True if checking takes long enough to be done on a thread of its own.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Argon2(_))
    }
}

/// Only its kind.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "clear text",
            Self::Sha1 { .. } => "{SSHA}",
            Self::Argon2(_) => "{ARGON2}",
        })
    }
}

fn scheme(value: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_prefix('{')?.split_once('}')
}
