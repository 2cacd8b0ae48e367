//! Tokens that the issuer is asked about (RFC 7662).

use std::time::Duration;

use serde_json::{Value, json};

use super::{HTTP, call, stage};
use crate::stage::{
    client,
    issuer::{IssuerServer, NOW},
};

#[tokio::test]
async fn an_opaque_token_is_worth_what_its_issuer_says() {
    let cases = [
        ("active", active(&json!({})), "", 200),
        ("active without a time", json!({ "active": true }), "", 200),
        (
            "active with all that is wanted",
            active(&json!({ "aud": "callotp", "scope": "a otp.issue", "client_id": "pbx" })),
            "audience = \"callotp\", scope = \"otp.issue\", client = \"pbx\"",
            200,
        ),
        ("not active", json!({ "active": false }), "", 401),
        (
            "not active with claims",
            json!({ "active": false, "exp": NOW + 600, "scope": 7 }),
            "",
            401,
        ),
        (
            "active and expired",
            active(&json!({ "exp": NOW - 31 })),
            "",
            401,
        ),
        (
            "active and not valid yet",
            active(&json!({ "nbf": NOW + 31 })),
            "",
            401,
        ),
        (
            "of another issuer",
            active(&json!({ "iss": "https://issuer.example" })),
            "",
            401,
        ),
        (
            "for nobody in particular",
            active(&json!({})),
            "audience = \"callotp\"",
            401,
        ),
        (
            "for another audience",
            active(&json!({ "aud": ["x"] })),
            "audience = \"callotp\"",
            401,
        ),
        (
            "without scope",
            active(&json!({})),
            "scope = \"otp.issue\"",
            403,
        ),
        (
            "with another scope",
            active(&json!({ "scope": "otp" })),
            "scope = \"otp.issue\"",
            403,
        ),
        (
            "of another client",
            active(&json!({ "client_id": "x" })),
            "client = \"pbx\"",
            401,
        ),
        (
            "bound to a certificate",
            active(&json!({ "cnf": { "x5t#S256": "x" } })),
            "",
            401,
        ),
        ("no verdict", json!({ "exp": NOW + 600 }), "", 503),
        ("a verdict in words", json!({ "active": "true" }), "", 503),
        ("a list", json!([true]), "", 503),
    ];
    for (mode, (name, told, more, status)) in ["documented", "http"]
        .iter()
        .flat_map(|mode| cases.iter().map(move |case| (*mode, case)))
    {
        let issuer = IssuerServer::start(&[]).await;
        issuer.change(|answers| answers.introspection = told.clone());
        let server = format!("refusals = \"{mode}\"");
        let stage = stage(&server, &client("pbx", &introspecting(&issuer, more))).await;
        let answer = call(&stage, "opaque-token+/~._=").await;
        let challenge = match (mode, status) {
            ("http", 401) => Some("Bearer realm=\"callotp\", error=\"invalid_token\""),
            ("http", 403) => Some("Bearer realm=\"callotp\", error=\"insufficient_scope\""),
            _ => None,
        };
        let status = match mode {
            "documented" if *status != 200 => 403,
            _ => *status,
        };
        assert_eq!(answer.status, status, "{mode}, {name}\n{}", stage.log());
        assert_eq!(answer.otp().is_some(), status == 200, "{mode}, {name}");
        assert_eq!(
            answer.header("www-authenticate"),
            challenge,
            "{mode}, {name}"
        );
        let asked = issuer.asked("/introspect").await;
        let [asked] = asked.as_slice() else {
            panic!("{name}: asked {} times", asked.len())
        };
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        assert_eq!(
            body,
            "token=opaque-token%2B%2F%7E._%3D&token_type_hint=access_token"
        );
        // RFC 6749 §2.3.1: form-encoded, then Basic: call%3Aotp:s3cret+%26
        let authorization = asked.headers.get("authorization").expect("credentials");
        assert_eq!(authorization, "Basic Y2FsbCUzQW90cDpzM2NyZXQrJTI2");
    }
}

#[tokio::test]
async fn an_issuers_word_counts_for_a_minute_and_never_beyond_the_tokens_time() {
    for (exp, counts_for) in [(NOW + 600, 60), (NOW + 20, 20)] {
        let issuer = IssuerServer::start(&[]).await;
        issuer.change(|answers| answers.introspection = active(&json!({ "exp": exp })));
        let stage = stage(HTTP, &client("pbx", &introspecting(&issuer, ""))).await;
        let tokens = futures_util::future::join_all((0..5).map(|_| call(&stage, "opaque")));
        assert!(tokens.await.iter().all(|answer| answer.status == 200));
        assert_eq!(
            issuer.asked("/introspect").await.len(),
            1,
            "five at once ask once"
        );
        issuer.change(|answers| answers.introspection = json!({ "active": false }));
        stage.clock.advance(Duration::from_secs(counts_for - 1));
        assert_eq!(call(&stage, "opaque").await.status, 200);
        stage.clock.advance(Duration::from_secs(1));
        assert_eq!(call(&stage, "opaque").await.status, 401);
        assert_eq!(call(&stage, "opaque").await.status, 401);
        assert_eq!(
            issuer.asked("/introspect").await.len(),
            2,
            "a no counts too"
        );
        issuer.change(|answers| answers.introspection = active(&json!({ "exp": NOW + 9000 })));
        stage.clock.advance(Duration::from_secs(5));
        assert_eq!(call(&stage, "opaque").await.status, 200, "but briefly");
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_a_fault_and_is_asked_again() {
    for (name, status, delay) in [
        ("errors", 500, Duration::ZERO),
        ("our credentials refused", 401, Duration::ZERO),
        ("slow", 200, Duration::from_secs(30)),
    ] {
        let issuer = IssuerServer::start(&[]).await;
        issuer.change(|answers| {
            (answers.status, answers.delay) = (status, delay);
            answers.introspection = active(&json!({}));
        });
        let stage = stage(HTTP, &client("pbx", &introspecting(&issuer, ""))).await;
        let start = tokio::time::Instant::now();
        assert_eq!(call(&stage, "opaque").await.status, 503, "{name}");
        assert!(start.elapsed() < Duration::from_secs(3), "{name}");
        assert_eq!(stage.last_reason(1).await, "issuer_unavailable", "{name}");
        issuer.change(|answers| (answers.status, answers.delay) = (200, Duration::ZERO));
        assert_eq!(call(&stage, "opaque").await.status, 200, "{name}");
        assert!(!stage.log().contains("s3cret"));
    }
}

fn introspecting(issuer: &IssuerServer, more: &str) -> String {
    let name = issuer.name();
    format!(
        "bearer = {{ issuer = \"{name}\", introspection_url = \"{name}/introspect\", \
         client_id = \"call:otp\", client_secret = \"s3cret &\", {more} }}"
    )
}

fn active(claims: &Value) -> Value {
    let mut told = json!({ "active": true, "exp": NOW + 600 });
    let members = told.as_object_mut().expect("an object");
    members.extend(claims.as_object().expect("an object").clone());
    told
}
