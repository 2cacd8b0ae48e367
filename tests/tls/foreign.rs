//! The programs curl and openssl as clients.

use std::{
    fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

use super::stage;
use crate::stage::{ADA, BASIC, Stage, authority::Authority};

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
