//! The hash of an API client's password: made for the operator, and looked over
//! before it is used.

use argon2::{
    Argon2, Params, PasswordHasher as _,
    password_hash::phc::{Output, PasswordHash, Salt},
};

use crate::{
    clock::{Entropy, NoEntropy},
    secret::Secret,
};

/// Why a password has no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// The empty password protects nothing.
    #[error("the password is empty")]
    Empty,
    /// No salt.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The password is longer than argon2 takes, or there is too little memory.
    #[error("the password cannot be hashed: {0}")]
    Argon2(argon2::password_hash::Error),
}

/// The argon2id hash of `password` as it is written for `password_hash`: a PHC string
/// with a fresh salt, 19 MiB, two passes (OWASP's password storage cheat sheet).
pub fn hash_password(password: &Secret, entropy: &dyn Entropy) -> Result<String, HashFault> {
    if password.is_empty() {
        return Err(HashFault::Empty);
    }
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    entropy.fill(&mut salt)?;
    Argon2::default()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(HashFault::Argon2)
}

/// KiB; a call that needs more would be a way to exhaust the server.
const MOST_MEMORY: u32 = 256 * 1024;
const MOST_PASSES: u32 = 20;

/// Whether `text` is a hash that can be compared with. The error does not show it:
/// somebody may have written the password itself.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    let hash = PasswordHash::new(text).map_err(|_| "not a hash in PHC format")?;
    if hash.algorithm != argon2::ARGON2ID_IDENT {
        return Err("not an argon2id hash");
    }
    if hash.version != Some(0x13) {
        return Err("not a hash of argon2's version 19");
    }
    if hash.salt.is_none() || hash.hash.as_ref().map_or(0, Output::len) < 16 {
        return Err("not a whole hash: salt or digest is missing or short");
    }
    let params = Params::try_from(&hash).map_err(|_| "not a hash with parameters of argon2")?;
    if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES {
        return Err("a hash that costs more than 256 MiB or 20 passes at each call");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;
    use argon2::PasswordVerifier as _;

    #[test]
    fn a_hash_that_was_made_can_be_used_and_no_two_are_alike() {
        let password = Secret::new("åäö:pass:with:colon".to_owned());
        let hashes = [(); 2].map(|()| hash_password(&password, &SystemEntropy).expect("a hash"));
        for hash in &hashes {
            assert_eq!(check(hash), Ok(()), "{hash}");
            let parsed = PasswordHash::new(hash).expect("a PHC string");
            let verify = |text: &str| Argon2::default().verify_password(text.as_bytes(), &parsed);
            assert!(verify(password.expose()).is_ok());
            assert!(verify("another").is_err());
        }
        assert_ne!(hashes[0], hashes[1]);
        let empty = hash_password(&Secret::new(String::new()), &SystemEntropy);
        assert_eq!(empty, Err(HashFault::Empty));
    }

    #[test]
    fn what_is_not_a_hash_is_refused_without_being_shown() {
        let salt = "c29tZXNhbHRzb21lc2FsdA";
        let digest = "iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
        let good = format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${digest}");
        assert_eq!(check(&good), Ok(()));
        for bad in [
            String::new(),
            "correct horse".to_owned(),
            "$argon2id$...".to_owned(),
            format!("$argon2i$v=19$m=19456,t=2,p=1${salt}${digest}"),
            format!("$argon2id$m=19456,t=2,p=1${salt}${digest}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${salt}"),
            format!("$argon2id$v=19$m=4294967295,t=2,p=1${salt}${digest}"),
            format!("$argon2id$v=19$m=1,t=2,p=1${salt}${digest}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${digest}$"),
            format!("{good} "),
        ] {
            let refusal = check(&bad).expect_err(&bad);
            assert!(bad.is_empty() || !refusal.contains(&bad));
        }
    }
}
