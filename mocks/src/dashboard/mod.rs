//! The dashboard: one page with its style and its script, in the binary.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Response,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue},
};

use crate::admin::Answer;

/// Only what the page brings itself, and the journal of its own mock.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) fn page() -> Answer {
    file("text/html; charset=utf-8", include_str!("dashboard.html"))
}

/// Its style.
pub(crate) fn style() -> Answer {
    file("text/css; charset=utf-8", include_str!("dashboard.css"))
}

/// Its script.
pub(crate) fn script() -> Answer {
    file(
        "text/javascript; charset=utf-8",
        include_str!("dashboard.js"),
    )
}

fn file(content_type: &'static str, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}
