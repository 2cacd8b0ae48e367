//! Callers that ask again, or wait: how often, how soon, how long.

use std::time::Duration;

use callotp_conformance::catalogue::caller;
use callotp_mock::{Mock, number};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::ask::{ADA, Ask, administer, mock, read_reply};

fn golden() -> Ask {
    Ask::golden(ADA)
}

#[tokio::test]
async fn a_repeat_after_a_403_is_found_and_another_number_is_not() {
    let mock = mock().await;
    let unknown = Ask::golden("+46701740699");
    assert_eq!(unknown.to(&mock).await.header("callotp-verdict"), "pass");
    assert_eq!(golden().to(&mock).await.header("callotp-verdict"), "pass");
    let national = Ask::golden("070-174 06 99").to(&mock).await;
    assert_eq!(national.broken_clauses(), [caller::NO_RETRY_AFTER_403.id]);
}

#[tokio::test]
async fn repeats_after_a_fault_are_bounded_in_number_and_in_haste() {
    let mock = mock().await;
    let failing = |mock: &Mock| {
        let address = mock.http_address();
        async move { crate::ask::send(address, &Ask::golden("+46701740630").bytes()).await }
    };
    assert!(failing(&mock).await.broken_clauses().is_empty());
    assert_eq!(
        failing(&mock).await.broken_clauses(),
        [caller::RETRY_BOUNDED.id],
        "at once"
    );
    administer(&mock, "POST", "/tenants/t1/reset", None).await;
    failing(&mock).await;
    tokio::time::sleep(Duration::from_millis(220)).await;
    assert!(
        failing(&mock).await.broken_clauses().is_empty(),
        "once, after a pause"
    );
    tokio::time::sleep(Duration::from_millis(220)).await;
    assert_eq!(
        failing(&mock).await.broken_clauses(),
        [caller::RETRY_BOUNDED.id],
        "a second time"
    );
}

#[tokio::test]
async fn a_call_that_works_on_its_second_try_passes_with_one_patient_repeat() {
    let mock = mock().await;
    let ask = Ask::golden("+46701740660");
    assert_eq!(ask.to(&mock).await.status, 503);
    tokio::time::sleep(Duration::from_millis(220)).await;
    let reply = ask.to(&mock).await;
    assert_eq!(
        (reply.status, reply.header("callotp-verdict")),
        (200, "pass")
    );
}

#[tokio::test]
async fn a_second_request_while_the_first_hangs_is_one_too_many() {
    let mock = mock().await;
    let mut first = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let ask = Ask::golden("+46701740640");
    first.write_all(&ask.bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = ask.to(&mock);
    let (first, second) = tokio::join!(read_reply(&mut first), second);
    assert_eq!(first.header("callotp-verdict"), "pass");
    assert_eq!(second.broken_clauses(), [caller::ONCE.id]);
}

#[tokio::test]
async fn giving_up_is_right_and_waiting_for_ever_is_found() {
    let mock = mock().await;
    let ask = Ask::golden("+46701740642");
    let mut patient = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    patient.write_all(&ask.bytes()).await.expect("sent");
    let mut hasty = TcpStream::connect(mock.http_address())
        .await
        .expect("a listener");
    let other = Ask::golden("0046701740642")
        .with("tenant", "t1")
        .body(r#"{"phonenumber":"+46701740641"}"#);
    hasty.write_all(&other.bytes()).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(hasty);
    tokio::time::sleep(Duration::from_millis(10_600)).await;
    let calls = mock.journal().calls();
    let of = |number: &str| {
        let number = number::normalise(number);
        calls
            .iter()
            .find(|call| call.calling == number)
            .expect("the call")
    };
    let hasty = of("+46701740641");
    assert!(hasty.passed());
    let after = hasty.closed_by_client_after_ms.expect("it closed");
    assert!((250..2_000).contains(&after), "{after}");
    let patient_call = of("+46701740642");
    assert_eq!(patient_call.findings[0].clause.id, caller::TIMEOUT.id);
    drop(patient);
}
