//! One-time passwords: made, bound to a user, tried and used up.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use self::{
    lockout::LockoutPolicy,
    store::{OtpStore, StoreKey},
    throttle::ThrottlePolicy,
    validate::ValidatePolicy,
};
use crate::{
    clock::{Entropy, NoEntropy},
    directory::UserDirectory,
    phone_number::NumberPlan,
    tenant::TenantId,
};

pub mod issue;
pub mod lockout;
pub mod store;
pub mod throttle;
pub mod validate;

/// Issues and validates the OTPs of one tenant: its rules, and whom it asks.
pub struct Authority {
    /// Whose users these are.
    pub tenant: TenantId,
    /// What an OTP is like.
    pub otp: OtpPolicy,
    /// What a login needs.
    pub validate: ValidatePolicy,
    /// How many failures lock a user.
    pub lockout: LockoutPolicy,
    /// How often a number may ask.
    pub throttle: ThrottlePolicy,
    /// How numbers are read.
    pub numbers: Arc<NumberPlan>,
    /// Who the users are.
    pub directory: Arc<dyn UserDirectory>,
    /// Where OTPs are kept.
    pub store: Arc<dyn OtpStore>,
    /// What they are kept under.
    pub keys: Arc<StoreKey>,
    /// Where unpredictable digits come from.
    pub entropy: Arc<dyn Entropy>,
}

/// `[tenant.otp]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpPolicy {
    /// Decimal digits, 6 to 12.
    pub digits: u8,
    /// How long an OTP can be used; at most 10 minutes (NIST SP 800-63B-4 §3.1.3.2).
    pub lifetime: Duration,
    /// Wrong tries until the OTP is burnt.
    pub attempts: u8,
}

/// The digits that the caller hears. Cannot be printed; wiped on drop.
pub struct Otp(Zeroizing<String>);

impl Otp {
    /// Draws `digits` decimal digits, each of the ten equally likely: bytes of 250 and
    /// above, which would favour the low digits, are drawn again.
    pub fn draw(digits: u8, entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let wanted = usize::from(digits);
        let mut otp = Zeroizing::new(String::with_capacity(wanted));
        let mut bytes = Zeroizing::new([0_u8; 16]);
        while otp.len() < wanted {
            entropy.fill(bytes.as_mut())?;
            let missing = wanted - otp.len();
            let fair = bytes.iter().filter(|byte| **byte < 250).take(missing);
            otp.extend(fair.map(|byte| char::from(b'0' + byte % 10)));
        }
        Ok(Self(otp))
    }

    /// The digits. Only for the 200 that carries them, and for the MAC.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
