//! Where live OTPs, failures, locks and quarantines are kept: the port, and its engines.
//!
//! Every operation is one whole decision, atomic in its engine however many
//! calls and nodes ask at once. An engine keeps time itself (it is handed a
//! clock, or uses the one of its server), so that several nodes agree.

use std::{fmt, io, path::PathBuf, time::Duration};

use async_trait::async_trait;
use subtle::ConstantTimeEq as _;

pub use self::key::{KeyError, StoreKey};
use super::{lockout::LockoutPolicy, throttle::ThrottlePolicy};
use crate::{clock::Timestamp, tenant::TenantId};

pub mod embedded;
pub mod engine;
mod folder;
mod key;
pub mod lock_file;
pub mod memory;
pub mod record;
pub mod redis;
mod table;

/// The decisions that issuing and validating leave to the store.
#[async_trait]
pub trait OtpStore: Send + Sync {
    /// *Throttle*: notes one request for `number`, and says whether it may go on.
    /// A request that is quarantined is not noted.
    async fn request(
        &self,
        number: &NumberKey,
        policy: &ThrottlePolicy,
    ) -> Result<Requested, StoreFault>;

    /// *Bind*: makes `mac` the user's only OTP, with no attempt made yet. An older
    /// OTP is gone from then on, and so is a claim on it; failures stay as they are.
    async fn bind(
        &self,
        subject: &Subject<'_>,
        mac: &OtpMac,
        lifetime: Duration,
    ) -> Result<Bound, StoreFault>;

    /// *Try*: compares the user's live OTP with `macs` (the code that was entered, under
    /// each key in force).
    ///
    /// Right: the OTP is claimed for `hold`, so that nobody else can try it while the
    /// password is being checked. Wrong: the attempt is counted, the OTP burnt at the
    /// `attempts`-th, and one failure of the user is counted, which may lock the user.
    /// Without a live OTP nothing changes. A claimed OTP that is tried with the right
    /// code is [`Tried::Claimed`], and nothing changes either.
    async fn try_otp(
        &self,
        subject: &Subject<'_>,
        macs: &[OtpMac],
        attempts: u8,
        lockout: &LockoutPolicy,
        hold: Duration,
    ) -> Result<Tried, StoreFault>;

    /// *Consume*: uses the claimed OTP up and clears the user's failures. True for
    /// exactly one caller, and only while the claim holds (not if the OTP has been
    /// replaced, burnt or has expired since, nor if the user has been locked).
    async fn consume(&self, subject: &Subject<'_>, claim: Claim) -> Result<bool, StoreFault>;

    /// *Fail*: counts one failure of the user (a wrong password beside the right OTP), which
    /// may lock the user, and gives the claim back. Counts nothing if the claim no longer holds.
    async fn fail(
        &self,
        subject: &Subject<'_>,
        claim: Claim,
        lockout: &LockoutPolicy,
    ) -> Result<Failed, StoreFault>;

    /// Gives a claim back and counts nothing: the directory had an outage.
    async fn release(&self, subject: &Subject<'_>, claim: Claim) -> Result<(), StoreFault>;

    /// Is the user locked? Asked before a bind by tenants that check the password first.
    async fn is_locked(&self, subject: &Subject<'_>) -> Result<bool, StoreFault>;

    /// Every lock in force, for the administrator.
    async fn locks(&self) -> Result<Vec<Lock>, StoreFault>;

    /// Puts a lock in force that another store had (`callotp locks import`). One that
    /// lasts as long already stays as it is. Says whether anything changed.
    async fn lock(&self, lock: &Lock) -> Result<bool, StoreFault>;

    /// Ends the lock of the user called `user` in `tenant` (in any tenant if `None`),
    /// and clears the failures. The name is compared without case. Says how many locks ended.
    async fn unlock(&self, tenant: Option<&TenantId>, user: &str) -> Result<usize, StoreFault>;

    /// Drops what has expired. Called now and then; nothing depends on when.
    async fn sweep(&self) -> Result<(), StoreFault>;

    /// How much is kept, for the metrics; `None` for what the engine cannot tell cheaply.
    async fn counts(&self) -> Result<Counts, StoreFault>;

    /// Can it decide now? For `readyz`.
    async fn check(&self) -> Result<(), StoreFault>;
}

/// The user a decision is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What the user is filed under.
    pub key: &'a SubjectKey,
    /// The tenant, kept with a lock for the administrator to read.
    pub tenant: &'a TenantId,
    /// The user's name, kept with a lock for the administrator to read.
    pub name: &'a str,
}

/// Whether a request for a number may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It may.
    Allowed,
    /// Too many of them: refused until the quarantine ends.
    Quarantined {
        /// What is left of the quarantine.
        remaining: Duration,
    },
}

/// What became of *bind*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The OTP is the user's, and can be told.
    Bound,
    /// The user is locked; nothing was bound.
    Locked,
}

/// What became of *try*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It is the live OTP, and now claimed.
    Right(Claim),
    /// It is not the live OTP; the attempt and the failure are counted.
    Wrong {
        /// It was the last attempt: the OTP is gone.
        burnt: bool,
        /// It was one failure too many: the user is locked.
        locked: bool,
    },
    /// The user has no live OTP. Nothing was counted.
    NoOtp,
    /// It is the live OTP, but another validate holds it. Nothing was counted.
    Claimed,
    /// The user is locked. Nothing was compared.
    Locked,
}

/// What became of *fail*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// It was one failure too many: the user is locked.
    pub locked: bool,
}

/// The right to consume one OTP, until it ends. Numbered so that an old claim
/// cannot be mistaken for a newer one on the same user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim(pub u64);

/// A user who is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The tenant in which the user is locked.
    pub tenant: TenantId,
    /// The user's name as the directory spells it.
    pub name: Box<str>,
    /// What the user is filed under.
    pub key: SubjectKey,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` for a hard lock, which an administrator ends.
    pub until: Option<Timestamp>,
}

impl Lock {
    /// True if it is the lock of the user called `user` in `tenant` (in any tenant if
    /// `None`). The name is compared without case.
    pub fn is_of(&self, tenant: Option<&TenantId>, user: &str) -> bool {
        tenant.is_none_or(|tenant| *tenant == self.tenant)
            && self.name.to_lowercase() == user.to_lowercase()
    }
}

/// How much a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// OTPs that could still be validated.
    pub live_otps: Option<u64>,
    /// Locks in force.
    pub locks: Option<u64>,
    /// Numbers in quarantine.
    pub quarantines: Option<u64>,
}

/// The store could not decide. Never counted against a user. After a fault in
/// *consume* it is not known whether the OTP was used up: the login is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// No answer before the deadline.
    #[error("the store did not answer in time")]
    TimedOut,
    /// It cannot be reached, or cannot write.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why a store cannot be opened. What it holds is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("store {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("store {}: another process has it open; `embedded` serves one, `redis` serves several", .0.display())]
    InUse(PathBuf),
    /// The file is something else.
    #[error("store {}: not a callotp store; it is left as it is", .0.display())]
    Foreign(PathBuf),
    /// The file was ours once.
    #[error("store {}: damaged ({what}); it is left as it is", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In what way.
        what: String,
    },
    /// Another version wrote it.
    #[error(
        "store {place}: it has format {found}, and this program reads format {ours}; it is left as it is"
    )]
    OtherFormat {
        /// The file or server.
        place: String,
        /// Its format.
        found: u32,
        /// What we read.
        ours: u32,
    },
    /// The server cannot be reached, or is not fit.
    #[error("store {place}: {what}")]
    Server {
        /// The server.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// It is filed under another key.
    #[error(
        "store {place}: it is filed under another key than the one in `key_file`; all nodes share one key, and it outlives a restart"
    )]
    OtherKey {
        /// The file or server.
        place: String,
    },
}

/// What a user is filed under: a keyed digest of tenant and user id, so that the
/// store holds neither.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectKey(pub [u8; 16]);

/// What a calling number is filed under: a keyed digest of tenant and number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NumberKey(pub [u8; 16]);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

macro_rules! shown_in_hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; 32];
                for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 15)];
                }
                f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
shown_in_hex!(SubjectKey, NumberKey);

/// An OTP as it is kept: a MAC over tenant, user id and code, cut to 128 bits
/// (RFC 2104 §5). Compared in constant time only.
#[derive(Clone, Copy)]
pub struct OtpMac(pub [u8; 16]);

impl OtpMac {
    /// True if both are the same MAC; takes the same time whatever they hold.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
