//! What check, doctor and serve say of files and issuers.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::TLS;
use crate::stage::{
    Setting,
    authority::{Authority, Wish},
    client, folder,
    issuer::{IssuerServer, SigningKey},
    with_clients,
};

/// As `openssl ca -gencrl` writes it unless it is told `crl_extensions`.
const OLD_LIST: &str = "-----BEGIN X509 CRL-----\n\
MIGVMD0wCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGbGFiIENBFw0yMDAxMDEwMDAw\n\
MDBaFw0yMTAxMDEwMDAwMDBaMAoGCCqGSM49BAMCA0gAMEUCIQD6NcVzKR8eoH3Q\n\
jhCLJZoPnT0lxNl3ehUXWc+kS7xDqQIgFS6JHnhtbXogjY8FoV4ZXok52qKR9PgW\n\
r7HW3VZ2VfA=\n\
-----END X509 CRL-----\n";

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
        ("clients.crl", Some(OLD_LIST), "of version 1"),
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
