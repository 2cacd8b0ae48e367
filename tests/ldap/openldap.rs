//! What holds on OpenLDAP.

use callotp::directory::{PasswordCheck, WrongPassword, ldap::Lookup};

use super::{
    adapter::{
        INDEX, check, finds, finds_every_spelling, openldap, openldap_schema, password, start,
        user, wrong,
    },
    people::PASSWORD,
    relay::Relay,
    slapd::{self, Slapd},
};

async fn every_spelling_finds_its_user(lookup: Lookup) {
    let slapd = Slapd::shared();
    let directory = start(openldap(&[slapd.url()]), lookup, openldap_schema());
    finds_every_spelling(&directory).await;
}

#[tokio::test]
async fn a_number_finds_its_user_by_search_however_the_directory_writes_it() {
    every_spelling_finds_its_user(Lookup::Search).await;
}

#[tokio::test]
async fn a_number_finds_its_user_by_index_however_the_directory_writes_it() {
    every_spelling_finds_its_user(INDEX).await;
}

async fn one_two_or_none(lookup: Lookup) {
    let slapd = Slapd::shared();
    let directory = start(openldap(&[slapd.url()]), lookup, openldap_schema());
    let expected = [
        ("+46701740605", Some("anna")),
        ("0701740606", Some("bo")),
        ("+46701740607", Some("several")),
        // One who has left is nobody, and does not stand in the way of one who has not.
        ("+46701740608", None),
        ("+46701740609", Some("half")),
        ("+46701740699", None),
        ("+4684650000000", Some("user0")),
        ("040-628 04 19999", Some("user19999")),
    ];
    finds(&directory, &expected).await;
}

#[tokio::test]
async fn one_user_is_found_two_are_several_and_who_has_left_is_nobody_by_search() {
    one_two_or_none(Lookup::Search).await;
}

#[tokio::test]
async fn one_user_is_found_two_are_several_and_who_has_left_is_nobody_by_index() {
    one_two_or_none(INDEX).await;
}

#[tokio::test]
async fn a_user_has_the_directorys_id_name_and_dn() {
    let slapd = Slapd::shared();
    let directory = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
    let found = user(&directory, "ANNA")
        .await
        .expect("an answer")
        .expect("a user");
    assert_eq!(&*found.name, "anna");
    assert_eq!(&*found.dn, format!("uid=anna,{}", slapd::PEOPLE));
    assert_eq!(
        vec![found.id.to_string()],
        slapd.operational("anna", "entryUUID")
    );
}

#[tokio::test]
async fn names_that_try_to_be_filters_find_nobody_but_their_bearer() {
    let slapd = Slapd::shared();
    let directory = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
    let long = "a".repeat(100_000);
    for name in [
        "",
        " ",
        "*",
        "ann*",
        "*)(uid=*",
        "anna)(uid=*",
        "\\2a",
        "a\0",
        "\u{202e}",
        &long,
    ] {
        assert_eq!(user(&directory, name).await, Ok(None), "{name:?}");
    }
    let bearer = user(&directory, "star*")
        .await
        .expect("an answer")
        .expect("a user");
    assert_eq!(&*bearer.name, "star*");
}

#[tokio::test]
async fn each_password_is_refused_for_its_own_reason_after_one_bind() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    for _ in 0..3 {
        let refused = password(&directory, "locked", "wrong").await;
        assert_eq!(refused, wrong(WrongPassword::Mismatch));
    }
    for (name, text, expected) in [
        ("anna", PASSWORD, Ok(PasswordCheck::Right)),
        ("anna", "wrong", wrong(WrongPassword::Mismatch)),
        ("locked", PASSWORD, wrong(WrongPassword::Locked)),
        ("disabled", PASSWORD, wrong(WrongPassword::Locked)),
        ("expired", PASSWORD, wrong(WrongPassword::Expired)),
        ("mustchange", PASSWORD, wrong(WrongPassword::MustChange)),
    ] {
        let known = user(&directory, name).await.expect("an answer");
        let before = relay.binds();
        assert_eq!(
            check(&directory, known.as_ref(), text).await,
            expected,
            "{name}"
        );
        assert_eq!(relay.binds() - before, 1, "{name}");
    }
    let before = relay.binds();
    let stranger = check(&directory, None, PASSWORD).await;
    assert_eq!(stranger, wrong(WrongPassword::Mismatch));
    assert_eq!(relay.binds() - before, 1, "a stranger costs a bind too");
}

#[tokio::test]
async fn an_empty_password_reaches_no_server() {
    // This slapd says "success" to a name without a password (`allow bind_anon_cred`).
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    let anna = user(&directory, "anna").await.expect("an answer");
    relay.settled().await;
    let before = (relay.bytes(), relay.connections());
    for empty in ["", "\0", "\0\0\0"] {
        let refused = check(&directory, anna.as_ref(), empty).await;
        assert_eq!(refused, wrong(WrongPassword::Mismatch));
    }
    assert_eq!((relay.bytes(), relay.connections()), before);
}

#[tokio::test]
async fn what_is_bound_as_a_user_is_never_searched_on() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    for _ in 0..5 {
        let right = password(&directory, "anna", PASSWORD).await;
        assert_eq!(right, Ok(PasswordCheck::Right));
    }
    assert!(relay.searches() >= 5, "{}", relay.searches());
    assert_eq!(relay.searches_as_users(), 0);
    // Two for searching, one for finding out about the server, one for the list of unusual
    // spellings, one for binding.
    assert!(relay.connections() <= 5, "{}", relay.connections());
}
