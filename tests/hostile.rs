//! Requests that no one should send: refused or cut off in bounded time, and never a panic.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use crate::stage::{ADA, BASIC, Setting, Stage, wire};

const QUIET: Duration = Duration::from_secs(5);
const BODY: &str = r#"{"phonenumber":"+46701740605"}"#;

/// The right request with `head` lines in place of its length.
fn request(head: &str, body: &str) -> Vec<u8> {
    wire::example(&format!("Authorization: {BASIC}\r\n{head}"), body)
}

/// A server that gives little time, so that the tests need not wait for much.
async fn impatient() -> Stage {
    Stage::set(Setting::server("request_timeout = \"300ms\"")).await
}

async fn refuses(stage: &Stage, name: &str, bytes: &[u8]) {
    let answer = wire::exchange(stage.address, bytes, QUIET).await;
    let refused =
        answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
    assert!(refused, "{name}: {answer}");
    assert!(!answer.contains("\"otp\""), "{name}: {answer}");
    assert_eq!(stage.get_otp(ADA).await.status, 200, "after {name}");
}

#[tokio::test]
async fn broken_framing_gets_no_otp() {
    let stage = impatient().await;
    let length = BODY.len();
    for (name, bytes) in [
        (
            "two lengths",
            request(
                &format!("Content-Length: {length}\r\nContent-Length: 5\r\n"),
                BODY,
            ),
        ),
        (
            "lengths in a list",
            request(
                &format!("Content-Length: {length}, {length}\r\nConnection: close\r\n"),
                BODY,
            ),
        ),
        (
            "a length with chunks",
            request(
                &format!(
                    "Content-Length: {length}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
                ),
                &format!("{length:x}\r\n{BODY}\r\n0\r\n\r\n"),
            ),
        ),
        (
            "chunks twice",
            request(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n",
                &format!("{length:x}\r\n{BODY}\r\n0\r\n\r\n"),
            ),
        ),
        (
            "another transfer coding",
            request("Transfer-Encoding: gzip\r\nConnection: close\r\n", BODY),
        ),
        (
            "a coding after chunked",
            request(
                "Transfer-Encoding: chunked, gzip\r\nConnection: close\r\n",
                BODY,
            ),
        ),
        (
            "a negative length",
            request("Content-Length: -5\r\nConnection: close\r\n", BODY),
        ),
        (
            "a huge length",
            request(
                "Content-Length: 18446744073709551616\r\nConnection: close\r\n",
                BODY,
            ),
        ),
        (
            "a length with a plus",
            request(
                &format!("Content-Length: +{length}\r\nConnection: close\r\n"),
                BODY,
            ),
        ),
        ("no length", request("Connection: close\r\n", BODY)),
        (
            "a broken chunk",
            request(
                "Transfer-Encoding: chunked\r\nConnection: close\r\n",
                "zz\r\nno\r\n0\r\n\r\n",
            ),
        ),
        (
            "an endless chunk size",
            request("Transfer-Encoding: chunked\r\n", &"0".repeat(100_000)),
        ),
        (
            "endless chunk extensions",
            request(
                "Transfer-Encoding: chunked\r\n",
                &format!("1;{}", "x".repeat(100_000)),
            ),
        ),
        (
            "NUL in a header",
            request("X: a\0b\r\nContent-Length: 0\r\n", ""),
        ),
        (
            "a bare CR in a header",
            request("X: a\rb\r\nContent-Length: 0\r\n", ""),
        ),
        (
            "a folded header",
            request("X: a\r\n b\r\nContent-Length: 0\r\n", ""),
        ),
        (
            "a space before the colon",
            request("X : a\r\nContent-Length: 0\r\n", ""),
        ),
        (
            "no HTTP",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        ),
        (
            "HTTP/2's preface",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        (
            "HTTP/3.7",
            b"PUT /api/authentication/getOTP HTTP/3.7\r\n\r\n".to_vec(),
        ),
        (
            "a path of a mebibyte",
            [
                b"PUT /".to_vec(),
                vec![b'a'; 1 << 20],
                b" HTTP/1.1\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
        (
            "invalid UTF-8 in the path",
            b"PUT /api/authentication/getOTP\xff HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        ),
    ] {
        refuses(&stage, name, &bytes).await;
    }
}

#[tokio::test]
async fn floods_and_depths_get_no_otp() {
    let stage = impatient().await;
    let with = |body: &str| {
        request(
            &format!("Content-Length: {}\r\nConnection: close\r\n", body.len()),
            body,
        )
    };
    for (name, bytes) in [
        (
            "a thousand headers",
            request(
                &(0..1000)
                    .map(|n| format!("X-{n}: y\r\n"))
                    .collect::<String>(),
                "",
            ),
        ),
        (
            "a header of a mebibyte",
            request(&format!("X: {}\r\n", "y".repeat(1 << 20)), ""),
        ),
        (
            "a thousand tenants",
            request(&"tenant: t2\r\n".repeat(80), ""),
        ),
        (
            "deep arrays",
            with(&format!("{{\"x\":{}", "[".repeat(8000))),
        ),
        (
            "deep objects",
            with(&format!("{{\"x\":{}", "{\"a\":".repeat(3000))),
        ),
        (
            "a body over the limit",
            with(&format!(
                "{{\"phonenumber\":\"+46701740605\",\"x\":\"{}\"}}",
                "y".repeat(20_000)
            )),
        ),
        (
            "chunks over the limit",
            request(
                "Transfer-Encoding: chunked\r\nConnection: close\r\n",
                &format!("{:x}\r\n{}\r\n0\r\n\r\n", 20_000, "y".repeat(20_000)),
            ),
        ),
        (
            "a number of ten thousand digits",
            with(&format!("{{\"phonenumber\":\"{}\"}}", "7".repeat(10_000))),
        ),
        (
            "credentials of ten kilobytes",
            wire::example(
                &format!(
                    "Authorization: Basic {}\r\nContent-Length: 0\r\n",
                    "QUFB".repeat(2500)
                ),
                "",
            ),
        ),
    ] {
        refuses(&stage, name, &bytes).await;
    }
}

#[tokio::test]
async fn a_byte_at_a_time_is_cut_off() {
    let stage = impatient().await;
    let slow_head = request("Content-Length: 1000\r\n", "");
    let head_only = request(&format!("Content-Length: {}\r\n", BODY.len()), "");
    for (name, at_once, slowly) in [
        ("nothing at all", &b""[..], &b""[..]),
        ("a slow head", &b""[..], &slow_head[..slow_head.len() - 2]),
        ("a slow body", &head_only[..], &BODY.as_bytes()[..10]),
    ] {
        let start = Instant::now();
        let mut stream = TcpStream::connect(stage.address)
            .await
            .expect("a connection");
        stream.write_all(at_once).await.expect("written");
        let (mut reader, mut writer) = stream.into_split();
        let dribble = async {
            for byte in slowly.iter().cycle() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        tokio::select! {
            _ = reader.read_to_end(&mut answer) => {}
            () = dribble => {}
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("{name}: still open"),
        }
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{name}: {:?}",
            start.elapsed()
        );
        assert!(
            !String::from_utf8_lossy(&answer).contains("\"otp\""),
            "{name}"
        );
    }
    assert_eq!(stage.get_otp(ADA).await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_may_be_used_again_after_the_time_for_a_head() {
    let stage = impatient().await;
    let mut stream = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let request = request(&format!("Content-Length: {}\r\n", BODY.len()), BODY);
    for _ in 0..2 {
        stream
            .write_all(&request)
            .await
            .expect("an open connection");
        let answer = wire::read(&mut stream, Duration::from_secs(1)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_order() {
    let stage = Stage::usual().await;
    let one = request(&format!("Content-Length: {}\r\n", BODY.len()), BODY);
    let answer = wire::exchange(stage.address, &one.repeat(5), Duration::from_millis(500)).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 5, "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_continue() {
    let stage = Stage::usual().await;
    let mut stream = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let head = request(
        &format!("Content-Length: {}\r\nExpect: 100-continue\r\n", BODY.len()),
        "",
    );
    stream.write_all(&head).await.expect("written");
    let interim = wire::read(&mut stream, Duration::from_millis(500)).await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(BODY.as_bytes()).await.expect("written");
    let answer = wire::read(&mut stream, Duration::from_secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_still_gets_its_answer() {
    let stage = Stage::usual().await;
    let mut stream = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let request = request(&format!("Content-Length: {}\r\n", BODY.len()), BODY);
    stream.write_all(&request).await.expect("written");
    stream.shutdown().await.expect("half closed");
    let answer = wire::read(&mut stream, Duration::from_secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_a_place() {
    let stage = Stage::set(Setting::server("max_connections = 2")).await;
    let request = request(&format!("Content-Length: {}\r\n", BODY.len()), BODY);
    let first = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let second = TcpStream::connect(stage.address)
        .await
        .expect("a connection");
    let mut third = TcpStream::connect(stage.address)
        .await
        .expect("a place in the queue");
    third.write_all(&request).await.expect("written");
    assert_eq!(
        wire::read(&mut third, Duration::from_millis(300)).await,
        "",
        "there is no place"
    );
    drop((first, second));
    let answer = wire::read(&mut third, Duration::from_secs(2)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
