//! Issuers' keys: new ones, removed ones, and issuers in trouble.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{HTTP, call, stage};
use crate::stage::{
    ADA, BASIC, Stage, caller as number, client, crowd, folder,
    issuer::{IssuerServer, SigningKey, key_set},
    tenant, with_clients,
};

#[tokio::test]
async fn a_new_key_is_taken_at_once_and_a_removed_one_no_longer() {
    let (old, new) = (
        SigningKey::new("old", Algorithm::ES256),
        SigningKey::new("new", Algorithm::ES256),
    );
    let issuer = IssuerServer::start(&[&old]).await;
    let stage = stage("", &client("pbx", &format!("bearer = {}", issuer.bearer()))).await;
    let name = issuer.name();
    let (by_old, by_new) = (old.token(&name, &json!({})), new.token(&name, &json!({})));
    assert_eq!(call(&stage, &by_old).await.status, 200);
    assert_eq!(call(&stage, &by_new).await.status, 403);
    issuer.rotate(&[&old, &new]);
    // Asked for again so soon, the issuer is asked again so late that it bears it.
    assert_eq!(call(&stage, &by_new).await.status, 200);
    assert_eq!(call(&stage, &by_old).await.status, 200);
    issuer.rotate(&[&new]);
    stage.clock.advance(Duration::from_secs(301));
    // The first call finds the keys old and has newer ones fetched.
    for _ in 0..500 {
        if call(&stage, &by_old).await.status == 403 {
            assert_eq!(call(&stage, &by_new).await.status, 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a token by a removed key is still taken");
}

#[tokio::test]
async fn keys_are_kept_through_an_outage_and_unknown_ones_do_not_flood_the_issuer() {
    let (key, unknown) = (
        SigningKey::new("k", Algorithm::ES256),
        SigningKey::new("u", Algorithm::ES256),
    );
    let issuer = IssuerServer::start(&[&key]).await;
    let stage = stage(
        HTTP,
        &client("pbx", &format!("bearer = {}", issuer.bearer())),
    )
    .await;
    let name = issuer.name();
    assert_eq!(
        call(&stage, &key.token(&name, &json!({}))).await.status,
        200
    );
    let before = issuer.asked("/jwks").await.len();
    let strange: Vec<String> = (0..40)
        .map(|jti| unknown.token(&name, &json!({ "jti": jti })))
        .collect();
    let answers = futures_util::future::join_all(strange.iter().map(|token| call(&stage, token)));
    let answers = answers.await;
    assert!(
        answers.iter().all(|answer| answer.status == 401),
        "{answers:?}"
    );
    let asked = issuer.asked("/jwks").await.len() - before;
    assert!(asked <= 3, "{asked} times for 40 tokens at once");
    issuer.change(|answers| answers.status = 500);
    stage.clock.advance(Duration::from_secs(400));
    for jti in 0..3 {
        let token = key.token(&name, &json!({ "jti": jti }));
        assert_eq!(call(&stage, &token).await.status, 200);
    }
    // What cannot be decided now is a fault and no refusal.
    assert_eq!(
        call(&stage, &unknown.token(&name, &json!({}))).await.status,
        503
    );
}

#[tokio::test]
async fn an_issuer_in_trouble_is_a_fault_and_nobody_elses() {
    let key = SigningKey::new("k", Algorithm::ES256);
    for (trouble, answers) in [
        ("errors", (500, key_set(&[&key]), Duration::ZERO)),
        ("a redirect", (302, json!({}), Duration::ZERO)),
        ("no keys", (200, json!({ "keys": [] }), Duration::ZERO)),
        ("no key set", (200, json!("keys"), Duration::ZERO)),
        (
            "keys of no use",
            (
                200,
                json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "k" }, { "kty": "EC" }, 7] }),
                Duration::ZERO,
            ),
        ),
        (
            "a slow answer",
            (200, key_set(&[&key]), Duration::from_secs(30)),
        ),
        (
            "too long an answer",
            (
                200,
                json!({ "keys": [], "x": "x".repeat(300_000) }),
                Duration::ZERO,
            ),
        ),
    ] {
        let issuer = IssuerServer::start(&[&key]).await;
        issuer.change(|known| (known.status, known.keys, known.delay) = answers);
        let clients = client("pbx", &format!("bearer = {}", issuer.bearer()));
        let toml = with_clients(HTTP, &clients) + &tenant("t2", "people.ldif");
        let stage = Stage::in_folder(folder(), &toml).await;
        let start = tokio::time::Instant::now();
        let answer = call(&stage, &key.token(&issuer.name(), &json!({}))).await;
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{trouble}: {:?}",
            start.elapsed()
        );
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (503, None),
            "{trouble}"
        );
        assert_eq!(
            stage.last_reason(1).await,
            "issuer_unavailable",
            "{trouble}"
        );
        let other = reqwest::Client::new()
            .put(format!(
                "http://{}/api/authentication/getOTP",
                stage.address
            ))
            .header("tenant", "t2")
            .header("content-type", "application/json")
            .header("authorization", BASIC)
            .body(json!({ "phonenumber": ADA }).to_string());
        assert_eq!(stage.send(other).await.status, 200, "{trouble}");
    }
}

#[tokio::test]
async fn an_issuers_metadata_tell_where_its_keys_are_and_speak_for_it_alone() {
    let key = SigningKey::new("k", Algorithm::ES256);
    for (at, foreign, status) in [
        ("/.well-known/oauth-authorization-server/realm", None, 200),
        ("/realm/.well-known/openid-configuration", None, 200),
        (
            "/realm/.well-known/openid-configuration",
            Some("https://issuer.example"),
            503,
        ),
        ("/elsewhere", None, 503),
    ] {
        let issuer = IssuerServer::start(&[&key]).await;
        let name = format!("{}/realm", issuer.name());
        let jwks = format!("{}/jwks", issuer.name());
        let told = json!({ "issuer": foreign.unwrap_or(&name), "jwks_uri": jwks, "x": 1 });
        issuer.change(|answers| answers.metadata = vec![(at, told)]);
        let bearer = format!("bearer = {{ issuer = \"{name}\", audience = \"callotp\" }}");
        let stage = stage(HTTP, &client("pbx", &bearer)).await;
        let answer = call(&stage, &key.token(&name, &json!({}))).await;
        assert_eq!(answer.status, status, "{at} {foreign:?}\n{}", stage.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_is_rotated_under_load_without_a_failed_call() {
    let keys: Vec<SigningKey> = ["a", "b", "c", "d"]
        .map(|id| SigningKey::new(id, Algorithm::ES256))
        .to_vec();
    let issuer = IssuerServer::start(&[&keys[0]]).await;
    let clients = client("pbx", &format!("bearer = {}", issuer.bearer()));
    let stage = Stage::in_folder(crowd(), &with_clients("", &clients)).await;
    let name = issuer.name();
    let current = std::sync::atomic::AtomicUsize::new(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    let rotating = async {
        for next in 1..keys.len() {
            tokio::time::sleep(Duration::from_millis(150)).await;
            // As issuers do it: published first, used then; the older one stays for its tokens.
            issuer.rotate(&[&keys[next - 1], &keys[next]]);
            current.store(next, std::sync::atomic::Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let calling = (0..64).map(|caller| {
        let (stage, name, keys, current, done) = (&stage, &name, &keys, &current, &done);
        async move {
            // Plain HTTP: the system's certificates take long to read, 64 times over.
            let http = reqwest::Client::builder().tls_certs_only([]);
            let http = http.build().expect("a client");
            let mut calls = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                let key = &keys[current.load(std::sync::atomic::Ordering::SeqCst)];
                let token = key.token(name, &json!({ "jti": format!("{caller} {calls}") }));
                let header = format!("Bearer {token}");
                let headers = [("authorization", header.as_str())];
                let answer = stage
                    .call_from(&number(caller), &http, "http", &headers)
                    .await;
                assert_eq!(answer.status, 200, "{}", stage.log());
                calls += 1;
            }
            calls
        }
    });
    let (calls, ()) = tokio::join!(futures_util::future::join_all(calling), rotating);
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
}
