//! A login with an OTP, and the control that goes with every attempt that must fail.

use futures_util::future::join_all;
use tokio::time::Instant;

use super::REFUSED;
use crate::{
    contract,
    exchange::{Exchange, Request, Trouble},
    runner::Session,
    secret::{Otp, Secret},
    target::Validate,
    text::{Text, quote},
    verdict::{Finding, Found},
};

/// The same request over many connections, all of them open before the first is sent.
pub(super) async fn at_once(
    session: &mut Session<'_>,
    request: &Request,
    racers: usize,
) -> Vec<Exchange> {
    session.turn().await;
    let limit = session.wire.timeout();
    let exchanges = if session.wire.is_http2() {
        let wire = &session.wire;
        join_all((0..racers).map(|_| wire.exchange(request))).await
    } else {
        let wire = &session.wire;
        let connections = join_all((0..racers).map(|_| wire.connect(request.certificate))).await;
        join_all(connections.into_iter().map(|connection| async move {
            let begun = Instant::now();
            let result = match connection {
                Ok(mut connection) => connection.send(request, limit).await,
                Err(trouble) => Err(trouble),
            };
            Exchange {
                request: request.clone(),
                result,
                took: begun.elapsed(),
            }
        }))
        .await
    };
    let times = session.times.len();
    for exchange in &exchanges {
        session.note(exchange);
    }
    // Sixteen at once wait for one another; that is no latency of one call.
    session.times.truncate(times);
    exchanges
}

/// Sends validates that must not log anybody in, and the control after them: with an OTP
/// that should still be alive, if there is one, before a new one is asked for.
pub(super) async fn refused(
    session: &mut Session<'_>,
    requests: Vec<Request>,
    alive: Option<&Otp>,
    likely: &'static str,
) -> Finding {
    let mut finding = Finding::untested("nothing was sent");
    for request in &requests {
        let exchange = session.send_patiently(request).await;
        let this = match &exchange.result {
            Ok(answer) if answer.is_success() => {
                return Finding::broken(format!("{}: logged in", answer.status()))
                    .answered([answer.status().to_string()])
                    .expecting(REFUSED)
                    .likely(likely)
                    .with(&exchange);
            }
            Ok(answer) if answer.is_fault() => Finding::broken(answer.status().to_string())
                .likely("an exception in the program instead of a refusal"),
            Ok(answer) => Finding::held(answer.status().to_string()),
            Err(Trouble::Budget) => Finding::untested(exchange.got()),
            Err(trouble) => Finding::broken(format!("no answer: {trouble}"))
                .likely("the program that answers ended with an exception instead of a refusal"),
        }
        .expecting(REFUSED)
        .with(&exchange)
        .provisional();
        if finding.found != Found::Broken {
            finding = this;
        }
    }
    let validate = session.target.validate.clone();
    if let (Some(validate), Some(otp)) = (&validate, alive) {
        let exchange = session.send(&login(session, validate, otp)).await;
        if exchange.status() == Some(200) {
            return finding.settled();
        }
    }
    if let Some(validate) = validate
        && let Err(lost) = control(session, &validate).await
    {
        return finding.without_control(&lost.got);
    }
    finding.settled()
}

/// A golden request whose OTP logs its user in.
pub(super) async fn control(session: &mut Session<'_>, validate: &Validate) -> Result<(), Finding> {
    let mut got = String::new();
    for _ in 0..2 {
        let otp = issue(session).await?;
        let exchange = session.send(&login(session, validate, &otp)).await;
        if exchange.status() == Some(200) {
            return Ok(());
        }
        got = exchange.got();
    }
    let why = format!("the control failed: a right login was answered {got}; is the user locked?");
    session.lose(&why);
    Err(Finding::untested(why))
}

pub(super) async fn issue(session: &mut Session<'_>) -> Result<Otp, Finding> {
    let exchange = session.send_golden().await;
    if let Some(otp) = session.otp_of(&exchange) {
        return Ok(otp);
    }
    // One more try, in the words of the control.
    session.control().await.map_err(Finding::untested)?;
    session
        .otps
        .last()
        .cloned()
        .ok_or_else(|| Finding::untested("the target issued no OTP"))
}

pub(super) fn login(session: &Session<'_>, validate: &Validate, otp: &Otp) -> Request {
    let name = &validate.username;
    validation(session, validate, name, validate.password.as_ref(), otp)
}

pub(super) fn validation(
    session: &Session<'_>,
    validate: &Validate,
    name: &Secret,
    password: Option<&Secret>,
    otp: &Otp,
) -> Request {
    let mut body = Text::new(format!("{{{}:", quote(contract::USERNAME_MEMBER)))
        .json_secret("CALLOTP_USERNAME", name);
    if let Some(password) = password {
        body = body
            .plain(format!(",{}:", quote(contract::PASSWORD_MEMBER)))
            .json_secret("CALLOTP_PASSWORD", password);
    }
    body = body
        .plain(format!(",{}:", quote(contract::OTP_MEMBER)))
        .json_otp(otp)
        .plain("}");
    let path = session.target.url.path(&validate.operation);
    session.with_body(body).with_path(path)
}
