//! The program as an operator starts it: its lines, its signals, its exit codes.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::stage::{BASIC, PEOPLE, Setting, wire};

mod operator;

fn callotp(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callotp"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn folder(setting: &Setting) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("people.ldif"), &setting.people).expect("written");
    fs::write(folder.path().join("callotp.toml"), setting.toml()).expect("written");
    folder
}

/// A serving program; killed if the test ends before it has ended.
struct Serving {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    listening: SocketAddr,
    admin: SocketAddr,
}

impl Serving {
    fn start(config: &Path) -> Self {
        let config = config.to_str().expect("a plain path");
        let mut child = callotp(&["serve", "--config", config])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a started program");
        let mut out = BufReader::new(child.stdout.take().expect("standard output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("a readiness line in JSON");
        let address = |name: &str| {
            ready[name]
                .as_str()
                .expect("text")
                .parse()
                .expect("an address")
        };
        Self {
            listening: address("listening"),
            admin: address("admin"),
            child,
            out,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    async fn get_otp(&self, number: &str) -> String {
        let body = format!("{{\"phonenumber\":\"{number}\"}}");
        let head = format!(
            "Authorization: {BASIC}\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        wire::exchange(
            self.listening,
            &wire::example(&head, &body),
            Duration::from_secs(5),
        )
        .await
    }

    /// Waits for the end, and gives what is left of standard output, the log, and the exit code.
    fn end(mut self) -> (String, String, Option<i32>) {
        let (mut out, mut log) = (String::new(), String::new());
        self.out.read_to_string(&mut out).expect("UTF-8");
        let mut error = self.child.stderr.take().expect("standard error");
        error.read_to_string(&mut log).expect("UTF-8");
        let status = self.child.wait().expect("an ended program");
        (out, log, status.code())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_serves_the_documents_request_and_the_readmes_lines() {
    let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart");
    let folder = tempfile::tempdir().expect("a folder");
    let toml = fs::read_to_string(quickstart.join("callotp.toml")).expect("the quickstart");
    let toml = toml
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9080", "127.0.0.1:0");
    fs::write(folder.path().join("callotp.toml"), toml).expect("written");
    fs::copy(
        quickstart.join("people.ldif"),
        folder.path().join("people.ldif"),
    )
    .expect("copied");
    let serving = Serving::start(&folder.path().join("callotp.toml"));
    for number in ["+467012345678", "+46701740605"] {
        let answer = serving.get_otp(number).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{number}: {answer}");
    }
    let answer = serving.get_otp("+46701740605").await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let otp: Value = serde_json::from_str(body).expect("JSON");
    let login = serde_json::json!({
        "username": "ada", "password": "correct horse", "otp": otp["otp"]
    })
    .to_string();
    let request = format!(
        "PUT /api/authentication/validate HTTP/1.1\r\nHost: x\r\ntenant: t1\r\n\
         Content-Type: application/json\r\nAuthorization: {BASIC}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{login}",
        login.len()
    );
    let answer = wire::exchange(
        serving.listening,
        request.as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let metrics = wire::exchange(
        serving.admin,
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        Duration::from_secs(5),
    )
    .await;
    assert!(
        metrics
            .contains("callotp_calls_total{operation=\"getOTP\",outcome=\"issued\",reason=\"\"} 3"),
        "{metrics}"
    );
    serving.signal("TERM");
    let (out, log, code) = serving.end();
    assert_eq!((out.as_str(), code), ("", Some(0)), "{log}");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_finishes_what_is_in_flight() {
    let folder = folder(&Setting::default());
    let serving = Serving::start(&folder.path().join("callotp.toml"));
    assert!(
        serving
            .get_otp("+46701740605")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let body = "{\"phonenumber\":\"+46701740605\"}";
    let head = format!(
        "Authorization: {BASIC}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let mut in_flight = tokio::net::TcpStream::connect(serving.listening)
        .await
        .expect("a connection");
    let (start, rest) = body.split_at(10);
    let request = wire::example(&head, start);
    tokio::io::AsyncWriteExt::write_all(&mut in_flight, &request)
        .await
        .expect("written");
    // The server is answering it once it has asked for what it has not got.
    tokio::time::sleep(Duration::from_millis(100)).await;
    serving.signal("TERM");
    while tokio::net::TcpStream::connect(serving.listening)
        .await
        .is_ok()
    {
        tokio::task::yield_now().await;
    }
    tokio::io::AsyncWriteExt::write_all(&mut in_flight, rest.as_bytes())
        .await
        .expect("written");
    let answer = wire::read(&mut in_flight, Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (_, log, code) = serving.end();
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_takes_the_new_configuration_or_keeps_the_old_one() {
    let folder = folder(&Setting::default());
    let config = folder.path().join("callotp.toml");
    let serving = Serving::start(&config);
    let unknown = "+46701740699";
    let wait_for = async |status: &str| {
        for _ in 0..500 {
            if serving.get_otp(unknown).await.starts_with(status) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {status}");
    };
    assert!(serving.get_otp(unknown).await.starts_with("HTTP/1.1 403"));
    let newer = PEOPLE.replace("+46701740605", unknown);
    fs::write(folder.path().join("newer.ldif"), newer).expect("written");
    let toml = Setting::default().toml();
    fs::write(&config, toml.replace("people.ldif", "newer.ldif")).expect("written");
    serving.signal("HUP");
    wait_for("HTTP/1.1 200").await;
    // What is wrong is refused whole, and said.
    fs::write(
        &config,
        toml.replace("people.ldif", "newer.ldif") + "\nunknwon = 1\n",
    )
    .expect("written");
    serving.signal("HUP");
    fs::write(folder.path().join("done"), "").expect("written");
    assert!(serving.get_otp(unknown).await.starts_with("HTTP/1.1 200"));
    // So is what cannot change while the program runs.
    let moved = toml
        .replace("people.ldif", "newer.ldif")
        .replacen("127.0.0.1:0", "127.0.0.1:1", 1);
    let metric = async || {
        wire::exchange(
            serving.admin,
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            Duration::from_secs(5),
        )
        .await
    };
    let refused = async |times: u32| {
        let line = format!("callotp_reloads_total{{result=\"refused\"}} {times}\n");
        for _ in 0..500 {
            if metric().await.contains(&line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {line}");
    };
    refused(1).await;
    fs::write(&config, moved).expect("written");
    serving.signal("HUP");
    refused(2).await;
    assert!(serving.get_otp(unknown).await.starts_with("HTTP/1.1 200"));
    serving.signal("TERM");
    let (_, log, code) = serving.end();
    assert_eq!(code, Some(0));
    assert!(
        log.contains("unknwon") && log.contains("server.listen"),
        "{log}"
    );
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a started program");
    // It may end without reading.
    let _ = child
        .stdin
        .take()
        .expect("standard input")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("an ended program")
}

#[test]
fn a_hashed_password_is_accepted_in_the_configuration() {
    for password in ["secret\n", "secret", "åäö:pass:with:colon\n"] {
        let output = run(&mut callotp(&["hash-password"]), password);
        assert_eq!(output.status.code(), Some(0));
        let hash = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(!hash.contains(password.trim()));
    }
    for wrong in ["", "\n", "two\nlines\n"] {
        let output = run(&mut callotp(&["hash-password"]), wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn exit_codes_tell_wrong_flags_and_configurations_from_what_could_not_be_done() {
    let right = folder(&Setting::default());
    let config = right.path().join("callotp.toml");
    let config = config.to_str().expect("a plain path");
    let wrong = folder(&Setting::server("lisen = \"127.0.0.1:1\""));
    let wrong = wrong.path().join("callotp.toml");
    let wrong = wrong.to_str().expect("a plain path").to_owned();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (arguments, code, says) in [
        (vec!["--help"], 0, "Serve the API"),
        (vec!["--version"], 0, "callotp 0."),
        (vec!["check", "--config", config], 0, "right"),
        (vec!["check", "--config", &wrong], 2, "listen"),
        (vec!["serve", "--config", &wrong], 2, "listen"),
        (
            vec!["check", "--config", "/nowhere/at.all"],
            2,
            "/nowhere/at.all",
        ),
        (vec!["serve"], 2, "--config"),
        (vec!["serv"], 2, "serve"),
        (vec!["serve", "--config", config, "--log", "=="], 2, "--log"),
        (vec!["serve", "--config", config], 1, &address),
    ] {
        let mut command = callotp(&arguments);
        if code == 1 {
            command.env("CALLOTP__SERVER__LISTEN", &address);
        }
        let output = run(&mut command, "");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

fn said(arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let output = run(&mut callotp(arguments), input);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_that_cannot_be_reached_are_named_at_the_start_and_others_are_served() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", nobody.local_addr().expect("its address"));
    drop(nobody);
    let bearer = |name: &str, more: &str| {
        format!("[[tenant.client]]\nname = \"{name}\"\nbearer = {{ issuer = \"{url}\", {more} }}\n")
    };
    let jwks = format!("audience = \"a\", jwks_url = \"{url}/jwks\"");
    let asking = format!(
        "introspection_url = \"{url}/introspect\", client_id = \"a\", client_secret = \"s3cret\""
    );
    let more =
        bearer("one", &jwks) + &bearer("two", &asking) + &bearer("three", "audience = \"b\"");
    let folder = folder(&Setting {
        more,
        ..Setting::default()
    });
    let serving = Serving::start(&folder.path().join("callotp.toml"));
    assert!(
        serving
            .get_otp("+46701740605")
            .await
            .starts_with("HTTP/1.1 200")
    );
    // It is asked in the background, and nobody listens there: that is soon known.
    tokio::time::sleep(Duration::from_millis(500)).await;
    serving.signal("TERM");
    let (_, log, code) = serving.end();
    assert_eq!(code, Some(0), "{log}");
    for named in [
        "/jwks",
        "/introspect",
        "/.well-known/oauth-authorization-server",
    ] {
        assert!(log.contains(&format!("{url}{named}: ")), "{named}: {log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn what_cannot_be_written_is_no_success() {
    for arguments in [&["--version"][..], &["--help"], &["serve", "--help"]] {
        let full = fs::File::options().write(true).open("/dev/full");
        let output = callotp(arguments)
            .stdout(full.expect("a full device"))
            .stderr(Stdio::piped())
            .output()
            .expect("a started program");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
    }
}
