//! A new configuration while the server runs: a directory of which nothing has changed is not
//! opened again, and one that has changed answers before it is asked.

use super::{
    people::PASSWORD,
    relay::{Mode, Relay},
    slapd::{self, Slapd},
    written::{openldap, stage, toml},
};
use crate::stage::Stage;

const ANNA: &str = "+46701740605";

/// Loaded once, and then asked for changes long after any test.
const INDEX: &str = "lookup = \"index\"\nindex_refresh = \"1h\"\n";

async fn ready(stage: &Stage) {
    while stage.admin("/readyz").await.status != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_reload_keeps_the_index_and_the_connections_of_a_directory_that_stays_the_same() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let keys = openldap(&[relay.url()]) + INDEX;
    let stage = stage(&keys, "").await;
    ready(&stage).await;
    for _ in 0..3 {
        stage.otp(ANNA).await;
    }
    relay.settled().await;
    let before = (relay.connections(), relay.binds());
    for reload in 0..5 {
        let toml = toml(&keys, &format!("# reload {reload}"));
        stage.reload_as(&toml).await.expect("a good configuration");
        stage.otp(ANNA).await;
    }
    assert_eq!((relay.connections(), relay.binds()), before);
    stage.end().await;
}

#[tokio::test]
async fn callers_are_not_refused_while_a_changed_directory_loads_its_index() {
    let slapd = Slapd::with(20_000);
    let keys = openldap(&[slapd.url()]);
    let stage = stage(&(keys.clone() + INDEX), "").await;
    ready(&stage).await;
    // Each of these makes another directory: another base, other attributes, back again.
    for keys in [
        keys.replace(slapd::PEOPLE, slapd::BASE),
        keys.replace(", \"description\"", ""),
        keys,
    ] {
        let toml = toml(&(keys + INDEX), "");
        let mut reload = std::pin::pin!(stage.reload_as(&toml));
        let mut calls = 0;
        loop {
            tokio::select! {
                biased;
                taken = &mut reload => break taken.expect("a good configuration"),
                _ = stage.otp(ANNA) => calls += 1,
            }
        }
        assert!(calls > 0, "nobody called meanwhile");
        stage.otp(ANNA).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_changed_password_file_or_authority_is_taken_by_a_reload() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let mut keys = openldap(&[relay.url()]);
    let stage = stage(&keys, "").await;
    stage.otp(ANNA).await;
    let password = stage.folder.path().join("password");
    std::fs::write(&password, "wrong").expect("a file");
    stage.reload().await;
    assert_eq!(stage.get_otp(ANNA).await.status, 403);
    std::fs::write(&password, PASSWORD).expect("a file");
    stage.reload().await;
    stage.otp(ANNA).await;

    keys = keys.replace(&relay.url(), &format!("ldaps://{}", slapd.tls));
    keys.push_str("ca = \"ca.pem\"\n");
    let ca = stage.folder.path().join("ca.pem");
    std::fs::copy(&slapd.files.ca, &ca).expect("a file");
    stage.reload_as(&toml(&keys, "")).await.expect("good");
    stage.otp(ANNA).await;
    let stranger = tempfile::tempdir().expect("a folder");
    let other = super::authority::Authority::new().certify(stranger.path(), &["localhost"]);
    std::fs::copy(&other.ca, &ca).expect("a file");
    stage.reload().await;
    assert_eq!(
        stage.get_otp(ANNA).await.status,
        403,
        "the same name, another authority"
    );
    stage.end().await;
}

#[tokio::test]
async fn a_reload_beside_an_outage_keeps_the_index_that_was_loaded_before_it() {
    let slapd = Slapd::own();
    let relay = Relay::to(slapd.plain).await;
    let stage = stage(&(openldap(&[relay.url()]) + INDEX), "").await;
    ready(&stage).await;
    relay.set(Mode::Refuse);
    assert_eq!(stage.get_otp(ANNA).await.status, 403, "nobody confirms it");
    stage.reload().await;
    let detail = stage.admin("/readyz").await.body;
    assert!(detail.contains("numbers is"), "{detail}");
    relay.set(Mode::Pass);
    for _ in 0..300 {
        if stage.get_otp(ANNA).await.status == 200 {
            return drop(stage.end().await);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the directory is back, and nobody is found");
}
