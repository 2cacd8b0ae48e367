//! Client certificates: shown to the server itself, or passed on by a proxy.

use std::fs;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::Algorithm;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::json;
use tempfile::TempDir;

use crate::stage::{
    Answer, BASIC, HASH, Stage,
    authority::{Authority, Issued, Wish},
    client, folder,
    issuer::{IssuerServer, SigningKey},
    with_clients,
};

const TLS: &str = "[server.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";

/// A folder with the people, the server's certificate by `ours` and clients' by `theirs`.
fn files(ours: &Authority, theirs: &Authority) -> TempDir {
    let folder = folder();
    ours.issue(&Wish::server()).write(folder.path(), "server");
    fs::write(folder.path().join("clients.pem"), &theirs.pem).expect("written");
    folder
}

fn http(ours: &Authority, identity: Option<&Issued>) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(ours.pem.as_bytes()).expect("a certificate");
    let builder = reqwest::Client::builder().tls_certs_only([root]);
    let builder = match identity {
        Some(identity) => builder.identity(identity.identity()),
        None => builder,
    };
    builder.build().expect("a client")
}

/// The answer, or `None` if the handshake failed.
async fn call(stage: &Stage, http: &reqwest::Client, headers: &[(&str, &str)]) -> Option<Answer> {
    let request = http
        .put(format!(
            "https://localhost:{}/api/authentication/getOTP",
            stage.address.port()
        ))
        .body("{}");
    match headers.is_empty() && request.send().await.is_err() {
        true => None,
        false => Some(stage.call(http, "https", headers).await),
    }
}

const SERIAL: u64 = 7;

#[tokio::test]
async fn right_certificates_are_taken_and_others_get_no_otp_in_either_mode() {
    let (ours, theirs, foreign) = (
        Authority::new("ours"),
        Authority::new("theirs"),
        Authority::new("foreign"),
    );
    let by_print = theirs.client("pbx one");
    let by_subject = theirs.client("pbx two");
    let by_dns = theirs.issue(&Wish {
        dns: &["other.example", "PBX3.example"],
        ..Wish::client("pbx three")
    });
    let clients = client(
        "one",
        &format!(
            "certificate = {{ sha256 = \"{}\" }}",
            by_print.sha256().to_uppercase()
        ),
    ) + &client(
        "two",
        "certificate = { subject = \"CN=pbx two, O=Läb\\\\, Inc, C=SE\" }",
    ) + &client(
        "three",
        "certificate = [{ dns = \"pbx3.example\" }, { dns = \"pbx4.example\" }]",
    );
    // What the handshake refuses, and what is nobody's after it.
    let wish = |name| Wish::client(name);
    let cut_off = [
        ("another authority's", foreign.client("pbx two")),
        (
            "another authority's with the name",
            foreign.issue(&Wish {
                dns: &["pbx3.example"],
                ..wish("x")
            }),
        ),
        (
            "an expired one",
            theirs.issue(&Wish {
                valid: (2024, 2026),
                ..wish("pbx two")
            }),
        ),
        (
            "one that is not valid yet",
            theirs.issue(&Wish {
                valid: (2030, 2040),
                ..wish("pbx two")
            }),
        ),
        (
            "a server's",
            theirs.issue(&Wish {
                usage: ExtendedKeyUsagePurpose::ServerAuth,
                ..wish("pbx two")
            }),
        ),
    ];
    let nobodys = [
        ("the same name with another key", theirs.client("pbx one")),
        ("the name in another case", theirs.client("PBX two")),
        ("the name with a blank", theirs.client("pbx two ")),
        ("the beginning of a name", theirs.client("pbx")),
        (
            "a name that holds the other",
            theirs.client("pbx two,O=Läb"),
        ),
        (
            "the DNS name as a common name",
            theirs.client("pbx3.example"),
        ),
        (
            "a wildcard",
            theirs.issue(&Wish {
                dns: &["*.example"],
                ..wish("x")
            }),
        ),
        (
            "a name below",
            theirs.issue(&Wish {
                dns: &["a.pbx3.example"],
                ..wish("x")
            }),
        ),
        (
            "a name above",
            theirs.issue(&Wish {
                dns: &["example"],
                ..wish("x")
            }),
        ),
    ];
    for mode in ["documented", "http"] {
        let server = format!("refusals = \"{mode}\"\n{TLS}client_ca = \"clients.pem\"\n");
        let stage = Stage::in_folder(files(&ours, &theirs), &with_clients(&server, &clients)).await;
        let refused = if mode == "http" { 401 } else { 403 };
        let right = [("one", &by_print), ("two", &by_subject), ("three", &by_dns)];
        for (index, (name, right)) in right.into_iter().enumerate() {
            let answer = stage.call(&http(&ours, Some(right)), "https", &[]).await;
            assert_eq!(answer.status, 200, "{name}: {answer:?}\n{}", stage.log());
            stage.last_reason(index + 1).await;
            assert!(stage.log().contains(&format!("\"client\":\"{name}\"")));
        }
        for (name, wrong) in &cut_off {
            let answer = call(&stage, &http(&ours, Some(wrong)), &[]).await;
            assert_eq!(answer, None, "{name}");
        }
        let before = stage.log().lines().count();
        for (index, (name, wrong)) in nobodys.iter().enumerate() {
            let answer = stage.call(&http(&ours, Some(wrong)), "https", &[]).await;
            assert_eq!((answer.status, answer.otp()), (refused, None), "{name}");
            let challenge = (mode == "http").then_some("Certificate realm=\"callotp\"");
            assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
            let reason = stage.last_reason(before + index + 1).await;
            assert_eq!(reason, "certificate_unknown", "{name}");
            // The operator finds in the log what to write into the configuration.
            assert!(
                stage.log().contains(&wrong.sha256()),
                "{name}:\n{}",
                stage.log()
            );
        }
        let answer = stage.call(&http(&ours, None), "https", &[]).await;
        assert_eq!(answer.status, refused, "without a certificate");
        // A header decides if there is one: a right certificate does not make it right.
        for header in [BASIC, "Bearer x", "x"] {
            let answer = stage
                .call(
                    &http(&ours, Some(&by_print)),
                    "https",
                    &[("authorization", header)],
                )
                .await;
            assert_eq!(answer.status, refused, "{header}");
        }
        // Nobody in front is trusted here, so that nobody's header counts.
        let passed_on = format!(":{}:", STANDARD.encode(&by_print.der));
        let forged = [
            ("client-cert", passed_on.as_str()),
            ("ssl_client_cert", passed_on.as_str()),
        ];
        let answer = stage.call(&http(&ours, None), "https", &forged).await;
        assert_eq!(answer.status, refused);
    }
}

#[tokio::test]
async fn a_certificate_ends_while_its_connection_goes_on() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let short = theirs.issue(&Wish {
        valid: (2026, 2028),
        ..Wish::client("pbx")
    });
    let server = format!("{TLS}client_ca = \"clients.pem\"\n");
    let clients = client(
        "pbx",
        "certificate = { subject = \"CN=pbx,O=Läb\\\\, Inc,C=SE\" }",
    );
    let stage = Stage::in_folder(files(&ours, &theirs), &with_clients(&server, &clients)).await;
    let http = http(&ours, Some(&short));
    assert_eq!(stage.call(&http, "https", &[]).await.status, 200);
    stage
        .clock
        .advance(std::time::Duration::from_secs(366 * 24 * 3600));
    assert_eq!(stage.call(&http, "https", &[]).await.status, 403);
    assert_eq!(stage.last_reason(2).await, "certificate_expired");
}

#[tokio::test]
async fn a_required_certificate_is_required_of_everybody() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = format!("{TLS}client_ca = \"clients.pem\"\nclient_certificates = \"required\"\n");
    let basic = format!("basic = {{ username = \"pbx\", password_hash = \"{HASH}\" }}");
    let stage = Stage::in_folder(
        files(&ours, &theirs),
        &with_clients(&server, &client("pbx", &basic)),
    )
    .await;
    assert_eq!(call(&stage, &http(&ours, None), &[]).await, None);
    let any = theirs.client("anybody");
    let answer = stage
        .call(
            &http(&ours, Some(&any)),
            "https",
            &[("authorization", BASIC)],
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        stage
            .call(&http(&ours, Some(&any)), "https", &[])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_revoked_certificate_is_cut_off_from_the_reload_on() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = files(&ours, &theirs);
    let list = folder.path().join("clients.crl");
    fs::write(&list, theirs.revoke(&[99])).expect("written");
    let server = format!("{TLS}client_ca = \"clients.pem\"\nclient_crl = \"clients.crl\"\n");
    let clients = client(
        "pbx",
        "certificate = { subject = \"CN=pbx,O=Läb\\\\, Inc,C=SE\" }",
    );
    let toml = with_clients(&server, &clients);
    let stage = Stage::in_folder(folder, &toml).await;
    let pbx = theirs.client("pbx");
    assert_eq!(
        stage
            .call(&http(&ours, Some(&pbx)), "https", &[])
            .await
            .status,
        200
    );
    fs::write(&list, theirs.revoke(&[99, SERIAL])).expect("written");
    stage.reload_as(&toml).await.expect("a reload");
    assert_eq!(call(&stage, &http(&ours, Some(&pbx)), &[]).await, None);
    let other = theirs.issue(&Wish {
        serial: 8,
        ..Wish::client("pbx")
    });
    assert_eq!(
        stage
            .call(&http(&ours, Some(&other)), "https", &[])
            .await
            .status,
        200
    );
}

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
    for (how, value) in spellings(&another) {
        cases.push((
            format!("another client's, {how}"),
            value,
            "certificate_unknown",
        ));
    }
    for (how, value) in spellings(&expired) {
        cases.push((
            format!("an expired one, {how}"),
            value,
            "certificate_expired",
        ));
    }
    cases.push((
        "one too early".to_owned(),
        STANDARD.encode(&early.der),
        "certificate_expired",
    ));
    assert!(cases.len() >= 40, "{}", cases.len());
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

#[tokio::test]
async fn a_bound_token_needs_its_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (bound, other) = (theirs.client("bound"), theirs.client("other"));
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let clients = client("pbx", &format!("bearer = {}", issuer.bearer()));
    let print = URL_SAFE_NO_PAD.encode(bound.thumbprint());
    let claims = json!({ "cnf": { "x5t#S256": print } });
    let token = format!("Bearer {}", key.token(&issuer.name(), &claims));
    let header = [("authorization", token.as_str())];
    let server = format!("refusals = \"http\"\n{TLS}client_ca = \"clients.pem\"\n");
    let stage = Stage::in_folder(files(&ours, &theirs), &with_clients(&server, &clients)).await;
    // Twice, because a token that is remembered is still bound.
    for _ in 0..2 {
        for (identity, status) in [(Some(&bound), 200), (Some(&other), 401), (None, 401)] {
            let answer = stage.call(&http(&ours, identity), "https", &header).await;
            assert_eq!(answer.status, status, "{}", stage.log());
        }
    }
    let server = "refusals = \"http\"\n[server.proxy]\ntrusted = [\"127.0.0.1\"]\nclient_certificate_header = \"client-cert\"\n";
    let stage = Stage::in_folder(folder(), &with_clients(server, &clients)).await;
    let plain = reqwest::Client::new();
    for (certificate, status) in [(&bound, 200), (&other, 401)] {
        let passed_on = format!(":{}:", STANDARD.encode(&certificate.der));
        let headers = [header[0], ("client-cert", passed_on.as_str())];
        assert_eq!(stage.call(&plain, "http", &headers).await.status, status);
    }
}
