//! Durations as people write them: `"200ms"`, `"2s"`, `"5m"`, `"1h"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A duration in a scenario or an administration call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text).map(Self).map_err(de::Error::custom)
    }
}

/// Reads a duration; the error says what one looks like.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let wrong = || format!("{text:?} is not a duration like \"200ms\", \"2s\" or \"5m\"");
    let amount: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match &text[number.len()..] {
        "ms" => amount / 1e3,
        "s" => amount,
        "m" => amount * 60.0,
        "h" => amount * 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// Writes a duration as [`read`] reads it.
pub(crate) fn write(duration: Duration) -> String {
    let ms = crate::clock::millis(duration);
    match ms {
        _ if ms.is_multiple_of(60_000) && ms > 0 => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_their_unit_and_refused_without() {
        assert_eq!(read("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(read("2.5s"), Ok(Duration::from_millis(2500)));
        assert_eq!(read("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "5", "s", "-1s", "5 weeks", "1e400s", "NaNs"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ms in 0_u64..100_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(read(&write(duration)), Ok(duration));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,20}") {
            let _ = read(&text);
        }
    }
}
