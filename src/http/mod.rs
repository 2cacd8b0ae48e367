//! One call: routed, answered, and written down in one log line.

/// How refusals look to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// As the document says: 403, whatever the reason.
    Documented,
    /// With the status that HTTP has for the reason.
    Http,
}
