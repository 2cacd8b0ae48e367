//! Whoever guesses is slowed down and then not listened to; the phone system is.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::Algorithm;
use serde_json::json;

use crate::stage::{
    ADA, BASIC, HASH, Setting, Stage, client, folder,
    issuer::{IssuerServer, SigningKey},
    tenant, with_clients,
};

const HTTP: &str = "refusals = \"http\"";

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// A client whose calls come from `address`.
fn from(address: [u8; 4]) -> reqwest::Client {
    let builder = reqwest::Client::builder().local_address(IpAddr::from(address));
    builder.build().expect("a client")
}

async fn guess(stage: &Stage, http: &reqwest::Client, name: &str, nth: usize) -> u16 {
    let header = basic(name, &format!("guess {nth}"));
    stage
        .call(http, "http", &[("authorization", &header)])
        .await
        .status
}

async fn right(stage: &Stage, http: &reqwest::Client) -> u16 {
    stage
        .call(http, "http", &[("authorization", BASIC)])
        .await
        .status
}

#[tokio::test]
async fn guessing_ends_for_known_and_unknown_names_alike() {
    let mut courses = Vec::new();
    for name in ["pbx", "nobody"] {
        let stage = Stage::set(Setting::server(HTTP)).await;
        let attacker = from([127, 0, 0, 2]);
        let mut course = Vec::new();
        for nth in 0..33 {
            course.push(guess(&stage, &attacker, name, nth).await);
        }
        assert_eq!(stage.last_reason(33).await, "credentials_throttled");
        // Another name from there, and the same name from elsewhere.
        course.push(guess(&stage, &attacker, "another", 0).await);
        course.push(guess(&stage, &from([127, 0, 0, 3]), name, 0).await);
        // A while later there is one more guess.
        stage.clock.advance(Duration::from_secs(20));
        course.push(guess(&stage, &attacker, name, 90).await);
        course.push(guess(&stage, &attacker, name, 91).await);
        courses.push(course);
    }
    assert_eq!(courses[0], courses[1]);
    let course = &courses[0];
    assert_eq!(course[..30], [401; 30]);
    assert_eq!(course[30..], [429, 429, 429, 401, 401, 401, 429]);
}

#[tokio::test]
async fn an_attacker_elsewhere_does_not_lock_the_phone_system_out() {
    let stage = Stage::set(Setting::server(HTTP)).await;
    let attacker = from([127, 0, 0, 2]);
    for nth in 0..31 {
        guess(&stage, &attacker, "pbx", nth).await;
    }
    // Not even by knowing the password: it came too late.
    assert_eq!(right(&stage, &attacker).await, 429);
    let phones = from([127, 0, 0, 1]);
    assert_eq!(right(&stage, &phones).await, 200);
    let metrics = stage.admin("/metrics").await.body;
    let counted = "callotp_calls_total{operation=\"getOTP\",outcome=\"refused\",reason=\"credentials_throttled\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn an_attacker_at_its_own_address_does_not_lock_it_out_once_it_has_called() {
    let stage = Stage::set(Setting::server(HTTP)).await;
    let http = reqwest::Client::new();
    assert_eq!(right(&stage, &http).await, 200);
    for nth in 0..31 {
        guess(&stage, &http, "pbx", nth).await;
    }
    assert_eq!(guess(&stage, &http, "pbx", 99).await, 429);
    assert_eq!(right(&stage, &http).await, 200, "remembered");
    // Long after it was remembered last, with the attacker still at it.
    for nth in 100..120 {
        stage.clock.advance(Duration::from_secs(20));
        guess(&stage, &http, "pbx", nth).await;
    }
    assert_eq!(guess(&stage, &http, "pbx", 99).await, 429);
    assert_eq!(right(&stage, &http).await, 200, "right before");
}

#[tokio::test]
async fn many_names_and_tokens_from_one_source_end_as_well() {
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let credentials = format!(
        "basic = {{ username = \"pbx\", password_hash = \"{HASH}\" }}\nbearer = {}",
        issuer.bearer()
    );
    let toml = with_clients(HTTP, &client("pbx", &credentials));
    let stage = Stage::in_folder(folder(), &toml).await;
    let attacker = from([127, 0, 0, 2]);
    let remembered = format!(
        "Bearer {}",
        key.token(&issuer.name(), &json!({ "jti": "2" }))
    );
    let token = [("authorization", remembered.as_str())];
    assert_eq!(stage.call(&attacker, "http", &token).await.status, 200);
    let attempts = (0..400).map(|nth| {
        let header = match nth % 2 {
            0 => basic(&format!("name {nth}"), "x"),
            _ => format!("Bearer forged.{nth}"),
        };
        let (stage, attacker) = (&stage, &attacker);
        async move {
            stage
                .call(attacker, "http", &[("authorization", &header)])
                .await
                .status
        }
    });
    let statuses = futures_util::future::join_all(attempts).await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(looked_at, 300);
    let fresh = format!(
        "Bearer {}",
        key.token(&issuer.name(), &json!({ "jti": "3" }))
    );
    let fresh = [("authorization", fresh.as_str())];
    let answer = stage.call(&attacker, "http", &fresh).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        stage
            .call(&from([127, 0, 0, 3]), "http", &fresh)
            .await
            .status,
        200
    );
    // What is remembered is no guess.
    let answer = stage.call(&attacker, "http", &token).await;
    assert_eq!(answer.status, 200, "{answer:?}\n{}", stage.log());
}

#[tokio::test]
async fn wrong_answers_take_longer_and_right_ones_do_not() {
    let stage = Stage::set(Setting::server(HTTP)).await;
    let http = reqwest::Client::new();
    assert_eq!(right(&stage, &http).await, 200);
    let mut slowest = Duration::ZERO;
    for nth in 0..25 {
        let start = tokio::time::Instant::now();
        guess(&stage, &http, "pbx", nth).await;
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest >= Duration::from_millis(250), "{slowest:?}");
    let start = tokio::time::Instant::now();
    assert_eq!(right(&stage, &http).await, 200);
    assert!(start.elapsed() < Duration::from_millis(200));
}

fn opaque(issuer: &IssuerServer) -> String {
    let name = issuer.name();
    format!(
        "bearer = {{ issuer = \"{name}\", introspection_url = \"{name}/introspect\", \
         client_id = \"callotp\", client_secret = \"s3cret\" }}"
    )
}

async fn all(
    stage: &Stage,
    http: &reqwest::Client,
    headers: impl IntoIterator<Item = String>,
) -> Vec<u16> {
    let calls = headers.into_iter().map(|header| async move {
        let header = [("authorization", header.as_str())];
        stage.call(http, "http", &header).await.status
    });
    futures_util::future::join_all(calls).await
}

fn counted(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|known| **known == status).count()
}

#[tokio::test]
async fn many_guesses_at_once_get_no_further_than_many_in_a_row() {
    let issuer = IssuerServer::start(&[]).await;
    issuer.change(|answers| answers.delay = Duration::from_millis(200));
    let basic_too = format!("basic = {{ username = \"pbx\", password_hash = \"{HASH}\" }}");
    let clients = client("pbx", &format!("{basic_too}\n{}", opaque(&issuer)));
    let stage = Stage::in_folder(folder(), &with_clients(HTTP, &clients)).await;
    // Passwords of one name: 30.
    let passwords = (0..64).map(|nth| basic("pbx", &format!("guess {nth}")));
    let statuses = all(&stage, &from([127, 0, 0, 2]), passwords).await;
    assert_eq!(
        (counted(&statuses, 401), counted(&statuses, 429)),
        (30, 34),
        "{statuses:?}"
    );
    // Tokens: 300 of a source. The last ten of them, and 54 more at once.
    let attacker = from([127, 0, 0, 3]);
    let unreadable = (0..290).map(|nth| format!("Bearer forged({nth})"));
    assert_eq!(counted(&all(&stage, &attacker, unreadable).await, 401), 290);
    let tokens = (0..64).map(|nth| format!("Bearer opaque-{nth}"));
    let statuses = all(&stage, &attacker, tokens).await;
    assert_eq!(
        (counted(&statuses, 401), counted(&statuses, 429)),
        (10, 54),
        "{statuses:?}"
    );
    assert_eq!(issuer.asked("/introspect").await.len(), 10);
}

#[tokio::test]
async fn tokens_that_nobody_can_judge_count_for_nothing() {
    let issuer = IssuerServer::start(&[]).await;
    issuer.change(|answers| answers.status = 500);
    let clients = client("pbx", &opaque(&issuer));
    let stage = Stage::in_folder(folder(), &with_clients(HTTP, &clients)).await;
    let caller = from([127, 0, 0, 2]);
    let tokens = (0..310).map(|nth| format!("Bearer opaque-{nth}"));
    let statuses = all(&stage, &caller, tokens).await;
    assert_eq!(counted(&statuses, 503), 310, "{statuses:?}");
    issuer.change(|answers| (answers.status, answers.right_token) = (200, Some("right")));
    assert_eq!(
        all(&stage, &caller, ["Bearer right".to_owned()]).await,
        [200]
    );
}

#[tokio::test]
async fn one_source_that_floods_an_issuer_leaves_room_for_others() {
    let issuer = IssuerServer::start(&[]).await;
    issuer.change(|answers| {
        (answers.delay, answers.right_token) = (Duration::from_secs(1), Some("right"));
    });
    let clients = client("pbx", &opaque(&issuer));
    let stage = Stage::in_folder(folder(), &with_clients(HTTP, &clients)).await;
    let (attacker, phones) = (from([127, 0, 0, 2]), from([127, 0, 0, 3]));
    let flood = all(
        &stage,
        &attacker,
        (0..250).map(|nth| format!("Bearer opaque-{nth}")),
    );
    let calling = async {
        // Once the flood has arrived at the issuer.
        while issuer.asked("/introspect").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        all(&stage, &phones, ["Bearer right".to_owned()]).await
    };
    tokio::select! {
        statuses = calling => assert_eq!(statuses, [200], "{}", stage.log()),
        statuses = flood => panic!("all were answered before: {statuses:?}"),
    }
}

#[tokio::test]
async fn one_tenants_slow_issuer_is_not_felt_by_another_at_the_same_address() {
    let issuer = IssuerServer::start(&[]).await;
    issuer.change(|answers| answers.delay = Duration::from_millis(1900));
    let other = tenant("t2", "people.ldif");
    let toml = with_clients(HTTP, &client("pbx", &opaque(&issuer))) + &other;
    let stage = Stage::in_folder(folder(), &toml).await;
    let proxy = from([127, 0, 0, 2]);
    let slow = all(
        &stage,
        &proxy,
        (0..40).map(|nth| format!("Bearer opaque-{nth}")),
    );
    let calling = async {
        while issuer.asked("/introspect").await.len() < 16 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let url = format!("http://{}/api/authentication/getOTP", stage.address);
        let request = proxy
            .put(url)
            .header("tenant", "t2")
            .header("content-type", "application/json")
            .header("authorization", BASIC)
            .body(json!({ "phonenumber": ADA }).to_string());
        stage.send(request).await.status
    };
    tokio::select! {
        status = calling => assert_eq!(status, 200, "{}", stage.log()),
        statuses = slow => panic!("all were answered before: {statuses:?}"),
    }
    assert_eq!(
        stage.last_reason(1).await,
        "",
        "nobody has been answered before"
    );
}

/// argon2id of `secret` at its usual cost.
const COSTLY: &str = "$argon2id$v=19$m=19456,t=2,p=1$HguUSzKeZet5p/OLX7MkRg$9gvxcqX20vqVp+ZLCITF3KRDepPRhdYre6P+BKitUWA";

#[tokio::test(flavor = "multi_thread")]
async fn one_source_that_floods_the_passwords_leaves_room_for_others() {
    let clients = client(
        "pbx",
        &format!("basic = {{ username = \"pbx\", password_hash = \"{COSTLY}\" }}"),
    );
    let stage = Stage::in_folder(folder(), &with_clients(HTTP, &clients)).await;
    let (attacker, phones) = (from([127, 0, 0, 2]), from([127, 0, 0, 3]));
    let guesses = (0..250).map(|nth| basic(&format!("name {nth}"), "x"));
    let flood = all(&stage, &attacker, guesses);
    let calling = async {
        stage.last_reason(1).await;
        all(&stage, &phones, [BASIC.to_owned()]).await
    };
    tokio::select! {
        statuses = calling => assert_eq!(statuses, [200], "{}", stage.log()),
        statuses = flood => panic!("all were answered before: {statuses:?}"),
    }
}
