//! The directory switched off by the commands that somebody gave for it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use callotp_conformance::{
    catalogue::Profile,
    clock::Origin,
    report::Report,
    run_watched,
    selection::{DirectorySwitch, Rate, Selection},
    verdict::Verdict,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::stranger::target;

/// What a target does while its directory is off.
#[derive(Clone, Copy)]
enum While {
    Refuses,
    Remembers,
    Hangs,
    Drops,
}

/// A target whose directory is off while there is a file at `off`.
async fn serve(listener: TcpListener, off: PathBuf, manner: While) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let off = off.clone();
        tokio::spawn(async move {
            let mut request = vec![0; 2048];
            let _ = stream.read(&mut request).await;
            let body = "{\"otp\":\"904417\"}";
            let issued = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let refused = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_owned();
            let answer = match (off.exists(), manner) {
                (false, _) | (true, While::Remembers) => issued,
                (true, While::Refuses) => refused,
                (true, While::Hangs) => std::future::pending().await,
                (true, While::Drops) => return,
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

fn switch(file: &Path) -> DirectorySwitch {
    DirectorySwitch {
        off: format!("touch '{}'", file.display()),
        on: format!("rm '{}'", file.display()),
    }
}

async fn judged(
    manner: While,
    file: &Path,
    switch: DirectorySwitch,
    stop: impl Future<Output = ()>,
) -> Report {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(serve(listener, file.to_owned(), manner));
    let selection = Selection {
        profile: Some(Profile::Hardened),
        only: vec!["backend".to_owned()],
        rate: Rate::UNLIMITED,
        timeout: Duration::from_millis(400),
        directory: Some(switch),
        ..Selection::default()
    };
    let origin = Origin {
        started: "2026-11-23T18:00:00Z".parse().expect("a moment"),
        key: [9; 32],
    };
    let report = run_watched(&target(port), &selection, origin, &mut |_| {}, stop).await;
    server.abort();
    report
}

#[track_caller]
fn verdict(report: &Report) -> (Verdict, &str) {
    let clause = report.clause("backend.down").expect("the clause");
    (clause.verdict, clause.got.as_str())
}

#[tokio::test]
async fn a_target_is_judged_while_its_directory_is_off_and_finds_it_on_again() {
    for (manner, expected) in [
        (While::Refuses, Verdict::Pass),
        (While::Remembers, Verdict::Fail),
        (While::Hangs, Verdict::Fail),
        (While::Drops, Verdict::Fail),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("off");
        let never = std::future::pending();
        let report = judged(manner, &file, switch(&file), never).await;
        assert_eq!(verdict(&report).0, expected, "{}", report.markdown());
        assert!(!file.exists());
    }
}

#[tokio::test]
async fn a_command_that_fails_is_the_suites_trouble_and_no_verdict_on_the_target() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("off");
    let broken = DirectorySwitch {
        off: "exit 7".to_owned(),
        ..switch(&file)
    };
    let report = judged(While::Refuses, &file, broken, std::future::pending()).await;
    let (verdict, got) = verdict(&report);
    assert_eq!(verdict, Verdict::Error, "{got}");
    assert!(
        got.contains("--directory-off") && got.contains('7'),
        "{got}"
    );
    assert_eq!(report.summary.exit, 3);
}

#[tokio::test]
async fn whatever_ends_the_run_switches_the_directory_on_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("off");
    let appeared = async {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    };
    let report = judged(While::Hangs, &file, switch(&file), appeared).await;
    assert_eq!(verdict(&report).0, Verdict::Untested);
    let gone = async {
        while file.exists() {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, gone)
        .await
        .expect("it is on again");
}
