//! The mock in somebody's test: started on free ports, held to, gone when dropped.

use callotp_mock::{
    Mock,
    clock::ManualClock,
    scenario::{Count, Expectation},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::net::TcpStream;

use crate::ask::{ADA, Ask, mock};

#[tokio::test]
async fn expectations_are_verified_when_asked() {
    let mock = mock().await;
    mock.expect(Expectation::number(ADA, Count::Exactly(1)));
    Ask::golden(ADA).to(&mock).await;
    mock.verify().expect("met");
    mock.expect(Expectation::number("+46701740606", Count::AtLeast(1)));
    let unmet = mock.verify().expect_err("unmet").to_string();
    assert!(
        unmet.contains("at least 1 calls from +46701740606, got 0"),
        "{unmet}"
    );
}

#[tokio::test]
async fn expectations_that_nobody_verified_make_the_drop_panic() {
    let mock = mock().await;
    mock.expect(Expectation::number(ADA, Count::Exactly(1)));
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(mock)));
    let message = dropped.expect_err("a panic");
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("exactly 1"), "{message}");
}

#[tokio::test]
async fn a_mock_is_gone_when_dropped_with_every_connection() {
    let mock = mock().await;
    let (http, admin) = (mock.http_address(), mock.admin_address());
    let mut open = TcpStream::connect(http).await.expect("a listener");
    Ask::golden(ADA).to(&mock).await;
    mock.stop().await.expect("nothing was expected");
    assert!(TcpStream::connect(http).await.is_err());
    assert!(TcpStream::connect(admin).await.is_err());
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut open, &mut byte).await;
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn an_otp_ends_with_its_lifetime_on_a_clock_that_is_moved_by_hand() {
    let clock = ManualClock::at(1_800_000_000_000);
    let builder = Mock::builder()
        .plain()
        .seed(7)
        .clock(Arc::new(clock.clone()));
    let mock = builder.start().await.expect("a mock");
    let login = |otp: String| {
        let body = json!({"username": "ada", "otp": otp}).to_string();
        let ask = Ask::golden(ADA)
            .path("/api/authentication/otp_token_auth")
            .body(&body);
        let mock = &mock;
        async move { ask.to(mock).await.status }
    };
    let otp = Ask::golden(ADA).to(&mock).await.otp();
    clock.advance(Duration::from_secs(119));
    assert_eq!(login(otp).await, 200);
    let otp = Ask::golden(ADA).to(&mock).await.otp();
    clock.advance(Duration::from_secs(120));
    assert_eq!(login(otp).await, 403);
}
