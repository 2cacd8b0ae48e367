//! The journal as it grows: server-sent events (WHATWG HTML section 9.2).

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Response,
    body::Frame,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Answer, Shared};
use crate::journal::{Call, Question, Since, number_in};

/// Long enough to cost nothing, short enough for a proxy not to close a silent connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A reader that fell behind is not told faster than this what it missed.
const BREATH: Duration = Duration::from_millis(250);

struct Told {
    news: Receiver<std::sync::Arc<Call>>,
    /// What is said before the first news.
    first: Option<String>,
}

/// Every call as it is entered, and again when it is amended. With `Last-Event-ID` what was
/// missed comes first.
pub(super) fn stream(shared: &Shared, headers: &HeaderMap) -> Answer {
    let journal = &shared.world.journal;
    let news = journal.subscribe();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let missed = last.and_then(number_in).map(|number| {
        let question = Question {
            since: Some(Since::Call(number)),
            ..Question::default()
        };
        let calls = journal.ask(&question).calls;
        calls.iter().map(|call| event(call)).collect::<String>()
    });
    // Proxies and browsers say "open" only after a first byte.
    let first = format!(
        "retry: 500\n: callotp-mock\n\n{}",
        missed.unwrap_or_default()
    );
    let told = Told {
        news,
        first: Some(first),
    };
    let frames = stream::unfold(told, |mut told| async move {
        let text = told.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), told))
    });
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    let value = HeaderValue::from_static("text/event-stream");
    answer.headers_mut().insert(CONTENT_TYPE, value);
    answer
}

impl Told {
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        match tokio::time::timeout(HEARTBEAT, self.news.recv()).await {
            Ok(Ok(call)) => Some(event(&call)),
            // A reader that is too slow asks the journal again.
            Ok(Err(RecvError::Lagged(missed))) => {
                tokio::time::sleep(BREATH).await;
                Some(format!("event: missed\ndata: {{\"calls\":{missed}}}\n\n"))
            }
            Ok(Err(RecvError::Closed)) => None,
            Err(_) => Some(": still here\n\n".to_owned()),
        }
    }
}

fn event(call: &Call) -> String {
    format!(
        "event: call\nid: {}\ndata: {}\n\n",
        call.id(),
        call.to_json()
    )
}
