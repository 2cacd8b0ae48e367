//! The two ways to judge a request that differs from the golden one in one thing.
//!
//! *Refused*: it must get no OTP, between two golden requests that do. Clauses of one
//! group share these controls: the second is sent when the group is through, and until
//! then the finding is provisional. A target that refuses everything loses its controls,
//! and the clause is untested, never green.
//! *Accepted*: it must get an OTP like the golden one. A refusal counts only when it
//! comes twice, with a golden request before and after that are answered.

use super::session::Session;
use crate::{
    exchange::{Exchange, Request, Trouble},
    verdict::Finding,
};

/// What is asked of requests that must get no OTP.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// What a report says was expected.
    pub(crate) expected: &'static str,
    /// The one status that will do; any refusal when absent.
    pub(crate) status: Option<u16>,
    /// Is an answer of 500 and above a failure?
    pub(crate) no_fault: bool,
    /// The likely cause when an OTP is given all the same.
    pub(crate) likely: &'static str,
}

impl Rule {
    pub(crate) const fn no_otp(likely: &'static str) -> Self {
        Self {
            expected: "no OTP; the documented refusal is 403",
            status: None,
            no_fault: false,
            likely,
        }
    }

    pub(crate) const fn no_fault(self) -> Self {
        Self {
            expected: "no OTP and no server error; the documented refusal is 403",
            no_fault: true,
            ..self
        }
    }

    pub(crate) const fn exactly(self, status: u16) -> Self {
        Self {
            expected: "exactly 403, without an OTP",
            status: Some(status),
            ..self
        }
    }

    /// Why this answer will not do, when it was no OTP.
    fn objection(&self, exchange: &Exchange) -> Option<String> {
        match &exchange.result {
            Err(trouble) => Some(format!("no answer: {trouble}")),
            Ok(answer) if self.no_fault && answer.is_fault() => Some(answer.status().to_string()),
            Ok(answer) => self
                .status
                .filter(|status| *status != answer.status())
                .map(|_| answer.status().to_string()),
        }
    }
}

/// Sends requests that must get no OTP.
pub(crate) async fn refused(
    session: &mut Session<'_>,
    requests: Vec<Request>,
    rule: Rule,
) -> Finding {
    if !session.opened
        && let Err(why) = session.control().await
    {
        return Finding::untested(why).expecting(rule.expected);
    }
    let mut objection: Option<(String, Exchange)> = None;
    let mut last: Option<Exchange> = None;
    let mut seen = Vec::new();
    for request in &requests {
        let exchange = session.send_patiently(request).await;
        let wrong = rule.objection(&exchange);
        if let Ok(answer) = &exchange.result {
            if answer.any_otp().is_some() {
                if !answer.is_success() {
                    session.remember(&exchange);
                }
                return Finding::broken(exchange.got())
                    .expecting(rule.expected)
                    .likely(rule.likely)
                    .with(&exchange);
            }
            if answer.status() == 429 {
                return Finding::untested("the target throttles; lower --rate")
                    .expecting(rule.expected)
                    .with(&exchange);
            }
            session.remember(&exchange);
        }
        if exchange.is_over_budget() {
            return Finding::untested(Trouble::Budget.to_string()).expecting(rule.expected);
        }
        seen.push(exchange.got());
        if let Some(wrong) = wrong {
            objection.get_or_insert((wrong, exchange.clone()));
        }
        last = Some(exchange);
    }
    match (objection, last) {
        (Some((got, exchange)), _) => {
            let likely = likely_of(&exchange);
            Finding::broken(got)
                .expecting(rule.expected)
                .likely(likely)
                .with(&exchange)
                .provisional()
        }
        (None, Some(exchange)) => {
            seen.sort();
            seen.dedup();
            Finding::held(seen.join(", "))
                .expecting(rule.expected)
                .with(&exchange)
                .provisional()
        }
        (None, None) => Finding::untested("nothing was sent"),
    }
}

/// Sends requests that must get an OTP.
pub(crate) async fn accepted(
    session: &mut Session<'_>,
    requests: Vec<Request>,
    likely: &'static str,
) -> Finding {
    const EXPECTED: &str = "200 with an OTP, like the golden request";
    let mut last = None;
    for request in &requests {
        let exchange = session.send_patiently(request).await;
        if session.otp_of(&exchange).is_some() {
            last = Some(exchange);
            continue;
        }
        if let Err(why) = session.control().await {
            return Finding::untested(why).expecting(EXPECTED).with(&exchange);
        }
        let again = session.send(request).await;
        if session.otp_of(&again).is_some() {
            last = Some(again);
            continue;
        }
        if let Err(why) = session.control().await {
            return Finding::untested(why).expecting(EXPECTED).with(&again);
        }
        if again.is_over_budget() {
            return Finding::untested(Trouble::Budget.to_string()).expecting(EXPECTED);
        }
        return Finding::broken(again.got())
            .expecting(EXPECTED)
            .likely(likely)
            .with(&again);
    }
    match last {
        Some(exchange) => Finding::held("200 with an OTP")
            .expecting(EXPECTED)
            .with(&exchange),
        None => Finding::untested("nothing was sent"),
    }
}

fn likely_of(exchange: &Exchange) -> &'static str {
    match &exchange.result {
        Err(Trouble::Closed | Trouble::Cut) => {
            "the program that answers ended with an exception instead of a refusal"
        }
        Err(Trouble::Timeout(_)) => "the request is held instead of refused",
        Err(_) => "the answer is broken",
        Ok(answer) => match answer.status() {
            500.. => "an exception in the program instead of a refusal",
            404 => "404 is what a wrong path answers: callers cannot tell the two apart",
            400 | 422 => "the input is validated before it is looked up",
            200..300 => "an error is told in the body of a success",
            _ => "another status than the documented one",
        },
    }
}
