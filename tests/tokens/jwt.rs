//! Tokens that are judged by their issuer's keys.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{HTTP, call, stage};
use crate::stage::{
    client,
    issuer::{IssuerServer, NOW, SigningKey, claims_of},
};

#[tokio::test]
async fn every_right_token_is_taken() {
    let keys = keys();
    let issuer = IssuerServer::start(&keys.each_ref()).await;
    let stage = stage(
        HTTP,
        &client("pbx", &format!("bearer = {}", issuer.bearer())),
    )
    .await;
    let name = issuer.name();
    let [es, ..] = &keys;
    let mut right: Vec<(&str, String)> = keys
        .iter()
        .map(|key| (key.id, key.token(&name, &json!({}))))
        .collect();
    let claims = [
        (
            "a list of audiences",
            json!({ "aud": ["other", "callotp"] }),
        ),
        ("the scope alone", json!({ "scope": "otp.issue" })),
        ("a list of scopes", json!({ "scope": ["a", "otp.issue"] })),
        ("expired within the leeway", json!({ "exp": NOW - 20 })),
        (
            "not yet valid within the leeway",
            json!({ "nbf": NOW + 20 }),
        ),
        ("a time with a fraction", json!({ "exp": 1_800_000_060.5 })),
        (
            "no jti, iat and client",
            json!({ "jti": null, "iat": null, "client_id": null }),
        ),
        (
            "further claims",
            json!({ "x": { "y": [1, null] }, "groups": ["a"] }),
        ),
    ];
    right.extend(claims.map(|(name_of, claims)| (name_of, es.token(&name, &claims))));
    let headers = [
        (
            "the long media type",
            json!({ "typ": "application/at+jwt" }),
        ),
        ("the type in another case", json!({ "typ": "AT+JWT" })),
        ("no kid", json!({ "kid": null })),
        (
            "keys of its own, not looked at",
            json!({ "jku": "http://x.example", "jwk": {} }),
        ),
    ];
    right.extend(
        headers.map(|(name_of, header)| (name_of, es.token_with(&name, &header, &json!({})))),
    );
    for (name_of, token) in &right {
        // Twice: once by its signature, once remembered.
        for _ in 0..2 {
            let answer = call(&stage, token).await;
            assert_eq!(answer.status, 200, "{name_of}: {answer:?}\n{}", stage.log());
        }
    }
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let header = format!("{scheme} {}", es.token(&name, &json!({})));
        let answer = stage
            .call(
                &reqwest::Client::new(),
                "http",
                &[("authorization", &header)],
            )
            .await;
        assert_eq!(answer.status, 200, "{scheme:?}");
    }
    assert_eq!(issuer.asked("/jwks").await.len(), 1, "keys are kept");
}

#[tokio::test]
async fn no_wrong_token_is_taken_in_either_mode() {
    let keys = keys();
    let issuer = IssuerServer::start(&keys.each_ref()).await;
    let clients = client("pbx", &format!("bearer = {}", issuer.bearer()));
    for (server, is_http) in [("", false), (HTTP, true)] {
        let stage = stage(server, &clients).await;
        let cases = wrong(&keys, &issuer.name());
        assert!(cases.len() >= 40);
        for (index, (name, token, reason)) in cases.iter().enumerate() {
            let answer = call(&stage, token).await;
            let expected = match (is_http, *reason) {
                (true, "token_scope") => 403,
                (true, _) => 401,
                (false, _) => 403,
            };
            assert_eq!(answer.status, expected, "{name}: {answer:?}");
            assert_eq!(answer.otp(), None, "{name}");
            assert_eq!(stage.last_reason(index + 1).await, *reason, "{name}");
            let challenge = match *reason {
                "token_scope" => "Bearer realm=\"callotp\", error=\"insufficient_scope\"",
                "credentials_malformed" => "Bearer realm=\"callotp\"",
                _ => "Bearer realm=\"callotp\", error=\"invalid_token\"",
            };
            let expected = is_http.then_some(challenge);
            assert_eq!(answer.header("www-authenticate"), expected, "{name}");
            assert!(!stage.log().contains(token) || token.len() < 8, "{name}");
        }
        // The right one still is.
        let [es, ..] = &keys;
        let right = es.token(&issuer.name(), &json!({}));
        assert_eq!(call(&stage, &right).await.status, 200);
    }
}

#[tokio::test]
async fn a_remembered_token_ends_with_its_time() {
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let stage = stage(
        HTTP,
        &client("pbx", &format!("bearer = {}", issuer.bearer())),
    )
    .await;
    let token = key.token(&issuer.name(), &json!({ "exp": NOW + 10 }));
    assert_eq!(call(&stage, &token).await.status, 200);
    stage.clock.advance(Duration::from_secs(39));
    assert_eq!(call(&stage, &token).await.status, 200, "the leeway");
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(call(&stage, &token).await.status, 401);
    assert_eq!(stage.last_reason(3).await, "token_expired");
}

fn keys() -> [SigningKey; 4] {
    [
        SigningKey::new("es", Algorithm::ES256),
        SigningKey::new("ed", Algorithm::EdDSA),
        SigningKey::new("rs", Algorithm::RS256),
        SigningKey::new("ps", Algorithm::PS256),
    ]
}

/// Everything that is wrong with a token, one thing at a time: what it is called, the header's
/// value, and the reason in the log.
fn wrong(keys: &[SigningKey; 4], name: &str) -> Vec<(&'static str, String, &'static str)> {
    let [es, _, rs, _] = keys;
    let stranger = SigningKey::new("es", Algorithm::ES256);
    let right = es.token(name, &json!({}));
    let (signed, signature) = right.rsplit_once('.').expect("a signature");
    let (head, body) = signed.split_once('.').expect("claims");
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let forged = |header: Value| format!("{}.{body}.{signature}", encode(&header));
    let claims = |claims: Value| es.token(name, &claims);
    let header = |header: Value| es.token_with(name, &header, &json!({}));
    let hmac = {
        // The public key as a secret, for whoever lets the token choose the algorithm.
        let secret = jsonwebtoken::EncodingKey::from_secret(es.public().to_string().as_bytes());
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        (header.kid, header.typ) = (Some("es".to_owned()), Some("at+jwt".to_owned()));
        jsonwebtoken::encode(&header, &claims_of(name), &secret).expect("a token")
    };
    let own_key = {
        let header = json!({ "jwk": stranger.public(), "kid": "es" });
        stranger.token_with(name, &header, &json!({}))
    };
    let mut other_body = claims_of(name);
    other_body["sub"] = json!("somebody");
    vec![
        ("nothing", String::new(), "credentials_malformed"),
        ("a word", "token".to_owned(), "token_wrong"),
        ("dots", "..".to_owned(), "token_wrong"),
        ("two parts", signed.to_owned(), "token_wrong"),
        ("no signature", format!("{signed}."), "token_wrong"),
        ("four parts", format!("{right}.x"), "token_wrong"),
        ("five parts", format!("{right}.x.y"), "token_wrong"),
        (
            "a signature cut short",
            right[..right.len() - 4].to_owned(),
            "token_wrong",
        ),
        (
            "a signature with more",
            format!("{right}AAAA"),
            "token_wrong",
        ),
        (
            "a signature of zeros",
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
            "token_wrong",
        ),
        (
            "another token's signature",
            format!("{head}.{}.{signature}", encode(&other_body)),
            "token_wrong",
        ),
        (
            "padding",
            format!("{head}=.{body}.{signature}"),
            "token_wrong",
        ),
        (
            "a blank inside",
            format!("{head}. {body}.{signature}"),
            "token_wrong",
        ),
        (
            "letters beyond base64url",
            format!("{head}.{body}+/.{signature}"),
            "token_wrong",
        ),
        (
            "alg none without a signature",
            format!("{}.{body}.", encode(&json!({"alg":"none","typ":"at+jwt"}))),
            "token_wrong",
        ),
        (
            "alg None with one",
            forged(json!({"alg":"None","typ":"at+jwt","kid":"es"})),
            "token_wrong",
        ),
        ("HMAC with the public key", hmac, "token_wrong"),
        (
            "alg HS256 over a signature",
            forged(json!({"alg":"HS256","typ":"at+jwt","kid":"es"})),
            "token_wrong",
        ),
        (
            "alg RS256 over an ES256 signature",
            forged(json!({"alg":"RS256","typ":"at+jwt","kid":"es"})),
            "token_wrong",
        ),
        (
            "alg ES384",
            forged(json!({"alg":"ES384","typ":"at+jwt","kid":"es"})),
            "token_wrong",
        ),
        (
            "alg es256",
            forged(json!({"alg":"es256","typ":"at+jwt","kid":"es"})),
            "token_wrong",
        ),
        (
            "no alg",
            forged(json!({"typ":"at+jwt","kid":"es"})),
            "token_wrong",
        ),
        (
            "a header that is a list",
            format!("{}.{body}.{signature}", encode(&json!(["ES256"]))),
            "token_wrong",
        ),
        (
            "alg twice",
            es.sign(
                "{\"alg\":\"ES256\",\"alg\":\"none\",\"typ\":\"at+jwt\"}",
                &claims_of(name).to_string(),
            ),
            "token_wrong",
        ),
        (
            "a kid that is a number",
            header(json!({ "kid": 1 })),
            "token_wrong",
        ),
        (
            "another key's kid",
            header(json!({ "kid": "ed" })),
            "token_wrong",
        ),
        (
            "an unknown kid",
            header(json!({ "kid": "../../es" })),
            "token_wrong",
        ),
        (
            "a kid of a key of another kind",
            rs.token_with(name, &json!({ "kid": "es" }), &json!({})),
            "token_wrong",
        ),
        (
            "critical extensions",
            header(json!({ "crit": ["exp"] })),
            "token_wrong",
        ),
        ("a key of its own", own_key, "token_wrong"),
        (
            "a stranger's key by its kid",
            stranger.token(name, &json!({})),
            "token_wrong",
        ),
        (
            "a stranger's key without kid",
            stranger.token_with(name, &json!({ "kid": null }), &json!({})),
            "token_wrong",
        ),
        ("no typ", header(json!({ "typ": null })), "token_wrong"),
        (
            "typ JWT: an identity token",
            header(json!({ "typ": "JWT" })),
            "token_wrong",
        ),
        ("no iss", claims(json!({ "iss": null })), "token_wrong"),
        (
            "another iss",
            es.token("https://issuer.example", &json!({})),
            "token_wrong",
        ),
        (
            "iss with a slash more",
            es.token(&format!("{name}/"), &json!({})),
            "token_wrong",
        ),
        (
            "iss that is a list",
            claims(json!({ "iss": [name] })),
            "token_wrong",
        ),
        ("no aud", claims(json!({ "aud": null })), "token_wrong"),
        (
            "another aud",
            claims(json!({ "aud": "callotp2" })),
            "token_wrong",
        ),
        (
            "other auds",
            claims(json!({ "aud": ["a", "b", "callot"] })),
            "token_wrong",
        ),
        (
            "aud that is an object",
            claims(json!({ "aud": { "callotp": true } })),
            "token_wrong",
        ),
        ("no exp", claims(json!({ "exp": null })), "token_expired"),
        (
            "expired",
            claims(json!({ "exp": NOW - 31 })),
            "token_expired",
        ),
        (
            "expired long ago",
            claims(json!({ "exp": 1 })),
            "token_expired",
        ),
        (
            "expired before the epoch",
            claims(json!({ "exp": -1 })),
            "token_expired",
        ),
        (
            "exp that is text",
            claims(json!({ "exp": "1900000000" })),
            "token_wrong",
        ),
        (
            "exp in milliseconds as text",
            claims(json!({ "exp": true })),
            "token_wrong",
        ),
        (
            "not valid yet",
            claims(json!({ "nbf": NOW + 31 })),
            "token_wrong",
        ),
        ("no scope", claims(json!({ "scope": null })), "token_scope"),
        (
            "another scope",
            claims(json!({ "scope": "otp.issuer otp" })),
            "token_scope",
        ),
        (
            "a scope in another case",
            claims(json!({ "scope": "OTP.ISSUE" })),
            "token_scope",
        ),
        (
            "bound to a certificate",
            claims(json!({ "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode([7; 32]) } })),
            "token_wrong",
        ),
        (
            "bound to a key of another kind",
            claims(json!({ "cnf": { "jkt": "x" } })),
            "token_wrong",
        ),
        (
            "bound to a broken thumbprint",
            claims(json!({ "cnf": { "x5t#S256": "!" } })),
            "token_wrong",
        ),
        (
            "claims that are no object",
            es.sign(
                "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"es\"}",
                "[]",
            ),
            "token_wrong",
        ),
        (
            "claims with iss twice",
            {
                let twice = claims_of(name)
                    .to_string()
                    .replacen('{', "{\"iss\":\"x\",", 1);
                es.sign(
                    "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"es\"}",
                    &twice,
                )
            },
            "token_wrong",
        ),
        (
            "claims cut short",
            es.sign(
                "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"es\"}",
                "{\"iss\":",
            ),
            "token_wrong",
        ),
        (
            "very long",
            format!("{signed}{}.{signature}", "A".repeat(9000)),
            "token_wrong",
        ),
    ]
}
