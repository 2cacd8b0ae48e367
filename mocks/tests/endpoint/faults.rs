//! Every fault is on the wire what it is called.

use std::{io::ErrorKind, time::Duration};

use callotp_mock::Mock;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::ask::{ADA, Ask, Reply, administer, mock, mock_of};

async fn struck(mock: &Mock, fault: Value) -> Reply {
    let (status, told) = administer(mock, "POST", "/tenants/t1/next", Some(fault)).await;
    assert_eq!(status, 200, "{told}");
    // Another number each time, because a repeat after a fault would be judged.
    Ask::golden(ADA).to(mock).await
}

#[tokio::test]
async fn a_reset_is_a_true_reset_wherever_it_strikes() {
    let mock = mock().await;
    let reply = struck(&mock, json!({"kind": "reset"})).await;
    assert_eq!(reply.broken, Some(ErrorKind::ConnectionReset));
    assert!(reply.raw.is_empty());
    let reply = struck(
        &mock,
        json!({"kind": "reset", "at": "headers", "after_bytes": 20}),
    )
    .await;
    assert_eq!(reply.broken, Some(ErrorKind::ConnectionReset));
    assert_eq!(reply.raw.len(), 20);
    let reply = struck(
        &mock,
        json!({"kind": "reset", "at": "body", "after_bytes": 12}),
    )
    .await;
    assert_eq!(reply.broken, Some(ErrorKind::ConnectionReset));
    assert_eq!((reply.status, reply.body.len()), (200, 12));
}

#[tokio::test]
async fn a_fin_ends_in_order() {
    let mock = mock().await;
    let reply = struck(&mock, json!({"kind": "fin"})).await;
    assert_eq!((reply.broken, reply.raw.len()), (None, 0));
    let reply = struck(
        &mock,
        json!({"kind": "fin", "at": "body", "after_bytes": 3}),
    )
    .await;
    assert_eq!((reply.broken, reply.body.as_str()), (None, "{\"o"));
}

#[tokio::test]
async fn a_delay_a_late_first_byte_and_a_dribble_take_their_time() {
    let mock = mock().await;
    let begin = Instant::now();
    let reply = struck(&mock, json!({"kind": "delay", "after": "300ms"})).await;
    assert_eq!(reply.status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(300));

    administer(
        &mock,
        "POST",
        "/tenants/t1/next",
        Some(json!({"kind": "first-byte", "after": "200ms"})),
    )
    .await;
    let mut tcp = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    tcp.write_all(&Ask::golden(ADA).bytes())
        .await
        .expect("sent");
    let begin = Instant::now();
    let mut first = [0; 100];
    let got = tcp.read(&mut first).await.expect("a byte");
    assert_eq!((got, first[0]), (1, b'H'));
    assert!(begin.elapsed() >= Duration::from_millis(190));

    administer(
        &mock,
        "POST",
        "/tenants/t1/next",
        Some(json!({"kind": "dribble", "every": "40ms"})),
    )
    .await;
    let mut tcp = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    tcp.write_all(&Ask::golden(ADA).bytes())
        .await
        .expect("sent");
    let begin = Instant::now();
    let mut got = 0;
    while got < 10 {
        let mut some = [0; 100];
        let read = tcp.read(&mut some).await.expect("bytes");
        assert!(read > 0, "an end after {got} bytes");
        got += read;
    }
    assert!(begin.elapsed() >= Duration::from_millis(8 * 40));
    drop(tcp);
}

#[tokio::test]
async fn never_is_never_until_the_caller_goes() {
    let mock = mock().await;
    administer(
        &mock,
        "POST",
        "/tenants/t1/next",
        Some(json!({"kind": "delay", "after": "never"})),
    )
    .await;
    let mut tcp = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    tcp.write_all(&Ask::golden(ADA).bytes())
        .await
        .expect("sent");
    let read = tokio::time::timeout(Duration::from_millis(700), tcp.read_u8()).await;
    assert!(read.is_err(), "silence");
    drop(tcp);
    let gone = async {
        loop {
            let calls = mock.journal().calls();
            if let Some(after) = calls[0].closed_by_client_after_ms {
                return after;
            }
            tokio::task::yield_now().await;
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .expect("seen");
    assert!((650..3_000).contains(&after), "{after}");
    assert_eq!(mock.journal().calls()[0].answer.status, None);
}

#[tokio::test]
async fn bodies_and_statuses_are_what_was_asked_for() {
    let mock = mock().await;
    let reply = struck(&mock, json!({"kind": "status", "status": 503})).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "2"));
    let reply = struck(
        &mock,
        json!({"fault": {"kind": "status", "status": 418, "body": "no"}}),
    )
    .await;
    assert_eq!((reply.status, reply.body.as_str()), (418, "no"));
    let reply = struck(&mock, json!({"kind": "body", "body": {"otp": 1}})).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"otp\":1}"));
    let reply = struck(&mock, json!({"kind": "empty"})).await;
    assert_eq!(
        (
            reply.status,
            reply.body.as_str(),
            reply.header("content-length")
        ),
        (200, "", "0")
    );
    let reply = struck(
        &mock,
        json!({"kind": "redirect", "to": "http://elsewhere.invalid/"}),
    )
    .await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (302, "http://elsewhere.invalid/")
    );
}

#[tokio::test]
async fn broken_framing_is_broken() {
    let mock = mock().await;
    let reply = struck(&mock, json!({"kind": "short-length"})).await;
    let length: usize = reply.header("content-length").parse().expect("a length");
    assert!(reply.body.len() < length && reply.broken.is_none());
    let reply = struck(&mock, json!({"kind": "bad-chunk"})).await;
    assert_eq!(reply.header("transfer-encoding"), "chunked");
    assert!(reply.raw.windows(4).any(|w| w == b"zz\r\n"));
    let reply = struck(&mock, json!({"kind": "garbage"})).await;
    assert_eq!(reply.status, 0);
    assert!(!reply.raw.is_empty());
}

#[tokio::test]
async fn connections_are_refused_for_a_time_and_then_taken_again() {
    let mock = mock().await;
    let refuse = json!({"kind": "refuse-connect", "after": "400ms"});
    administer(&mock, "POST", "/tenants/t1/next", Some(refuse)).await;
    let begin = Instant::now();
    let refused = async {
        loop {
            match TcpStream::connect(mock.http_address()).await {
                Err(error) => return error.kind(),
                Ok(_) => tokio::task::yield_now().await,
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_millis(300), refused).await;
    assert_eq!(refused.expect("refused"), ErrorKind::ConnectionRefused);
    while TcpStream::connect(mock.http_address()).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(390));
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 200);
}

#[tokio::test]
async fn magic_numbers_do_what_the_table_says() {
    let mock = mock().await;
    let of = |end: &str| {
        let (mock, ask) = (&mock, Ask::golden(&format!("+467017406{end}")));
        async move { ask.to(mock).await }
    };
    assert_eq!(of("05").await.otp().len(), 6);
    assert!(of("06").await.otp().starts_with('0'));
    let repeated = of("07").await.otp();
    assert!(
        repeated
            .as_bytes()
            .windows(3)
            .any(|w| w[0] == w[1] && w[1] == w[2])
    );
    assert_eq!(of("08").await.otp().len(), 10);
    let refused = of("10").await;
    assert_eq!((refused.status, refused.body.as_str()), (403, ""));
    let decoy = of("11").await;
    assert_eq!((decoy.status, decoy.otp().len()), (403, 6));
    for (end, status) in [
        ("12", 401),
        ("13", 404),
        ("14", 500),
        ("99", 403),
        ("30", 503),
    ] {
        assert_eq!(of(end).await.status, status, "{end}");
    }
    assert_eq!(of("20").await.body, "{}");
    let empty = of("21").await;
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
    let page = of("22").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html")
    );
    assert!(of("23").await.json()["otp"].is_number());
    assert!(of("24").await.json().as_object().expect("an object").len() > 1);
    assert_eq!(of("50").await.broken, Some(ErrorKind::ConnectionReset));
    let cut = of("51").await;
    assert_eq!(
        (cut.status, cut.broken),
        (200, Some(ErrorKind::ConnectionReset))
    );
    let short = of("52").await;
    assert!(short.body.len() < short.header("content-length").parse().expect("a length"));
    assert_eq!(of("54").await.status, 0);
    assert_eq!(of("55").await.header("transfer-encoding"), "chunked");
    for status in [200, 200, 200, 429] {
        assert_eq!(of("31").await.status, status);
    }
    assert_eq!(of("60").await.status, 503);
    assert_eq!(of("60").await.status, 200);
}

#[tokio::test]
async fn the_scenario_of_the_documentation_strikes_its_two_calls() {
    let scenario = r#"
seed = 7
[tenant.t1]
people = [ { name = "Ada", username = "ada", password = "correct horse", numbers = ["+46701740605"] },
           { name = "Bo", username = "bo", password = "battery staple", numbers = ["070-174 06 06"], otp = "053219" } ]
[[tenant.t1.rule]]
when = { number = "+46701740605", nth = "1..2" }
fault = { kind = "reset", at = "body", after_bytes = 12 }
"#;
    let mock = mock_of(scenario).await;
    for _ in 0..2 {
        let reply = Ask::golden(ADA).to(&mock).await;
        assert_eq!(
            (reply.body.len(), reply.broken),
            (12, Some(ErrorKind::ConnectionReset))
        );
    }
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 200);
    for _ in 0..2 {
        assert_eq!(Ask::golden("+46701740606").to(&mock).await.otp(), "053219");
    }
}

#[tokio::test]
async fn next_comes_before_the_rules_and_is_used_up() {
    let mock = mock().await;
    let rules = json!({"rules": [{"fault": {"kind": "status", "status": 500}}]});
    administer(&mock, "PUT", "/tenants/t1/rules", Some(rules)).await;
    let reply = struck(&mock, json!({"kind": "status", "status": 404})).await;
    assert_eq!(reply.status, 404);
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 500);
    administer(&mock, "POST", "/tenants/t1/reset", None).await;
    assert_eq!(Ask::golden(ADA).to(&mock).await.status, 200);
}

#[tokio::test]
async fn enforcing_refuses_what_a_real_server_would_and_nothing_else() {
    let mock = Mock::builder()
        .seed(7)
        .plain()
        .enforce()
        .start()
        .await
        .expect("a mock");
    let golden = || Ask::golden(ADA);
    for (name, ask) in [
        ("POST", golden().method("POST")),
        ("no tenant", golden().without("tenant")),
        ("no type", golden().without("content-type")),
        ("no credentials", golden().without("authorization")),
        ("no JSON", golden().body("x")),
        ("a withheld caller", Ask::golden("anonymous")),
    ] {
        let reply = ask.to(&mock).await;
        assert_eq!(reply.status, 403, "{name}");
        assert!(!reply.body.contains("otp"), "{name}");
    }
    for (name, ask) in [
        ("golden", golden()),
        (
            "a further member",
            golden().body(r#"{"phonenumber":"+46701740605","x":1}"#),
        ),
        (
            "stacked headers",
            golden()
                .and("tenant", "t1")
                .and("Authorization", "Basic cGJ4OnNlY3JldA=="),
        ),
    ] {
        assert_eq!(ask.to(&mock).await.status, 200, "{name}");
    }
    assert_eq!(golden().to(&mock).await.header("callotp-verdict"), "pass");
}

#[tokio::test]
async fn answers_vary_only_in_form_and_a_seed_repeats_them() {
    let run = || async {
        let mock = Mock::builder().seed(42).start().await.expect("a mock");
        let mut raws = Vec::new();
        for _ in 0..20 {
            let reply = Ask::golden(ADA).to(&mock).await;
            assert_eq!((reply.status, reply.otp().len()), (200, 6));
            raws.push(reply.raw);
        }
        raws
    };
    let (one, again) = (run().await, run().await);
    assert_eq!(one, again);
    let first_line_of_headers =
        |raw: &Vec<u8>| raw.iter().position(|b| *b == b'\n').map(|at| raw[at + 1]);
    let forms: std::collections::HashSet<_> = one.iter().map(first_line_of_headers).collect();
    assert!(forms.len() > 1, "header names in several cases");
}

#[tokio::test]
async fn where_a_scenario_says_who_there_is_nobody_else_gets_a_code() {
    let scenario = "[tenant.t1]\npeople = [{ name = \"Cy\", numbers = [\"070-174 06 10\"] }]\n";
    let mock = mock_of(scenario).await;
    let of = |end: &str| {
        let (mock, ask) = (&mock, Ask::golden(&format!("+467017406{end}")));
        async move { ask.to(mock).await }
    };
    assert_eq!(of("10").await.otp().len(), 6, "an ordinary person");
    for end in ["05", "06", "23", "31", "99"] {
        assert_eq!(of(end).await.status, 403, "{end}");
    }
    assert_eq!(of("30").await.status, 503);
    assert_eq!(of("50").await.broken, Some(ErrorKind::ConnectionReset));
}
