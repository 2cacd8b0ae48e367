//! What the decisions do to one user's record. No engine, no clock, no lock: whoever
//! calls holds the record alone, and says what time it is.

use std::{num::NonZeroU64, time::Duration};

use super::{Bound, Claim, Failed, Lock, OtpMac, Subject, SubjectKey, Tried};
use crate::{
    clock::Timestamp,
    otp::lockout::{Failures, LockoutPolicy},
    tenant::TenantId,
};

/// Everything that is kept of one user. Four words while there is no more than a
/// live OTP, which is what most records are.
#[derive(Clone, Default)]
pub struct UserRecord {
    otp: Option<LiveOtp>,
    trouble: Option<Box<Trouble>>,
}

const _: () = assert!(
    size_of::<(SubjectKey, UserRecord)>() == 48,
    "a million live OTPs, 48 MB and the map's slack"
);

/// The OTP that can be used.
#[derive(Clone, Copy)]
struct LiveOtp {
    mac: OtpMac,
    term: Term,
}

/// Until when an OTP lives, and the attempts made on it: 56 bits and 8.
#[derive(Clone, Copy)]
struct Term(NonZeroU64);

/// What few users have.
#[derive(Clone, Default)]
struct Trouble {
    claim: Option<(Claim, Timestamp)>,
    failures: Failures,
    lock: Option<Locked>,
}

/// A lock, as it is kept with its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The tenant in which the user is locked.
    pub tenant: TenantId,
    /// The user's name.
    pub name: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` for a hard lock.
    pub until: Option<Timestamp>,
}

/// A record in its parts, for an engine that writes it down. A claim is not among
/// them: it belongs to a call, and no call outlives its process.
pub struct Parts {
    /// The OTP's MAC, the end of its life, and the attempts made.
    pub otp: Option<(OtpMac, Timestamp, u8)>,
    /// The failures that count.
    pub failures: Failures,
    /// The lock.
    pub lock: Option<Locked>,
}

impl UserRecord {
    /// See [`OtpStore::bind`](super::OtpStore::bind).
    pub fn bind(&mut self, now: Timestamp, mac: &OtpMac, lifetime: Duration) -> Bound {
        if self.is_locked(now) {
            return Bound::Locked;
        }
        self.drop_claim();
        self.otp = Some(LiveOtp {
            mac: *mac,
            term: Term::new(now.after(lifetime), 0),
        });
        Bound::Bound
    }

    /// See [`OtpStore::try_otp`](super::OtpStore::try_otp); the claim, if there is to be
    /// one, is called `claim`.
    #[expect(
        clippy::too_many_arguments,
        reason = "a decision and all that it turns on"
    )]
    pub fn try_otp(
        &mut self,
        now: Timestamp,
        subject: &Subject<'_>,
        macs: &[OtpMac],
        attempts: u8,
        lockout: &LockoutPolicy,
        hold: Duration,
        claim: Claim,
    ) -> Tried {
        if self.is_locked(now) {
            return Tried::Locked;
        }
        let Some(otp) = self.live_otp(now) else {
            return Tried::NoOtp;
        };
        // Every MAC is compared, so that the time tells nothing about which was right.
        let right = macs
            .iter()
            .fold(false, |right, mac| right | otp.mac.matches(mac));
        if right {
            if self.held_claim(now).is_some() {
                return Tried::Claimed;
            }
            self.trouble().claim = Some((claim, now.after(hold)));
            return Tried::Right(claim);
        }
        let made = otp.term.attempts().saturating_add(1);
        let burnt = made >= attempts;
        if burnt {
            self.drop_otp();
        } else {
            self.otp = Some(LiveOtp {
                term: Term::new(otp.term.until(), made),
                ..otp
            });
        }
        let locked = self.count_failure(now, subject, lockout);
        Tried::Wrong { burnt, locked }
    }

    /// See [`OtpStore::consume`](super::OtpStore::consume).
    pub fn consume(&mut self, now: Timestamp, claim: Claim) -> bool {
        let holds = self.holds(now, claim);
        if holds {
            self.otp = None;
            self.trouble = None;
        }
        holds
    }

    /// See [`OtpStore::fail`](super::OtpStore::fail). `None` if the claim no longer
    /// holds, and nothing was counted.
    pub fn fail(
        &mut self,
        now: Timestamp,
        subject: &Subject<'_>,
        claim: Claim,
        lockout: &LockoutPolicy,
    ) -> Option<Failed> {
        if !self.holds(now, claim) {
            return None;
        }
        self.drop_claim();
        let locked = self.count_failure(now, subject, lockout);
        Some(Failed { locked })
    }

    /// See [`OtpStore::release`](super::OtpStore::release).
    pub fn release(&mut self, now: Timestamp, claim: Claim) {
        if self.holds(now, claim) {
            self.drop_claim();
        }
    }

    /// True if a lock is in force.
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.lock_in_force(now).is_some()
    }

    /// The lock in force.
    pub fn lock_in_force(&self, now: Timestamp) -> Option<&Locked> {
        let lock = self.trouble.as_ref()?.lock.as_ref();
        lock.filter(|lock| lock.until.is_none_or(|until| until > now))
    }

    /// Puts a lock in force, and says whether that changed anything: a lock that lasts
    /// as long already stays as it is.
    pub fn lock(&mut self, now: Timestamp, lock: Locked) -> bool {
        let lasts = |lock: &Locked| lock.until.unwrap_or(Timestamp::from_millis(u64::MAX));
        let longer = lasts(&lock) > now
            && self
                .lock_in_force(now)
                .is_none_or(|present| lasts(present) < lasts(&lock));
        if longer {
            self.drop_claim();
            self.trouble().lock = Some(lock);
        }
        longer
    }

    /// Ends the lock, if one is in force, and clears the failures with it.
    pub fn unlock(&mut self, now: Timestamp) -> bool {
        let locked = self.is_locked(now);
        if locked && let Some(trouble) = &mut self.trouble {
            trouble.lock = None;
            trouble.failures.clear();
        }
        locked
    }

    /// True if the user has an OTP that could be used.
    pub fn has_otp(&self, now: Timestamp) -> bool {
        self.live_otp(now).is_some()
    }

    /// Drops what has expired, and gives the memory back.
    pub fn forget_expired(&mut self, now: Timestamp) {
        if self.live_otp(now).is_none() {
            self.drop_otp();
        }
        if self.lock_in_force(now).is_none()
            && let Some(trouble) = &mut self.trouble
        {
            trouble.lock = None;
        }
        if self.held_claim(now).is_none() {
            self.drop_claim();
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.failures.forget_expired(now);
            if trouble.is_nothing() {
                self.trouble = None;
            }
        }
    }

    /// False if everything in it has expired.
    pub fn matters_at(&self, now: Timestamp) -> bool {
        let failures = self.trouble.as_ref().map(|trouble| trouble.failures.until);
        self.has_otp(now) || self.is_locked(now) || failures.is_some_and(|until| until > now)
    }

    /// True if nothing is left to keep.
    pub fn is_nothing(&self) -> bool {
        self.otp.is_none()
            && self
                .trouble
                .as_ref()
                .is_none_or(|trouble| trouble.is_nothing())
    }

    /// The parts to write down.
    pub fn parts(&self) -> Parts {
        let otp = self
            .otp
            .map(|otp| (otp.mac, otp.term.until(), otp.term.attempts()));
        let trouble = self.trouble.as_deref();
        Parts {
            otp,
            failures: trouble.map_or_else(Failures::default, |trouble| trouble.failures.clone()),
            lock: trouble.and_then(|trouble| trouble.lock.clone()),
        }
    }

    /// The record with these parts.
    pub fn from_parts(parts: Parts) -> Self {
        let otp = parts.otp.map(|(mac, until, attempts)| LiveOtp {
            mac,
            term: Term::new(until, attempts),
        });
        let trouble = Trouble {
            claim: None,
            failures: parts.failures,
            lock: parts.lock,
        };
        Self {
            otp,
            trouble: (!trouble.is_nothing()).then(|| Box::new(trouble)),
        }
    }

    fn live_otp(&self, now: Timestamp) -> Option<LiveOtp> {
        self.otp.filter(|otp| otp.term.until() > now)
    }

    fn held_claim(&self, now: Timestamp) -> Option<Claim> {
        let (claim, until) = self.trouble.as_ref()?.claim?;
        (until > now).then_some(claim)
    }

    /// A claim ends with its OTP, and a lock has ended it.
    fn holds(&self, now: Timestamp, claim: Claim) -> bool {
        self.held_claim(now) == Some(claim) && self.has_otp(now)
    }

    fn count_failure(
        &mut self,
        now: Timestamp,
        subject: &Subject<'_>,
        lockout: &LockoutPolicy,
    ) -> bool {
        let trouble = self.trouble();
        let locked = trouble.failures.count(now, lockout);
        if locked {
            trouble.claim = None;
            trouble.lock = Some(Locked {
                tenant: subject.tenant.clone(),
                name: subject.name.into(),
                since: now,
                until: lockout.lock_until(now),
            });
        }
        locked
    }

    fn drop_otp(&mut self) {
        self.otp = None;
        self.drop_claim();
    }

    fn drop_claim(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.claim = None;
        }
    }

    fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }
}

impl Trouble {
    fn is_nothing(&self) -> bool {
        self.claim.is_none() && self.failures.are_none() && self.lock.is_none()
    }
}

impl Term {
    /// The lowest byte is one more than the attempts, so that no term is zero.
    fn new(until: Timestamp, attempts: u8) -> Self {
        let until = until.as_millis().min(u64::MAX >> 8) << 8;
        let packed = until + u64::from(attempts.min(254)) + 1;
        Self(NonZeroU64::new(packed).unwrap_or(NonZeroU64::MIN))
    }

    fn until(self) -> Timestamp {
        Timestamp::from_millis(self.0.get() >> 8)
    }

    fn attempts(self) -> u8 {
        let lowest = self.0.get().to_le_bytes()[0];
        lowest.saturating_sub(1)
    }
}

impl Locked {
    /// The lock of the user filed under `key`, for the administrator.
    pub fn of(&self, key: SubjectKey) -> Lock {
        Lock {
            tenant: self.tenant.clone(),
            name: self.name.clone(),
            key,
            since: self.since,
            until: self.until,
        }
    }
}

impl From<&Lock> for Locked {
    fn from(lock: &Lock) -> Self {
        Self {
            tenant: lock.tenant.clone(),
            name: lock.name.clone(),
            since: lock.since,
            until: lock.until,
        }
    }
}
