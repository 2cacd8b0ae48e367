//! The method, the headers' names, the content type, and the operation.

use crate::{
    contract,
    exchange::Request,
    runner::{Rule, Session, accepted, refused},
    text::Text,
    verdict::Finding,
};

/// An operation nobody has.
const NO_OPERATION: &str = "callotpConformanceNoSuchOperation";

pub(super) async fn put_only(session: &mut Session<'_>) -> Finding {
    let requests = ["GET", "POST", "DELETE", "PATCH"]
        .map(|method| session.golden().with_method(method))
        .to_vec();
    refused(
        session,
        requests,
        Rule::no_otp("every method is routed alike"),
    )
    .await
}

pub(super) async fn allow(session: &mut Session<'_>) -> Finding {
    let request = session.golden().with_method("GET");
    let exchange = session.send(&request).await;
    let finding = match &exchange.result {
        Err(trouble) => {
            Finding::not_applicable(format!("another method gets no answer: {trouble}"))
        }
        Ok(answer) if answer.status() != 405 => Finding::not_applicable(format!(
            "another method is answered {}, not 405",
            answer.status()
        )),
        Ok(answer) if answer.lists("allow", contract::METHOD) => Finding::held("Allow names PUT"),
        Ok(answer) => {
            let shown = answer.shown_header(session.mask, "allow");
            Finding::broken(shown.map_or("405 without Allow".to_owned(), |value| {
                format!("405 with Allow: {value}")
            }))
            .likely("the header is not set by the router")
        }
    };
    finding
        .expecting("a 405 names PUT in Allow")
        .with(&exchange)
}

pub(super) async fn case(session: &mut Session<'_>) -> Finding {
    if session.wire.is_http2() {
        return Finding::not_applicable("HTTP/2 knows lower case alone");
    }
    let requests = vec![
        session.golden().respelt(str::to_ascii_uppercase),
        session.golden().respelt(str::to_ascii_lowercase),
    ];
    accepted(session, requests, "header names are compared with case").await
}

pub(super) async fn type_required(session: &mut Session<'_>) -> Finding {
    let request = session.golden().without(contract::CONTENT_TYPE_HEADER);
    refused(
        session,
        vec![request],
        Rule::no_otp("the content type is not looked at"),
    )
    .await
}

pub(super) async fn type_wrong(session: &mut Session<'_>) -> Finding {
    let requests = ["text/plain", "application/x-www-form-urlencoded"]
        .map(|media| typed(session, media))
        .to_vec();
    refused(
        session,
        requests,
        Rule::no_otp("the content type is not looked at"),
    )
    .await
}

pub(super) async fn type_charset(session: &mut Session<'_>) -> Finding {
    let requests = [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ]
    .map(|media| typed(session, media))
    .to_vec();
    accepted(
        session,
        requests,
        "the whole header is compared, not the media type in it",
    )
    .await
}

pub(super) async fn operation_other(session: &mut Session<'_>) -> Finding {
    let named = session.target.other_operation.as_deref();
    let requests = [Some(NO_OPERATION), named]
        .into_iter()
        .flatten()
        .map(|name| session.golden().with_path(session.target.url.path(name)))
        .collect();
    refused(
        session,
        requests,
        Rule::no_otp("the operation is not looked at"),
    )
    .await
}

fn typed(session: &Session<'_>, media: &str) -> Request {
    session
        .golden()
        .with(contract::CONTENT_TYPE_HEADER, Text::new(media))
}
