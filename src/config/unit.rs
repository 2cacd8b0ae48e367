//! Durations and sizes as people write them.

use std::time::Duration;

use super::problem::any_of;

const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZES: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads `"1ms"`, `"2s"`, `"5m"`, `"1h"`, `"1d"`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = parts(text);
    let factor = DURATIONS.iter().find(|(name, _)| *name == unit);
    match (number, factor) {
        (Number::Whole(number), Some((_, factor))) => number
            .checked_mul(*factor)
            .map(Duration::from_millis)
            .ok_or_else(|| "too long".to_owned()),
        (Number::TooLarge, Some(_)) => Err("too long".to_owned()),
        _ => Err(format!(
            "not a duration (write a whole number and its unit, {}: \"500ms\", \"5m\")",
            any_of(DURATIONS.map(|(name, _)| name)),
        )),
    }
}

/// Reads `"512"` (bytes), `"512 B"`, `"16 KiB"`, `"1MiB"`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = parts(text);
    let unit = if unit.is_empty() { "B" } else { unit };
    let factor = SIZES.iter().find(|(name, _)| *name == unit);
    match (number, factor) {
        (Number::Whole(number), Some((_, factor))) => number
            .checked_mul(*factor)
            .ok_or_else(|| "too large".to_owned()),
        (Number::TooLarge, Some(_)) => Err("too large".to_owned()),
        _ => Err(format!(
            "not a size (write a whole number and its unit, {}: \"16 KiB\")",
            any_of(SIZES.map(|(name, _)| name)),
        )),
    }
}

/// `duration` as [`duration`] reads it, in the largest unit that it fills.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let fits = |factor: u64| millis != 0 && millis.is_multiple_of(u128::from(factor));
    let (unit, factor) = DURATIONS
        .iter()
        .rev()
        .find(|(_, factor)| fits(*factor))
        .unwrap_or(&DURATIONS[0]);
    format!("{}{unit}", millis / u128::from(*factor))
}

/// `bytes` as [`size`] reads it, in the largest unit that it fills.
pub(super) fn size_text(bytes: u64) -> String {
    let fits = |factor: u64| bytes != 0 && bytes.is_multiple_of(factor);
    let (unit, factor) = SIZES
        .iter()
        .rev()
        .find(|(_, factor)| fits(*factor))
        .unwrap_or(&SIZES[0]);
    format!("{} {unit}", bytes / factor)
}

enum Number {
    Whole(u64),
    TooLarge,
    None,
}

fn parts(text: &str) -> (Number, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number = match digits.parse() {
        Ok(number) => Number::Whole(number),
        Err(_) if digits.is_empty() => Number::None,
        Err(_) => Number::TooLarge,
    };
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("1ms", 1),
            ("2s", 2_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1 d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5 minutes",
            "1h30m",
            "5S",
            "٥s",
            "99999999999999999999s",
            "18446744073709551615h",
            "5s;",
            "+5s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_bytes_unless_it_says_otherwise() {
        for (text, bytes) in [
            ("512", 512),
            ("512 B", 512),
            ("16 KiB", 16_384),
            ("1MiB", 1 << 20),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "KiB",
            "16 KB",
            "16 kib",
            "-1",
            "1.5 MiB",
            "18446744073709551615 GiB",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in 0..u64::MAX / 2) {
            let written = Duration::from_millis(number);
            prop_assert_eq!(duration(&duration_text(written)), Ok(written));
            prop_assert_eq!(size(&size_text(number)), Ok(number));
        }

        #[test]
        fn nothing_panics(text in ".*") {
            let _ = duration(&text);
            let _ = size(&text);
        }
    }
}
