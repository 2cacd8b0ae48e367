//! TLS: the mock's own authority, and certificates that a caller has to refuse.

use std::sync::Arc;

use callotp_conformance::catalogue::caller;
use callotp_mock::{Mock, journal::Event};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::ask::{ADA, Ask, administer, read_reply};

async fn connect(mock: &Mock, verify: bool) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = match verify {
        true => {
            let mut roots = RootCertStore::empty();
            let ca = CertificateDer::from_pem_slice(mock.ca_pem().as_bytes()).expect("PEM");
            roots.add(ca).expect("a root");
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        false => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Careless(provider)))
            .with_no_client_auth(),
    };
    let tcp = TcpStream::connect(mock.http_address()).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// A caller that takes every certificate.
#[derive(Debug)]
struct Careless(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

async fn tls_mock() -> Mock {
    Mock::builder()
        .tls()
        .plain()
        .seed(7)
        .start()
        .await
        .expect("a mock")
}

#[tokio::test]
async fn a_caller_that_trusts_the_mocks_authority_is_answered() {
    let mock = tls_mock().await;
    let mut tls = connect(&mock, true).await.expect("a handshake");
    tls.write_all(&Ask::golden(ADA).bytes())
        .await
        .expect("sent");
    let reply = read_reply(&mut tls).await;
    assert_eq!(
        (reply.status, reply.header("callotp-verdict")),
        (200, "pass")
    );
    let (status, pem) = administer(&mock, "GET", "/ca.pem", None).await;
    assert_eq!((status, pem.as_str()), (200, Some(mock.ca_pem().as_str())));
}

#[tokio::test]
async fn a_bad_certificate_is_to_be_refused_and_going_on_is_found() {
    for kind in ["expired", "wrong-name", "untrusted"] {
        let mock = tls_mock().await;
        let fault = || Some(json!({"kind": "tls", "certificate": kind}));
        administer(&mock, "POST", "/tenants/t1/next", fault()).await;
        assert!(connect(&mock, true).await.is_err(), "{kind}");
        administer(&mock, "POST", "/tenants/t1/next", fault()).await;
        let mut careless = connect(&mock, false).await.expect("a careless caller");
        careless
            .write_all(&Ask::golden(ADA).bytes())
            .await
            .expect("sent");
        let reply = read_reply(&mut careless).await;
        assert_eq!(reply.broken_clauses(), [caller::TLS_VERIFIED.id], "{kind}");
        let calls = mock.journal().calls();
        let refused = calls
            .iter()
            .find(|call| call.event == Event::Tls)
            .expect("journalled");
        assert!(refused.passed(), "{kind}");
        let note = refused.note.as_deref().expect("a note");
        assert!(note.contains("that was right"), "{note}");
        connect(&mock, true)
            .await
            .expect("the next one is good again");
    }
}

#[tokio::test]
async fn the_wrong_protocol_on_either_socket_is_journalled() {
    let tls = tls_mock().await;
    let mut tcp = TcpStream::connect(tls.http_address())
        .await
        .expect("a listener");
    tcp.write_all(&Ask::golden(ADA).bytes())
        .await
        .expect("sent");
    read_reply(&mut tcp).await;
    let calls = tls.journal().calls();
    let note = calls[0].note.as_deref().expect("a note");
    assert!(note.contains("was http meant for https"), "{note}");

    let plain = crate::ask::mock().await;
    assert!(connect(&plain, true).await.is_err());
    let calls = plain.journal().calls();
    assert_eq!(calls[0].event, Event::Garbage);
    assert!(
        calls[0]
            .note
            .as_deref()
            .expect("a note")
            .contains("TLS handshake")
    );
}

#[tokio::test]
async fn a_caller_that_refuses_only_after_the_handshake_is_right_as_well() {
    let mock = tls_mock().await;
    let fault = json!({"kind": "tls", "certificate": "wrong-name"});
    administer(&mock, "POST", "/tenants/t1/next", Some(fault)).await;
    let mut tls = connect(&mock, false).await.expect("a handshake");
    tls.shutdown().await.expect("an end");
    read_reply(&mut tls).await;
    let calls = mock.journal().calls();
    assert_eq!((calls.len(), calls[0].event), (1, Event::Tls));
    assert!(calls[0].passed());
    let note = calls[0].note.as_deref().expect("a note");
    assert!(note.ends_with("so that was right"), "{note}");
}
