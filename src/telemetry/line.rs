//! What all log lines have in common.

use std::{fmt, io::Write as _};

use crate::clock::Timestamp;

/// Appends ` name=value`, in quotes where the value could be misread.
pub(super) fn text_field(line: &mut Vec<u8>, name: &str, value: &dyn fmt::Display) {
    let value = value.to_string();
    // Writing into memory does not fail.
    let _ = match value.contains([' ', '"', '=']) || value.chars().any(char::is_control) {
        true => write!(line, " {name}={value:?}"),
        false => write!(line, " {name}={value}"),
    };
}

/// A moment in UTC as RFC 3339 has it, to the millisecond.
pub(super) struct Moment(pub(super) Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => f.write_str("out of time"),
        }
    }
}
