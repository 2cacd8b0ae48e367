//! Connections that dawdle, and such that speak something else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use super::stage;
use crate::stage::{ADA, BASIC, authority::Authority, wire};

#[tokio::test]
async fn plain_http_gets_no_answer_where_tls_is_spoken() {
    let stage = stage(&Authority::new("ours"), "").await;
    let body = format!("{{\"phonenumber\":\"{ADA}\"}}");
    let head = format!(
        "Authorization: {BASIC}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = wire::example(&head, &body);
    let answer = wire::exchange(stage.address, &request, Duration::from_secs(5)).await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let stage = stage(&Authority::new("ours"), "request_timeout = \"300ms\"\n").await;
    // The beginning of a ClientHello that announces 512 bytes.
    let begun = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for bytes in [&[][..], &begun] {
        let kept = kept(stage.address, bytes).await;
        assert!(kept < Duration::from_secs(2), "{kept:?}");
        assert!(kept >= Duration::from_millis(250), "{kept:?}");
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_after_its_handshake_is_cut_off() {
    let ours = Authority::new("ours");
    let stage = stage(&ours, "request_timeout = \"300ms\"\n").await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for (protocols, said) in [
        (&[][..], &b""[..]),
        (&[&b"http/1.1"[..]], b""),
        (&[&b"http/1.1"[..]], b"PUT / HTTP/1.1\r\n"),
        (&[&b"h2"[..]], b""),
        (&[&b"h2"[..]], b"PRI * HTTP/2.0"),
        (&[&b"h2"[..]], preface),
        (&[&b"h2"[..]], b"PUT / HTTP/1.1\r\n\r\n"),
    ] {
        let start = Instant::now();
        let mut stream = tls_stream(&ours, stage.address, protocols).await;
        stream.write_all(said).await.expect("written");
        let mut buffer = [0; 1024];
        while let Ok(1..) = stream.read(&mut buffer).await {}
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{said:?}: {:?}",
            start.elapsed()
        );
    }
}

/// How long the server keeps a connection on which `bytes` are all that is sent.
async fn kept(address: SocketAddr, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("written");
    let mut buffer = [0; 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
    start.elapsed()
}

async fn tls_stream(
    ours: &Authority,
    address: SocketAddr,
    protocols: &[&[u8]],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ours.pem.as_bytes()).expect("PEM");
    roots.add(root).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.expect("a handshake")
}
