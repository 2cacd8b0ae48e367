//! The tenant of a world without a scenario.

use std::time::Duration;

use super::{Auth, Person, TenantPlan};
use crate::magic;

/// Basic `pbx` / `secret`, six digits for two minutes, and the people of the magic numbers.
pub(super) fn tenant() -> TenantPlan {
    TenantPlan {
        auth: Auth::Basic {
            username: "pbx".to_owned(),
            password: "secret".to_owned(),
        },
        digits: 6,
        lifetime: Duration::from_secs(120),
        people: magic::OWNED.iter().map(|end| person(*end)).collect(),
        rules: Vec::new(),
    }
}

fn person(end: u8) -> Person {
    let (name, username, password) = match end {
        5 => ("Ada".to_owned(), "ada".to_owned(), "correct horse"),
        6 => ("Bo".to_owned(), "bo".to_owned(), "battery staple"),
        _ => (
            format!("Magic 06{end:02}"),
            format!("magic06{end:02}"),
            "secret",
        ),
    };
    Person {
        name,
        username,
        password: password.to_owned(),
        numbers: vec![magic::e164(end)],
        otp: None,
        disabled: false,
        magic: true,
    }
}
