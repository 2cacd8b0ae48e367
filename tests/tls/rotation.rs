//! Certificates that are exchanged while the server runs.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use callotp::{
    clock::{Clock, ManualClock, Timestamp},
    tls::{Tls, TlsConfig},
};
use tempfile::TempDir;

use super::{AUTHORIZED, TLS, http, in_folder};
use crate::stage::{
    Setting, Stage,
    authority::{Authority, Issued, Wish},
    caller, crowd,
};

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_rotated_under_load_without_a_failed_call() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = crowd();
    in_folder(&folder, &old);
    let toml = Setting::server(TLS).toml();
    let stage = Stage::in_folder(folder, &toml).await;
    let roots = [&old, &new]
        .map(|one| reqwest::Certificate::from_pem(one.pem.as_bytes()).expect("a certificate"));
    let done = AtomicBool::new(false);
    let rotating = async {
        for round in 0..6 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let authority = [&new, &old][round % 2];
            authority
                .issue(&Wish::server())
                .write(stage.folder.path(), "server");
            stage.reload_as(&toml).await.expect("a reload");
        }
        done.store(true, Ordering::SeqCst);
    };
    let calling = (0..64).map(|index| {
        let (stage, done, roots) = (&stage, &done, &roots);
        async move {
            let client = || {
                let builder = reqwest::Client::builder().tls_certs_only(roots.clone());
                // Half of them keep their connection, half open one for each call.
                let idle = if index % 2 == 0 { 1 } else { 0 };
                builder
                    .http1_only()
                    .pool_max_idle_per_host(idle)
                    .build()
                    .expect("a client")
            };
            let (http, number) = (client(), caller(index));
            let mut calls = 0;
            while !done.load(Ordering::SeqCst) {
                let answer = stage.call_from(&number, &http, "https", AUTHORIZED).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                calls += 1;
            }
            calls
        }
    });
    let (calls, ()) = tokio::join!(futures_util::future::join_all(calling), rotating);
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
    // What is served last is the old authority's again.
    assert_eq!(
        stage
            .call(&http(&old).build().expect("a client"), "https", AUTHORIZED)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn files_that_change_are_taken_and_bad_ones_leave_the_old_certificate() {
    let ours = Authority::new("ours");
    let (first, second) = (ours.issue(&Wish::server()), ours.issue(&Wish::server()));
    let files = Files::new(&first);
    let tls = files.open();
    assert_eq!(shown(&tls).await, first.der);
    let expired = ours.issue(&Wish {
        valid: (2024, 2026),
        ..Wish::server()
    });
    for (what, certificate, key) in [
        ("nothing", "", first.key.as_str()),
        ("a word", "certificate", &first.key),
        (
            "a broken section",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            &first.key,
        ),
        (
            "no certificate in it",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &first.key,
        ),
        (
            "a section without end",
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            &first.key,
        ),
        ("another key", &first.pem, &second.key),
        ("no key", &first.pem, ""),
        ("a certificate for a key", &first.pem, &first.pem),
        ("an expired one", &expired.pem, &expired.key),
        ("half of a change", &second.pem, &first.key),
    ] {
        files.write("server.pem", certificate);
        files.write("server.key", key);
        tls.look();
        assert_eq!(shown(&tls).await, first.der, "{what}");
        assert!(tls.prepare(Some(&files.config)).is_err(), "{what}");
    }
    fs::remove_file(files.folder.path().join("server.key")).expect("removed");
    tls.look();
    assert_eq!(shown(&tls).await, first.der, "a missing file");
    second.write(files.folder.path(), "server");
    tls.look();
    assert_eq!(shown(&tls).await, second.der);
}

#[tokio::test]
async fn an_expired_certificate_is_better_than_none() {
    let ours = Authority::new("ours");
    let expired = ours.issue(&Wish {
        valid: (2024, 2026),
        ..Wish::server()
    });
    let files = Files::new(&expired);
    let tls = files.open();
    assert_eq!(shown(&tls).await, expired.der);
    let newer = ours.issue(&Wish::server());
    newer.write(files.folder.path(), "server");
    tls.look();
    assert_eq!(shown(&tls).await, newer.der);
}

/// A certificate's files, and the server's view of them.
struct Files {
    folder: TempDir,
    clock: ManualClock,
    config: TlsConfig,
}

impl Files {
    fn new(issued: &Issued) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        issued.write(folder.path(), "server");
        let at = |name: &str| folder.path().join(name);
        Self {
            config: TlsConfig {
                certificate: at("server.pem"),
                private_key: at("server.key"),
                client_ca: None,
                client_crl: Vec::new(),
                client_certificates_required: false,
            },
            clock: ManualClock::at(Timestamp::from_millis(1_800_000_000_000)),
            folder,
        }
    }

    fn open(&self) -> Tls {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Tls::open(Some(&self.config), clock).expect("files that can be used")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }
}

/// The certificate that a client of `tls` is shown.
async fn shown(tls: &Tls) -> Vec<u8> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let acceptor = tls.acceptor().expect("TLS");
    tokio::spawn(async move { drop(acceptor.accept(server).await) });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, client).await.expect("a handshake");
    let (_, session) = stream.get_ref();
    session.peer_certificates().expect("certificates")[0].to_vec()
}

/// Looks at no certificate.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
