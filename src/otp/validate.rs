//! Checks an OTP and, where the tenant asks for it, a password; a right OTP is used up.

use std::time::Duration;

use super::{
    Authority,
    store::{Claim, StoreFault, Subject, Tried},
};
use crate::{
    clock::Deadline,
    directory::{DirectoryFault, PasswordCheck, WrongPassword},
    secret::Secret,
    user::User,
};

/// `[tenant.validate]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatePolicy {
    /// What is asked of the password member.
    pub password: PasswordRule,
    /// Which is looked at first.
    pub order: ValidateOrder,
}

/// What `validate` asks of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRule {
    /// It must be there and right.
    Required,
    /// If it is there, it must be right.
    Optional,
    /// It is not looked at.
    Ignored,
}

/// Which factor `validate` looks at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidateOrder {
    /// No bind without a live, right OTP.
    OtpFirst,
    /// The bind comes first.
    PasswordFirst,
}

/// What a person entered.
pub struct Attempt {
    /// The name, in the person's spelling.
    pub username: String,
    /// The password, if one was sent.
    pub password: Option<Secret>,
    /// The code.
    pub otp: Secret,
}

/// Why nobody was let in.
#[derive(Debug)]
pub struct NotValidated {
    /// Why.
    pub reason: Reason,
    /// The user it was about, if the name is a user's.
    pub user: Option<User>,
}

/// Why nobody was let in. None of these shows outside.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The name, the password or the code is empty, or longer than any can be.
    #[error("an empty or oversized name, password or OTP")]
    Unusable,
    /// The tenant wants a password, and none was sent.
    #[error("no password was sent")]
    PasswordMissing,
    /// Nobody is called that.
    #[error("nobody has the name")]
    UnknownUser,
    /// The user has no live OTP.
    #[error("the user has no live OTP")]
    NoOtp,
    /// The OTP is being used by another validate right now, or was until a moment ago.
    #[error("another validate uses the OTP")]
    Claimed,
    /// Not the user's OTP.
    #[error("the OTP is wrong")]
    WrongOtp {
        /// It was the last attempt.
        burnt: bool,
        /// It locked the user.
        locked: bool,
    },
    /// Not the user's password, or the directory does not let the user in.
    #[error("the password is wrong, or the directory refuses the user")]
    WrongPassword {
        /// What the directory says.
        why: WrongPassword,
        /// It locked the user.
        locked: bool,
    },
    /// The user is locked.
    #[error("the user is locked")]
    Locked,
    /// The directory could not say.
    #[error(transparent)]
    Directory(#[from] DirectoryFault),
    /// The store could not decide.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Longer than any real name, password or code; what is longer is not looked at.
const LONGEST: usize = 1024;

/// A right OTP stays claimed until the call's answer is due, and so much longer: a decision
/// that was sent to a store at the last moment may be taken a little after it. When a call
/// dies in between, the OTP can be used again once that has passed.
const CLAIM_MARGIN: Duration = Duration::from_secs(5);

impl Authority {
    /// Lets the user in if everything that `rule` asks for is right, and uses the OTP up:
    /// of any number of simultaneous attempts at most one succeeds. An outage counts
    /// nothing against the user.
    pub async fn validate(
        &self,
        attempt: &Attempt,
        rule: PasswordRule,
        deadline: Deadline,
    ) -> Result<User, NotValidated> {
        let nobody = |reason| NotValidated { reason, user: None };
        let password = password_asked_for(attempt, rule).map_err(nobody)?;
        let user = self
            .directory
            .find_by_name(&attempt.username, deadline)
            .await
            .map_err(|fault| nobody(fault.into()))?;
        match self.login(user.as_ref(), attempt, password, deadline).await {
            Err(reason) => Err(NotValidated { reason, user }),
            Ok(()) => user.ok_or(nobody(Reason::UnknownUser)),
        }
    }

    /// An unknown user goes the same way as a known one without an OTP.
    async fn login(
        &self,
        user: Option<&User>,
        attempt: &Attempt,
        password: Option<&Secret>,
        deadline: Deadline,
    ) -> Result<(), Reason> {
        let key = match user {
            Some(user) => self.keys.subject(&self.tenant, &user.id),
            None => self.keys.nobody(&self.tenant, &attempt.username),
        };
        let subject = Subject {
            key: &key,
            tenant: &self.tenant,
            name: user.map_or("", |user| &user.name),
        };
        let early = match (self.validate.order, password) {
            (ValidateOrder::PasswordFirst, Some(password)) => {
                if self.store.is_locked(&subject).await? {
                    return Err(Reason::Locked);
                }
                Some(
                    self.directory
                        .check_password(user, password, deadline)
                        .await?,
                )
            }
            _ => None,
        };
        let claim = self
            .claim(&subject, attempt, deadline)
            .await
            .map_err(|reason| match user {
                None if matches!(reason, Reason::NoOtp) => Reason::UnknownUser,
                _ => reason,
            })?;
        let checked = match (early, password) {
            (Some(checked), _) => Ok(checked),
            (None, None) => Ok(PasswordCheck::Right),
            (None, Some(password)) => {
                self.directory
                    .check_password(user, password, deadline)
                    .await
            }
        };
        self.settle(&subject, claim, checked).await
    }

    async fn claim(
        &self,
        subject: &Subject<'_>,
        attempt: &Attempt,
        deadline: Deadline,
    ) -> Result<Claim, Reason> {
        let macs = self
            .keys
            .codes(subject.key, attempt.otp.expose().as_bytes());
        let hold = deadline.remaining() + CLAIM_MARGIN;
        let tried = self
            .store
            .try_otp(subject, &macs, self.otp.attempts, &self.lockout, hold);
        match tried.await? {
            Tried::Right(claim) => Ok(claim),
            Tried::Wrong { burnt, locked } => Err(Reason::WrongOtp { burnt, locked }),
            Tried::NoOtp => Err(Reason::NoOtp),
            Tried::Claimed => Err(Reason::Claimed),
            Tried::Locked => Err(Reason::Locked),
        }
    }

    /// Ends the claim: uses the OTP up, counts a failure, or counts nothing.
    async fn settle(
        &self,
        subject: &Subject<'_>,
        claim: Claim,
        checked: Result<PasswordCheck, DirectoryFault>,
    ) -> Result<(), Reason> {
        match checked {
            Ok(PasswordCheck::Right) => match self.store.consume(subject, claim).await? {
                true => Ok(()),
                false => Err(Reason::Claimed),
            },
            // A directory says these two of the right password only: no failure of the user.
            Ok(PasswordCheck::Wrong(
                why @ (WrongPassword::Expired | WrongPassword::MustChange),
            )) => {
                self.store.release(subject, claim).await?;
                Err(Reason::WrongPassword { why, locked: false })
            }
            Ok(PasswordCheck::Wrong(why)) => {
                let failed = self.store.fail(subject, claim, &self.lockout).await?;
                Err(Reason::WrongPassword {
                    why,
                    locked: failed.locked,
                })
            }
            Err(fault) => {
                // If this fails as well, the claim ends by itself.
                let _ = self.store.release(subject, claim).await;
                Err(fault.into())
            }
        }
    }
}

/// The password to check, if any; an empty one must never reach a directory, which
/// would call it an anonymous success (RFC 4513 §5.1.2).
fn password_asked_for(attempt: &Attempt, rule: PasswordRule) -> Result<Option<&Secret>, Reason> {
    let usable = |text: &str| !text.is_empty() && text.len() <= LONGEST && !text.contains('\0');
    if !usable(&attempt.username) || !usable(attempt.otp.expose()) {
        return Err(Reason::Unusable);
    }
    match (rule, &attempt.password) {
        (PasswordRule::Ignored, _) | (PasswordRule::Optional, None) => Ok(None),
        (PasswordRule::Required, None) => Err(Reason::PasswordMissing),
        (_, Some(password)) if !usable(password.expose()) => Err(Reason::Unusable),
        (_, Some(password)) => Ok(Some(password)),
    }
}

#[cfg(test)]
mod tests;
