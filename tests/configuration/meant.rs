//! What is written becomes what is meant.

use std::{sync::Arc, time::Duration};

use callotp::{
    client_auth::{CertificateName, Credential, TokenKeys},
    config::{Config, DirectorySource, Environment},
    http::Refusals,
    otp::{
        lockout::LockKind,
        store::engine::EngineConfig,
        validate::{PasswordRule, ValidateOrder},
    },
    tenant::Operation,
};

use super::{Folder, SMALL, load, with};

fn right(text: &str) -> Config {
    load(text).expect("right")
}

#[test]
fn every_absent_key_has_the_documented_default() {
    let start = SMALL.find("[store]").expect("the store");
    let config = right(&SMALL[start..].replace("[tenant.otp]", ""));
    let server = &config.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        server.admin_listen.map(|a| a.to_string()).as_deref(),
        Some("127.0.0.1:9080")
    );
    assert_eq!(server.refusals, Refusals::Documented);
    assert!(!server.accept_post);
    assert_eq!(server.max_body, 16 * 1024);
    assert_eq!(server.request_timeout, Duration::from_secs(3));
    assert_eq!(server.max_connections, 10_000);
    assert_eq!(server.shutdown_grace, Duration::from_secs(10));
    assert!(server.tls.is_none() && server.proxy.is_none());
    let tenant = &config.tenants[0];
    assert_eq!(&*tenant.display_name, "t1");
    assert!(tenant.operations.contain(Operation::GetOtp));
    assert!(tenant.operations.contain(Operation::Validate));
    assert!(!tenant.operations.contain(Operation::OtpTokenAuth));
    assert_eq!((tenant.otp.digits, tenant.otp.attempts), (6, 3));
    assert_eq!(tenant.otp.lifetime, Duration::from_secs(300));
    assert_eq!(tenant.validate.password, PasswordRule::Required);
    assert_eq!(tenant.validate.order, ValidateOrder::OtpFirst);
    assert_eq!(tenant.lockout.failures, 5);
    assert_eq!(tenant.lockout.window, Duration::from_secs(30 * 60));
    assert_eq!(tenant.lockout.duration, Duration::from_secs(60 * 60));
    assert_eq!(tenant.lockout.kind, LockKind::Soft);
    assert_eq!(tenant.throttle.mean_interval, Duration::from_secs(30));
    assert_eq!(tenant.throttle.lookback, 5);
    assert_eq!(tenant.throttle.quarantine, Duration::from_secs(600));
    let schema = &tenant.directory.schema;
    assert_eq!(&*schema.user_filter, "(objectClass=person)");
    assert_eq!(&*schema.username_attribute, "uid");
    assert_eq!(&*schema.user_id_attribute, "entryUUID");
    assert_eq!(
        schema.phone_attributes,
        ["mobile", "telephoneNumber"].map(Box::<str>::from)
    );
    let client = &tenant.clients[0];
    assert_eq!(client.operations, tenant.operations);
    assert!(client.addresses.is_empty());
}

#[test]
fn every_key_can_say_something_else() {
    let text = r#"
        [server]
        listen = "[::1]:18080"
        admin_listen = "off"
        refusals = "http"
        accept_post = true
        max_body = 4096
        request_timeout = "1500ms"
        max_connections = 7
        shutdown_grace = "0s"

        [store]
        kind = "memory"
        key_file = "/etc/callotp.key"

        [[tenant]]
        id = "Å-free/1"
        display_name = "Försäljning"
        operations = ["otp_token_auth"]
        otp = { digits = 12, lifetime = "10m", attempts = 1 }
        validate = { password = "ignored", order = "password-first" }
        lockout = { failures = 100, window = "1ms", duration = "1d", kind = "hard" }
        throttle = { mean_interval = "0s", lookback = 20, quarantine = "1h" }
        phone = { region = "no", matching = "exact" }
        directory = { kind = "ldif", path = "/srv/people.ldif", base = "o=x", user_filter = "(uid=*)", username_attribute = "cn", user_id_attribute = "uid", phone_attributes = "mobile", lookup = "search" }
        client = { name = "one", operations = "otp_token_auth", addresses = ["10.0.0.0/8", "::1"], basic = [{ username = "å", password_hash = "HASH" }, { username = "å", password_hash = "HASH" }] }
    "#;
    let text = text
        .replace("HASH", super::HASH)
        .replace("Å-free/1", "a-free/1");
    let config = right(&text);
    let server = &config.server;
    assert_eq!(server.listen.to_string(), "[::1]:18080");
    assert_eq!(server.admin_listen, None);
    assert_eq!(server.refusals, Refusals::Http);
    assert!(server.accept_post);
    assert_eq!(server.max_body, 4096);
    assert_eq!(server.request_timeout, Duration::from_millis(1500));
    assert_eq!(server.max_connections, 7);
    assert_eq!(server.shutdown_grace, Duration::ZERO);
    assert!(matches!(config.store.engine, EngineConfig::Memory));
    assert_eq!(
        config.store.key_file.as_deref(),
        Some("/etc/callotp.key".as_ref())
    );
    let tenant = &config.tenants[0];
    assert_eq!(
        (tenant.id.as_str(), &*tenant.display_name),
        ("a-free/1", "Försäljning")
    );
    assert!(!tenant.operations.contain(Operation::GetOtp));
    assert_eq!((tenant.otp.digits, tenant.otp.attempts), (12, 1));
    assert_eq!(tenant.validate.password, PasswordRule::Ignored);
    assert_eq!(tenant.validate.order, ValidateOrder::PasswordFirst);
    assert_eq!(tenant.lockout.window, Duration::from_millis(1));
    assert_eq!(tenant.lockout.kind, LockKind::Hard);
    assert_eq!(tenant.throttle.mean_interval, Duration::ZERO);
    let schema = &tenant.directory.schema;
    assert_eq!((&*schema.base, &*schema.username_attribute), ("o=x", "cn"));
    assert_eq!(schema.phone_attributes, [Box::<str>::from("mobile")]);
    let client = &tenant.clients[0];
    assert_eq!(client.addresses.len(), 2);
    assert_eq!(client.credentials.len(), 2);
}

#[test]
fn a_path_is_relative_to_the_configuration() {
    let folder = Folder::new();
    let config = folder
        .load(
            with(SMALL, "[store]", "key_file = \"keys/a\""),
            &Environment::default(),
        )
        .expect("right");
    assert_eq!(config.store.key_file, Some(folder.path().join("keys/a")));
    let DirectorySource::Ldif { path } = &config.tenants[0].directory.source else {
        panic!("another kind");
    };
    assert_eq!(*path, folder.path().join("people.ldif"));
}

#[test]
fn numbers_are_read_by_the_tenants_own_plan() {
    let config = right(SMALL);
    let plan = Arc::clone(&config.tenants[0].phone);
    let read = |text: &str| plan.read(text).map(|number| number.as_str().to_owned());
    assert_eq!(read("070-174 06 05"), Ok("+46701740605".to_owned()));
    assert_eq!(read("1234"), Ok("+46870011234".to_owned()));
}

#[test]
fn what_cannot_change_at_run_time_is_named() {
    let old = right(SMALL);
    for (header, line, named) in [
        (
            "[server]",
            "listen = \"127.0.0.1:1\"",
            Some("server.listen"),
        ),
        (
            "[server]",
            "admin_listen = \"off\"",
            Some("server.admin_listen"),
        ),
        ("[store]", "key_file = \"x\"", Some("store")),
        ("[server]", "refusals = \"http\"", None),
        ("[tenant.otp]", "digits = 8", None),
        ("[[tenant]]", "id = \"t2\"", None),
    ] {
        let newer = right(&with(SMALL, header, line));
        assert_eq!(old.needs_restart(&newer).as_deref(), named, "{line}");
    }
}

#[test]
fn each_way_for_a_client_is_read_where_the_build_has_it() {
    let Ok(config) = load(super::LARGE) else {
        // The build lacks some of them: `mistakes` holds what is checked of them.
        return;
    };
    let credentials = &config.tenants[0].clients[0].credentials;
    assert!(credentials.iter().any(|credential| matches!(
        credential,
        Credential::Bearer(bearer) if matches!(bearer.keys, TokenKeys::Introspection { .. })
    )));
    assert!(credentials.iter().any(|credential| matches!(
        credential,
        Credential::Certificate(CertificateName::Subject(_))
    )));
}
