//! Names and passwords (RFC 7617): whose are taken, and what gets no OTP.

use std::time::Duration;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use callotp::{clock::SystemEntropy, password_hash, secret::Secret};

use crate::stage::{ADA, BASIC, HASH, Stage, folder, tenant, wire, with_clients};

/// A password with everything in it that base64, colons and UTF-8 have to offer.
const PASSWORD: &str = "lösen:ord>>>???\u{20ac} ";

fn encoded(text: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

/// Clients of one tenant and of another: `pbx` may ask for OTPs, and with it `ångström`;
/// `login` may not, and `afar` only from elsewhere.
fn toml(server: &str) -> String {
    let hash = |password: &str| {
        password_hash::hash(&Secret::new(password.to_owned()), &SystemEntropy).expect("a hash")
    };
    let client = |name: &str, more: &str, hash: &str| {
        format!(
            "[[tenant.client]]\nname = \"{name}\"\n{more}\n\
             basic = {{ username = \"{name}\", password_hash = \"{hash}\" }}\n"
        )
    };
    let issues = "operations = [\"getOTP\"]";
    let clients = client("pbx", issues, HASH)
        + &client("ångström", issues, &hash(PASSWORD))
        + &client("login", "operations = [\"validate\"]", HASH)
        + &client(
            "afar",
            &format!("{issues}\naddresses = [\"192.0.2.0/24\"]"),
            HASH,
        );
    let other = tenant("t2", "people.ldif").replace("\"pbx\"", "\"other\"");
    with_clients(server, &clients) + &other
}

async fn stage(mode: &str) -> Stage {
    Stage::in_folder(folder(), &toml(&format!("refusals = \"{mode}\""))).await
}

/// Calls from Ada's number with these `Authorization` headers, byte by byte.
async fn call(stage: &Stage, authorization: &[Vec<u8>]) -> String {
    // So long that none of the many wrong ones is one too many.
    stage.clock.advance(Duration::from_secs(20));
    let body = format!("{{\"phonenumber\":\"{ADA}\"}}");
    let mut request = b"PUT /api/authentication/getOTP HTTP/1.1\r\nHost: x\r\ntenant: t1\r\n\
        Content-Type: application/json\r\nConnection: close\r\n"
        .to_vec();
    for value in authorization {
        request.extend([b"Authorization: ", value.as_slice(), b"\r\n"].concat());
    }
    request.extend(format!("Content-Length: {}\r\n\r\n{body}", body.len()).bytes());
    wire::exchange(stage.address, &request, Duration::from_secs(5)).await
}

#[tokio::test]
async fn right_passwords_are_taken_in_every_right_spelling() {
    let long_name = format!("ångström:{PASSWORD}");
    for mode in ["documented", "http"] {
        let stage = stage(mode).await;
        for (name, headers) in [
            ("as the document has it", vec![BASIC.to_owned()]),
            ("lower case", vec!["basic cGJ4OnNlY3JldA==".to_owned()]),
            ("upper case", vec!["BASIC cGJ4OnNlY3JldA==".to_owned()]),
            ("mixed case", vec!["bAsIc cGJ4OnNlY3JldA==".to_owned()]),
            (
                "several blanks",
                vec!["Basic   cGJ4OnNlY3JldA==".to_owned()],
            ),
            (
                "blanks around",
                vec!["  Basic cGJ4OnNlY3JldA==  ".to_owned()],
            ),
            (
                "a tab at the end",
                vec!["Basic cGJ4OnNlY3JldA==\t".to_owned()],
            ),
            ("no padding", vec!["Basic cGJ4OnNlY3JldA".to_owned()]),
            (
                "half of the padding",
                vec!["Basic cGJ4OnNlY3JldA=".to_owned()],
            ),
            ("twice the same", vec![BASIC.to_owned(), BASIC.to_owned()]),
            ("UTF-8, colons, blanks", vec![encoded(&long_name)]),
        ] {
            let headers: Vec<Vec<u8>> = headers.into_iter().map(String::into_bytes).collect();
            let answer = call(&stage, &headers).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.contains("\"otp\""),
                "{mode}, {name}: {answer}\n{}",
                stage.log()
            );
        }
    }
}

/// What it is called, its headers, the status with `refusals = "http"`, the reason.
type Wrong = (&'static str, Vec<Vec<u8>>, u16, &'static str);

fn wrong() -> Vec<Wrong> {
    let malformed = |name, value: &str| (name, vec![value.into()], 401, "credentials_malformed");
    let wrong = |name, pair: &str| (name, vec![encoded(pair).into()], 401, "credentials_wrong");
    let unreadable = |name, pair: &[u8]| {
        let header = vec![encoded(pair).into_bytes()];
        (name, header, 401, "credentials_malformed")
    };
    let two = |name, one: &str, other: &str| {
        (
            name,
            vec![one.into(), other.into()],
            401,
            "credentials_malformed",
        )
    };
    let secret = "cGJ4OnNlY3JldA==";
    vec![
        ("none", vec![], 401, "credentials_missing"),
        malformed("an empty one", ""),
        malformed("the scheme alone", "Basic"),
        malformed("the scheme and a blank", "Basic "),
        malformed("no scheme", secret),
        malformed("the pair itself", "pbx:secret"),
        malformed("the pair itself after the scheme", "Basic pbx:secret"),
        malformed("a scheme like it", &format!("Basi {secret}")),
        malformed("a longer scheme", &format!("Basics {secret}")),
        malformed("a colon after the scheme", &format!("Basic: {secret}")),
        malformed("an equals sign", &format!("Basic={secret}")),
        malformed("a tab", &format!("Basic\t{secret}")),
        malformed("no blank", &format!("Basic{secret}")),
        malformed("a quoted pair", &format!("Basic \"{secret}\"")),
        malformed("an unserved scheme", &format!("Digest {secret}")),
        malformed("a scheme that no client has", &format!("Bearer {secret}")),
        malformed("the scheme twice", &format!("Basic Basic {secret}")),
        malformed("something after it", &format!("Basic {secret} x")),
        malformed("a comma after it", &format!("Basic {secret},")),
        malformed("a list", &format!("Basic {secret}, Basic {secret}")),
        malformed("a parameter", &format!("Basic {secret}; charset=utf-8")),
        malformed("a realm", "Basic realm=\"callotp\""),
        malformed("too much padding", "Basic cGJ4OnNlY3JldA==="),
        malformed("padding in the middle", "Basic cGJ4Og==c2VjcmV0"),
        malformed("padding alone", "Basic ===="),
        malformed("a letter too many", "Basic cGJ4OnNlY3JldAA"),
        malformed("bits that are left over", "Basic cGJ4OnNlY3JldB=="),
        malformed("percent signs", "Basic cGJ4OnNlY3JldA%3D%3D"),
        malformed("a blank inside", "Basic cGJ4On NlY3JldA=="),
        malformed("letters beyond base64", "Basic cGJ4OnNlY3JldA!!"),
        (
            "base64url",
            vec![format!("Basic {}", URL_SAFE.encode(format!("ångström:{PASSWORD}"))).into_bytes()],
            401,
            "credentials_malformed",
        ),
        (
            "bytes that are no text",
            vec![b"Basic cGJ4\xff\xfe".to_vec()],
            401,
            "credentials_malformed",
        ),
        unreadable("no colon", b"pbxsecret"),
        unreadable("no name", b":secret"),
        unreadable("a colon alone", b":"),
        unreadable("a NUL after the password", b"pbx:secret\0"),
        unreadable("a NUL in the name", b"pbx\0:secret"),
        unreadable("a NUL after the name and more", b"pbx:secret\0more"),
        unreadable("a line break after the password", b"pbx:secret\n"),
        unreadable("a carriage return", b"pbx:secret\r"),
        unreadable("a DEL", b"pbx:secret\x7f"),
        unreadable("Latin-1", b"\xe5ngstr\xf6m:secret"),
        unreadable("UTF-8 in too many bytes", b"pbx:\xc1\xb3ecret"),
        unreadable("UTF-16", b"p\0b\0x\0:\0s\0e\0c\0r\0e\0t\0"),
        wrong("a wrong password", "pbx:wrong"),
        wrong("no password", "pbx:"),
        wrong("the password in upper case", "pbx:SECRET"),
        wrong("the password and a blank", "pbx:secret "),
        wrong("a blank and the password", "pbx: secret"),
        wrong("the beginning of the password", "pbx:secre"),
        wrong("the password and more", "pbx:secrets"),
        wrong("the password twice", "pbx:secretsecret"),
        wrong("a colon more", "pbx::secret"),
        wrong("the hash for a password", &format!("pbx:{HASH}")),
        wrong("an unknown name", "nobody:secret"),
        wrong("the name in upper case", "PBX:secret"),
        wrong("a blank before the name", " pbx:secret"),
        wrong("a blank after the name", "pbx :secret"),
        wrong("a name that begins like it", "pb:secret"),
        wrong("a domain before the name", "example\\pbx:secret"),
        wrong("another tenant's client", "other:secret"),
        wrong("another client's password", &format!("pbx:{PASSWORD}")),
        wrong("the name taken apart", "a\u{30a}ngstro\u{308}m:secret"),
        wrong("a byte order mark", "\u{feff}pbx:secret"),
        wrong("a huge password", &format!("pbx:{}", "x".repeat(5000))),
        wrong("a huge name", &format!("{}:secret", "x".repeat(5000))),
        two("two that differ", BASIC, &encoded("pbx:wrong")),
        two(
            "two that differ, the other way",
            &encoded("pbx:wrong"),
            BASIC,
        ),
        two(
            "two right ones of two clients",
            BASIC,
            &encoded("login:secret"),
        ),
        two("two schemes", BASIC, "Bearer x"),
        two("one and an empty one", BASIC, ""),
        two("one in two spellings", BASIC, "basic cGJ4OnNlY3JldA=="),
        (
            "a client without the operation",
            vec![encoded("login:secret").into()],
            403,
            "operation_not_allowed",
        ),
        (
            "a client of another address",
            vec![encoded("afar:secret").into()],
            403,
            "client_address",
        ),
    ]
}

#[tokio::test]
async fn no_wrong_password_is_taken_in_either_mode() {
    let cases = wrong();
    assert!(cases.len() >= 40, "{}", cases.len());
    for mode in ["documented", "http"] {
        let stage = stage(mode).await;
        for (index, (name, headers, status, reason)) in cases.iter().enumerate() {
            let answer = call(&stage, headers).await;
            let status = if mode == "http" { *status } else { 403 };
            let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status} ")),
                "{mode}, {name}: {answer}"
            );
            assert!(!body.contains("otp"), "{mode}, {name}: {answer}");
            let challenges: Vec<&str> = head
                .lines()
                .filter_map(|line| line.strip_prefix("www-authenticate: "))
                .collect();
            let expected = match status {
                401 => vec!["Basic realm=\"callotp\", charset=\"UTF-8\""],
                _ => vec![],
            };
            assert_eq!(challenges, expected, "{mode}, {name}");
            assert_eq!(
                stage.last_reason(index + 1).await,
                *reason,
                "{mode}, {name}"
            );
        }
        let log = stage.log();
        for secret in ["secret", PASSWORD, "cGJ4OnNlY3JldA"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
        // None of it has done any harm.
        let answer = call(&stage, &[BASIC.into()]).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{mode}: {answer}");
    }
}

#[tokio::test]
async fn bytes_that_no_header_may_hold_are_not_http() {
    let stage = stage("http").await;
    for value in [&b"Basic cGJ4\0"[..], b"Basic cGJ4\x07", b"Basic\r cGJ4"] {
        let answer = call(&stage, &[value.to_vec()]).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{value:?}: {answer}");
    }
}
