//! The administration port answers as it is documented.

use std::time::Duration;

use callotp_mock::Mock;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::ask::{ADA, Ask, administer, mock, mock_of, send};

#[tokio::test]
async fn a_call_in_the_journal_has_its_documented_shape() {
    let mock = mock().await;
    let reply = Ask::golden(ADA).without("tenant").to(&mock).await;
    let id = reply.header("callotp-call").to_owned();
    let (status, call) = administer(&mock, "GET", &format!("/calls/{id}"), None).await;
    assert_eq!(status, 200);
    assert_eq!(call["id"], json!(id));
    assert!(call["at"].as_str().expect("a moment").ends_with('Z'));
    assert_eq!(call["tenant"], "t1");
    assert_eq!(call["request"]["method"], "PUT");
    assert_eq!(call["request"]["path"], "/api/authentication/getOTP");
    assert_eq!(
        call["request"]["body"],
        json!({"phonenumber": ADA}).to_string()
    );
    assert_eq!(call["verdict"], "fail");
    let finding = &call["findings"][0];
    assert_eq!(
        (&finding["clause"], &finding["level"]),
        (&json!("caller.tenant"), &json!("must"))
    );
    assert!(finding["says"].is_string() && finding["remedy"].is_string());
    assert_eq!(call["response"]["status"], 200);
    assert!(
        call["response"]["body"]
            .as_str()
            .expect("a body")
            .contains("otp")
    );
    assert_eq!(call["response"]["fault"], Value::Null);
    assert_eq!(call["closed_by_client_after_ms"], Value::Null);
}

#[tokio::test]
async fn calls_are_filtered_by_tenant_by_verdict_and_by_what_came_before() {
    let mock = mock_of("[tenant.a]\n[tenant.b]\n").await;
    let at = |tenant: &str| Ask::golden(ADA).with("tenant", tenant);
    at("a").to(&mock).await;
    at("b").to(&mock).await;
    at("b").method("POST").to(&mock).await;
    let count = |query: &str| {
        let (mock, path) = (&mock, format!("/calls{query}"));
        async move {
            let (status, calls) = administer(mock, "GET", &path, None).await;
            assert_eq!(status, 200, "{calls}");
            calls.as_array().expect("a list").len()
        }
    };
    assert_eq!(count("").await, 3);
    assert_eq!(count("?tenant=a").await, 1);
    assert_eq!(count("?tenant=b&verdict=fail").await, 1);
    assert_eq!(count("?verdict=pass&tenant=").await, 2);
    assert_eq!(count("?since=c1").await, 2);
    assert_eq!(count("?since=2026-01-01T00:00:00Z").await, 3);
    assert_eq!(count("?since=2999-01-01T00:00:00%2B01:00").await, 0);
    let (status, problem) = administer(&mock, "GET", "/calls?tennant=a", None).await;
    assert_eq!(status, 400);
    assert!(
        problem["detail"]
            .as_str()
            .expect("a detail")
            .contains("`tenant`")
    );
}

#[tokio::test]
async fn tenants_share_a_mock_without_meeting() {
    let mock = mock_of("[tenant.a]\n[tenant.b]\n").await;
    let at = |tenant: &str| Ask::golden(ADA).with("tenant", tenant);
    let fault = json!({"kind": "status", "status": 503});
    administer(&mock, "POST", "/tenants/a/next", Some(fault)).await;
    assert_eq!(at("b").to(&mock).await.status, 200);
    assert_eq!(at("a").to(&mock).await.status, 503);
    administer(&mock, "POST", "/tenants/a/reset", None).await;
    let (_, a) = administer(&mock, "GET", "/calls?tenant=a", None).await;
    let (_, b) = administer(&mock, "GET", "/calls?tenant=b", None).await;
    assert_eq!((a, b.as_array().map(Vec::len)), (json!([]), Some(1)));
    let expectation = json!({"number": ADA, "exactly": 1, "tenant": "b"});
    assert_eq!(
        administer(&mock, "POST", "/verify", Some(expectation))
            .await
            .0,
        200
    );
    let (status, problem) = administer(&mock, "POST", "/tenants/c/reset", None).await;
    assert_eq!(status, 404);
    assert!(
        problem["detail"]
            .as_str()
            .expect("a detail")
            .contains("no tenant")
    );
}

#[tokio::test]
async fn verify_says_held_unmet_with_the_closest_calls_or_what_is_wrong_with_the_question() {
    let mock = mock().await;
    Ask::golden(ADA).to(&mock).await;
    let verify = |body| administer(&mock, "POST", "/verify", Some(body));
    let (status, _) =
        verify(json!({"number": "070-174 06 05", "exactly": 1, "within": "10s"})).await;
    assert_eq!(status, 200);
    let (status, answer) = verify(json!({"number": "+46701740606", "at_least": 1})).await;
    assert_eq!(status, 409);
    assert_eq!(answer["closest"][0]["call"], "c1");
    let mismatch = answer["closest"][0]["mismatches"][0]
        .as_str()
        .expect("a mismatch");
    assert!(mismatch.contains(ADA), "{mismatch}");
    for (body, says) in [
        (json!({"number": ADA}), "exactly"),
        (
            json!({"number": ADA, "exact": 1}),
            "did you mean `exactly`?",
        ),
        (
            json!({"number": ADA, "exactly": 1, "within": "soon"}),
            "duration",
        ),
        (
            json!({"number": ADA, "exactly": 1, "at_least": 1}),
            "exclude",
        ),
    ] {
        let (status, problem) = verify(body).await;
        assert_eq!(status, 400);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(says), "{detail}");
    }
}

#[tokio::test]
async fn what_is_no_number_is_shown_as_it_came_and_found_in_any_case() {
    let mock = mock().await;
    let rules = json!({"rules": [{"when": {"number": "ANONYMOUS"}, "fault": {"kind": "status", "status": 500}}]});
    administer(&mock, "PUT", "/tenants/t1/rules", Some(rules)).await;
    assert_eq!(Ask::golden("Anonymous").to(&mock).await.status, 500);
    let (_, call) = administer(&mock, "GET", "/calls/c1", None).await;
    assert_eq!(call["number"], "Anonymous");
    let expectation = json!({"number": "anonymous", "exactly": 1});
    assert_eq!(
        administer(&mock, "POST", "/verify", Some(expectation))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn without_a_question_verify_holds_to_the_scenario() {
    let scenario = "[tenant.t1]\n[expect]\ncalls = { number = \"+46701740605\", exactly = 1 }\n";
    let mock = mock_of(scenario).await;
    assert_eq!(administer(&mock, "POST", "/verify", None).await.0, 409);
    Ask::golden(ADA).to(&mock).await;
    assert_eq!(administer(&mock, "POST", "/verify", None).await.0, 200);
}

#[tokio::test]
async fn rules_are_set_counted_warned_about_and_refused_with_their_place() {
    let mock = mock().await;
    let rules = json!({"rules": [
        {"when": {"number": ADA, "nth": "1..2"}, "fault": {"kind": "status", "status": 500}},
        {"when": {"probability": 0.0}, "fault": {"kind": "empty"}},
    ]});
    let (status, told) = administer(&mock, "PUT", "/tenants/t1/rules", Some(rules)).await;
    assert_eq!(status, 200, "{told}");
    assert!(
        told["warnings"][0]
            .as_str()
            .expect("a warning")
            .contains("rule 2")
    );
    for status in [500, 500, 200] {
        assert_eq!(Ask::golden(ADA).to(&mock).await.status, status);
    }
    let (_, told) = administer(&mock, "GET", "/tenants/t1/rules", None).await;
    assert_eq!(told["rules"][0]["hits"], 2);
    for (rules, says) in [
        (
            json!({"rules": [{"fault": {"kind": "rest"}}]}),
            "did you mean `reset`?",
        ),
        (
            json!({"rules": [{"fault": {"kind": "status"}}]}),
            "rule 1: `status` is missing",
        ),
        (json!([]), "wanted is for instance"),
    ] {
        let (status, problem) = administer(&mock, "PUT", "/tenants/t1/rules", Some(rules)).await;
        assert_eq!(status, 400);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(says), "{detail}");
    }
}

#[tokio::test]
async fn events_tell_a_call_as_it_comes_and_again_when_it_changes() {
    let mock = mock().await;
    let mut events = TcpStream::connect(mock.admin_address())
        .await
        .expect("a listener");
    events
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .expect("sent");
    let mut text = String::new();
    read_until(&mut events, &mut text, "callotp-mock\n\n").await;
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    let reply = Ask::golden(ADA).to(&mock).await;
    read_until(&mut events, &mut text, "\"verdict\":\"pass\"").await;
    assert!(text.contains("event: call\nid: c1\n"), "{text}");
    let wrong = json!({"digits": "1"});
    let id = reply.header("callotp-call");
    administer(&mock, "POST", &format!("/calls/{id}/heard"), Some(wrong)).await;
    read_until(&mut events, &mut text, "caller.speaks-digits").await;
}

async fn read_until(stream: &mut TcpStream, text: &mut String, wanted: &str) {
    while !text.contains(wanted) {
        let mut some = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut some));
        let read = read.await.expect("in time").expect("readable");
        assert!(read > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&some[..read]));
    }
}

#[tokio::test]
async fn readiness_and_evidence_say_what_was_seen_without_giving_secrets_away() {
    let mock = mock().await;
    let state = |told: &Value, id: &str| {
        let list = told["behaviours"].as_array().expect("a list").clone();
        let one = list
            .iter()
            .find(|one| one["behaviour"] == id)
            .expect("the behaviour")
            .clone();
        one["state"].as_str().expect("a state").to_owned()
    };
    let (_, told) = administer(&mock, "GET", "/readiness/t1", None).await;
    assert_eq!(state(&told, "ordinary"), "not yet");
    assert_eq!(told["next"]["dial"], "070-174 06 05");
    let otp = Ask::golden(ADA).to(&mock).await.otp();
    Ask::golden(ADA).to(&mock).await;
    Ask::golden("+46701740699").to(&mock).await;
    Ask::golden("+46701740611").to(&mock).await;
    Ask::golden("+46701740614").method("POST").to(&mock).await;
    let (_, told) = administer(&mock, "GET", "/readiness/t1", None).await;
    assert_eq!(state(&told, "ordinary"), "seen and right");
    assert_eq!(state(&told, "two-calls-in-a-row"), "seen and right");
    assert_eq!(state(&told, "unknown"), "seen and right");
    assert_eq!(
        state(&told, "decoy"),
        "not yet",
        "nobody said what was heard"
    );
    assert_eq!(state(&told, "server-error"), "seen and wrong");
    administer(
        &mock,
        "POST",
        "/calls/c4/heard",
        Some(json!({"digits": ""})),
    )
    .await;
    let (_, told) = administer(&mock, "GET", "/readiness/t1", None).await;
    assert_eq!(state(&told, "decoy"), "seen and right");

    let (status, evidence) = administer(&mock, "GET", "/evidence/t1.json", None).await;
    assert_eq!(status, 200);
    assert_eq!(evidence["clauses_broken"], json!(["caller.put"]));
    let (status, page) = administer(&mock, "GET", "/evidence/t1.html", None).await;
    assert_eq!(status, 200);
    let page = page.as_str().expect("a page");
    assert!(page.contains("An ordinary user hears a code"));
    for secret in [otp.as_str(), "46701740605", "cGJ4OnNlY3JldA"] {
        assert!(
            !evidence.to_string().contains(secret),
            "{secret} in the JSON"
        );
        assert!(!page.contains(secret), "{secret} in the page");
    }
}

#[tokio::test]
async fn what_there_is_not_is_said_and_what_is_not_possible_names_what_is() {
    let mock = mock().await;
    let (status, problem) = administer(&mock, "GET", "/nothing", None).await;
    assert_eq!(status, 404);
    assert!(
        problem["detail"]
            .as_str()
            .expect("a detail")
            .contains("/openapi.json")
    );
    assert_eq!(administer(&mock, "DELETE", "/calls", None).await.0, 405);
    assert_eq!(administer(&mock, "GET", "/verify", None).await.0, 405);
    let (status, document) = administer(&mock, "GET", "/openapi.json", None).await;
    assert_eq!(status, 200);
    for path in [
        "/calls",
        "/calls/{id}",
        "/events",
        "/verify",
        "/directory/operations",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

#[tokio::test]
async fn directory_operations_are_told() {
    let mock = mock().await;
    let mut ldap = TcpStream::connect(mock.directory().ldap_address())
        .await
        .expect("a listener");
    // A simple bind as nobody (RFC 4511 section 4.2).
    let bind = [
        0x30, 0x0c, 0x02, 0x01, 0x01, 0x60, 0x07, 0x02, 0x01, 0x03, 0x04, 0x00, 0x80, 0x00,
    ];
    ldap.write_all(&bind).await.expect("sent");
    let mut answer = [0; 64];
    assert!(ldap.read(&mut answer).await.expect("an answer") > 0);
    let (status, operations) = administer(&mock, "GET", "/directory/operations", None).await;
    assert_eq!(status, 200);
    let operations = operations.as_array().expect("a list");
    assert!(
        operations.iter().any(|one| one["kind"] == "bind"),
        "{operations:?}"
    );
}

#[tokio::test]
async fn pages_from_elsewhere_are_kept_out() {
    let mock = mock().await;
    let ask = |mock: &Mock, host: &str, origin: &str| {
        let request = format!(
            "POST /tenants/t1/reset HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let address = mock.admin_address();
        async move { send(address, request.as_bytes()).await.status }
    };
    let own = mock.admin_address().to_string();
    assert_eq!(
        ask(&mock, &own, &format!("Origin: http://{own}\r\n")).await,
        200
    );
    assert_eq!(ask(&mock, "localhost:1", "").await, 200);
    assert_eq!(ask(&mock, "rebound.example.org", "").await, 403);
    assert_eq!(
        ask(&mock, &own, "Origin: http://elsewhere.example.org\r\n").await,
        403
    );
    assert_eq!(ask(&mock, &own, "Origin: null\r\n").await, 403);
}

#[tokio::test]
async fn every_answer_says_that_this_is_a_mock() {
    let mock = mock().await;
    let reply = Ask::golden(ADA).to(&mock).await;
    assert_eq!(reply.header("callotp-mock"), "not-for-production");
    let page = send(
        mock.admin_address(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(page.header("callotp-mock"), "not-for-production");
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'; script-src 'self'")
    );
}
