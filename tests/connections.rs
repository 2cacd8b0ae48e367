//! Connections that come to nothing: told apart in the metrics, and said once in the log.

use std::{fs, sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::stage::{
    ADA, BASIC, Setting, Stage,
    authority::{Authority, Issued, Wish},
    folder, wire,
};

const QUIET: Duration = Duration::from_secs(5);

/// How often connections have failed for `reason`.
async fn counted(stage: &Stage, reason: &str) -> u64 {
    let metrics = stage.admin("/metrics").await.body;
    let name = format!("callotp_failed_connections_total{{reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    let line = line.unwrap_or_else(|| panic!("no {reason} in {metrics}"));
    line.parse().expect("a number")
}

/// Waits until one connection has failed for `reason`, and sees that there is no other.
async fn only(stage: &Stage, reason: &str) {
    for _ in 0..500 {
        if counted(stage, reason).await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let metrics = stage.admin("/metrics").await.body;
    let failed: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("callotp_failed_connections_total"))
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    assert_eq!(
        failed,
        [format!(
            "callotp_failed_connections_total{{reason=\"{reason}\"}} 1"
        )],
        "{reason}"
    );
}

/// A handshake with this certificate as a client's, and what was read after it.
async fn shake(stage: &Stage, ours: &Authority, identity: Option<&Issued>) {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ours.pem.as_bytes()).expect("PEM");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
            let chain = vec![CertificateDer::from(identity.der.clone())];
            config
                .with_client_auth_cert(chain, key)
                .expect("an identity")
        }
    };
    let stream = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    if let Ok(mut stream) = connector.connect(name, stream).await {
        // In TLS 1.3 the client is done before the server has looked at its certificate.
        let _ = stream.read(&mut [0; 100]).await;
    }
}

async fn say(stage: &Stage, bytes: &[u8]) {
    wire::exchange(stage.address, bytes, QUIET).await;
}

#[tokio::test]
async fn handshakes_that_fail_are_told_apart() {
    let (ours, theirs, foreign) = (
        Authority::new("ours"),
        Authority::new("theirs"),
        Authority::new("foreign"),
    );
    let client = |wish: Wish| theirs.issue(&wish);
    let wish = || Wish::client("pbx");
    let (expired, early) = (
        client(Wish {
            valid: (2024, 2026),
            ..wish()
        }),
        client(Wish {
            valid: (2030, 2040),
            ..wish()
        }),
    );
    let revoked = client(Wish {
        serial: 99,
        ..wish()
    });
    let for_servers = client(Wish {
        usage: rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        ..wish()
    });
    let stranger = foreign.client("pbx");
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for reason in [
        "client_certificate_missing",
        "client_certificate_expired",
        "client_certificate_expired early",
        "client_certificate_revoked",
        "client_certificate_untrusted",
        "client_certificate_wrong",
        "tls_refused_by_client",
        "not_tls",
        "handshake_cut_off",
        "handshake_timed_out",
    ] {
        let folder = folder();
        ours.issue(&Wish::server()).write(folder.path(), "server");
        fs::write(folder.path().join("clients.pem"), &theirs.pem).expect("written");
        fs::write(folder.path().join("clients.crl"), theirs.revoke(&[99])).expect("written");
        let server = "request_timeout = \"500ms\"\n[server.tls]\ncertificate = \"server.pem\"\n\
             private_key = \"server.key\"\nclient_ca = \"clients.pem\"\n\
             client_crl = \"clients.crl\"\nclient_certificates = \"required\"\n";
        let stage = Stage::in_folder(folder, &Setting::server(server).toml()).await;
        match reason {
            "client_certificate_missing" => shake(&stage, &ours, None).await,
            "client_certificate_expired" => shake(&stage, &ours, Some(&expired)).await,
            "client_certificate_expired early" => shake(&stage, &ours, Some(&early)).await,
            "client_certificate_revoked" => shake(&stage, &ours, Some(&revoked)).await,
            "client_certificate_untrusted" => shake(&stage, &ours, Some(&stranger)).await,
            "client_certificate_wrong" => shake(&stage, &ours, Some(&for_servers)).await,
            "tls_refused_by_client" => shake(&stage, &foreign, None).await,
            "not_tls" => say(&stage, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await,
            "handshake_cut_off" => {
                let mut stream = TcpStream::connect(stage.address)
                    .await
                    .expect("a connection");
                stream.write_all(&hello).await.expect("written");
            }
            _ => say(&stage, &hello).await,
        }
        only(&stage, reason.trim_end_matches(" early")).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_400_and_counted() {
    let long = vec![b'y'; 100_000];
    let head = |more: &[u8]| [b"PUT / HTTP/1.1\r\nHost: x\r\n", more, b"\r\n\r\n"].concat();
    for (name, bytes, status, reason) in [
        ("a word", b"hello\r\n\r\n".to_vec(), "400", "not_http"),
        ("zeros", b"\0\0\0\0\r\n\r\n".to_vec(), "400", "not_http"),
        (
            "TLS",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
            "400",
            "not_http",
        ),
        ("another protocol", head(b"X : a"), "400", "not_http"),
        ("a folded header", head(b"X: a\r\n b"), "400", "not_http"),
        (
            "two lengths",
            head(b"Content-Length: 5\r\nContent-Length: 6"),
            "400",
            "not_http",
        ),
        (
            "a huge header",
            head(&[b"X: ", &*long].concat()),
            "431",
            "head_too_large",
        ),
        (
            "many headers",
            head("X: y\r\n".repeat(200).as_bytes()),
            "431",
            "head_too_large",
        ),
        (
            "a huge path",
            [b"PUT /", &*long, b" HTTP/1.1\r\n\r\n"].concat(),
            "431",
            "head_too_large",
        ),
    ] {
        let stage = Stage::usual().await;
        let answer = wire::exchange(stage.address, &bytes, QUIET).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{name}: {answer:?}");
        only(&stage, reason).await;
    }
}

#[tokio::test]
async fn what_is_no_http_ends_the_connection_after_the_answers_before_it() {
    let stage = Stage::usual().await;
    let body = format!("{{\"phonenumber\":\"{ADA}\"}}");
    let head = format!(
        "Authorization: {BASIC}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut bytes = wire::example(&head, &body);
    bytes.extend_from_slice(b"hello\r\n\r\n");
    bytes.extend(wire::example(&head, &body));
    let answer = wire::exchange(stage.address, &bytes, QUIET).await;
    let statuses: Vec<&str> = answer.matches("HTTP/1.1 200").collect();
    assert_eq!(statuses.len(), 1, "{answer}");
    assert!(answer.contains("HTTP/1.1 400 Bad Request"), "{answer}");
    only(&stage, "not_http").await;
}

#[tokio::test]
async fn a_request_that_does_not_come_is_counted_and_a_client_that_leaves_is_not() {
    let stage = Stage::set(Setting::server("request_timeout = \"300ms\"")).await;
    let begun = b"PUT /api/authentication/getOTP HTTP/1.1\r\nHost: x";
    let mut left = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    left.write_all(begun).await.expect("written");
    drop(left);
    say(&stage, begun).await;
    only(&stage, "head_timed_out").await;
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_goes_on_talking() {
    // A body that is far too long is answered before it has been read; closed at once, the
    // connection would be reset and the answer lost.
    let stage = Stage::usual().await;
    for round in 0..20 {
        let head = format!("Authorization: {BASIC}\r\nContent-Length: 500000\r\n");
        let request = wire::example(&head, &"y".repeat(500_000));
        let answer = wire::exchange(stage.address, &request, QUIET).await;
        assert!(
            answer.starts_with("HTTP/1.1 403"),
            "round {round}: {answer:?}"
        );
    }
}
