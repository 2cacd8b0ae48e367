//! The journal is bounded and honest; what is no call is journalled and not fatal.

use callotp_mock::journal::{Event, MAX_CALLS};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::ask::{ADA, Ask, administer, mock, send};

#[tokio::test]
async fn garbage_is_journalled_and_the_next_caller_is_served() {
    let mock = mock().await;
    for bytes in [
        &b"\x00\x01\x02\xff\xfe\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"hello world, this is no http at all\n\n",
    ] {
        let reply = send(mock.http_address(), bytes).await;
        assert_eq!(
            reply.status,
            400,
            "{:?}",
            String::from_utf8_lossy(&reply.raw)
        );
    }
    let calls = mock.journal().calls();
    assert!(
        calls
            .iter()
            .all(|call| call.event == Event::Garbage && !call.passed())
    );
    assert_eq!(calls.len(), 3);
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 200);
}

#[tokio::test]
async fn a_request_that_breaks_off_is_journalled_with_what_came_of_it() {
    let mock = mock().await;
    let mut tcp = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let bytes = Ask::golden(ADA).bytes();
    tcp.write_all(&bytes[..bytes.len() - 5])
        .await
        .expect("sent");
    tcp.shutdown().await.expect("shut");
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest).await.expect("an end");
    let calls = mock.journal().calls();
    assert_eq!(calls[0].event, Event::Closed);
    let note = calls[0].note.as_deref().expect("a note");
    assert!(note.contains("inside the body"), "{note}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_no_call() {
    let mock = mock().await;
    drop(
        TcpStream::connect(mock.http_address())
            .await
            .expect("a listener"),
    );
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 200);
    assert_eq!(mock.journal().calls().len(), 1);
}

#[tokio::test]
async fn a_body_without_a_length_and_one_that_is_too_long_are_told() {
    let mock = mock().await;
    let text = "PUT /api/authentication/getOTP HTTP/1.1\r\nHost: x\r\ntenant: t1\r\nContent-Type: application/json\r\nAuthorization: Basic cGJ4OnNlY3JldA==\r\n\r\n{\"phonenumber\":\"+46701740605\"}";
    let reply = send(mock.http_address(), text.as_bytes()).await;
    assert_eq!(reply.header("callotp-verdict"), "fail caller.body");
    let large = Ask::golden(ADA).body(&"x".repeat(200_000)).to(&mock).await;
    assert_eq!(large.status, 413);
}

#[tokio::test]
async fn what_was_dropped_is_unknown_and_never_a_false_yes() {
    let mock = mock().await;
    let mut tcp = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let mut ask = Ask::golden(ADA);
    ask.close = false;
    let bytes = ask.bytes();
    for _ in 0..MAX_CALLS + 10 {
        tcp.write_all(&bytes).await.expect("sent");
        let mut answer = [0; 2048];
        let mut got = 0;
        while !answer[..got].ends_with(b"}") {
            got += tcp.read(&mut answer[got..]).await.expect("an answer");
        }
    }
    assert_eq!(mock.journal().calls().len(), MAX_CALLS);
    let (status, _) = administer(&mock, "GET", "/calls/c1", None).await;
    assert_eq!(status, 410);
    let (status, _) = administer(&mock, "GET", "/calls/c99999", None).await;
    assert_eq!(status, 404);
    let verify = |body| administer(&mock, "POST", "/verify", Some(body));
    let exactly = MAX_CALLS;
    assert_eq!(
        verify(json!({"number": ADA, "exactly": exactly})).await.0,
        410
    );
    assert_eq!(verify(json!({"number": ADA, "exactly": 3})).await.0, 409);
    assert_eq!(
        verify(json!({"number": ADA, "at_least": exactly})).await.0,
        200
    );
    assert_eq!(
        verify(json!({"number": ADA, "at_least": exactly + 1}))
            .await
            .0,
        410
    );
    assert_eq!(
        verify(json!({"number": "+46701740606", "exactly": 0}))
            .await
            .0,
        410
    );
    let (status, _) = administer(&mock, "GET", "/calls?since=c1", None).await;
    assert_eq!(status, 410);
}

#[tokio::test]
async fn expect_continue_and_pipelined_requests_are_answered() {
    let mock = mock().await;
    let mut tcp = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let ask = Ask::golden(ADA).and("Expect", "100-continue").bytes();
    let head = ask
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head")
        + 4;
    tcp.write_all(&ask[..head]).await.expect("sent");
    let mut interim = [0; 25];
    tcp.read_exact(&mut interim)
        .await
        .expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    tcp.write_all(&ask[head..]).await.expect("sent");
    let reply = crate::ask::read_reply(&mut tcp).await;
    assert_eq!(
        (reply.status, reply.header("callotp-verdict")),
        (200, "pass")
    );

    let mut open = Ask::golden(ADA);
    open.close = false;
    let both = [open.bytes(), Ask::golden(ADA).bytes()].concat();
    let reply = send(mock.http_address(), &both).await;
    let answers = String::from_utf8_lossy(&reply.raw)
        .matches("HTTP/1.1 200")
        .count();
    assert_eq!(answers, 2);
}
