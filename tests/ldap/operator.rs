//! What the operator is told of a mistake by `check`, `doctor` and the log of the start, while
//! the tenants that work are served.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    authority::Authority,
    samba::Samba,
    slapd::{Setup, Slapd, free_port},
    written::{active_directory, furnish, openldap, toml},
};
use crate::stage;

fn callotp(command: &str, config: &Path) -> Command {
    let mut callotp = Command::new(env!("CARGO_BIN_EXE_callotp"));
    callotp.arg(command).arg("--config").arg(config);
    callotp.env_clear().stdin(Stdio::null());
    callotp
}

/// The exit code, and everything that was written.
fn run(command: &str, config: &Path) -> (Option<i32>, String) {
    let output = callotp(command, config).output().expect("a program");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("UTF-8");
    (output.status.code(), text)
}

/// A server that is ended with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The log of a server with this configuration says `word`, and the second tenant's people,
/// who are in a file, are served beside it.
async fn log_says(config: &Path, word: &str) {
    let log = config.with_extension("log");
    let mut serve = callotp("serve", config);
    serve.stdout(Stdio::piped());
    serve.stderr(fs::File::create(&log).expect("a file"));
    let mut serving = Serving(serve.spawn().expect("a server"));
    let output = serving.0.stdout.take().expect("a pipe");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("a readiness line");
    let address = ready["listening"].as_str().expect("an address");
    let url = format!("http://{address}/api/authentication/getOTP");
    let request = reqwest::Client::new()
        .put(url)
        .header("tenant", "t2")
        .header("content-type", "application/json")
        .header("authorization", stage::BASIC)
        .body(format!(r#"{{"phonenumber":"{}"}}"#, stage::ADA));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200, "the other tenant");
    let mut said = String::new();
    for _ in 0..300 {
        said = fs::read_to_string(&log).expect("a log");
        if said.contains(word) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{word} not in {said}");
}

/// `check` has nothing against the configuration, which only the network shows to be wrong;
/// `doctor` and the log say `word`.
async fn is_told(keys: &str, word: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    furnish(folder.path());
    let config = folder.path().join("callotp.toml");
    let toml = toml(keys, &stage::tenant("t2", "people.ldif"));
    fs::write(&config, toml).expect("a file");
    let (code, said) = run("check", &config);
    assert_eq!(code, Some(0), "{word}: {said}");
    let (code, said) = run("doctor", &config);
    assert_eq!(code, Some(1), "{word}: {said}");
    assert!(said.contains(word), "{word} in {said}");
    log_says(&config, word).await;
}

#[tokio::test]
async fn a_mistake_that_openldap_shows_is_named_by_doctor_and_in_the_log() {
    let slapd = Slapd::own();
    let keys = openldap(&[slapd.url()]);
    let stranger = tempfile::tempdir().expect("a folder");
    let ca = Authority::new().certify(stranger.path(), &["localhost"]).ca;
    let tls = |ca: &Path| {
        let url = format!("ldaps://localhost:{}", slapd.tls.port());
        keys.replace(&slapd.url(), &url) + &format!("ca = {ca:?}\n")
    };
    for (keys, word) in [
        (
            keys.replace(
                "[\"mobile\", \"telephoneNumber\", \"description\"]",
                "[\"mobil\"]",
            ),
            "the directory does not know mobil",
        ),
        (keys.replace("\"uid\"", "\"uidd\""), "no user has uidd"),
        (
            keys.replace("\"entryUUID\"", "\"entryUIDD\""),
            "no user has entryUIDD",
        ),
        (keys.replace("ou=people", "ou=peeple"), "correct base"),
        (
            keys.replace("inetOrgPerson", "inetOrgPersn"),
            "finds nobody below base",
        ),
        (
            keys.replace("cn=callotp", "cn=nobody"),
            "check bind_dn and bind_password",
        ),
        (tls(&ca), "name the PEM file of the authority"),
        (
            keys.replace(&slapd.url(), &format!("ldap://{}", slapd.tls)),
            "would ldaps:// be right for this port?",
        ),
        (
            keys.replace(&slapd.url(), &format!("ldap://{}", free_port())),
            "is the server running",
        ),
    ] {
        is_told(&keys, word).await;
    }
}

#[tokio::test]
async fn a_service_user_without_rights_is_named_by_doctor_and_in_the_log() {
    for (limits, word) in [
        (
            "size=unlimited\naccess to attrs=mobile,telephoneNumber,description by * none",
            "no number of any user can be read",
        ),
        (
            "size=unlimited\naccess to dn.children=\"ou=people,dc=example,dc=org\" by * none",
            "give the service user the right to read users",
        ),
        (
            "size=unlimited\naccess to dn.subtree=\"ou=people,dc=example,dc=org\" by * none",
            "correct base, or the service user's rights",
        ),
    ] {
        let slapd = Slapd::start_as(&Setup {
            limits,
            ..Setup::default()
        });
        is_told(&openldap(&[slapd.url()]), word).await;
    }
    let slapd = Slapd::start_as(&Setup {
        crowd: 700,
        limits: "size=100 size.prtotal=200",
        ..Setup::default()
    });
    let index = openldap(&[slapd.url()]) + "lookup = \"index\"\n";
    is_told(&index, "size limit").await;
}

#[tokio::test]
async fn a_mistake_that_active_directory_shows_is_named_by_doctor_and_in_the_log() {
    let keys = active_directory(Samba::shared());
    for (keys, word) in [
        (
            keys.replace(
                "[\"mobile\", \"otherMobile\", \"telephoneNumber\"]",
                "[\"mobil\"]",
            ),
            "the directory does not know mobil",
        ),
        (
            keys.replace("sAMAccountName", "sAMAcountName"),
            "no user has sAMAcountName",
        ),
        (
            keys.replace("base = \"", "base = \"ou=nowhere,"),
            "correct base",
        ),
        (
            keys.replace("bind_dn = \"", "bind_dn = \"x"),
            "check bind_dn and bind_password",
        ),
    ] {
        is_told(&keys, word).await;
    }
}

#[test]
fn check_names_a_file_of_authorities_that_cannot_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    furnish(folder.path());
    let config = folder.path().join("callotp.toml");
    for (file, word) in [
        ("nowhere.pem", "cannot be read"),
        ("password", "no CERTIFICATE block"),
    ] {
        let keys = openldap(&["ldaps://localhost".to_owned()]) + &format!("ca = {file:?}\n");
        fs::write(&config, toml(&keys, "")).expect("a file");
        for (command, expected) in [("check", 2), ("doctor", 1), ("serve", 1)] {
            let (code, said) = run(command, &config);
            assert_eq!(code, Some(expected), "{command}: {said}");
            assert!(said.contains(word) && said.contains(file), "{said}");
            if command != "serve" {
                assert!(said.contains("name the PEM file"), "{said}");
                assert_eq!(said.matches(word).count(), 1, "once: {said}");
            }
        }
    }
}
