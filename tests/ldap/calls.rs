//! Calls and logins through the running server, with its users in LDAP.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    people::PASSWORD,
    relay::{Mode, Relay},
    samba::Samba,
    slapd::Slapd,
    written::{active_directory, openldap, stage},
};
use crate::stage;

const ANNA: &str = "+46701740605";

#[tokio::test]
async fn a_caller_gets_an_otp_and_logs_in_with_the_directorys_password_once() {
    let slapd = Slapd::own();
    let stage = stage(&openldap(&[slapd.url()]), "").await;
    let otp = stage.otp("070-174 06 05").await;
    let answer = stage.validate("ANNA", PASSWORD, &otp).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"username":"anna"}"#)
    );
    assert_eq!(stage.validate("anna", PASSWORD, &otp).await.status, 403);
    for number in [
        "+46701740699",
        "+46701740607",
        "+46701740608",
        "*",
        "*)(uid=*",
    ] {
        assert_eq!(stage.get_otp(number).await.status, 403, "{number}");
    }
    stage.end().await;
}

#[tokio::test]
async fn each_reason_of_the_directory_is_in_the_log_and_not_in_the_answer() {
    let slapd = Slapd::own();
    let stage = stage(&openldap(&[slapd.url()]), "").await;
    let mut calls = 0;
    let mut bodies = Vec::new();
    for (user, number, password, reason) in [
        ("anna", ANNA, "wrong", "password_wrong"),
        (
            "disabled",
            "+46701740690",
            PASSWORD,
            "directory_user_locked",
        ),
        (
            "mustchange",
            "+46701740692",
            PASSWORD,
            "directory_password_must_change",
        ),
        (
            "expired",
            "+46701740693",
            PASSWORD,
            "directory_password_expired",
        ),
    ] {
        let otp = stage.otp(number).await;
        let answer = stage.validate(user, password, &otp).await;
        calls += 2;
        assert_eq!(answer.status, 403, "{user}");
        bodies.push(answer.body_without_id());
        assert_eq!(stage.last_reason(calls).await, reason, "{user}");
    }
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "{bodies:?}");
    stage.end().await;
}

#[tokio::test]
async fn with_the_first_server_silent_calls_are_answered_and_nobodys_counter_moves() {
    let slapd = Slapd::own();
    let (first, second) = (Relay::to(slapd.plain).await, Relay::to(slapd.plain).await);
    let stage = stage(&openldap(&[first.url(), second.url()]), "").await;
    stage.otp(ANNA).await;
    first.settled().await;
    first.set(Mode::Silent);
    for call in 0..6 {
        let started = Instant::now();
        let otp = stage.otp(ANNA).await;
        let took = started.elapsed();
        let limit = Duration::from_millis(if call == 0 { 2000 } else { 400 });
        assert!(took < limit, "call {call} took {took:?}");
        assert_eq!(stage.validate("anna", PASSWORD, &otp).await.status, 200);
    }
    let ready = stage.admin("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert!(slapd.operational("anna", "pwdFailureTime").is_empty());
    stage.end().await;
}

#[tokio::test]
async fn with_all_servers_gone_calls_are_refused_in_three_seconds_and_recover_by_themselves() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let stage = stage(
        &openldap(&[relay.url()]),
        &stage::tenant("t2", "people.ldif"),
    )
    .await;
    let otp = stage.otp(ANNA).await;
    relay.settled().await;
    for mode in [Mode::Silent, Mode::Refuse] {
        relay.set(mode);
        for _ in 0..6 {
            let started = Instant::now();
            assert_eq!(stage.get_otp(ANNA).await.status, 403);
            assert_eq!(stage.validate("anna", PASSWORD, &otp).await.status, 503);
            assert!(started.elapsed() < Duration::from_millis(6000));
        }
        stage.tick();
        let body = serde_json::json!({ "phonenumber": stage::ADA });
        let tenant = [("tenant", "t2")].map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_static(name);
            (name, reqwest::header::HeaderValue::from_static(value))
        });
        let request = stage
            .request("getOTP", &body)
            .headers(tenant.into_iter().collect());
        let other = stage.send(request).await;
        assert_eq!(
            other.status, 200,
            "the other tenant does not notice: {other:?}"
        );
        relay.set(Mode::Pass);
        let mut otp = None;
        for _ in 0..100 {
            otp = stage.get_otp(ANNA).await.otp();
            if otp.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let otp = otp.expect("the directory is back");
        // Twelve outages have not locked anna out.
        assert_eq!(stage.validate("anna", PASSWORD, &otp).await.status, 200);
    }
    stage.end().await;
}

#[tokio::test]
async fn users_of_active_directory_are_found_in_an_index_and_log_in() {
    let samba = Samba::shared();
    let index = "lookup = \"index\"\nindex_refresh = \"1s\"\n";
    let keys = active_directory(samba) + index;
    let stage = stage(&keys, "").await;
    while stage.admin("/readyz").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let otp = stage.otp("sip:0701740606@trunk;user=phone").await;
    let answer = stage.validate("bo", PASSWORD, &otp).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"username":"bo"}"#)
    );
    assert_eq!(stage.get_otp("+46701740690").await.status, 403, "disabled");
    stage.end().await;
}
