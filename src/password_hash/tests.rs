use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::clock::SystemEntropy;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn read(value: &str) -> PasswordHash {
    let read = PasswordHash::from_user_password(value);
    read.unwrap_or_else(|refusal| panic!("{value}: {refusal}"))
}

/// `{SSHA…}` as RFC 2307 §5.3 has it, written independently of the reader.
fn salted_value(scheme: &str, password: &str, salt: &[u8]) -> String {
    let mut text = password.as_bytes().to_vec();
    text.extend(salt);
    let mut bytes = match scheme {
        "SSHA" => Sha1::digest(&text).to_vec(),
        "SSHA256" => Sha256::digest(&text).to_vec(),
        _ => Sha512::digest(&text).to_vec(),
    };
    bytes.extend(salt);
    format!("{{{scheme}}}{}", BASE64_STANDARD.encode(bytes))
}

#[test]
fn each_scheme_tells_its_password_from_others() {
    let argon2 = hash(&secret("sommar"), &SystemEntropy).expect("a hash");
    let argon2 = format!("{{ARGON2}}{argon2}");
    // Made with the reference implementation's command.
    let reference = [
        "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$\
         HuwKitpjNaHzYNtrECrTePjapVzoeZ1zN4jqPVZdSQ8",
        "{argon2}$argon2id$v=19$m=7168,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$\
         gjylYHL7W5YwUkZ+t7bxeq/erYkaRoJBoqKdFSOKPRM",
    ];
    for value in [
        argon2.as_str(),
        reference[0],
        reference[1],
        &salted_value("SSHA", "sommar", b"salt"),
        &salted_value("SSHA256", "sommar", b"saltsalt"),
        &salted_value("SSHA512", "sommar", b"s"),
        &salted_value("SSHA512", "sommar", b"saltsalt").replace("SSHA", "ssha"),
        "sommar",
        "{CLEARTEXT}sommar",
    ] {
        let hash = read(value);
        assert!(hash.is_of(&secret("sommar")), "{value}");
        for wrong in ["", "sommaR", "sommar ", "somma", value] {
            assert!(
                !hash.is_of(&secret(wrong)) || wrong == "sommar",
                "{value}: {wrong}"
            );
        }
    }
}

#[test]
fn what_cannot_be_compared_with_says_so_without_showing_itself() {
    let salt = "c29tZXNhbHRzb21lc2FsdA";
    let digest = "iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A";
    for (value, expected) in [
        ("{CRYPT}$6$x$y", UnusableHash::Scheme("CRYPT".to_owned())),
        (
            "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            UnusableHash::Scheme("SHA".to_owned()),
        ),
        (
            "{SSHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            UnusableHash::Malformed("SSHA"),
        ),
        ("{SSHA}***", UnusableHash::Malformed("SSHA")),
        ("{ARGON2}", UnusableHash::Malformed("ARGON2")),
        ("{ARGON2}sommar", UnusableHash::Malformed("ARGON2")),
        (
            &format!("{{ARGON2}}$argon2id$v=19$m=19456,t=2,p=1${salt}"),
            UnusableHash::Malformed("ARGON2"),
        ),
        (
            &format!("{{ARGON2}}$scrypt$v=19$m=19456,t=2,p=1${salt}${digest}"),
            UnusableHash::Malformed("ARGON2"),
        ),
        (
            &format!("{{ARGON2}}$argon2id$v=19$m=4294967295,t=2,p=1${salt}${digest}"),
            UnusableHash::Costly,
        ),
        (
            &format!("{{ARGON2}}$argon2id$v=19$m=8,t=1000,p=1${salt}${digest}"),
            UnusableHash::Costly,
        ),
        ("", UnusableHash::Empty),
        ("{CLEARTEXT}", UnusableHash::Empty),
    ] {
        let refusal = PasswordHash::from_user_password(value).err();
        assert_eq!(refusal, Some(expected), "{value}");
    }
}

#[test]
fn padding_may_be_left_out() {
    let value = salted_value("SSHA", "sommar", b"salt");
    let bytes = BASE64_STANDARD
        .decode(&value["{SSHA}".len()..])
        .expect("base64");
    let bare = format!("{{SSHA}}{}", BASE64_STANDARD_NO_PAD.encode(bytes));
    assert!(read(&bare).is_of(&secret("sommar")));
}

#[test]
fn two_hashes_of_one_password_differ_and_an_empty_one_has_none() {
    let hashes = [(); 2].map(|()| hash(&secret("sommar"), &SystemEntropy).expect("a hash"));
    assert_ne!(hashes[0], hashes[1]);
    assert!(
        hashes[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        hashes[0]
    );
    assert_eq!(hash(&secret(""), &SystemEntropy), Err(HashFault::Empty));
}

#[tokio::test]
async fn work_in_turn_ends_with_its_deadline() {
    let within = std::time::Duration::from_secs;
    assert_eq!(in_turn(Deadline::within(within(60)), || 7).await, Some(7));
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let answer = in_turn(Deadline::within(within(0)), move || wait.recv().is_ok()).await;
    assert_eq!(answer, None);
    drop(done);
}

proptest! {
    #[test]
    fn reading_never_panics(value in ".{0,80}", scheme in "(ARGON2|SSHA|SSHA256|SSHA512|X)?") {
        let _ = PasswordHash::from_user_password(&value);
        let _ = PasswordHash::from_user_password(&format!("{{{scheme}}}{value}"));
    }

    #[test]
    fn a_salted_hash_is_of_its_password_alone(password in ".{1,20}", other in ".{0,20}", salt: Vec<u8>) {
        prop_assume!(!salt.is_empty());
        let hash = read(&salted_value("SSHA256", &password, &salt));
        prop_assert!(hash.is_of(&secret(&password)));
        prop_assert_eq!(hash.is_of(&secret(&other)), password == other);
    }
}
