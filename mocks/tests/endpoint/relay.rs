//! A relay changes nothing, and judges both.

use std::net::{Ipv4Addr, SocketAddr};

use callotp_mock::{
    Mock,
    relay::{Relay, Target},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::ask::{ADA, Ask, administer, mock, send};

const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn relay_to(url: &str) -> Relay {
    let target = Target::read(url, None).expect("a target");
    Relay::start(FREE, FREE, target).await.expect("a relay")
}

async fn through(relay: &Relay, mock: &Mock, ask: &Ask) -> (crate::ask::Reply, Vec<&'static str>) {
    let reply = send(relay.http_address(), &ask.bytes()).await;
    let calls = relay.journal().calls();
    let newest = calls.last().expect("a call");
    assert_eq!(
        mock.journal().calls().len(),
        calls.len(),
        "each call passes on"
    );
    let ids = newest
        .findings
        .iter()
        .map(|found| found.clause.id)
        .collect();
    (reply, ids)
}

#[tokio::test]
async fn calls_and_answers_pass_unchanged_and_secrets_do_not_stay() {
    let mock = mock().await;
    let relay = relay_to(&mock.url()).await;
    let (reply, found) = through(
        &relay,
        &mock,
        &Ask::golden(ADA).and("x-Odd-CASE", "  kept  as is"),
    )
    .await;
    assert_eq!((reply.status, reply.otp().len()), (200, 6));
    assert_eq!(reply.header("callotp-verdict"), "pass");
    assert!(found.is_empty(), "{found:?}");
    let head = mock.journal().calls()[0].head.clone();
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.contains("x-Odd-CASE:   kept  as is\r\n"), "{head}");
    assert!(
        head.contains(&format!("Host: {}\r\n", mock.http_address())),
        "{head}"
    );
    let told = relay.journal().calls()[0].to_json().to_string();
    for secret in [reply.otp().as_str(), "cGJ4OnNlY3JldA"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn the_caller_and_the_server_are_both_judged() {
    let mock = mock().await;
    let relay = relay_to(&mock.url()).await;
    let (_, found) = through(
        &relay,
        &mock,
        &Ask::golden(ADA).method("POST").without("tenant"),
    )
    .await;
    assert_eq!(found, ["caller.put", "caller.tenant"]);
    let (reply, found) = through(&relay, &mock, &Ask::golden("+46701740611")).await;
    assert_eq!(reply.status, 403);
    assert_eq!(found, ["refuse.no-otp"]);
    let (_, found) = through(&relay, &mock, &Ask::golden("+46701740614")).await;
    assert_eq!(found, ["refuse.status"]);
    let (_, found) = through(&relay, &mock, &Ask::golden("+46701740699")).await;
    assert!(found.is_empty());
    let (_, found) = through(&relay, &mock, &Ask::golden("+46701740699")).await;
    assert_eq!(found, ["caller.no-retry-after-403"]);
}

#[tokio::test]
async fn what_breaks_behind_a_relay_breaks_before_it() {
    let mock = mock().await;
    let relay = relay_to(&mock.url()).await;
    administer(
        &mock,
        "POST",
        "/tenants/t1/next",
        Some(json!({"kind": "reset", "at": "body"})),
    )
    .await;
    let (reply, _) = through(&relay, &mock, &Ask::golden(ADA)).await;
    assert_eq!(reply.broken, Some(std::io::ErrorKind::ConnectionReset));
    let calls = relay.journal().calls();
    assert_eq!(
        calls[0].answer.fault.as_deref(),
        Some("the server reset the connection")
    );
    let nowhere = {
        let closed = TcpListener::bind(FREE).await.expect("a port");
        closed.local_addr().expect("an address")
    };
    let relay = relay_to(&format!("http://{nowhere}")).await;
    let reply = send(relay.http_address(), &Ask::golden(ADA).bytes()).await;
    assert_eq!(reply.status, 502);
}

#[tokio::test]
async fn a_connection_carries_several_calls() {
    let mock = mock().await;
    let relay = relay_to(&mock.url()).await;
    let mut tcp = TcpStream::connect(relay.http_address())
        .await
        .expect("a relay");
    let mut ask = Ask::golden(ADA);
    ask.close = false;
    for _ in 0..3 {
        tcp.write_all(&ask.bytes()).await.expect("sent");
        let mut text = String::new();
        while !text.ends_with('}') {
            let mut some = [0; 1024];
            let read = tcp.read(&mut some).await.expect("an answer");
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&some[..read]));
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
    assert_eq!(relay.journal().calls().len(), 3);
}
