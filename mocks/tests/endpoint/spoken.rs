//! What a caller spoke, held to what it was given.

use callotp_conformance::catalogue::caller;
use serde_json::json;

use crate::ask::{ADA, Ask, administer, mock, newest_clauses};

fn golden() -> Ask {
    Ask::golden(ADA)
}

#[tokio::test]
async fn what_was_heard_is_held_to_what_was_issued() {
    let mock = mock().await;
    let heard = |id: String, digits: &str| {
        let (mock, body) = (&mock, json!({ "digits": digits }));
        async move {
            let path = format!("/calls/{id}/heard");
            let (status, call) = administer(mock, "POST", &path, Some(body)).await;
            assert_eq!(status, 200, "{call}");
            let findings = call["findings"].as_array().expect("findings").clone();
            let ids: Vec<String> = findings
                .iter()
                .map(|found| found["clause"].as_str().expect("an id").to_owned())
                .collect();
            ids
        }
    };
    let call = |number: &str| {
        let (mock, ask) = (&mock, Ask::golden(number));
        async move {
            let reply = ask.to(mock).await;
            let id = reply.header("callotp-call").to_owned();
            (id, reply)
        }
    };
    let (id, reply) = call("+46701740606").await;
    let otp = reply.otp();
    assert!(otp.starts_with('0'));
    let speaks = [caller::SPEAKS_DIGITS.id];
    assert_eq!(heard(id.clone(), otp.trim_start_matches('0')).await, speaks);
    assert_eq!(heard(id.clone(), "").await, speaks);
    assert!(heard(id, &otp).await.is_empty(), "the last report counts");
    let (id, reply) = call("+46701740611").await;
    assert_eq!(reply.status, 403);
    assert!(heard(id.clone(), "").await.is_empty());
    assert_eq!(heard(id, &reply.otp()).await, [caller::CHECKS_STATUS.id]);
    for number in ["+46701740620", "+46701740621", "+46701740622"] {
        let (id, reply) = call(number).await;
        assert_eq!(reply.status, 200);
        assert!(heard(id.clone(), "").await.is_empty());
        assert_eq!(heard(id, "0").await, [caller::CHECKS_BODY.id], "{number}");
    }
}

#[tokio::test]
async fn a_decoy_that_somebody_logs_in_with_was_spoken() {
    let mock = mock().await;
    let reply = Ask::golden("+46701740611").to(&mock).await;
    let login = golden().path("/api/authentication/validate").body(
        &json!({"username": "ada", "password": "correct horse", "otp": reply.otp()}).to_string(),
    );
    assert_eq!(login.to(&mock).await.status, 403);
    let calls = mock.journal().calls();
    assert_eq!(calls[0].findings[0].clause.id, caller::CHECKS_STATUS.id);
}

#[tokio::test]
async fn a_caller_that_asks_twice_for_one_otp_keeps_only_the_newer_and_may_use_it_once() {
    let mock = mock().await;
    let older = golden().to(&mock).await.otp();
    let otp = golden().to(&mock).await.otp();
    let login = |user: &str, password: &str, otp: &str| {
        let body = json!({"username": user, "password": password, "otp": otp}).to_string();
        let ask = golden().path("/api/authentication/validate").body(&body);
        let mock = &mock;
        async move { ask.to(mock).await }
    };
    assert_eq!(login("ada", "correct horse", &older).await.status, 403);
    assert_eq!(login("ada", "wrong", &otp).await.status, 403);
    assert_eq!(login("bo", "battery staple", &otp).await.status, 403);
    let reply = login("ADA", "correct horse", &otp).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"username": "ada"}))
    );
    assert_eq!(login("ada", "correct horse", &otp).await.status, 403);
    assert!(
        newest_clauses(&mock).is_empty(),
        "a login system keeps its own clauses"
    );
}
