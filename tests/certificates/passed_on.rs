//! Certificates that a reverse proxy passes on in a header.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::stage::{
    Stage,
    authority::{Authority, Issued, Wish},
    client, folder, with_clients,
};

/// What the proxies send for a certificate, each in its way.
fn spellings(certificate: &Issued) -> Vec<(&'static str, String)> {
    let base64 = STANDARD.encode(&certificate.der);
    let pem = certificate.pem.trim().replace("\r\n", "\n");
    let escaped: String = url::form_urlencoded::byte_serialize(pem.as_bytes()).collect();
    vec![
        ("RFC 9440", format!(":{base64}:")),
        ("nginx", escaped.replace('+', "%20")),
        (
            "nginx, its blanks and slashes left",
            pem.replace('\n', "%0A"),
        ),
        ("haproxy", base64.clone()),
        (
            "haproxy without padding",
            base64.trim_end_matches('=').to_owned(),
        ),
        ("apache", pem.replace('\n', " ")),
        (
            "with a newline at the end",
            pem.replace('\n', "%0a") + "%0A",
        ),
    ]
}

/// What is no certificate any more in any of the spellings.
fn broken(right: &str) -> Vec<(&'static str, String)> {
    let (half, _) = right.split_at(right.len() / 2);
    let escaped: String = url::form_urlencoded::byte_serialize(right.as_bytes()).collect();
    vec![
        ("the first half", half.to_owned()),
        ("without its first letter", right[1..].to_owned()),
        ("without its first letters", right[3..].to_owned()),
        ("in quotes", format!("\"{right}\"")),
        ("twice", format!("{right}{right}")),
        ("twice in a list", format!("{right}, {right}")),
        ("with a word before it", format!("SUCCESS {right}")),
        ("with a word after it", format!("{right} SUCCESS")),
        ("with a parameter", format!("{right};Chain=\"\"")),
        (
            "as another proxy's element",
            format!("Hash=x;Cert=\"{right}\""),
        ),
        ("with a NUL escaped after it", format!("{right}%00")),
        (
            "with a letter in the middle",
            format!("{half}!{}", &right[half.len()..]),
        ),
        ("escaped once more", escaped.replace('%', "%25")),
    ]
}

#[tokio::test]
async fn a_trusted_proxys_header_is_read_in_every_proxys_spelling() {
    let theirs = Authority::new("theirs");
    let pbx = theirs.client("pbx one");
    let clients = client(
        "pbx",
        "certificate = { subject = \"CN=pbx one,O=Läb\\\\, Inc,C=SE\" }",
    );
    let plain = reqwest::Client::new();
    for name in ["client-cert", "ssl_client_cert", "X-SSL-Client-Cert"] {
        let server = format!(
            "refusals = \"http\"\n[server.proxy]\ntrusted = [\"127.0.0.0/8\"]\nclient_certificate_header = \"{name}\"\n"
        );
        let stage = Stage::in_folder(folder(), &with_clients(&server, &clients)).await;
        for (how, value) in spellings(&pbx) {
            let answer = stage.call(&plain, "http", &[(name, &value)]).await;
            assert_eq!(
                answer.status,
                200,
                "{name}, {how}: {value}\n{}",
                stage.log()
            );
            // What a client sends under a name like it does not count.
            let other = if name == "ssl_client_cert" {
                "ssl-client-cert"
            } else {
                "client_cert"
            };
            let answer = stage.call(&plain, "http", &[(other, &value)]).await;
            assert_eq!(answer.status, 401, "{other}");
        }
    }
}

#[tokio::test]
async fn a_proxys_header_that_holds_no_clients_certificate_gets_no_otp_in_either_mode() {
    let theirs = Authority::new("theirs");
    let pbx = theirs.client("pbx one");
    let another = theirs.client("pbx two");
    let expired = theirs.issue(&Wish {
        valid: (2024, 2026),
        ..Wish::client("pbx one")
    });
    let early = theirs.issue(&Wish {
        valid: (2030, 2040),
        ..Wish::client("pbx one")
    });
    let base64 = STANDARD.encode(&pbx.der);
    let twice = STANDARD.encode([pbx.der.clone(), pbx.der.clone()].concat());
    let short = STANDARD.encode(&pbx.der[..pbx.der.len() - 1]);
    let mut cases: Vec<(String, String, &str)> = vec![
        ("none, by nginx", String::new(), "credentials_missing"),
        (
            "none, by apache",
            "(null)".to_owned(),
            "credentials_missing",
        ),
        ("blanks", "  ".to_owned(), "credentials_missing"),
        ("a word", "NONE".to_owned(), "credentials_malformed"),
        ("a verdict", "SUCCESS".to_owned(), "credentials_malformed"),
        (
            "a subject",
            "CN=pbx one,O=Lab,C=SE".to_owned(),
            "credentials_malformed",
        ),
        ("a fingerprint", pbx.sha256(), "credentials_malformed"),
        ("a colon", ":".to_owned(), "credentials_malformed"),
        ("two colons", "::".to_owned(), "credentials_malformed"),
        (
            "an open byte sequence",
            format!(":{base64}"),
            "credentials_malformed",
        ),
        (
            "one that only ends",
            format!("{base64}:"),
            "credentials_malformed",
        ),
        (
            "a byte sequence with parameters",
            format!(":{base64}:;x=1"),
            "credentials_malformed",
        ),
        (
            "two byte sequences",
            format!(":{base64}:, :{base64}:"),
            "credentials_malformed",
        ),
        (
            "blanks in a byte sequence",
            format!(": {base64} :"),
            "credentials_malformed",
        ),
        (
            "base64url",
            URL_SAFE_NO_PAD.encode(&pbx.der).replace('A', "-"),
            "credentials_malformed",
        ),
        ("two certificates", twice, "credentials_malformed"),
        ("a certificate cut short", short, "credentials_malformed"),
        (
            "bytes",
            STANDARD.encode([0x30; 64]),
            "credentials_malformed",
        ),
        ("percent signs", "%".to_owned(), "credentials_malformed"),
        (
            "half an escape",
            "-----BEGIN%2".to_owned(),
            "credentials_malformed",
        ),
        ("a wrong escape", "%zz".to_owned(), "credentials_malformed"),
        (
            "an escaped NUL",
            format!("%00{base64}"),
            "credentials_malformed",
        ),
        (
            "a begin alone",
            "-----BEGIN CERTIFICATE-----".to_owned(),
            "credentials_malformed",
        ),
        (
            "nothing between",
            "-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----".to_owned(),
            "credentials_malformed",
        ),
        (
            "a key",
            pbx.key.trim().replace('\n', " "),
            "credentials_malformed",
        ),
        (
            "something before",
            format!("x {}", pbx.pem.trim().replace('\n', " ")),
            "credentials_malformed",
        ),
        (
            "two in PEM",
            [pbx.pem.trim(), another.pem.trim()]
                .concat()
                .replace('\n', " "),
            "credentials_malformed",
        ),
        (
            "escaped twice",
            spellings(&pbx)[1].1.replace('%', "%25"),
            "credentials_malformed",
        ),
    ]
    .into_iter()
    .map(|(name, value, reason)| (name.to_owned(), value, reason))
    .collect();
    for (what, certificate, reason) in [
        ("another client's", &another, "certificate_unknown"),
        ("an expired one", &expired, "certificate_expired"),
        ("one too early", &early, "certificate_expired"),
    ] {
        let spelt = spellings(certificate).into_iter();
        cases.extend(spelt.map(|(how, value)| (format!("{what}, {how}"), value, reason)));
    }
    for (how, value) in spellings(&pbx) {
        for (what, changed) in broken(&value) {
            cases.push((format!("{what}, {how}"), changed, "credentials_malformed"));
        }
    }
    assert!(cases.len() >= 100, "{}", cases.len());
    let clients = client(
        "pbx",
        "certificate = { subject = \"CN=pbx one,O=Läb\\\\, Inc,C=SE\" }",
    );
    let plain = reqwest::Client::new();
    for (mode, status) in [("documented", 403), ("http", 401)] {
        let server = format!(
            "refusals = \"{mode}\"\n[server.proxy]\ntrusted = [\"127.0.0.1\"]\nclient_certificate_header = \"client-cert\"\n"
        );
        let stage = Stage::in_folder(folder(), &with_clients(&server, &clients)).await;
        for (index, (name, value, reason)) in cases.iter().enumerate() {
            let answer = stage.call(&plain, "http", &[("client-cert", value)]).await;
            assert_eq!((answer.status, answer.otp()), (status, None), "{name}");
            assert_eq!(stage.last_reason(index + 1).await, *reason, "{name}");
        }
        // Two headers that differ are none; the same one twice is one.
        let (right, other) = (format!(":{base64}:"), STANDARD.encode(&another.der));
        let differ = [("client-cert", right.as_str()), ("client-cert", &other)];
        assert_eq!(stage.call(&plain, "http", &differ).await.status, status);
        let same = [("client-cert", right.as_str()), ("client-cert", &right)];
        assert_eq!(stage.call(&plain, "http", &same).await.status, 200);
    }
    // From anybody but the proxy it is nothing.
    let server = "refusals = \"http\"\n[server.proxy]\ntrusted = [\"10.0.0.0/8\"]\nclient_certificate_header = \"client-cert\"\n";
    let stage = Stage::in_folder(folder(), &with_clients(server, &clients)).await;
    for (how, value) in spellings(&pbx) {
        let answer = stage.call(&plain, "http", &[("client-cert", &value)]).await;
        assert_eq!(answer.status, 401, "{how}");
    }
    assert_eq!(stage.last_reason(1).await, "credentials_missing");
}
