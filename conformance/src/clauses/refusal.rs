//! What a refusal looks like. The first two clauses look at every refusal of the run.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    contract,
    exchange::{Answer, Trouble},
    runner::{Refusal, Rule, Session, refused},
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
    let leak = refusals.iter().find(|(_, answer, refusal)| {
        let issued = answer.status() == contract::ISSUED;
        !issued && (answer.any_otp().is_some() || refusal.carries_live)
    });
    let finding = match leak {
        Some((clause, answer, refusal)) => {
            Finding::broken(format!("{} with an OTP, to {clause}", answer.status()))
                .answered([format!("{} with an OTP", answer.status())])
                .likely("the body is built before the decision is made")
                .with(&refusal.exchange)
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
    for (clause, answer, refusal) in &refusals {
        if answer.status() != contract::REFUSED {
            others.entry(answer.status()).or_default().insert(clause);
            example.get_or_insert_with(|| refusal.exchange.clone());
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
    // What differs among answers to one number changes by itself, a clock included. Asked
    // in an order that no pair of servers behind a balancer follows by turns.
    let (mut of_unknown, mut of_withheld) = (Vec::new(), Vec::new());
    let mut shown = None;
    for is_withheld in ORDER {
        let request = if is_withheld { &withheld } else { &unknown };
        let exchange = session.send_patiently(request).await;
        match &exchange.result {
            Err(trouble) => return unanswered(trouble).expecting(EXPECTED).with(&exchange),
            Ok(answer) if answer.any_otp().is_some() => {
                return Finding::broken("one of them got an OTP")
                    .expecting(EXPECTED)
                    .with(&exchange);
            }
            Ok(answer) if is_withheld => of_withheld.push(answer.clone()),
            Ok(answer) => of_unknown.push(answer.clone()),
        }
        if is_withheld {
            shown = Some(exchange);
        }
    }
    let finding = match (
        difference(&of_unknown, &of_withheld),
        repeats(session, of_unknown.iter().chain(&of_withheld)),
    ) {
        (Some(name), _) => Finding::broken(format!("they differ in: {name}"))
            .answered(["different".to_owned()])
            .likely("the reason is told outside; it belongs in the log"),
        (None, Some(what)) => Finding::broken(format!("the refusal repeats {what}"))
            .answered(["repeats".to_owned()])
            .likely("the request is echoed"),
        (None, None) => Finding::held("they look alike"),
    };
    let finding = match &shown {
        Some(exchange) => finding.with(exchange),
        None => finding,
    };
    finding.expecting(EXPECTED).provisional()
}

/// Which of the two numbers is asked for in turn: is it the withheld one?
const ORDER: [bool; 8] = [false, false, true, false, true, true, false, true];

fn unanswered(trouble: &Trouble) -> Finding {
    match trouble {
        Trouble::Budget => Finding::untested(trouble.to_string()),
        _ => Finding::broken(format!("no answer: {trouble}"))
            .answered(["no answer".to_owned()])
            .likely("the program that answers ended with an exception instead of a refusal")
            .provisional(),
    }
}

/// Where the answers to one number differ from those to the other, in what is the same
/// in all answers to one of them.
fn difference(of_unknown: &[Answer], of_withheld: &[Answer]) -> Option<String> {
    let features = |answers: &[Answer]| -> Vec<BTreeMap<String, String>> {
        let each = answers.iter().map(Answer::features);
        each.map(|features| features.into_iter().collect())
            .collect()
    };
    let (unknown, withheld) = (features(of_unknown), features(of_withheld));
    let names: BTreeSet<&String> = unknown
        .iter()
        .chain(&withheld)
        .flat_map(BTreeMap::keys)
        .collect();
    names
        .into_iter()
        .find(|name| {
            let values = |all: &'_ [BTreeMap<String, String>]| -> BTreeSet<Option<String>> {
                all.iter().map(|one| one.get(*name).cloned()).collect()
            };
            let (unknown, withheld) = (values(&unknown), values(&withheld));
            unknown.len() == 1 && withheld.len() == 1 && unknown != withheld
        })
        // The name of a member is foreign text; its place is said, its content is not.
        .map(|name| match name.starts_with("body") {
            true => "a member of the body".to_owned(),
            false => name.clone(),
        })
}

fn repeats<'a>(
    session: &Session<'_>,
    answers: impl Iterator<Item = &'a Answer> + Clone,
) -> Option<&'static str> {
    let echoed = |secret: &str| answers.clone().any(|answer| answer.repeats(secret));
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

fn answers<'a>(session: &'a Session<'_>) -> Vec<(&'static str, &'a Answer, &'a Refusal)> {
    let answered = session.refusals.iter().filter_map(|refusal| {
        let answer = refusal.exchange.result.as_ref().ok()?;
        Some((refusal.clause, answer, refusal))
    });
    answered.collect()
}
