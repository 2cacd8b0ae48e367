//! The calling number and how it is looked up.

use crate::{
    contract,
    exchange::Request,
    runner::{Rule, Session, refused},
    secret::Number,
    verdict::{Finding, Found},
};

pub(super) async fn unknown(session: &mut Session<'_>) -> Finding {
    let request = session.asking(&session.target.unknown);
    let rule = Rule::no_otp("a number nobody has finds somebody").exactly(contract::REFUSED);
    let finding = refused(session, vec![request], rule).await;
    if !finding.provisional || finding.found != Found::Held {
        return finding;
    }
    // A number that only begins like the known one belongs to nobody either; what status
    // it gets is not the question here.
    let longer = Number::new(format!("{}00", session.target.known.expose()));
    let request = session.asking(&longer);
    let rule = Rule {
        expected: "no OTP for the known number with two digits more",
        ..Rule::no_otp("numbers are compared in part")
    };
    let longer = refused(session, vec![request], rule).await;
    match longer.found {
        Found::Held => finding,
        _ => longer,
    }
}

pub(super) async fn document_example(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "200 or 403";
    if !session.opened
        && let Err(why) = session.control().await
    {
        return Finding::untested(why).expecting(EXPECTED);
    }
    let request = session.asking(&Number::public(contract::EXAMPLE_NUMBER));
    let exchange = session.send_patiently(&request).await;
    let finding = match &exchange.result {
        Err(_) if exchange.is_over_budget() => Finding::untested(exchange.got()),
        Err(trouble) => Finding::broken(format!("no answer: {trouble}"))
            .likely("the number is given to something that cannot take it"),
        Ok(answer) if answer.status() == contract::REFUSED => Finding::held("403"),
        Ok(answer) if answer.status() == contract::ISSUED => Finding::held("200"),
        Ok(answer) => Finding::broken(answer.status().to_string())
            .likely("a numbering plan is asked whether the number is valid"),
    };
    finding.expecting(EXPECTED).with(&exchange).provisional()
}

pub(super) async fn spellings(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "200 with an OTP for every spelling";
    let numbers = spelt_otherwise(session);
    if numbers.is_empty() {
        return Finding::not_applicable("the known number has no other usual spelling; name some");
    }
    if !session.opened
        && let Err(why) = session.control().await
    {
        return Finding::untested(why).expecting(EXPECTED);
    }
    let (mut found, mut missed) = (0, None);
    for number in &numbers {
        let request = session.asking(number);
        let exchange = session.send_patiently(&request).await;
        match &exchange.result {
            Err(trouble) => {
                return Finding::trouble(trouble)
                    .expecting(EXPECTED)
                    .with(&exchange);
            }
            Ok(_) if session.otp_of(&exchange).is_some() => found += 1,
            Ok(_) => missed = missed.or(Some(exchange)),
        }
    }
    let got = format!("{found} of {} found the user", numbers.len());
    match missed {
        None => Finding::held(got).expecting(EXPECTED),
        Some(exchange) => Finding::broken(got)
            .expecting(EXPECTED)
            .likely("the number is compared as text; the original server does that too")
            .with(&exchange)
            .provisional(),
    }
}

/// The known number as other phone systems write it. What the country code is can be
/// told without a numbering plan only for the numbers of the examples.
fn spelt_otherwise(session: &Session<'_>) -> Vec<Number> {
    let known = session.target.known.expose();
    let digits: String = known.chars().filter(char::is_ascii_digit).collect();
    let mut spellings: Vec<String> = Vec::new();
    if known.trim_start().starts_with('+') {
        spellings.push(format!("00{digits}"));
    }
    if let Some(national) = digits.strip_prefix("46").filter(|rest| rest.len() == 9)
        && known.starts_with('+')
    {
        let (area, rest) = national.split_at(2);
        let (a, rest) = rest.split_at(3);
        let (b, c) = rest.split_at(2);
        spellings.push(format!("0{area}-{a} {b} {c}"));
        spellings.push(format!("+46 (0){area} {a} {b} {c}"));
    }
    let written = session.target.spellings.iter().map(Number::expose);
    spellings.extend(written.map(str::to_owned));
    spellings.retain(|spelling| spelling != known);
    spellings.sort();
    spellings.dedup();
    spellings.into_iter().map(Number::new).collect()
}

pub(super) async fn withheld(session: &mut Session<'_>) -> Finding {
    let requests: Vec<Request> = contract::WITHHELD
        .iter()
        .map(|spelling| session.asking(&Number::public(*spelling)))
        .collect();
    let rule = Rule {
        expected: "no OTP for any of the fifteen spellings",
        ..Rule::no_otp("a user's entry holds this text, or too little of it is compared")
    };
    refused(session, requests, rule).await
}

pub(super) async fn injection(session: &mut Session<'_>) -> Finding {
    let known = session.target.known.expose();
    let start: String = known.chars().take(3).collect();
    let most: String = known
        .chars()
        .take(known.chars().count().saturating_sub(2))
        .collect();
    let numbers = [
        "*".to_owned(),
        "*)(uid=*".to_owned(),
        "*)(|(objectClass=*".to_owned(),
        format!("{start}*"),
        format!("{most}*"),
        "\\2a".to_owned(),
        "\u{0}".to_owned(),
    ];
    let requests = numbers
        .iter()
        .map(|number| session.asking(&Number::new(number.as_str())))
        .collect();
    let rule = Rule::no_otp("the number is put into the directory's filter without escaping");
    refused(session, requests, rule.no_fault()).await
}
