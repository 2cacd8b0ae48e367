//! The hash of an API client's password, looked over before it is used.

use argon2::{
    Params,
    password_hash::phc::{Output, PasswordHash},
};

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
