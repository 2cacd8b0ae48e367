//! What a target does with requests that would hold it.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    contract,
    exchange::{Exchange, Framing, Request, Trouble},
    runner::Session,
    text::{Text, quote},
    verdict::Finding,
};

/// The size of the large body, in bytes.
const BIG: usize = 8 * 1024 * 1024;
/// The pause between two bytes of the slow body.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the slow body says it is: small enough to be taken, too long to be waited for.
const PROMISED: usize = 1_000;

pub(super) async fn big_body(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "a refusal, or the connection closed, within bounded time";
    if session.wire.is_http2() {
        return Finding::not_applicable("judged over HTTP/1.1 only");
    }
    let member = quote(contract::NUMBER_MEMBER);
    let body = Text::new(format!("{{{member}:"))
        .json_number(&session.target.known)
        .plain(",\"x\":\"")
        .filler(b'x', BIG)
        .plain("\"}");
    let request = session.with_body(body);
    let exchange = hold(session, &request).await;
    let finding = match &exchange.result {
        Ok(answer) if answer.any_otp().is_some() || answer.is_success() => {
            Finding::broken(exchange.got()).likely("no limit is set on the body")
        }
        Ok(answer) => Finding::held(format!("refused with {}", answer.status())),
        Err(Trouble::Closed | Trouble::Cut) => Finding::held("the connection is closed"),
        Err(Trouble::Timeout(limit)) => held_open(*limit),
        Err(trouble) => Finding::trouble(trouble),
    };
    after(session, finding.expecting(EXPECTED).with(&exchange)).await
}

pub(super) async fn slow_body(session: &mut Session<'_>) -> Finding {
    let limit = session.selection.patience;
    let expected = format!(
        "a refusal, or the connection closed, within {} s",
        limit.as_secs()
    );
    if session.wire.is_http2() {
        return Finding::not_applicable("judged over HTTP/1.1 only");
    }
    let exchange = match session.slow.take() {
        Some(exchange) => exchange,
        None => {
            let request = slow_request(session);
            hold(session, &request).await
        }
    };
    let finding = match &exchange.result {
        Ok(answer) if answer.any_otp().is_some() => {
            Finding::broken(exchange.got()).likely("the body is read without regard to its length")
        }
        Ok(answer) => Finding::held(format!(
            "refused with {} after {} ms",
            answer.status(),
            exchange.took.as_millis()
        )),
        Err(Trouble::Closed | Trouble::Cut) => {
            Finding::held(format!("closed after {} ms", exchange.took.as_millis()))
        }
        Err(Trouble::Timeout(limit)) => held_open(*limit),
        Err(trouble) => Finding::trouble(trouble),
    };
    after(session, finding.expecting(expected).with(&exchange)).await
}

fn slow_request(session: &Session<'_>) -> Request {
    session.golden().framed(Framing::Dribble {
        promised: PROMISED,
        pause: PAUSE,
    })
}

/// Waits for a while, and watches the slow request meanwhile, if that is to be done at
/// all: it is never complete, so that no OTP comes of it.
pub(super) async fn wait_and_watch(session: &mut Session<'_>, wait: Duration) {
    let selected = session
        .selection
        .clauses(session.target)
        .into_iter()
        .find(|clause| clause.id == "limits.slow-body");
    let wanted = selected.is_some_and(|clause| {
        super::not_applicable(clause, session.target, session.selection).is_none()
    });
    if !wanted || session.wire.is_http2() {
        tokio::time::sleep(wait).await;
        return;
    }
    let request = slow_request(session);
    let ((), exchange) = tokio::join!(tokio::time::sleep(wait), hold(session, &request));
    session.slow = Some(exchange);
}

fn held_open(limit: Duration) -> Finding {
    Finding::broken(format!("still open after {} s", limit.as_secs()))
        .answered(["still open".to_owned()])
        .likely("the deadline is for the next byte, or there is none")
}

/// Sends over a connection of its own and watches it for as long as the run has patience.
/// These answers are not timed: the request is what is slow.
async fn hold(session: &mut Session<'_>, request: &Request) -> Exchange {
    session.turn().await;
    let times = session.times.len();
    let begun = Instant::now();
    let result = match session.wire.connect(request.certificate).await {
        Ok(mut connection) => connection.send(request, session.selection.patience).await,
        Err(trouble) => Err(trouble),
    };
    let exchange = Exchange {
        request: request.clone(),
        result,
        took: begun.elapsed(),
    };
    session.note(&exchange);
    session.times.truncate(times);
    exchange
}

/// A closed connection is a refusal only when the target is still there.
async fn after(session: &mut Session<'_>, finding: Finding) -> Finding {
    match session.control().await {
        Ok(()) => finding,
        Err(why) => finding.provisional().without_control(&why),
    }
}
