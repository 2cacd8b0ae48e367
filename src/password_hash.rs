//! Hashes of passwords: a user's, as a directory holds them, and those that we make.

use std::sync::LazyLock;

use argon2::{
    Argon2, Params, PasswordHasher as _, PasswordVerifier as _,
    password_hash::phc::{self, Salt},
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{
    clock::{Deadline, Entropy, NoEntropy},
    secret::Secret,
};

#[cfg(test)]
mod tests;

/// A `userPassword` (RFC 2307 §5.3 and what OpenLDAP adds to it), ready to be
/// compared with. Cannot be printed.
pub struct PasswordHash(Kind);

enum Kind {
    /// `{ARGON2}`, with the numbers in it that say what it costs.
    Argon2 { phc: Zeroizing<String>, cost: u64 },
    /// `{SSHA}`, `{SSHA256}`, `{SSHA512}`: digest of the password and then the salt.
    Salted {
        algorithm: Algorithm,
        digest: Zeroizing<Vec<u8>>,
        salt: Vec<u8>,
    },
    /// No hash at all.
    Clear(Secret),
}

#[derive(Clone, Copy)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// Why a `userPassword` cannot be compared with. Nothing of the value is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// A scheme that we do not have.
    #[error("the scheme {{{0}}} is not supported")]
    Scheme(String),
    /// Base64, lengths or parameters are wrong.
    #[error("the {{{0}}} value is malformed")]
    Malformed(&'static str),
    /// Checking it would take the server's memory or time.
    #[error("the {{ARGON2}} value asks for more than {most} MiB or {MOST_PASSES} passes", most = MOST_MEMORY / 1024)]
    Costly,
    /// An empty password is none (RFC 4513 §5.1.2).
    #[error("the password is empty")]
    Empty,
}

/// Why a password has no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// The empty password protects nothing.
    #[error("the password is empty")]
    Empty,
    /// There is no salt without it.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// Longer than argon2 takes, or there is too little memory.
    #[error("the password cannot be hashed: {0}")]
    Argon2(argon2::password_hash::Error),
}

/// KiB that one check may take.
const MOST_MEMORY: u32 = 1024 * 1024;
/// Passes over that memory.
const MOST_PASSES: u32 = 100;
/// Bytes of a salt or a PHC string that are worth looking at.
const LONGEST: usize = 4096;

/// The argon2id hash of `password` in PHC format with a fresh salt: 19 MiB, two
/// passes, one lane (OWASP's password storage cheat sheet).
pub fn hash(password: &Secret, entropy: &dyn Entropy) -> Result<String, HashFault> {
    if password.is_empty() {
        return Err(HashFault::Empty);
    }
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    entropy.fill(&mut salt)?;
    Argon2::default()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map(|hash: phc::PasswordHash| hash.to_string())
        .map_err(HashFault::Argon2)
}

impl PasswordHash {
    /// Reads a `userPassword`. Schemes in any case; a text without scheme is the
    /// password itself.
    pub fn from_user_password(value: &str) -> Result<Self, UnusableHash> {
        let Some((scheme, rest)) = scheme(value) else {
            return Self::clear(value);
        };
        match scheme.to_ascii_uppercase().as_str() {
            "ARGON2" => Self::argon2(rest),
            "SSHA" => salted(Algorithm::Sha1, "SSHA", rest),
            "SSHA256" => salted(Algorithm::Sha256, "SSHA256", rest),
            "SSHA512" => salted(Algorithm::Sha512, "SSHA512", rest),
            "CLEARTEXT" => Self::clear(rest),
            other => Err(UnusableHash::Scheme(other.to_owned())),
        }
    }

    fn clear(password: &str) -> Result<Self, UnusableHash> {
        match password {
            "" => Err(UnusableHash::Empty),
            _ => Ok(Self(Kind::Clear(Secret::new(password.to_owned())))),
        }
    }

    fn argon2(text: &str) -> Result<Self, UnusableHash> {
        const MALFORMED: UnusableHash = UnusableHash::Malformed("ARGON2");
        let hash = (text.len() <= LONGEST).then(|| phc::PasswordHash::new(text));
        let hash = hash.and_then(Result::ok).ok_or(MALFORMED)?;
        let digest = hash.hash.as_ref().map_or(0, phc::Output::len);
        if digest < 16 || hash.salt.is_none() {
            return Err(MALFORMED);
        }
        argon2::Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| MALFORMED)?;
        let params = Params::try_from(&hash).map_err(|_| MALFORMED)?;
        if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES {
            return Err(UnusableHash::Costly);
        }
        let cost = u64::from(params.m_cost()) * u64::from(params.t_cost());
        Ok(Self(Kind::Argon2 {
            phc: Zeroizing::new(text.to_owned()),
            cost,
        }))
    }

    /// True if it is the password itself.
    pub fn is_clear(&self) -> bool {
        matches!(self.0, Kind::Clear(_))
    }

    /// What a check costs, to be compared with another's; the unit is a KiB once
    /// through argon2, and zero for what takes no more than some microseconds.
    pub fn cost(&self) -> u64 {
        match &self.0 {
            Kind::Argon2 { cost, .. } => *cost,
            Kind::Salted { .. } | Kind::Clear(_) => 0,
        }
    }

    /// True if it is of `password`. Takes the thread for as long as it costs; see
    /// [`in_turn`]. The empty password is nobody's.
    pub fn is_of(&self, password: &Secret) -> bool {
        let password = password.expose().as_bytes();
        let is_same = match &self.0 {
            Kind::Argon2 { phc, .. } => Argon2::default()
                .verify_password(password, phc.as_str())
                .is_ok(),
            Kind::Salted {
                algorithm,
                digest,
                salt,
            } => algorithm.digest(password, salt).ct_eq(digest).into(),
            // Both are hashed, so that the length does not show in the time either.
            Kind::Clear(secret) => Algorithm::Sha256
                .digest(password, &[])
                .ct_eq(&Algorithm::Sha256.digest(secret.expose().as_bytes(), &[]))
                .into(),
        };
        is_same && !password.is_empty()
    }
}

/// Does work that takes a thread and many MiB on one of the runtime's blocking
/// threads, at most one per core at a time in the whole process, whoever asks.
/// `None` if the deadline comes first or the work panicked.
pub async fn in_turn<T: Send + 'static>(
    deadline: Deadline,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
        Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))
    });
    let turn = tokio::time::timeout_at(deadline.instant(), TURNS.acquire()).await;
    let turn = turn.ok()?.ok()?;
    let work = tokio::task::spawn_blocking(move || {
        // Held until the work is done, not until nobody waits for it any more.
        let _turn = turn;
        work()
    });
    tokio::time::timeout_at(deadline.instant(), work)
        .await
        .ok()?
        .ok()
}

impl Algorithm {
    fn digest(self, password: &[u8], salt: &[u8]) -> Zeroizing<Vec<u8>> {
        fn of<D: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
            D::new()
                .chain_update(password)
                .chain_update(salt)
                .finalize()
                .to_vec()
        }
        Zeroizing::new(match self {
            Self::Sha1 => of::<Sha1>(password, salt),
            Self::Sha256 => of::<Sha256>(password, salt),
            Self::Sha512 => of::<Sha512>(password, salt),
        })
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// `{scheme}rest`; as in OpenLDAP, whatever stands in braces at the start is a scheme.
fn scheme(value: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = value.strip_prefix('{')?.split_once('}')?;
    (!scheme.is_empty()).then_some((scheme, rest))
}

fn salted(
    algorithm: Algorithm,
    name: &'static str,
    text: &str,
) -> Result<PasswordHash, UnusableHash> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = (text.len() <= LONGEST).then(|| BASE64.decode(text.trim()));
    let mut digest = bytes
        .and_then(Result::ok)
        .filter(|bytes| bytes.len() > algorithm.length())
        .ok_or(UnusableHash::Malformed(name))?;
    let salt = digest.split_off(algorithm.length());
    Ok(PasswordHash(Kind::Salted {
        algorithm,
        digest: Zeroizing::new(digest),
        salt,
    }))
}
