//! What a run would cost: the run itself, against an endpoint of our own that stands in
//! for the target, so that the answer cannot drift away from what is really sent.

use std::time::Duration;

use super::Stop;
use crate::{
    clock::Origin,
    peers::{Credentials, Manner, Peer, People, Person},
    report::Report,
    runner::run_watched,
    secret::Secret,
    selection::{Rate, Selection},
    target::{Auth, Target, Validate},
};

/// What a run would cost.
pub(super) struct Cost {
    pub(super) report: Report,
    pub(super) otps: u32,
}

/// Rehearses a run of `selection` against `target` without touching the target.
pub(super) async fn rehearse(target: &Target, selection: &Selection) -> Result<Cost, Stop> {
    let lifetime = Duration::from_secs(2);
    let (people, manner) = stand_in(target, lifetime);
    let peer = Peer::with_people(people, manner, None)
        .await
        .map_err(Stop::failed)?;
    let mut rehearsed = target.clone();
    rehearsed.url = peer.target().url;
    rehearsed.url.prefix = target.url.prefix.clone();
    if let Auth::Certificate(_) = rehearsed.auth {
        rehearsed.auth = Auth::Network;
    }
    if let Some(validate) = &mut rehearsed.validate {
        validate.username = Secret::new("known");
        validate.lifetime = validate.lifetime.map(|_| Duration::from_millis(1));
    }
    let selection = Selection {
        rate: Rate::UNLIMITED,
        max_otp: u32::MAX,
        patience: Duration::from_secs(2),
        waivers: Vec::new(),
        directory: None,
        rehearsal: true,
        ..selection.clone()
    };
    let origin = Origin::now().map_err(Stop::failed)?;
    let never = std::future::pending();
    let report = run_watched(&rehearsed, &selection, origin, &mut |_| {}, never).await;
    Ok(Cost {
        otps: report.summary.otps_issued,
        report,
    })
}

fn stand_in(target: &Target, lifetime: Duration) -> (People, Manner) {
    let person = |tenant: &str, username, password: String, number: &str| Person {
        tenant: tenant.to_owned(),
        username,
        password,
        number: number.to_owned(),
    };
    let password = |validate: &Validate| {
        let password = validate.password.as_ref();
        password.map_or(String::new(), |password| password.expose().to_owned())
    };
    let known = target.validate.as_ref().map_or(String::new(), password);
    let mut persons = vec![person(
        &target.tenant,
        "known",
        known,
        target.known.expose(),
    )];
    if let Some(other) = &target.other_tenant {
        persons.push(person(
            &other.id,
            "other",
            String::new(),
            other.known.expose(),
        ));
    }
    let mut operations = vec!["getOTP".to_owned()];
    operations.extend(
        target
            .validate
            .iter()
            .map(|validate| validate.operation.clone()),
    );
    let (client, credentials) = match &target.auth {
        Auth::Basic { username, password } => (
            (username.expose().to_owned(), password.expose().to_owned()),
            Credentials::Basic,
        ),
        Auth::Bearer(token) => (
            (String::new(), token.expose().to_owned()),
            Credentials::Bearer,
        ),
        Auth::Certificate(_) | Auth::Network => (Default::default(), Credentials::None),
    };
    let manner = Manner {
        credentials,
        ..Manner::default()
    };
    let people = People {
        persons,
        client,
        operations,
        prefix: target.url.prefix.clone(),
        lifetime,
    };
    (people, manner)
}
