//! The body of a request: read whole within bounds, then read as the JSON it must be.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use crate::clock::Deadline;

/// Reads the body, no more than `limit` bytes and no longer than until `deadline`.
pub(super) async fn read<B>(body: B, limit: usize, deadline: Deadline) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let whole = Limited::new(body, limit).collect();
    match tokio::time::timeout_at(deadline.instant(), whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) | Err(_) => Err(Refusal::BodyIncomplete),
    }
}

/// Reads `body` as one JSON object in UTF-8 (RFC 8259 §8.1). Members that `T` does not
/// know are ignored; a member that it knows may appear once.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Body)?;
    // serde would read an array of the right length as a structure.
    let is_object = text
        .trim_start_matches([' ', '\t', '\r', '\n'])
        .starts_with('{');
    if !is_object {
        return Err(Refusal::Body);
    }
    serde_json::from_str(text).map_err(|_| Refusal::Body)
}
