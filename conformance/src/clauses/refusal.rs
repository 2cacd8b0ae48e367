//! What a refusal looks like. The first two clauses look at every refusal of the run.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    contract,
    exchange::{Answer, Exchange, Trouble},
    runner::{Rule, Session, refused},
    secret::Number,
    target::Auth,
    verdict::{Finding, Found},
};

pub(super) async fn no_otp(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "no OTP in any answer but a 200";
    if let Err(finding) = need_refusals(session).await {
        return finding.expecting(EXPECTED);
    }
    let refusals = answers(session);
    let leak = refusals
        .iter()
        .find(|(_, answer, _)| answer.status() != contract::ISSUED && answer.any_otp().is_some());
    let finding = match leak {
        Some((clause, answer, exchange)) => {
            Finding::broken(format!("{} with an OTP, to {clause}", answer.status()))
                .answered([format!("{} with an OTP", answer.status())])
                .likely("the body is built before the decision is made")
                .with(exchange)
        }
        None => Finding::held(format!("none in {} refusals", refusals.len())),
    };
    finding.expecting(EXPECTED)
}

pub(super) async fn status(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "403 for every refusal";
    if let Err(finding) = need_refusals(session).await {
        return finding.expecting(EXPECTED);
    }
    let mut others: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    let mut example = None;
    let refusals = answers(session);
    for (clause, answer, exchange) in &refusals {
        if answer.status() != contract::REFUSED {
            others.entry(answer.status()).or_default().insert(clause);
            example.get_or_insert_with(|| exchange.clone());
        }
    }
    let finding = match example {
        None => Finding::held(format!("403 for all of {} refusals", refusals.len())),
        Some(exchange) => {
            let got: Vec<String> = others
                .iter()
                .map(|(status, clauses)| {
                    let clauses: Vec<&str> = clauses.iter().copied().collect();
                    format!("{status} to {}", clauses.join(", "))
                })
                .collect();
            Finding::broken(got.join("; "))
                .answered(others.keys().map(u16::to_string))
                .likely("the framework's own statuses; sound HTTP, and not what the document lists")
                .with(&exchange)
        }
    };
    finding.expecting(EXPECTED)
}

pub(super) async fn uniform(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "the same answer to an unknown and to a withheld number";
    let unknown = session.asking(&session.target.unknown);
    let withheld = session.asking(&Number::public(contract::WITHHELD[0]));
    if !session.opened
        && let Err(why) = session.control().await
    {
        return Finding::untested(why).expecting(EXPECTED);
    }
    // The same before and after: what differs between these two changes by itself, a
    // clock included.
    let first = session.send_patiently(&unknown).await;
    let other = session.send_patiently(&withheld).await;
    let second = session.send_patiently(&unknown).await;
    let (first, second) = match (&first.result, &second.result) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(trouble), _) | (_, Err(trouble)) => {
            return unanswered(trouble).expecting(EXPECTED).with(&first);
        }
    };
    let third = match &other.result {
        Ok(answer) => answer,
        Err(trouble) => return unanswered(trouble).expecting(EXPECTED).with(&other),
    };
    if [first, second, third]
        .into_iter()
        .any(|answer| answer.any_otp().is_some())
    {
        return Finding::broken("one of them got an OTP")
            .expecting(EXPECTED)
            .with(&other);
    }
    let finding = match (
        difference(first, second, third),
        repeats(session, &[first, third]),
    ) {
        (Some(name), _) => Finding::broken(format!("they differ in: {name}"))
            .answered(["different".to_owned()])
            .likely("the reason is told outside; it belongs in the log"),
        (None, Some(what)) => Finding::broken(format!("the refusal repeats {what}"))
            .answered(["repeats".to_owned()])
            .likely("the request is echoed"),
        (None, None) => Finding::held("they look alike"),
    };
    finding.expecting(EXPECTED).with(&other).provisional()
}

fn unanswered(trouble: &Trouble) -> Finding {
    match trouble {
        Trouble::Budget => Finding::untested(trouble.to_string()),
        _ => Finding::broken(format!("no answer: {trouble}"))
            .answered(["no answer".to_owned()])
            .likely("the program that answers ended with an exception instead of a refusal")
            .provisional(),
    }
}

/// Where the third answer differs from the first two in what those have in common.
fn difference(first: &Answer, second: &Answer, third: &Answer) -> Option<String> {
    let as_map = |answer: &Answer| answer.features().into_iter().collect::<BTreeMap<_, _>>();
    let (first, second, third) = (as_map(first), as_map(second), as_map(third));
    let names: BTreeSet<&String> = first
        .keys()
        .chain(second.keys())
        .chain(third.keys())
        .collect();
    names
        .into_iter()
        .find(|name| {
            let steady = first.get(*name) == second.get(*name);
            steady && first.get(*name) != third.get(*name)
        })
        // The name of a member is foreign text; its place is said, its content is not.
        .map(|name| match name.starts_with("body") {
            true => "a member of the body".to_owned(),
            false => name.clone(),
        })
}

fn repeats(session: &Session<'_>, answers: &[&Answer]) -> Option<&'static str> {
    let echoed = |secret: &str| answers.iter().any(|answer| answer.repeats(secret));
    let credentials = match &session.target.auth {
        Auth::Basic { username, password } => {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            let both = format!("{}:{}", username.expose(), password.expose());
            echoed(password.expose()) || echoed(&STANDARD.encode(both))
        }
        Auth::Bearer(token) => echoed(token.expose()),
        Auth::Certificate(_) | Auth::Network => false,
    };
    credentials.then_some("the credentials")
}

/// When no other clause has caused a refusal, the unknown number does.
async fn need_refusals(session: &mut Session<'_>) -> Result<(), Finding> {
    if !session.refusals.is_empty() {
        return Ok(());
    }
    let request = session.asking(&session.target.unknown);
    let finding = refused(session, vec![request], Rule::no_otp("")).await;
    let controlled = session.control().await;
    match (&controlled, finding.found) {
        (Err(why), _) => Err(Finding::untested(why.clone())),
        (Ok(()), Found::Untested | Found::Error) => Err(finding),
        (Ok(()), _) if session.refusals.is_empty() => Err(Finding::untested("no refusal was seen")),
        (Ok(()), _) => Ok(()),
    }
}

fn answers<'a>(session: &'a Session<'_>) -> Vec<(&'static str, &'a Answer, Exchange)> {
    session
        .refusals
        .iter()
        .filter_map(|refusal| {
            let answer = refusal.exchange.result.as_ref().ok()?;
            Some((refusal.clause, answer, refusal.exchange.clone()))
        })
        .collect()
}
