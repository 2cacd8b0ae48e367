//! Makes an OTP for the user who calls, and binds it.

use std::time::Duration;

use super::{
    Authority, Otp,
    store::{Bound, Requested, StoreFault, Subject},
};
use crate::{
    clock::{Deadline, NoEntropy},
    directory::{DirectoryFault, Match},
    phone_number::{NumberRefusal, PhoneNumber},
    user::User,
};

/// An OTP that is bound, and whom to.
pub struct Issued {
    /// What the caller is to hear.
    pub otp: Otp,
    /// The user it is bound to.
    pub user: User,
}

/// Why no OTP was issued.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// The number cannot be looked up.
    #[error(transparent)]
    Number(#[from] NumberRefusal),
    /// Too many requests with this number.
    #[error("the number is in quarantine")]
    Throttled {
        /// What is left of the quarantine.
        remaining: Duration,
    },
    /// Nobody has the number.
    #[error("nobody has the number")]
    UnknownNumber,
    /// Several users have it.
    #[error("several users have the number")]
    AmbiguousNumber,
    /// The user is locked.
    #[error("the user is locked")]
    Locked(User),
    /// The directory could not say.
    #[error(transparent)]
    Directory(#[from] DirectoryFault),
    /// The store could not decide.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Nothing unpredictable could be drawn.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

impl Authority {
    /// Reads the number that a phone system sent.
    pub fn read_number(&self, written: &str) -> Result<PhoneNumber, NotIssued> {
        Ok(self.numbers.read(written)?)
    }

    /// Issues an OTP to the user who calls from `number`. Known and unknown numbers are
    /// throttled alike, before anybody is looked up.
    pub async fn issue(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Issued, NotIssued> {
        let filed = self.keys.number(&self.tenant, number);
        if let Requested::Quarantined { remaining } =
            self.store.request(&filed, &self.throttle).await?
        {
            return Err(NotIssued::Throttled { remaining });
        }
        match self.directory.find_by_number(number, deadline).await? {
            None => Err(NotIssued::UnknownNumber),
            Some(Match::Several) => Err(NotIssued::AmbiguousNumber),
            Some(Match::One(user)) => self.bind_new(user).await,
        }
    }

    async fn bind_new(&self, user: User) -> Result<Issued, NotIssued> {
        let otp = Otp::draw(self.otp.digits, &*self.entropy)?;
        let key = self.keys.subject(&self.tenant, &user.id);
        let subject = Subject {
            key: &key,
            tenant: &self.tenant,
            name: &user.name,
        };
        let mac = self.keys.otp(&key, &otp);
        match self.store.bind(&subject, &mac, self.otp.lifetime).await? {
            Bound::Bound => Ok(Issued { otp, user }),
            Bound::Locked => Err(NotIssued::Locked(user)),
        }
    }
}
