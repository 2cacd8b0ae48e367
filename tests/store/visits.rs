//! What can be seen from outside: a call is answered with an OTP or not, a login succeeds or
//! not. The reference says what either comes to.

use std::time::Duration;

use callotp::{
    clock::Timestamp,
    otp::{
        lockout::{LockKind, LockoutPolicy},
        store::{Bound, Claim, Tried},
    },
};

use super::model::{Asked, Model, RULES, Rules, Said};

/// What the tenant's tables have to say for [`VISITS`] to hold.
pub(crate) const TENANT: &str = "[tenant.lockout]\nfailures = 5\nkind = \"hard\"";

/// The rules of a tenant with these tables.
pub(crate) const VISITS: Rules = Rules {
    attempts: 3,
    lockout: LockoutPolicy {
        failures: 5,
        window: Duration::from_secs(1800),
        duration: Duration::from_secs(3600),
        kind: LockKind::Hard,
    },
    ..RULES
};

/// A code that no caller has heard.
pub(crate) const WRONG: u8 = u8::MAX;

pub(crate) fn fresh() -> Model {
    Model::new(Timestamp::from_millis(1_800_000_000_000))
}

/// A person calls. True if an OTP is told; it is the one called `code`.
pub(crate) fn call(model: &mut Model, code: u8) -> bool {
    let asked = Asked::Bind { user: 0, code };
    model.step(&VISITS, &asked, &Said::Released) == Said::Bound(Bound::Bound)
}

/// The first half of a login with the right password. True if the claim is given.
pub(crate) fn claim(model: &mut Model, code: u8, claim: Claim) -> bool {
    let codes = vec![code];
    let right = Said::Tried(Tried::Right(claim));
    model.step(&VISITS, &Asked::Try { user: 0, codes }, &right) == right
}

/// The other half. True if it succeeds.
pub(crate) fn consume(model: &mut Model, claim: Claim) -> bool {
    let asked = Asked::Consume { user: 0, claim };
    model.step(&VISITS, &asked, &Said::Released) == Said::Consumed(true)
}

/// A whole login, with nobody in between. True if it succeeds.
pub(crate) fn log_in(model: &mut Model, code: u8) -> bool {
    let own = Claim(1);
    claim(model, code, own) && consume(model, own)
}
