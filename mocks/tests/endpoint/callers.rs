//! Each clause that binds the caller: broken by one caller, kept by others.

use std::time::Duration;

use callotp_conformance::catalogue::caller;
use callotp_mock::{Mock, number};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::ask::{ADA, Ask, administer, mock, mock_of, newest_clauses, read_reply};

fn golden() -> Ask {
    Ask::golden(ADA)
}

/// One request each, and exactly the clauses that it breaks.
#[tokio::test]
async fn each_broken_clause_is_found_and_no_other() {
    let mock = mock().await;
    let put = caller::PUT.id;
    let path = caller::PATH.id;
    let tenant = caller::TENANT.id;
    let content_type = caller::TYPE.id;
    let auth = caller::AUTH.id;
    let body = caller::BODY.id;
    let only = caller::BODY_ONLY.id;
    let once = caller::ONCE.id;
    let number = |text: &str| golden().body(&json!({ "phonenumber": text }).to_string());
    let basic = |value: &str| golden().with("Authorization", value);
    let cases: Vec<(&str, Ask, Vec<&str>)> = vec![
        ("POST", golden().method("POST"), vec![put]),
        ("lower-case method", golden().method("put"), vec![put]),
        (
            "another spelling of the path",
            golden().path("/api/authentication/getotp"),
            vec![path],
        ),
        (
            "a doubled slash",
            golden().path("//api/authentication/getOTP"),
            vec![path],
        ),
        (
            "a query",
            golden().path("/api/authentication/getOTP?x=1"),
            vec![path],
        ),
        ("the root", golden().path("/"), vec![path]),
        ("no tenant", golden().without("tenant"), vec![tenant]),
        ("an empty tenant", golden().with("tenant", ""), vec![tenant]),
        (
            "another tenant",
            golden().with("tenant", "T1"),
            vec![tenant],
        ),
        ("two tenants", golden().and("tenant", "t2"), vec![tenant]),
        (
            "a joined tenant",
            golden().with("tenant", "t1, t1"),
            vec![tenant],
        ),
        (
            "another header for the tenant",
            golden().without("tenant").and("X-Tenant", "t1"),
            vec![tenant],
        ),
        (
            "no type",
            golden().without("content-type"),
            vec![content_type],
        ),
        (
            "text",
            golden().with("Content-Type", "text/plain"),
            vec![content_type],
        ),
        (
            "a form's type",
            golden().with("Content-Type", "application/x-www-form-urlencoded"),
            vec![content_type],
        ),
        (
            "two types",
            golden().and("Content-Type", "text/plain"),
            vec![content_type],
        ),
        (
            "no credentials",
            golden().without("authorization"),
            vec![auth],
        ),
        ("a wrong password", basic("Basic cGJ4Ondyb25n"), vec![auth]),
        (
            "credentials with a line break",
            basic("Basic cGJ4OnNlY3JldAo="),
            vec![auth],
        ),
        (
            "credentials in the clear",
            basic("Basic pbx:secret"),
            vec![auth],
        ),
        (
            "another scheme",
            basic("Bearer cGJ4OnNlY3JldA=="),
            vec![auth],
        ),
        (
            "two different credentials",
            golden().and("Authorization", "Basic eA=="),
            vec![auth],
        ),
        (
            "credentials twice",
            golden().and("Authorization", "Basic cGJ4OnNlY3JldA=="),
            vec![auth, once],
        ),
        ("an empty body", golden().body(""), vec![body]),
        (
            "a form",
            golden().body("phonenumber=%2B46701740605"),
            vec![body],
        ),
        (
            "single quotes",
            golden().body("{'phonenumber':'+46701740605'}"),
            vec![body],
        ),
        ("a list", golden().body(r#"["+46701740605"]"#), vec![body]),
        (
            "a number's member misspelt",
            golden().body(r#"{"phoneNumber":"+46701740605"}"#),
            vec![body],
        ),
        (
            "a JSON number",
            golden().body(r#"{"phonenumber":46701740605}"#),
            vec![body],
        ),
        ("null", golden().body(r#"{"phonenumber":null}"#), vec![body]),
        (
            "the member twice",
            golden().body(r#"{"phonenumber":"+46701740605","phonenumber":"1"}"#),
            vec![body],
        ),
        (
            "more than JSON",
            golden().body(r#"{"phonenumber":"+46701740605"} x"#),
            vec![body],
        ),
        (
            "a byte order mark",
            golden().body("\u{feff}{\"phonenumber\":\"+46701740605\"}"),
            vec![body],
        ),
        (
            "a further member",
            golden().body(r#"{"phonenumber":"+46701740605","call":"7"}"#),
            vec![only],
        ),
        (
            "no number",
            number("hello"),
            vec![caller::NUMBER_PLAUSIBLE.id],
        ),
        (
            "a lost plus",
            number(" 46701740644"),
            vec![caller::NUMBER_PLAUSIBLE.id],
        ),
        (
            "a percent-encoded plus",
            number("%2B46701740605"),
            vec![caller::NUMBER_PLAUSIBLE.id],
        ),
        (
            "an extension nobody has",
            number("1234"),
            vec![caller::NUMBER_PLAUSIBLE.id],
        ),
        (
            "a number with a line break",
            number("+46701740605\n"),
            vec![caller::NUMBER_PLAUSIBLE.id],
        ),
        (
            "a withheld caller",
            number("anonymous"),
            vec![caller::NUMBER_WITHHELD.id],
        ),
        (
            "a withheld caller on the keypad",
            number("+266696687"),
            vec![caller::NUMBER_WITHHELD.id],
        ),
        (
            "an empty number",
            number(""),
            vec![caller::NUMBER_WITHHELD.id],
        ),
        (
            "an unfilled template",
            number("${CALLERID(num)}"),
            vec![caller::NUMBER_TEMPLATE.id],
        ),
        (
            "an unset variable",
            number("undefined"),
            vec![caller::NUMBER_TEMPLATE.id],
        ),
        (
            "the document's placeholder",
            number("<mobile_phone_number>"),
            vec![caller::NUMBER_TEMPLATE.id],
        ),
        (
            "stacked headers",
            golden()
                .and("tenant", "t1")
                .and("Content-Type", "application/json"),
            vec![once],
        ),
    ];
    for (name, ask, clauses) in cases {
        let reply = ask.to(&mock).await;
        assert_eq!(
            reply.broken_clauses(),
            clauses,
            "{name}: {}",
            reply.header("callotp-verdict")
        );
        let verdict = reply.header("callotp-verdict");
        assert!(verdict.starts_with("fail "), "{name}: {verdict}");
        // What was refused for its number would be a repeat soon after.
        administer(&mock, "POST", "/tenants/t1/reset", None).await;
    }
}

#[tokio::test]
async fn callers_that_keep_the_clauses_pass_however_they_are_written() {
    let mock = mock().await;
    let chunked = b"PUT /api/authentication/getOTP HTTP/1.1\r\nHost: x\r\ntenant: t1\r\ncontent-type: application/json; charset=utf-8\r\nauthorization: basic cGJ4OnNlY3JldA==\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1c\r\n{\"phonenumber\":\"070-1740605\"\r\n1\r\n}\r\n0\r\n\r\n";
    let reply = crate::ask::send(mock.http_address(), chunked).await;
    assert_eq!(reply.header("callotp-verdict"), "pass", "{}", reply.body);
    let cases: Vec<(&str, Ask)> = vec![
        ("the documented request", golden()),
        (
            "a trailing slash",
            golden().path("/api/authentication/getOTP/"),
        ),
        (
            "an absolute target",
            golden().path("http://mock/api/authentication/getOTP"),
        ),
        (
            "the example's own header",
            golden().and("cache-control", "no-cache"),
        ),
        (
            "white space in the body",
            golden().body("\n{ \"phonenumber\" : \"+46 70-174 06 05\" }\n"),
        ),
        (
            "an escaped plus",
            golden().body(r#"{"phonenumber":"\u002b46701740605"}"#),
        ),
        (
            "a URI",
            golden().body(r#"{"phonenumber":"sip:+46701740605@trunk;user=phone"}"#),
        ),
        (
            "digits without a plus",
            golden().body(r#"{"phonenumber":"46701740605"}"#),
        ),
        (
            "the 00 prefix",
            golden().body(r#"{"phonenumber":"0046701740605"}"#),
        ),
        (
            "header names in any case",
            golden().without("tenant").and("TENANT", "t1"),
        ),
        (
            "a type with a charset",
            golden().with("Content-Type", "Application/JSON;charset=UTF-8"),
        ),
        (
            "further headers",
            golden().and("Accept", "*/*").and("X-Request-Id", "1"),
        ),
    ];
    for (name, ask) in cases {
        let reply = ask.to(&mock).await;
        assert_eq!(reply.status, 200, "{name}");
        assert_eq!(reply.header("callotp-verdict"), "pass", "{name}");
        assert_eq!(reply.otp().len(), 6, "{name}");
    }
    assert!(mock.journal().calls().iter().all(|call| call.passed()));
}

#[tokio::test]
async fn a_finding_carries_the_setting_of_the_system_that_was_recognised() {
    let mock = mock().await;
    for (agent, setting) in [
        ("asterisk-libcurl-agent/1.0", "SHELL(curl -X PUT"),
        ("freeswitch-curl/1.0", "the curl application"),
        ("3CXPhoneSystem", "HTTP Request component"),
        ("Cisco-UCCX", "Make REST Call"),
        ("TwilioProxy/1.1", "Function"),
        ("Yeastar", "HTTP Request component"),
        ("curl/8.5.0", "-X PUT"),
    ] {
        golden()
            .method("POST")
            .and("User-Agent", agent)
            .to(&mock)
            .await;
        let calls = mock.journal().calls();
        let found = &calls.last().expect("a call").findings[0];
        assert!(found.remedy.contains(setting), "{agent}: {}", found.remedy);
    }
    golden().and("tenant", "t1").to(&mock).await;
    let calls = mock.journal().calls();
    let found = &calls.last().expect("a call").findings[0];
    assert!(
        found
            .remedy
            .contains("CURLOPT(httpheader) once, before the loop"),
        "{}",
        found.remedy
    );
}

#[tokio::test]
async fn bearer_tokens_and_open_tenants_are_held_to_their_own_credentials() {
    let mock =
        mock_of("[tenant.b]\nauth = { bearer = \"token\" }\n[tenant.open]\nauth = \"none\"\n")
            .await;
    let at = |tenant: &str| golden().with("tenant", tenant).without("authorization");
    let verdict = |ask: Ask| {
        let mock = &mock;
        async move { ask.to(mock).await.header("callotp-verdict").to_owned() }
    };
    assert_eq!(verdict(at("open")).await, "pass");
    assert_eq!(
        verdict(at("b").and("Authorization", "bearer token")).await,
        "pass"
    );
    let auth = format!("fail {}", caller::AUTH.id);
    assert_eq!(
        verdict(at("b").and("Authorization", "Bearer other")).await,
        auth
    );
    assert_eq!(verdict(at("b")).await, auth);
}

#[tokio::test]
async fn a_repeat_after_a_403_is_found_and_another_number_is_not() {
    let mock = mock().await;
    let unknown = Ask::golden("+46701740699");
    assert_eq!(unknown.to(&mock).await.header("callotp-verdict"), "pass");
    assert_eq!(golden().to(&mock).await.header("callotp-verdict"), "pass");
    let national = Ask::golden("070-174 06 99").to(&mock).await;
    assert_eq!(national.broken_clauses(), [caller::NO_RETRY_AFTER_403.id]);
}

#[tokio::test]
async fn repeats_after_a_fault_are_bounded_in_number_and_in_haste() {
    let mock = mock().await;
    let failing = |mock: &Mock| {
        let address = mock.http_address();
        async move { crate::ask::send(address, &Ask::golden("+46701740630").bytes()).await }
    };
    assert!(failing(&mock).await.broken_clauses().is_empty());
    assert_eq!(
        failing(&mock).await.broken_clauses(),
        [caller::RETRY_BOUNDED.id],
        "at once"
    );
    administer(&mock, "POST", "/tenants/t1/reset", None).await;
    failing(&mock).await;
    tokio::time::sleep(Duration::from_millis(220)).await;
    assert!(
        failing(&mock).await.broken_clauses().is_empty(),
        "once, after a pause"
    );
    tokio::time::sleep(Duration::from_millis(220)).await;
    assert_eq!(
        failing(&mock).await.broken_clauses(),
        [caller::RETRY_BOUNDED.id],
        "a second time"
    );
}

#[tokio::test]
async fn a_call_that_works_on_its_second_try_passes_with_one_patient_repeat() {
    let mock = mock().await;
    let ask = Ask::golden("+46701740660");
    assert_eq!(ask.to(&mock).await.status, 503);
    tokio::time::sleep(Duration::from_millis(220)).await;
    let reply = ask.to(&mock).await;
    assert_eq!(
        (reply.status, reply.header("callotp-verdict")),
        (200, "pass")
    );
}

#[tokio::test]
async fn a_second_request_while_the_first_hangs_is_one_too_many() {
    let mock = mock().await;
    let mut first = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let ask = Ask::golden("+46701740640");
    first.write_all(&ask.bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = ask.to(&mock);
    let (first, second) = tokio::join!(read_reply(&mut first), second);
    assert_eq!(first.header("callotp-verdict"), "pass");
    assert_eq!(second.broken_clauses(), [caller::ONCE.id]);
}

#[tokio::test]
async fn giving_up_is_right_and_waiting_for_ever_is_found() {
    let mock = mock().await;
    let ask = Ask::golden("+46701740642");
    let mut patient = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    patient.write_all(&ask.bytes()).await.expect("sent");
    let mut hasty = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let other = Ask::golden("0046701740642")
        .with("tenant", "t1")
        .body(r#"{"phonenumber":"+46701740641"}"#);
    hasty.write_all(&other.bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(hasty);
    tokio::time::sleep(Duration::from_millis(10_600)).await;
    let calls = mock.journal().calls();
    let of = |number: &str| {
        let number = number::normalise(number);
        calls
            .iter()
            .find(|call| call.calling == number)
            .expect("the call")
    };
    let hasty = of("+46701740641");
    assert!(hasty.passed());
    let after = hasty.closed_by_client_after_ms.expect("it closed");
    assert!((250..2_000).contains(&after), "{after}");
    let patient_call = of("+46701740642");
    assert_eq!(patient_call.findings[0].clause.id, caller::TIMEOUT.id);
    drop(patient);
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
