//! "What did you hear?": the digits that somebody reports, held to those that were issued.

use std::sync::Arc;

use callotp_conformance::catalogue::{Clause, caller};

use crate::{
    endpoint::{judge::finding, system},
    journal::{Call, Found, Journal, Spoken},
};

/// Enters what the caller heard of a call.
pub(crate) fn report(journal: &Journal, number: u64, heard: &str) -> Result<Arc<Call>, Found> {
    let digits = match is_number(heard) {
        true => heard.trim().to_owned(),
        false => digits(heard),
    };
    let amended = journal.amend(number, |call| {
        let speech = [
            &caller::CHECKS_STATUS,
            &caller::CHECKS_BODY,
            &caller::SPEAKS_DIGITS,
        ];
        call.findings
            .retain(|found| speech.iter().all(|clause| clause.id != found.clause.id));
        if let Some((clause, says)) = broken(&call.answer.spoken, call.answer.status, &digits) {
            let system = system::named(call.system);
            call.findings.push(finding(clause, says, system));
        }
        call.heard = Some(digits.clone());
    });
    match amended {
        Found::Call(call) => Ok(call),
        missing => Err(missing),
    }
}

/// The digits in what was heard: `0 5 3`, `053-219`, or their English words.
pub(crate) fn digits(heard: &str) -> String {
    let mut digits = String::new();
    for word in heard.split(|c: char| !c.is_alphanumeric()) {
        let spoken = WORDS
            .iter()
            .position(|known| known.eq_ignore_ascii_case(word));
        match spoken {
            Some(digit) => digits.push_str(&digit.to_string()),
            None if word.eq_ignore_ascii_case("oh") => digits.push('0'),
            None => digits.extend(word.chars().filter(char::is_ascii_digit)),
        }
    }
    digits
}

/// Is it a number in words, `fifty three thousand`, and not digits one by one? So sounds a
/// code that was spoken as a number.
pub(crate) fn is_number(heard: &str) -> bool {
    let words = heard.split(|c: char| !c.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let among = |known: &[&str], word: &str| known.iter().any(|one| one.eq_ignore_ascii_case(word));
    words.iter().any(|word| among(&BEYOND_NINE, word))
        && words
            .iter()
            .all(|word| among(&BEYOND_NINE, word) || among(&WORDS, word) || among(&["and"], word))
}

const BEYOND_NINE: [&str; 21] = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "hundred",
    "thousand",
    "million",
];

const WORDS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

fn broken(spoken: &Spoken, status: Option<u16>, heard: &str) -> Option<(&'static Clause, String)> {
    match spoken {
        Spoken::Digits(digits) if digits == heard => None,
        Spoken::Digits(digits) => Some((&caller::SPEAKS_DIGITS, differs(digits, heard))),
        Spoken::DigitsOrNothing(digits) if digits == heard || heard.is_empty() => None,
        Spoken::DigitsOrNothing(digits) => Some((&caller::SPEAKS_DIGITS, differs(digits, heard))),
        Spoken::Nothing | Spoken::Decoy(_) if heard.is_empty() => None,
        Spoken::Decoy(decoy) if decoy == heard => {
            let status = status.unwrap_or_default();
            Some((
                &caller::CHECKS_STATUS,
                format!("the code in a {status} was spoken"),
            ))
        }
        Spoken::Nothing | Spoken::Decoy(_) => match status {
            Some(200) => Some((
                &caller::CHECKS_BODY,
                format!("\"{heard}\" was spoken after a 200 without an OTP"),
            )),
            Some(status) => Some((
                &caller::CHECKS_STATUS,
                format!("\"{heard}\" was spoken after a {status}"),
            )),
            None => Some((
                &caller::CHECKS_STATUS,
                format!("\"{heard}\" was spoken without any answer"),
            )),
        },
    }
}

fn differs(digits: &str, heard: &str) -> String {
    match heard {
        "" => format!("nothing was heard, {digits} was issued"),
        _ if digits.trim_start_matches('0') == heard => {
            format!("{heard} was heard, {digits} was issued: the leading zero is lost")
        }
        _ => format!("{heard} was heard, {digits} was issued"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clause(spoken: Spoken, status: Option<u16>, heard: &str) -> Option<&'static str> {
        broken(&spoken, status, heard).map(|(clause, _)| clause.id)
    }

    #[test]
    fn digits_are_read_from_however_they_are_typed() {
        for heard in [
            "053219",
            "0 5 3 2 1 9",
            "053-219",
            "zero five three two one nine",
            "Oh five, three two one nine.",
        ] {
            assert_eq!(digits(heard), "053219", "{heard}");
        }
        assert_eq!(digits(""), "");
    }

    #[test]
    fn what_was_heard_is_held_to_what_was_issued() {
        let issued = || Spoken::Digits("053219".to_owned());
        assert_eq!(clause(issued(), Some(200), "053219"), None);
        assert_eq!(
            clause(issued(), Some(200), "53219"),
            Some(caller::SPEAKS_DIGITS.id)
        );
        assert_eq!(
            clause(issued(), Some(200), ""),
            Some(caller::SPEAKS_DIGITS.id)
        );
        let decoy = || Spoken::Decoy("123456".to_owned());
        assert_eq!(clause(decoy(), Some(403), ""), None);
        assert_eq!(
            clause(decoy(), Some(403), "123456"),
            Some(caller::CHECKS_STATUS.id)
        );
        assert_eq!(
            clause(Spoken::Nothing, Some(200), "0"),
            Some(caller::CHECKS_BODY.id)
        );
        assert_eq!(
            clause(Spoken::Nothing, Some(503), "503"),
            Some(caller::CHECKS_STATUS.id)
        );
        assert_eq!(clause(Spoken::Nothing, Some(200), ""), None);
    }

    #[test]
    fn a_code_spoken_as_a_number_is_told_from_its_digits() {
        assert!(is_number("fifty three thousand two hundred and nineteen"));
        assert!(is_number("Fifty-three thousand\n"));
        for digits in ["five three two one nine", "053219", "", "and", "ten calls"] {
            assert!(!is_number(digits), "{digits}");
        }
    }

    proptest! {
        #[test]
        fn reading_digits_never_panics_and_finds_only_digits(text in "\\PC{0,40}") {
            prop_assert!(digits(&text).bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}
