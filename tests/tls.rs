//! The server's own TLS: who gets in, what is cut off, and how certificates are exchanged.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Output, Stdio},
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
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use crate::stage::{
    ADA, BASIC, Setting, Stage,
    authority::{Authority, Issued, Wish},
    caller, crowd, folder, wire,
};

const TLS: &str = "[server.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";

fn in_folder(folder: &TempDir, ours: &Authority) {
    ours.issue(&Wish::server()).write(folder.path(), "server");
    fs::write(folder.path().join("ours.pem"), &ours.pem).expect("written");
}

async fn stage(ours: &Authority, server: &str) -> Stage {
    let folder = folder();
    in_folder(&folder, ours);
    Stage::in_folder(folder, &Setting::server(&format!("{server}{TLS}")).toml()).await
}

fn http(ours: &Authority) -> reqwest::ClientBuilder {
    let root = reqwest::Certificate::from_pem(ours.pem.as_bytes()).expect("a certificate");
    reqwest::Client::builder().tls_certs_only([root])
}

const AUTHORIZED: &[(&str, &str)] = &[("authorization", BASIC)];

/// A foreign program, run to its end away from the server's thread.
async fn run(mut command: Command) -> Output {
    let run = move || {
        command
            .stdin(Stdio::null())
            .output()
            .expect("a program that starts")
    };
    tokio::task::spawn_blocking(run)
        .await
        .expect("a program that ends")
}

fn curl(stage: &Stage, more: &[&str]) -> Command {
    let mut command = Command::new("curl");
    let ours = stage.folder.path().join("ours.pem");
    command
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "5",
            "--cacert",
        ])
        .arg(ours)
        .args([
            "-X",
            "PUT",
            "-H",
            "tenant: t1",
            "-H",
            "content-type: application/json",
        ])
        .args(["-H", &format!("authorization: {BASIC}")])
        .args(["-d", &format!("{{\"phonenumber\":\"{ADA}\"}}")])
        .args(["-w", " %{http_version} %{http_code}"])
        .args(more)
        .arg(format!(
            "https://localhost:{}/api/authentication/getOTP",
            stage.address.port()
        ));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_served_over_both_versions_of_tls_and_of_http() {
    let ours = Authority::new("ours");
    let stage = stage(&ours, "").await;
    for (more, ending) in [
        (&["--http1.1"][..], " 1.1 200"),
        (&["--http2"], " 2 200"),
        (&["--tls-max", "1.2"], " 2 200"),
        (&["--tlsv1.3"], " 2 200"),
    ] {
        let output = run(curl(&stage, more)).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("\"otp\"") && said.ends_with(ending),
            "{more:?}: {said} {complained}"
        );
        stage.clock.advance(Duration::from_secs(1));
    }
    // With another authority, curl does not trust the server.
    fs::write(
        stage.folder.path().join("ours.pem"),
        Authority::new("another").pem,
    )
    .expect("written");
    assert_eq!(run(curl(&stage, &[])).await.status.code(), Some(60));
}

fn openssl(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", stage.address.port()),
        ])
        .args(["-CAfile"])
        .arg(stage.folder.path().join("ours.pem"))
        .args([
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
            "-brief",
        ])
        .args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_shakes_hands_over_1_2_and_1_3_and_not_over_what_is_older() {
    let ours = Authority::new("ours");
    let stage = stage(&ours, "").await;
    for (version, works) in [
        ("-tls1_3", true),
        ("-tls1_2", true),
        ("-tls1_1", false),
        ("-tls1", false),
    ] {
        let weak = ["-cipher", "DEFAULT@SECLEVEL=0"];
        let output = run(openssl(&stage, &[&[version], &weak[..]].concat())).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            said.contains("CONNECTION ESTABLISHED"),
            works,
            "{version}: {said}"
        );
    }
    // The name is of no consequence, nor is its absence.
    for name in [&["-servername", "other.example"][..], &["-noservername"]] {
        let said = run(openssl(&stage, name)).await.stderr;
        assert!(
            String::from_utf8_lossy(&said).contains("CONNECTION ESTABLISHED"),
            "{name:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_taken_up_again_by_openssl() {
    let ours = Authority::new("ours");
    let stage = stage(&ours, "").await;
    let session = stage.folder.path().join("session");
    let session = session.to_str().expect("a path");
    for version in ["-tls1_2", "-tls1_3"] {
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut said = String::new();
        for how in ["-sess_out", "-sess_in"] {
            let mut command = Command::new("openssl");
            command
                .args([
                    "s_client",
                    "-connect",
                    &format!("127.0.0.1:{}", stage.address.port()),
                ])
                .args([version, how, session, "-ign_eof"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let output = tokio::task::spawn_blocking(move || {
                let mut child = command.spawn().expect("openssl");
                let mut input = child.stdin.take().expect("its input");
                std::io::Write::write_all(&mut input, request.as_bytes()).expect("written");
                let output = child.wait_with_output().expect("its end");
                drop(input);
                output
            });
            said = String::from_utf8_lossy(&output.await.expect("run").stdout).into_owned();
        }
        assert!(said.contains("Reused, TLSv1"), "{version}: {said}");
    }
}

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

/// How long the server keeps a connection on which `bytes` are all that is sent.
async fn kept(address: SocketAddr, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("written");
    let mut buffer = [0; 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
    start.elapsed()
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

#[tokio::test]
async fn many_requests_at_once_share_an_http_2_connection() {
    let ours = Authority::new("ours");
    let folder = crowd();
    in_folder(&folder, &ours);
    let stage = Stage::in_folder(folder, &Setting::server(TLS).toml()).await;
    let http = http(&ours).build().expect("a client");
    // One first, so that the rest need not each open a connection.
    assert_eq!(
        stage
            .call_from(&caller(94), &http, "https", AUTHORIZED)
            .await
            .status,
        200
    );
    let numbers: Vec<String> = (0..90).map(caller).collect();
    let calls = numbers
        .iter()
        .map(|number| stage.call_from(number, &http, "https", AUTHORIZED));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn told_to_stop_an_http_2_connection_is_finished() {
    let ours = Authority::new("ours");
    // So long that it is certain what has not waited for its end, on however busy a machine.
    let stage = stage(&ours, "shutdown_grace = \"10m\"\n").await;
    let http = http(&ours).build().expect("a client");
    assert_eq!(stage.call(&http, "https", AUTHORIZED).await.status, 200);
    let ended = tokio::time::timeout(Duration::from_secs(120), stage.end()).await;
    ended.expect("an end before that of the grace time");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_calls_in_flight_on_http_2_are_answered() {
    use crate::stage::{client, issuer::IssuerServer, with_clients};
    let issuer = IssuerServer::start(&[]).await;
    issuer.change(|answers| {
        answers.introspection = serde_json::json!({ "active": true });
        answers.delay = Duration::from_millis(500);
    });
    let name = issuer.name();
    let bearer = format!(
        "bearer = {{ issuer = \"{name}\", introspection_url = \"{name}/introspect\", \
         client_id = \"a\", client_secret = \"b\" }}"
    );
    let ours = Authority::new("ours");
    let folder = crowd();
    in_folder(&folder, &ours);
    let server = format!("shutdown_grace = \"10m\"\n{TLS}");
    let toml = with_clients(&server, &client("pbx", &bearer));
    let stage = Stage::in_folder(folder, &toml).await;
    let clients: Vec<reqwest::Client> = (0..4)
        .map(|_| http(&ours).build().expect("a client"))
        .collect();
    let calls = (0..12).map(|index| {
        let (stage, clients) = (&stage, &clients);
        async move {
            let token = format!("Bearer token-{index}");
            let headers = [("authorization", token.as_str())];
            let http = &clients[index % clients.len()];
            stage
                .call_from(&caller(index), http, "https", &headers)
                .await
        }
    });
    let stopping = async {
        // Once all of them have come as far as the issuer.
        while issuer.asked("/introspect").await.len() < 12 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage.trigger.drain();
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), stopping);
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(120), stage.end()).await;
    ended.expect("an end before that of the grace time");
}

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

fn callotp(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_callotp"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("a program that starts");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn what_is_wrong_with_a_file_is_named_by_check_doctor_and_serve() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let good = ours.issue(&Wish::server());
    let expired = ours.issue(&Wish {
        valid: (2024, 2025),
        ..Wish::server()
    });
    let old = ours.below("old", |params| {
        params.not_after = rcgen::date_time_ymd(2025, 1, 1);
    });
    let old_chain = format!("{}{}", good.pem, old.pem);
    let exotic = Command::new("openssl")
        .args(["ecparam", "-name", "secp256k1", "-genkey", "-noout"])
        .output()
        .expect("openssl");
    let exotic = String::from_utf8(exotic.stdout).expect("PEM");
    let list = ours.revoke(&[1]);
    let tls = format!("{TLS}client_ca = \"clients.pem\"\nclient_crl = [\"clients.crl\"]\n");
    for (file, text, says) in [
        ("server.pem", None, "cannot be read"),
        ("server.pem", Some("x"), "holds no certificate in PEM"),
        (
            "server.pem",
            Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"),
            "is no PEM",
        ),
        ("server.pem", Some(expired.pem.as_str()), "expired at"),
        (
            "server.pem",
            Some(&old_chain),
            "above the server's expired at",
        ),
        ("server.key", Some(&exotic), "no kind that is served"),
        (
            "server.key",
            Some(
                "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----",
            ),
            "encrypted",
        ),
        ("server.key", Some("x"), "holds no private key"),
        (
            "server.key",
            Some(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
            ),
            "encrypted",
        ),
        ("server.key", Some(&expired.key), "is not the key of"),
        ("clients.pem", Some(""), "holds no certificate"),
        ("clients.crl", Some("x"), "is no revocation list"),
    ] {
        let folder = folder();
        good.write(folder.path(), "server");
        for (name, text) in [("clients.pem", &other.pem), ("clients.crl", &list)] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let config = folder.path().join("callotp.toml");
        fs::write(&config, Setting::server(&tls).toml()).expect("written");
        let (code, said) = callotp(&["check"], &config);
        assert_eq!(code, Some(0), "{said}");
        match text {
            Some(text) => fs::write(folder.path().join(file), text).expect("written"),
            None => fs::remove_file(folder.path().join(file)).expect("removed"),
        }
        let is_expired = says.ends_with("expired at");
        if says == "expired at" {
            fs::write(folder.path().join("server.key"), &expired.key).expect("written");
        }
        for (command, expected) in [("check", Some(2)), ("doctor", Some(1)), ("serve", Some(1))] {
            if command == "serve" && is_expired {
                // It serves, and would not end.
                continue;
            }
            let (code, said) = callotp(&[command], &config);
            assert!(
                said.contains(file) && said.contains(says),
                "{command} {file}: {said}"
            );
            assert_eq!(code, expected, "{command} {file}: {said}");
            assert!(!said.contains("PRIVATE KEY"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_asks_the_issuers() {
    use crate::stage::{
        client,
        issuer::{IssuerServer, SigningKey},
        with_clients,
    };
    let key = SigningKey::new("k", jsonwebtoken::Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let name = issuer.name();
    let introspecting = format!(
        "bearer = {{ issuer = \"{name}\", introspection_url = \"{name}/introspect\", client_id = \"a\", client_secret = \"b\" }}"
    );
    let clients =
        client("one", &format!("bearer = {}", issuer.bearer())) + &client("two", &introspecting);
    let folder = folder();
    let config = folder.path().join("callotp.toml");
    fs::write(&config, with_clients("", &clients)).expect("written");
    let doctor = async || {
        let config = config.clone();
        tokio::task::spawn_blocking(move || callotp(&["doctor"], &config))
            .await
            .expect("run")
    };
    let (code, said) = doctor().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("client one: ") && said.contains("1 keys for tokens"),
        "{said}"
    );
    assert!(
        said.contains("client two: ") && said.contains("/introspect: answers"),
        "{said}"
    );
    issuer.change(|answers| answers.status = 503);
    let (code, said) = doctor().await;
    assert_eq!(code, Some(1), "{said}");
    for url in ["/jwks: status 503", "/introspect: status 503"] {
        assert!(said.contains(&format!("{name}{url}")), "{said}");
    }
}
