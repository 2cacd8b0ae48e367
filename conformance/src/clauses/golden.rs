//! The documented request and its answer.

use crate::{
    exchange::Answer,
    runner::{Session, accepted},
    text::Text,
    verdict::Finding,
};

pub(super) async fn ok(session: &mut Session<'_>) -> Finding {
    judge(session, "200", |answer| match answer.status() {
        200 => Ok("200".to_owned()),
        other => Err((other.to_string(), "another success than the documented one")),
    })
    .await
}

pub(super) async fn body(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "a JSON object with a non-empty string otp";
    judge(session, EXPECTED, |answer| {
        if answer.documented_otp().is_some() {
            return Ok("a JSON object with a string otp".to_owned());
        }
        Err(match (answer.is_json_object(), answer.any_otp()) {
            (false, _) => (
                "no JSON object".to_owned(),
                "the body is not what the document shows",
            ),
            (true, Some(_)) => (
                "a JSON object whose otp has another name, place or type".to_owned(),
                "the member must be called otp, in lower case, and hold a string",
            ),
            (true, None) => (
                "a JSON object without an OTP".to_owned(),
                "an error told in the body of a success, or an empty value",
            ),
        })
    })
    .await
}

pub(super) async fn media_type(session: &mut Session<'_>) -> Finding {
    let shown = session.first.as_ref().and_then(|exchange| {
        let answer = exchange.result.as_ref().ok()?;
        answer.shown_header(session.mask, "content-type")
    });
    let got = shown.unwrap_or_else(|| "no Content-Type".to_owned());
    judge(
        session,
        "Content-Type: application/json",
        |answer| match answer.is_type("application/json") {
            true => Ok(got),
            false => Err((got, "the answer's type is not set")),
        },
    )
    .await
}

pub(super) async fn no_store(session: &mut Session<'_>) -> Finding {
    judge(session, "Cache-Control: no-store", |answer| {
        match answer.lists("cache-control", "no-store") {
            true => Ok("no-store".to_owned()),
            false if answer.has_header("cache-control") => Err((
                "a Cache-Control without no-store".to_owned(),
                "other directives let a copy be kept on disk",
            )),
            false => Err(("no Cache-Control".to_owned(), "the header is not set")),
        }
    })
    .await
}

pub(super) async fn example_headers(session: &mut Session<'_>) -> Finding {
    let request = session
        .golden()
        .with("cache-control", Text::new("no-cache"));
    accepted(session, vec![request], "an unexpected header is refused").await
}

pub(super) async fn trailing_slash(session: &mut Session<'_>) -> Finding {
    let golden = session.golden();
    let path = format!("{}/", golden.path);
    accepted(
        session,
        vec![golden.with_path(path)],
        "the path is compared as text; the documents show both spellings",
    )
    .await
}

/// Judges the first golden answer of the run, sending the request if there was none.
async fn judge(
    session: &mut Session<'_>,
    expected: &str,
    look: impl FnOnce(&Answer) -> Result<String, (String, &'static str)>,
) -> Finding {
    let exchange = match session.first.clone() {
        Some(exchange) => exchange,
        None => session.send_golden().await,
    };
    let finding = match &exchange.result {
        Err(trouble) => Finding::trouble(trouble),
        Ok(answer) if !answer.is_success() => Finding::untested(format!(
            "the golden request was answered {}",
            answer.status()
        )),
        Ok(answer) => match look(answer) {
            Ok(got) => Finding::held(got),
            Err((got, likely)) => Finding::broken(got).likely(likely),
        },
    };
    finding.expecting(expected).with(&exchange)
}
