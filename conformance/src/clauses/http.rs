//! HTTP as real callers speak it, and time.

use std::time::Duration;

use crate::{
    contract,
    exchange::{Exchange, Framing, Trouble},
    runner::{Session, accepted},
    verdict::{Finding, Found},
};

pub(super) async fn chunked_request(session: &mut Session<'_>) -> Finding {
    framed(
        session,
        Framing::Chunked,
        "only bodies with a Content-Length are read",
    )
    .await
}

pub(super) async fn expect_continue(session: &mut Session<'_>) -> Finding {
    framed(
        session,
        Framing::Expect,
        "the expectation is refused or waited for",
    )
    .await
}

async fn framed(session: &mut Session<'_>, framing: Framing, likely: &'static str) -> Finding {
    if session.wire.is_http2() {
        return Finding::not_applicable("HTTP/2 frames bodies itself");
    }
    let request = session.golden().framed(framing);
    accepted(session, vec![request], likely).await
}

pub(super) async fn keep_alive(session: &mut Session<'_>) -> Finding {
    if session.wire.is_http2() {
        return Finding::not_applicable("HTTP/2 keeps its connections");
    }
    const EXPECTED: &str = "a second answer on the connection, or a first one that says it closes";
    let finding = on_one_connection(session).await;
    let finding = match finding.found {
        // Once may be chance: a server may close an idle connection at any moment.
        Found::Broken | Found::Untested | Found::Error => match session.control().await {
            Ok(()) => on_one_connection(session).await,
            Err(why) => Finding::untested(why),
        },
        _ => finding,
    };
    finding.expecting(EXPECTED)
}

async fn on_one_connection(session: &mut Session<'_>) -> Finding {
    let golden = session.golden();
    let refused = session.asking(&session.target.unknown);
    let mut connection = match session.wire.connect(golden.certificate).await {
        Ok(connection) => connection,
        Err(trouble) => return Finding::trouble(&trouble),
    };
    let limit = session.wire.timeout();
    for (number, request) in [&golden, &refused, &golden].into_iter().enumerate() {
        if session.is_spent() {
            return Finding::trouble(&Trouble::Budget);
        }
        session.turn().await;
        let begun = tokio::time::Instant::now();
        let result = connection.send(request, limit).await;
        let exchange = Exchange {
            request: request.clone(),
            result,
            took: begun.elapsed(),
        };
        session.note(&exchange);
        let issued = session.otp_of(&exchange).is_some();
        match (&exchange.result, number) {
            (Ok(answer), _) if (issued || number == 1) && answer.reusable() => {}
            (Ok(_), _) if issued || number == 1 => {
                return Finding::held("the server says that it closes").with(&exchange);
            }
            (_, 0) => {
                return Finding::untested(format!("the first request failed: {}", exchange.got()))
                    .with(&exchange);
            }
            (Ok(_), _) => {
                return Finding::broken(format!("request {}: {}", number + 1, exchange.got()))
                    .answered([exchange.got()])
                    .likely("something of the request before is left on the connection")
                    .with(&exchange);
            }
            (Err(trouble), _) => return unkept(&exchange, trouble),
        }
    }
    Finding::held("three requests on one connection")
}

fn unkept(exchange: &Exchange, trouble: &Trouble) -> Finding {
    let likely = match trouble {
        Trouble::Timeout(_) => "the server does not read on after its first answer",
        _ => "the server closes and does not say so",
    };
    Finding::broken(trouble.to_string())
        .likely(likely)
        .with(exchange)
}

pub(super) async fn latency(session: &mut Session<'_>) -> Finding {
    let (most, ever) = contract::LATENCY_MS;
    let expected = format!("at most {most} ms at the 99th percentile, never above {ever} ms");
    let mut times = session.times.clone();
    times.sort_unstable();
    let Some(slowest) = times.last().copied() else {
        return Finding::untested("there was no answer to time").expecting(expected);
    };
    let percentile = percentile(&times);
    let (p99, max) = (percentile.as_millis(), slowest.as_millis());
    let got = format!(
        "99th percentile {p99} ms, slowest {max} ms, in {} answers",
        times.len()
    );
    let broken = p99 > u128::from(most) || max > u128::from(ever);
    let finding = match broken {
        true => Finding::broken(got)
            .answered(["slow".to_owned()])
            .likely("the directory is waited for without a deadline"),
        false => Finding::held(got),
    };
    finding.expecting(expected)
}

/// The 99th percentile of sorted times. Among fewer than a hundred, one slow answer
/// is not held against the target.
fn percentile(times: &[Duration]) -> Duration {
    let beyond = match times.len() {
        0..20 => 0,
        count => count.div_ceil(100),
    };
    times[times.len() - 1 - beyond]
}
