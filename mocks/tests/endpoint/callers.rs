//! Each clause that binds the caller: broken by one caller, kept by others.

use callotp_conformance::catalogue::caller;
use serde_json::json;

use crate::ask::{ADA, Ask, administer, mock, mock_of};

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
