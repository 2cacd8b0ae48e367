//! What holds when servers fail: an outage costs time once, and never a user anything.

use std::{sync::Arc, time::Duration};

use callotp::{
    clock::{ManualClock, Timestamp},
    directory::{
        DirectoryFault, PasswordCheck, UserDirectory as _,
        ldap::{LdapDirectory, Lookup},
    },
};
use tokio::time::Instant;

use super::{
    adapter::{
        DEADLINE, INDEX, check, eventually, name_of, openldap, openldap_schema, password, plan,
        start, user,
    },
    people::PASSWORD,
    relay::{Mode, Relay},
    slapd::Slapd,
};

const ANNA: &str = "+46701740605";

fn anna() -> Result<Option<String>, DirectoryFault> {
    Ok(Some("anna".to_owned()))
}

/// A call that must be quick: no waiting for a server that is known to be out.
async fn quickly<T>(call: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let answer = call.await;
    let took = started.elapsed();
    assert!(took < Duration::from_millis(400), "took {took:?}");
    answer
}

#[tokio::test]
async fn a_silent_first_server_costs_one_call_a_share_of_its_time_and_later_calls_nothing() {
    let slapd = Slapd::own();
    let (first, second) = (Relay::to(slapd.plain).await, Relay::to(slapd.plain).await);
    let urls = [first.url(), second.url()];
    let directory = start(openldap(&urls), Lookup::Search, openldap_schema());
    assert_eq!(name_of(&directory, ANNA).await, anna());
    first.settled().await;

    first.set(Mode::Silent);
    let started = Instant::now();
    assert_eq!(name_of(&directory, ANNA).await, anna());
    assert!(started.elapsed() < DEADLINE / 2, "{:?}", started.elapsed());
    for _ in 0..5 {
        assert_eq!(quickly(name_of(&directory, ANNA)).await, anna());
        let right = quickly(password(&directory, "anna", PASSWORD)).await;
        assert_eq!(right, Ok(PasswordCheck::Right));
    }
    let health = directory.health();
    assert!(
        health.ready && health.detail.contains("is out"),
        "{}",
        health.detail
    );

    first.set(Mode::Pass);
    eventually(false, async || directory.health().detail.contains("is out")).await;
    let before = (first.searches(), second.searches());
    assert_eq!(quickly(name_of(&directory, ANNA)).await, anna());
    assert_eq!(
        (first.searches(), second.searches()),
        (before.0 + 1, before.1),
        "first again"
    );
    let failures = slapd.operational("anna", "pwdFailureTime");
    assert_eq!(failures, Vec::<String>::new(), "no user's counter moved");
}

#[tokio::test]
async fn a_server_that_is_silent_from_the_start_is_skipped_too() {
    let slapd = Slapd::own();
    let (first, second) = (Relay::to(slapd.plain).await, Relay::to(slapd.plain).await);
    first.set(Mode::Silent);
    let urls = [first.url(), second.url()];
    let directory = start(openldap(&urls), Lookup::Search, openldap_schema());
    let started = Instant::now();
    assert_eq!(name_of(&directory, ANNA).await, anna());
    assert!(started.elapsed() < DEADLINE / 2, "{:?}", started.elapsed());
    assert_eq!(quickly(name_of(&directory, ANNA)).await, anna());
}

#[tokio::test]
async fn a_bind_goes_to_the_second_server_if_the_first_refuses_connections() {
    let slapd = Slapd::own();
    let (first, second) = (Relay::to(slapd.plain).await, Relay::to(slapd.plain).await);
    let urls = [first.url(), second.url()];
    let directory = start(openldap(&urls), Lookup::Search, openldap_schema());
    let known = user(&directory, "anna").await.expect("an answer");
    first.set(Mode::Refuse);
    // A connection that was open may take the password before its end is noticed, and a
    // password is sent once only: that login fails, and the next one goes to the second server.
    eventually(Ok(PasswordCheck::Right), async || {
        quickly(check(&directory, known.as_ref(), PASSWORD)).await
    })
    .await;
}

#[tokio::test]
async fn a_silent_server_is_a_fault_of_the_directory_and_not_of_the_password() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    let known = user(&directory, "anna").await.expect("an answer");
    let right = check(&directory, known.as_ref(), PASSWORD).await;
    assert_eq!(right, Ok(PasswordCheck::Right));
    relay.settled().await;
    relay.set(Mode::Silent);
    let before = relay.binds();
    let started = Instant::now();
    let fault = check(&directory, known.as_ref(), PASSWORD).await;
    assert_eq!(fault, Err(DirectoryFault::TimedOut));
    assert!(started.elapsed() <= DEADLINE, "{:?}", started.elapsed());
    assert_eq!(relay.binds() - before, 1, "it is not tried twice");
    // From now on the fault comes at once.
    let fault = quickly(check(&directory, known.as_ref(), PASSWORD)).await;
    assert!(
        matches!(fault, Err(DirectoryFault::Unavailable(_))),
        "{fault:?}"
    );
    relay.set(Mode::Pass);
    eventually(Ok(PasswordCheck::Right), async || {
        check(&directory, known.as_ref(), PASSWORD).await
    })
    .await;
}

#[tokio::test]
async fn with_all_servers_gone_calls_are_refused_in_time_and_recover_without_a_restart() {
    let slapd = Slapd::own();
    let (first, second) = (Relay::to(slapd.plain).await, Relay::to(slapd.plain).await);
    let urls = [first.url(), second.url()];
    let directory = start(openldap(&urls), Lookup::Search, openldap_schema());
    assert_eq!(name_of(&directory, ANNA).await, anna());
    for mode in [Mode::Refuse, Mode::Silent, Mode::ResetInAnswer] {
        first.set(mode);
        second.set(mode);
        for _ in 0..3 {
            let started = Instant::now();
            let fault = name_of(&directory, ANNA).await;
            assert!(fault.is_err(), "{mode:?}: {fault:?}");
            assert!(
                started.elapsed() <= DEADLINE,
                "{mode:?}: {:?}",
                started.elapsed()
            );
        }
        eventually(false, async || directory.health().ready).await;
        first.set(Mode::Pass);
        second.set(Mode::Pass);
        eventually(anna(), async || name_of(&directory, ANNA).await).await;
        eventually(true, async || directory.health().ready).await;
    }
}

#[tokio::test]
async fn connections_that_the_server_closed_while_idle_cost_no_call() {
    let mut slapd = Slapd::own();
    let directory = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
    for _ in 0..3 {
        assert_eq!(name_of(&directory, ANNA).await, anna());
    }
    let known = user(&directory, "anna").await.expect("an answer");
    let right = check(&directory, known.as_ref(), PASSWORD).await;
    assert_eq!(right, Ok(PasswordCheck::Right));
    slapd.stop();
    slapd.start();
    for _ in 0..3 {
        assert_eq!(name_of(&directory, ANNA).await, anna());
        let right = check(&directory, known.as_ref(), PASSWORD).await;
        assert_eq!(right, Ok(PasswordCheck::Right));
    }
}

#[tokio::test]
async fn a_slow_server_is_not_a_dead_one() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    assert_eq!(name_of(&directory, ANNA).await, anna());
    relay.set(Mode::Slow(Duration::from_millis(700)));
    for _ in 0..2 {
        assert_eq!(name_of(&directory, ANNA).await, anna());
        assert!(directory.health().ready, "{}", directory.health().detail);
    }
}

#[tokio::test]
async fn searches_given_up_by_their_callers_cost_the_connection_nothing() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    for _ in 0..3 {
        assert_eq!(name_of(&directory, ANNA).await, anna());
    }
    relay.settled().await;
    let before = relay.connections();
    relay.set(Mode::Slow(Duration::from_millis(100)));
    for _ in 0..20 {
        let given_up = tokio::time::timeout(Duration::from_millis(5), name_of(&directory, ANNA));
        assert!(given_up.await.is_err());
    }
    relay.set(Mode::Pass);
    for _ in 0..4 {
        assert_eq!(name_of(&directory, ANNA).await, anna());
    }
    assert_eq!(relay.connections(), before);
}

#[tokio::test]
async fn an_index_survives_an_outage_but_answers_only_what_the_directory_confirms() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), INDEX, openldap_schema());
    eventually(true, async || directory.health().ready).await;
    assert_eq!(name_of(&directory, ANNA).await, anna());
    relay.set(Mode::Refuse);
    assert!(
        name_of(&directory, ANNA).await.is_err(),
        "nobody confirms it"
    );
    assert_eq!(
        name_of(&directory, "+46701740699").await,
        Ok(None),
        "nobody has it"
    );
    let detail = || directory.health().detail;
    eventually(true, async || detail().contains("its refresh fails")).await;
    assert!(detail().contains("numbers is"), "{}", detail());
    relay.set(Mode::Pass);
    eventually(anna(), async || name_of(&directory, ANNA).await).await;
    eventually(false, async || detail().contains("fails")).await;
}

#[tokio::test]
async fn an_index_that_was_never_loaded_is_a_fault_and_not_an_unknown_number() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    relay.set(Mode::Refuse);
    let directory = start(openldap(&[relay.url()]), INDEX, openldap_schema());
    assert!(name_of(&directory, ANNA).await.is_err());
    assert!(!directory.health().ready);
    relay.set(Mode::Pass);
    eventually(anna(), async || name_of(&directory, ANNA).await).await;
    assert!(directory.health().ready);
}

#[tokio::test]
async fn connections_are_renewed_when_they_are_old_and_no_call_notices() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let (config, schema) = (openldap(&[relay.url()]), openldap_schema());
    let directory = LdapDirectory::start(
        config,
        Lookup::Search,
        schema,
        plan(),
        Arc::new(clock.clone()),
    )
    .expect("a usable configuration");
    let known = user(&directory, "anna").await.expect("an answer");
    let ask = async || {
        for _ in 0..4 {
            assert_eq!(name_of(&directory, ANNA).await, anna());
        }
        let right = check(&directory, known.as_ref(), PASSWORD).await;
        assert_eq!(right, Ok(PasswordCheck::Right));
        relay.settled().await;
    };
    ask().await;
    let young = relay.connections();
    ask().await;
    assert_eq!(relay.connections(), young, "what is young is kept");
    clock.advance(Duration::from_secs(601));
    ask().await;
    assert_eq!(
        relay.connections(),
        young + 3,
        "two for searching and one for binding"
    );
}
