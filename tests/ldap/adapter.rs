//! The adapter under test, and the questions that the tests ask of it.

use std::{path::Path, sync::Arc, time::Duration};

use callotp::{
    clock::{Deadline, SystemClock},
    directory::{
        DirectoryFault, Match, PasswordCheck, Schema, UserDirectory, WrongPassword,
        ldap::{LdapConfig, LdapDirectory, Lookup},
    },
    phone_number::{Matching, NumberPlan},
    secret::Secret,
    user::User,
};

use super::{
    people::{self, PASSWORD},
    samba, slapd,
};

/// What a call has for its directory.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// An index that is asked for changes all the time.
pub(super) const INDEX: Lookup = Lookup::Index {
    refresh: Duration::from_millis(100),
};

pub(super) fn plan() -> Arc<NumberPlan> {
    Arc::new(NumberPlan::new("SE", Matching::Normalised, []).expect("a plan"))
}

/// For slapd, in the clear.
pub(super) fn openldap(urls: &[String]) -> LdapConfig {
    LdapConfig {
        urls: urls.to_vec(),
        start_tls: false,
        ca: None,
        bind_dn: Some(slapd::SERVICE.into()),
        bind_password: Some(Secret::new(PASSWORD.into())),
    }
}

pub(super) fn openldap_schema() -> Schema {
    Schema {
        base: slapd::PEOPLE.into(),
        user_filter: "(&(objectClass=inetOrgPerson)(!(employeeType=left)))".into(),
        username_attribute: "uid".into(),
        user_id_attribute: "entryUUID".into(),
        phone_attributes: ["mobile", "telephoneNumber", "description"]
            .map(Into::into)
            .into(),
    }
}

/// For Samba, over TLS.
pub(super) fn active_directory(url: String, ca: &Path) -> LdapConfig {
    LdapConfig {
        urls: vec![url],
        start_tls: false,
        ca: Some(ca.to_owned()),
        bind_dn: Some(samba::SERVICE.into()),
        bind_password: Some(Secret::new(PASSWORD.into())),
    }
}

pub(super) fn active_directory_schema() -> Schema {
    Schema {
        base: samba::PEOPLE.into(),
        user_filter: "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))".into(),
        username_attribute: "sAMAccountName".into(),
        user_id_attribute: "objectGUID".into(),
        phone_attributes: ["mobile", "otherMobile", "telephoneNumber"].map(Into::into).into(),
    }
}

pub(super) fn start(config: LdapConfig, lookup: Lookup, schema: Schema) -> Arc<LdapDirectory> {
    let clock = Arc::new(SystemClock::start());
    LdapDirectory::start(config, lookup, schema, plan(), clock).expect("a usable configuration")
}

/// The name of the number's user, `several` or nobody.
pub(super) async fn name_of(
    directory: &LdapDirectory,
    number: &str,
) -> Result<Option<String>, DirectoryFault> {
    name_within(directory, number, DEADLINE).await
}

/// The same, where what is found matters and not how soon.
pub(super) async fn patiently(
    directory: &LdapDirectory,
    number: &str,
) -> Result<Option<String>, DirectoryFault> {
    name_within(directory, number, DEADLINE * 10).await
}

async fn name_within(
    directory: &LdapDirectory,
    number: &str,
    time: Duration,
) -> Result<Option<String>, DirectoryFault> {
    let number = plan().read(number).expect("a number");
    let found = directory
        .find_by_number(&number, Deadline::within(time))
        .await?;
    Ok(found.map(|found| match found {
        Match::One(user) => user.name.into(),
        Match::Several => "several".into(),
    }))
}

/// Everybody who is written in a spelling of their own is found by their number.
pub(super) async fn finds_every_spelling(directory: &LdapDirectory) {
    eventually(true, async || directory.health().ready).await;
    for place in 0..people::SPELT {
        let found = patiently(directory, &people::number(place)).await;
        let expected = Ok(Some(format!("spelt{place}")));
        let spelling = people::spelling(place);
        assert_eq!(found, expected, "{spelling:?} is in the directory");
    }
}

/// Each number finds the user of this name, `several`, or nobody.
pub(super) async fn finds(directory: &LdapDirectory, expected: &[(&str, Option<&str>)]) {
    eventually(true, async || directory.health().ready).await;
    for (number, expected) in expected {
        let found = patiently(directory, number).await;
        assert_eq!(found, Ok(expected.map(str::to_owned)), "{number}");
    }
}

pub(super) async fn user(
    directory: &LdapDirectory,
    name: &str,
) -> Result<Option<User>, DirectoryFault> {
    directory
        .find_by_name(name, Deadline::within(DEADLINE))
        .await
}

/// The directory's word on a user's password.
pub(super) async fn password(
    directory: &LdapDirectory,
    name: &str,
    password: &str,
) -> Result<PasswordCheck, DirectoryFault> {
    let user = user(directory, name).await?.expect("the user exists");
    check(directory, Some(&user), password).await
}

pub(super) async fn check(
    directory: &LdapDirectory,
    user: Option<&User>,
    password: &str,
) -> Result<PasswordCheck, DirectoryFault> {
    let password = Secret::new(password.to_owned());
    directory
        .check_password(user, &password, Deadline::within(DEADLINE))
        .await
}

pub(super) fn wrong(reason: WrongPassword) -> Result<PasswordCheck, DirectoryFault> {
    Ok(PasswordCheck::Wrong(reason))
}

/// Waits until `question` is answered with `expected`; the last answer if it never is.
pub(super) async fn eventually<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(
    expected: T,
    mut question: impl FnMut() -> F,
) {
    let mut got = question().await;
    for _ in 0..300 {
        if got == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        got = question().await;
    }
    assert_eq!(got, expected, "after 15 seconds");
}
