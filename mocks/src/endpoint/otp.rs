//! OTPs: drawn in the shapes that callers stumble over, bound to a user, used once.

use callotp_conformance::catalogue::caller;

use super::{judge::finding, system};
use crate::{
    clock::Chance,
    magic::Shape,
    world::{Issued, State, Tenant, World},
};

/// The tries after which an OTP is burnt.
const ATTEMPTS: u32 = 3;
/// How many decoys are remembered.
const DECOYS: usize = 100;

/// Digits for a caller to hear.
pub(super) fn draw(chance: &mut Chance, shape: Shape, digits: usize) -> String {
    let digits = match shape {
        Shape::TenDigits => 10,
        _ => digits,
    };
    let mut drawn: Vec<u64> = (0..digits).map(|_| chance.below(10)).collect();
    match (shape, &mut drawn[..]) {
        (Shape::LeadingZero, [first, second, ..]) => {
            *first = 0;
            // One zero to lose, and not the whole code.
            *second = 1 + chance.below(9);
        }
        (Shape::Repeated, [.., a, b, c]) => {
            *b = *a;
            *c = *a;
        }
        // As a JSON number it has no zero to lose: what is heard can be compared.
        (Shape::Number, [first, ..]) => *first = 1 + chance.below(9),
        _ => {}
    }
    drawn.iter().map(u64::to_string).collect()
}

/// Binds an OTP to its user; an older one ends.
pub(super) fn bind(state: &mut State, user: &str, otp: &str, expires: u64) {
    let issued = Issued {
        otp: otp.to_owned(),
        expires,
        attempts: 0,
    };
    state.issued.insert(user.to_lowercase(), issued);
}

/// Checks an OTP, then the password, and uses the OTP up; the user's name as the directory spells it.
pub(super) fn validate(
    tenant: &Tenant,
    state: &mut State,
    user: &str,
    password: Option<&str>,
    otp: &str,
    now: u64,
) -> Option<String> {
    let key = user.to_lowercase();
    let issued = state.issued.get_mut(&key)?;
    if issued.expires <= now {
        state.issued.remove(&key);
        return None;
    }
    if issued.otp != otp {
        issued.attempts += 1;
        if issued.attempts >= ATTEMPTS {
            state.issued.remove(&key);
        }
        return None;
    }
    let owner = tenant
        .people
        .iter()
        .find(|person| person.username.to_lowercase() == key);
    let (name, secret) = match owner {
        Some(owner) => (owner.username.clone(), owner.password.as_str()),
        // The owner of a magic number that nobody in the scenario has.
        None => (key.clone(), "secret"),
    };
    if password.is_some_and(|password| password.is_empty() || password != secret) {
        return None;
    }
    state.issued.remove(&key);
    Some(name)
}

pub(super) fn remember_decoy(state: &mut State, code: String, call: u64) {
    if state.decoys.len() >= DECOYS {
        state.decoys.pop_front();
    }
    state.decoys.push_back((code, call));
}

/// The call that this code was a decoy of.
pub(super) fn decoy_of(state: &State, code: &str) -> Option<u64> {
    let mut decoys = state.decoys.iter().rev();
    decoys
        .find(|(decoy, _)| decoy == code)
        .map(|(_, call)| *call)
}

/// Somebody typed a code that only a caller who ignores the status can have spoken.
pub(super) fn decoy_was_used(world: &World, call: u64) {
    world.journal.amend(call, |call| {
        let clause = &caller::CHECKS_STATUS;
        if call
            .findings
            .iter()
            .all(|found| found.clause.id != clause.id)
        {
            let says = "the decoy of its 403 was spoken: somebody tried to log in with it";
            let system = system::named(call.system);
            call.findings.push(finding(clause, says, system));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_have_the_shape_that_was_asked_for() {
        let mut chance = Chance::new(1, "t1");
        for _ in 0..200 {
            let zero = draw(&mut chance, Shape::LeadingZero, 6);
            assert!(zero.starts_with('0') && !zero.starts_with("00") && zero.len() == 6);
            assert_eq!(draw(&mut chance, Shape::TenDigits, 6).len(), 10);
            assert!(!draw(&mut chance, Shape::Number, 6).starts_with('0'));
            let repeated = draw(&mut chance, Shape::Repeated, 6).into_bytes();
            assert!(repeated[3..].iter().all(|digit| *digit == repeated[3]));
        }
        assert_eq!(draw(&mut chance, Shape::LeadingZero, 1).len(), 1);
    }

    #[test]
    fn a_seed_draws_the_same_digits_again() {
        let drawn = || draw(&mut Chance::new(7, "t1"), Shape::Ordinary, 6);
        assert_eq!(drawn(), drawn());
        assert_ne!(drawn(), draw(&mut Chance::new(7, "t2"), Shape::Ordinary, 6));
    }
}
