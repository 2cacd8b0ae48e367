//! Variables that stand for single keys.

use callotp::config::{Environment, Place};

use super::{Folder, LARGE, SMALL, wrong};

fn load(variables: &[(&str, &str)]) -> Result<callotp::config::Config, Vec<String>> {
    let environment = Environment::of(variables.iter().copied());
    let loaded = Folder::new().load(SMALL, &environment);
    loaded.map_err(|problems| problems.to_string().lines().map(str::to_owned).collect())
}

#[test]
fn a_variable_overrides_one_key() {
    let config = load(&[
        ("CALLOTP__SERVER__LISTEN", "127.0.0.1:4711"),
        ("CALLOTP__SERVER__MAX_BODY", "1 KiB"),
        ("CALLOTP__SERVER__ACCEPT_POST", "true"),
        ("CALLOTP__TENANT__T1__OTP__DIGITS", "8"),
        ("CALLOTP__TENANT__0__OTP__ATTEMPTS", " 2 "),
        (
            "CALLOTP__TENANT__T1__OPERATIONS",
            "getOTP, validate,otp_token_auth",
        ),
        (
            "CALLOTP__TENANT__T1__CLIENT__PBX__ADDRESSES",
            "[\"10.0.0.0/8\"]",
        ),
        (
            "CALLOTP__TENANT__T1__CLIENT__PBX__BASIC__0__USERNAME",
            "other",
        ),
        ("PATH", "/bin"),
        ("CALLOTP_LOG", "info"),
    ])
    .expect("right");
    assert_eq!(config.server.listen.port(), 4711);
    assert_eq!(config.server.max_body, 1024);
    assert!(config.server.accept_post);
    let tenant = &config.tenants[0];
    assert_eq!((tenant.otp.digits, tenant.otp.attempts), (8, 2));
    assert_eq!(tenant.clients[0].operations, tenant.operations);
    assert_eq!(tenant.clients[0].addresses.len(), 1);
}

#[test]
fn a_variable_that_is_wrong_is_the_place_that_is_told() {
    for (name, value, what) in [
        ("CALLOTP__SERVER__LISTN", "x", "did you mean LISTEN?"),
        ("CALLOTP__SERVR__LISTEN", "x", "did you mean SERVER?"),
        ("CALLOTP__SERVER", "x", "is a table"),
        ("CALLOTP__", "x", "there is no key"),
        (
            "CALLOTP__SERVER__LISTEN__PORT",
            "1",
            "there is no key LISTEN",
        ),
        (
            "CALLOTP__server__listen",
            "127.0.0.1:0",
            "did you mean SERVER?",
        ),
        (
            "CALLOTP__SERVER__LISTEN",
            "here",
            "server.listen: not an IP address",
        ),
        (
            "CALLOTP__SERVER__ACCEPT_POST",
            "yes",
            "written as in the file",
        ),
        (
            "CALLOTP__SERVER__MAX_CONNECTIONS",
            "\"7\"",
            "expected a whole number",
        ),
        (
            "CALLOTP__TENANT__T1__OTP__DIGITS",
            "5",
            "tenant.otp.digits (tenant \"t1\"): 5 is not",
        ),
        ("CALLOTP__TENANT__T2__OTP__DIGITS", "6", "did you mean T1?"),
        (
            "CALLOTP__TENANT__1__OTP__DIGITS",
            "6",
            "no `tenant` at position 1",
        ),
        (
            "CALLOTP__TENANT__OTP__DIGITS",
            "6",
            "no `tenant` called OTP",
        ),
        (
            "CALLOTP__TENANT__T1__CLIENT__PBX__BEARER__0__SCOPE",
            "x",
            "no `tenant.client.bearer`",
        ),
    ] {
        let what = what.replace("written as", "write it as");
        let told = load(&[(name, value)])
            .err()
            .unwrap_or_else(|| panic!("{name} is right"));
        assert_eq!(told.len(), 1, "{name}: {told:#?}");
        let start = format!("environment variable {name}: ");
        assert!(
            told[0].starts_with(&start) && told[0].contains(&what),
            "{told:#?}"
        );
    }
}

#[test]
fn a_variable_for_a_secret_takes_the_place_of_its_twin_and_is_not_shown() {
    let folder = Folder::new();
    let set =
        |name: &str, value: &str| wrong(folder.load(LARGE, &Environment::of([(name, value)])));
    folder.write("other", "planted");
    assert_eq!(
        set(
            "CALLOTP__TENANT__T1__DIRECTORY__BIND_PASSWORD_FILE",
            "other"
        ),
        []
    );
    assert_eq!(set("CALLOTP__STORE__URL", "redis://:planted@b"), []);
    let hash = "CALLOTP__TENANT__T1__CLIENT__PBX__BASIC__0__PASSWORD_HASH";
    assert_eq!(set(hash, super::HASH), []);
    let told = set(hash, "planted");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].place, Place::Variable(hash.to_owned()));
    assert!(!format!("{told:?}").contains("planted"));
}

#[test]
fn a_variable_can_make_a_table_and_is_then_told_for_what_the_table_lacks() {
    let name = "CALLOTP__SERVER__TLS__CERTIFICATE";
    let told = wrong(Folder::new().load(SMALL, &Environment::of([(name, "server.pem")])));
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].key, "server.tls.private_key");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_told() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let value = OsString::from_vec(vec![0xff]);
    let environment = Environment::of([("CALLOTP__SERVER__LISTEN", value)]);
    let told = wrong(Folder::new().load(SMALL, &environment));
    assert!(told.len() == 1 && told[0].what == "not UTF-8", "{told:#?}");
}
