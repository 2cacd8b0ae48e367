use proptest::prelude::*;

use super::*;

#[test]
fn an_address_is_read_with_and_without_the_documents_path() {
    for text in [
        "https://mfa.example.org/base",
        "https://mfa.example.org/base/",
        "https://mfa.example.org/base/api/authentication/getOTP",
        "https://mfa.example.org:443/base/api/authentication/",
    ] {
        let url = BaseUrl::parse(text).expect(text);
        assert_eq!(
            url.path("getOTP"),
            "/base/api/authentication/getOTP",
            "{text}"
        );
        assert_eq!(url.authority(), "mfa.example.org");
    }
    let url = BaseUrl::parse("http://[::1]:8080").expect("an IPv6 address");
    assert_eq!(
        (url.authority().as_str(), url.host.as_str()),
        ("[::1]:8080", "::1")
    );
}

#[test]
fn what_is_no_address_is_refused_without_repeating_credentials() {
    for text in [
        "",
        "mfa.example.org",
        "ftp://x",
        "https://",
        "https://x/?a=b",
    ] {
        assert!(BaseUrl::parse(text).is_err(), "{text}");
    }
    let error = BaseUrl::parse("https://pbx:hunter2@x").expect_err("credentials");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let error = Reference::parse("hunter2", "auth.bearer").expect_err("no reference");
    assert!(error.to_string().contains("auth.bearer"));
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn the_template_is_a_target_file() {
    let written: Written = toml::from_str(TEMPLATE).expect("the template parses");
    assert_eq!(written.tenant.as_deref(), Some("t1"));
    let uncommented: String = TEMPLATE
        .lines()
        .filter(|line| !line.starts_with("# auth"))
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with('[') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let written: Written = toml::from_str(&uncommented).expect("every commented key is known");
    assert!(written.validate.is_some() && written.other_tenant.is_some());
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_known_one() {
    let text = "url = \"http://x\"\ntennant = \"t1\"\n";
    let Err(error) = toml::from_str::<Written>(text) else {
        panic!("accepted")
    };
    let message = file::toml_error(&error, text);
    assert!(
        message.contains("line 2") && message.contains("`tenant`"),
        "{message}"
    );
}

proptest! {
    #[test]
    fn reading_an_address_never_panics(text in "\\PC{0,40}") {
        let _ = BaseUrl::parse(&text);
    }

    #[test]
    fn reading_a_target_never_panics(text in "[a-z_]{1,9} = [\"a-z0-9{}\\[\\] ]{0,20}") {
        if let Ok(written) = toml::from_str::<Written>(&text) {
            let _ = written.check();
        }
    }
}
