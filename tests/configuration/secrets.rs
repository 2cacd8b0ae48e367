//! Secrets: one of two places, and in no message.

use callotp::{client_auth::Credential, config::Environment};

use super::{Folder, HASH, LARGE, SMALL, load, wrong};

fn with_hash_file(content: impl AsRef<[u8]>) -> Result<String, String> {
    let folder = Folder::new();
    folder.write("pbx.hash", content);
    let line = format!("password_hash = \"{HASH}\"");
    let text = SMALL.replace(&line, "password_hash_file = \"pbx.hash\"");
    let config = folder
        .load(text, &Environment::default())
        .map_err(|problems| problems.to_string())?;
    match &config.tenants[0].clients[0].credentials[0] {
        Credential::Basic { password_hash, .. } => Ok(password_hash.to_string()),
        _ => Err("another credential".to_owned()),
    }
}

#[test]
fn a_file_of_a_secret_loses_the_newline_at_its_end() {
    for end in ["", "\n", "\r\n"] {
        assert_eq!(with_hash_file(format!("{HASH}{end}")), Ok(HASH.to_owned()));
    }
}

#[test]
fn a_file_that_holds_no_secret_is_named_and_not_shown() {
    for (content, what) in [
        ("".as_bytes(), "is empty"),
        ("\n".as_bytes(), "is empty"),
        ("plan\0ted".as_bytes(), "holds a NUL"),
        (b"planted\xff".as_slice(), "is not UTF-8"),
        (&[b'a'; 64 * 1024 + 1], "is longer than 64 KiB"),
    ] {
        let told = with_hash_file(content).expect_err("a problem");
        assert!(told.contains(&format!("pbx.hash {what}")), "{told}");
        assert!(!told.contains("planted"), "{told}");
    }
    let told = with_hash_file("planted").expect_err("a problem");
    assert!(
        told.contains("password_hash_file") && !told.contains("planted"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let text = LARGE.replace("\"pbx.hash\"", "\"absent.hash\"");
    let told = wrong(load(text));
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].key, "tenant.client.basic.password_hash_file");
    assert!(
        told[0].what.contains("absent.hash cannot be read"),
        "{told:#?}"
    );
}

#[test]
fn several_urls_can_stand_in_one_file() {
    let folder = Folder::new();
    let line = "url = \"rediss://callotp:planted-in-url@redis.example.org/0\"";
    let text = LARGE.replace(line, "url_file = \"redis.urls\"");
    let (before, sentinel) = text.split_once("[store.sentinel]").expect("a section");
    let (_, after) = sentinel.split_once("[[tenant]]").expect("a section");
    let text = format!("{before}[[tenant]]{after}");
    folder.write("redis.urls", "redis://a\n\nredis://b:6379\n");
    assert_eq!(wrong(folder.load(&text, &Environment::default())), []);
    folder.write("redis.urls", "redis://a\nplanted\n");
    let told = wrong(folder.load(&text, &Environment::default()));
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].key, "store.url_file");
    assert!(!format!("{told:?}").contains("planted"), "{told:#?}");
}

#[test]
fn a_secret_in_the_open_is_a_warning() {
    let config = load(LARGE).unwrap_or_else(|problems| panic!("{problems}"));
    for key in ["bind_password", "client_secret"] {
        let told = config.warnings.iter().any(|warning| warning.contains(key));
        assert!(told, "{key}: {:?}", config.warnings);
    }
}
