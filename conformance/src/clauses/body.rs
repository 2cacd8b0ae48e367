//! The body of a request.

use crate::{
    contract,
    exchange::Trouble,
    runner::{Rule, Session, accepted, refused},
    secret::Number,
    text::{Text, quote},
    verdict::Finding,
};

const RULE: Rule =
    Rule::no_otp("the number is taken from somewhere else than the document says").no_fault();

pub(super) async fn missing_number(session: &mut Session<'_>) -> Finding {
    let elsewhere = Text::new("{\"number\":")
        .json_number(&session.target.known)
        .plain("}");
    with_bodies(session, vec![Text::new("{}"), elsewhere]).await
}

pub(super) async fn wrong_type(session: &mut Session<'_>) -> Finding {
    let known = &session.target.known;
    let digits: String = known
        .expose()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let digits = match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let around = |before: &str, value: Text, after: &str| {
        let member = quote(contract::NUMBER_MEMBER);
        value
            .prefixed(format!("{{{member}:{before}"))
            .plain(format!("{after}}}"))
    };
    let string = || Text::default().json_number(known);
    let bodies = vec![
        around("", Text::default().number(&Number::new(digits)), ""),
        around("", Text::new("null"), ""),
        around("", Text::new("true"), ""),
        around("[", string(), "]"),
        around("{\"value\":", string(), "}"),
    ];
    with_bodies(session, bodies).await
}

pub(super) async fn not_json(session: &mut Session<'_>) -> Finding {
    let member = contract::NUMBER_MEMBER;
    let cut = Text::new(format!("{{ {}:", quote(member))).json_number(&session.target.known);
    let form = Text::new(format!("{member}=")).number(&session.target.known);
    with_bodies(session, vec![cut, form]).await
}

pub(super) async fn empty(session: &mut Session<'_>) -> Finding {
    with_bodies(session, vec![Text::default()]).await
}

pub(super) async fn array(session: &mut Session<'_>) -> Finding {
    let body = crate::runner::number_body(&session.target.known);
    with_bodies(session, vec![body.prefixed("[").plain("]")]).await
}

pub(super) async fn extra_members(session: &mut Session<'_>) -> Finding {
    let member = quote(contract::NUMBER_MEMBER);
    let body = Text::new(format!("{{\"callid\":\"1\",{member}:"))
        .json_number(&session.target.known)
        .plain(",\"x\":{\"y\":[1,null]}}");
    let request = session.with_body(body);
    accepted(session, vec![request], "a member nobody knows is refused").await
}

pub(super) async fn duplicate_member(session: &mut Session<'_>) -> Finding {
    let (known, unknown) = (session.target.known.clone(), session.target.unknown.clone());
    let first = session.with_body(twice(&known, &unknown));
    let last = session.with_body(twice(&unknown, &known));
    let first = session.send(&first).await;
    let last = session.send(&last).await;
    if first.is_over_budget() || last.is_over_budget() {
        return Finding::untested(Trouble::Budget.to_string());
    }
    let got = match (first.result.as_ref(), last.result.as_ref()) {
        (Ok(a), Ok(b)) => match (a.any_otp().is_some(), b.any_otp().is_some()) {
            (true, false) => "the first counts",
            (false, true) => "the last counts",
            (true, true) => "either counts",
            (false, false) => "refused in both orders",
        },
        _ => "one of them gets no answer",
    };
    Finding::held(got)
        .expecting("recorded, not judged; refusing is safest")
        .with(&first)
}

fn twice(first: &Number, last: &Number) -> Text {
    let member = quote(contract::NUMBER_MEMBER);
    Text::new(format!("{{{member}:"))
        .json_number(first)
        .plain(format!(",{member}:"))
        .json_number(last)
        .plain("}")
}

async fn with_bodies(session: &mut Session<'_>, bodies: Vec<Text>) -> Finding {
    let requests = bodies
        .into_iter()
        .map(|body| session.with_body(body))
        .collect();
    refused(session, requests, RULE).await
}
