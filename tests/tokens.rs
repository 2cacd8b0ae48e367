//! Access tokens: whose are taken, whose are not, and what an issuer's troubles come to.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::stage::{
    ADA, Answer, BASIC, Stage, caller as number, client, crowd, folder,
    issuer::{IssuerServer, NOW, SigningKey, claims_of, key_set},
    tenant, with_clients,
};

async fn stage(server: &str, clients: &str) -> Stage {
    Stage::in_folder(folder(), &with_clients(server, clients)).await
}

async fn call(stage: &Stage, token: &str) -> Answer {
    let header = format!("Bearer {token}");
    let plain = reqwest::Client::new();
    stage
        .call(&plain, "http", &[("authorization", &header)])
        .await
}

fn keys() -> [SigningKey; 4] {
    [
        SigningKey::new("es", Algorithm::ES256),
        SigningKey::new("ed", Algorithm::EdDSA),
        SigningKey::new("rs", Algorithm::RS256),
        SigningKey::new("ps", Algorithm::PS256),
    ]
}

const HTTP: &str = "refusals = \"http\"";

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
async fn what_is_asked_for_says_which_schemes_there_are() {
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let bearer = format!("bearer = {}", issuer.bearer());
    let basic = format!(
        "basic = {{ username = \"pbx\", password_hash = \"{}\" }}",
        crate::stage::HASH
    );
    for (credentials, challenges) in [
        (bearer.clone(), vec!["Bearer realm=\"callotp\""]),
        (
            basic.clone(),
            vec!["Basic realm=\"callotp\", charset=\"UTF-8\""],
        ),
        (
            format!("{basic}\n{bearer}"),
            vec![
                "Basic realm=\"callotp\", charset=\"UTF-8\"",
                "Bearer realm=\"callotp\"",
            ],
        ),
    ] {
        let stage = stage(HTTP, &client("pbx", &credentials)).await;
        let plain = reqwest::Client::new();
        for wrong in [
            &[][..],
            &[("authorization", "Digest x")],
            &[("authorization", "Bearer")],
        ] {
            let answer = stage.call(&plain, "http", wrong).await;
            let told: Vec<&str> = answer
                .headers
                .iter()
                .filter(|(name, _)| name == "www-authenticate")
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!((answer.status, &told), (401, &challenges), "{wrong:?}");
        }
        // A token in the query or in the body is none (RFC 6750 §2.2 and §2.3 are not served).
        let token = key.token(&issuer.name(), &json!({}));
        let query = stage.request(
            &format!("getOTP?access_token={token}"),
            &json!({ "phonenumber": ADA }),
        );
        let mut query = query.build().expect("a request");
        query.headers_mut().remove("authorization");
        assert_eq!(plain.execute(query).await.expect("an answer").status(), 401);
    }
}

#[tokio::test]
async fn a_scope_may_stand_for_an_operation_and_a_client_for_a_subject() {
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let name = issuer.name();
    let bearer = |more: &str| {
        format!(
            "bearer = {{ issuer = \"{name}\", audience = \"callotp\", jwks_url = \"{name}/jwks\", {more} }}"
        )
    };
    let one = |name: &str, operation: &str, more: &str| {
        format!(
            "[[tenant.client]]\nname = \"{name}\"\noperations = [\"{operation}\"]\n{}\n",
            bearer(more)
        )
    };
    let clients = one("login", "validate", "scope = \"otp.validate\"")
        + &one(
            "phones",
            "getOTP",
            "scope = \"otp.issue\", client = \"pbx\"",
        );
    let stage = stage(HTTP, &clients).await;
    for (claims, issue, validate) in [
        (json!({ "scope": "otp.issue" }), 200, 403),
        (json!({ "scope": "otp.validate" }), 403, 200),
        (json!({ "scope": "otp.validate otp.issue" }), 200, 200),
        (
            json!({ "scope": "otp.issue", "sub": "x", "client_id": "x", "azp": "pbx" }),
            200,
            403,
        ),
        (
            json!({ "scope": "otp.issue", "sub": "x", "client_id": "x" }),
            403,
            403,
        ),
    ] {
        stage.clock.advance(Duration::from_secs(1));
        let otp = call(&stage, &key.token(&name, &json!({ "scope": "otp.issue" })))
            .await
            .otp();
        let token = format!("Bearer {}", key.token(&name, &claims));
        let login = json!({ "username": "ada", "password": "correct horse", "otp": otp });
        let request = stage.request("validate", &login);
        let mut request = request.build().expect("a request");
        request
            .headers_mut()
            .insert("authorization", token.parse().expect("a header"));
        let validated = reqwest::Client::new()
            .execute(request)
            .await
            .expect("an answer");
        let issued = call(&stage, token.trim_start_matches("Bearer "))
            .await
            .status;
        assert_eq!(
            (issued, validated.status().as_u16()),
            (issue, validate),
            "{claims}"
        );
    }
}

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
