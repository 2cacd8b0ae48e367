//! The OTPs of the run.

use std::collections::BTreeSet;

use crate::{contract, runner::Session, secret::Otp, verdict::Finding};

/// How many OTPs it takes to say that they repeat.
const FOR_FRESH: usize = 5;
/// How many OTPs it takes to say that they follow a pattern.
const FOR_PATTERN: usize = 12;
/// How many characters that change an OTP needs.
const FREE: usize = contract::OTP_MIN_DIGITS;

pub(super) async fn shape(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "digits, at least 6 of them";
    if let Err(finding) = collect(session, 1).await {
        return finding.expecting(EXPECTED);
    }
    let otps = &session.otps;
    let lengths: BTreeSet<usize> = otps.iter().map(Otp::len).collect();
    let (shortest, longest) = (
        lengths.first().copied().unwrap_or_default(),
        lengths.last().copied().unwrap_or_default(),
    );
    let got = match shortest == longest {
        true => format!("{shortest} characters"),
        false => format!("{shortest} to {longest} characters"),
    };
    let finding = if !otps.iter().all(Otp::is_digits) {
        Finding::broken(format!("{got}, not all of them digits"))
            .likely("a phone system speaks digits; letters may not be spoken at all")
    } else if loses_zeros(otps) {
        Finding::broken(format!(
            "{got}, shorter ones among longer ones, and none begins with 0"
        ))
        .likely("the OTP passes through a number and loses its leading zeros")
    } else if shortest < contract::OTP_MIN_DIGITS {
        Finding::broken(format!("{got}, digits")).likely(match lengths.len() {
            1 => "too short a length is configured",
            _ => "the OTP passes through a number and loses its leading zeros",
        })
    } else {
        Finding::held(format!("{got}, digits"))
    };
    let finding = finding.answered([got]).expecting(EXPECTED);
    match &session.first {
        Some(exchange) => finding.with(exchange),
        None => finding,
    }
}

/// Most have one length, a few are shorter, and none begins with a zero.
fn loses_zeros(otps: &[Otp]) -> bool {
    let longest = otps.iter().map(Otp::len).max().unwrap_or_default();
    let full = otps.iter().filter(|otp| otp.len() == longest).count();
    let short = otps.len() - full;
    let zero = otps.iter().any(|otp| otp.expose().starts_with('0'));
    otps.len() >= FOR_PATTERN && short > 0 && !zero && full * 10 >= otps.len() * 7
}

pub(super) async fn fresh(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "a new OTP for every call";
    if let Err(finding) = collect(session, FOR_FRESH).await {
        return finding.expecting(EXPECTED);
    }
    let otps = &session.otps;
    let distinct: BTreeSet<&Otp> = otps.iter().collect();
    let repeated = otps.len() - distinct.len();
    let got = format!("{} different ones in {} calls", distinct.len(), otps.len());
    // By chance alone a pair comes up now and then, three hardly ever.
    let finding = match repeated > chance(otps) {
        true => Finding::broken(got)
            .answered(["repeated".to_owned()])
            .likely("the OTP that is still alive is given out again, or it is constant"),
        false => Finding::held(got),
    };
    finding.expecting(EXPECTED)
}

/// How many repetitions chance may bring without anybody doing anything wrong: more come
/// less than once in a hundred thousand runs.
fn chance(otps: &[Otp]) -> usize {
    let digits = otps.iter().map(Otp::len).min().unwrap_or_default();
    let pairs = otps.len() * otps.len().saturating_sub(1) / 2;
    let space = 10_usize.saturating_pow(u32::try_from(digits).unwrap_or(u32::MAX));
    2 + 16 * pairs / space.max(1)
}

pub(super) async fn predictable(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "no pattern";
    if let Err(finding) = collect(session, FOR_PATTERN).await {
        return finding.expecting(EXPECTED);
    }
    let otps = &session.otps;
    let finding = match pattern(otps) {
        Some(pattern) => Finding::broken(pattern)
            .answered(["a pattern".to_owned()])
            .likely("the OTP comes from a counter, a clock or a weak random source"),
        None => Finding::held(format!("none seen in {} calls", otps.len())),
    };
    finding.expecting(EXPECTED)
}

/// An obvious pattern; each of them comes by chance less than once in a million runs.
fn pattern(otps: &[Otp]) -> Option<&'static str> {
    // The same one twice in a row is another clause's affair, and no step.
    let mut otps = otps.to_vec();
    otps.dedup();
    let otps = otps.as_slice();
    let distinct: BTreeSet<&Otp> = otps.iter().collect();
    if otps.len() < FOR_PATTERN / 2 || distinct.len() < otps.len() / 2 {
        // A constant or a short cycle: another clause's affair.
        return None;
    }
    if let Some(values) = otps.iter().map(Otp::value).collect::<Option<Vec<u64>>>() {
        let steps: Vec<i128> = values
            .windows(2)
            .map(|pair| i128::from(pair[1]) - i128::from(pair[0]))
            .collect();
        let same = steps.windows(2).filter(|pair| pair[0] == pair[1]).count();
        if same >= 3 {
            return Some("the same step from one to the next");
        }
        let rising = steps.iter().filter(|step| **step > 0).count();
        if rising == steps.len() || rising == 0 {
            return Some("each larger than the one before, or each smaller");
        }
        let near = steps.iter().filter(|step| step.abs() < 1_000).count();
        if near * 2 > steps.len() && near >= 5 {
            return Some("each close to the one before");
        }
    }
    fixed(otps).then_some("the same character at one place in all of them")
}

/// Do all begin, end or go on alike in a place, and too few places are left to guess? A
/// separator or a prefix in front of six free characters takes nothing away, and a
/// leading zero that a target puts in front of five is still no sequence.
fn fixed(otps: &[Otp]) -> bool {
    let length = otps.iter().map(Otp::len).min().unwrap_or_default();
    let at = |otp: &Otp, place| otp.expose().chars().nth(place);
    let first = otps.first();
    let alike = |place: &usize| {
        let expected = first.and_then(|otp| at(otp, *place));
        otps.iter().all(|otp| at(otp, *place) == expected)
    };
    let places: Vec<usize> = (0..length).filter(alike).collect();
    let only_zero_in_front = places == [0] && first.and_then(|otp| at(otp, 0)) == Some('0');
    let free = length - places.len();
    let enough = if only_zero_in_front { FREE - 1 } else { FREE };
    !places.is_empty() && free < enough
}

/// Calls until there are `count` OTPs to look at.
async fn collect(session: &mut Session<'_>, count: usize) -> Result<(), Finding> {
    while session.otps.len() < count {
        let exchange = session.send_golden().await;
        if session.is_fresh() {
            continue;
        }
        // One more try: a hiccup is no verdict.
        session.control().await.map_err(|why| {
            let finding = Finding::untested(why);
            finding.with(&exchange)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn otps(list: &[&str]) -> Vec<Otp> {
        list.iter().map(|otp| Otp::new(*otp)).collect()
    }

    #[test]
    fn counters_and_clocks_are_patterns() {
        let counted: Vec<Otp> = (0..12)
            .map(|n| Otp::new(format!("{:06}", 999_990 + n * 7 % 1_000_000)))
            .collect();
        assert!(pattern(&counted).is_some());
        let rising: Vec<Otp> = (1..13_u64)
            .map(|n| Otp::new(format!("{:06}", n * n * 5_000)))
            .collect();
        assert!(pattern(&rising).is_some());
    }

    #[test]
    fn what_is_random_is_no_pattern() {
        let random = otps(&[
            "532190", "004217", "918273", "660012", "120934", "773301", "045566", "381920",
            "990071", "217734", "508812", "146029",
        ]);
        assert_eq!(pattern(&random), None);
        assert!(!loses_zeros(&random));
    }

    #[test]
    fn different_lengths_with_zeros_in_front_lose_nothing() {
        let mixed = otps(&[
            "053219",
            "0532190",
            "12345678",
            "918273645",
            "0012345678",
            "773301",
            "045566",
            "381920",
            "990071",
            "21773412",
            "508812",
            "146029",
        ]);
        assert!(!loses_zeros(&mixed));
        let lost = otps(&[
            "532190", "4217", "918273", "660012", "120934", "773301", "45566", "381920", "990071",
            "217734", "508812", "146029",
        ]);
        assert!(loses_zeros(&lost));
    }
}
