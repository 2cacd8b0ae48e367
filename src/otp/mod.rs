//! One-time passwords: made, bound to a user, tried and used up.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::{Entropy, NoEntropy};

pub mod lockout;
pub mod store;
pub mod throttle;
pub mod validate;

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
