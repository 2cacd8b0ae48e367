//! The calling number: a telephone number, not a withheld caller, not a template.

use callotp_conformance::{catalogue::caller, contract};

use super::{Findings, body::percent_decoded};
use crate::{number::normalise, scenario::rule::comparable, world::Tenant};

/// Who is calling, as far as the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Calling {
    /// No number at all.
    None,
    /// A caller who withheld the number.
    Withheld(String),
    /// A number, or a text in its place, as rules compare it.
    Number(String),
    /// A template that nobody filled in.
    Template(String),
}

impl Calling {
    /// What the journal shows and the rules compare, without regard to case.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Withheld(text) | Self::Number(text) | Self::Template(text) => Some(text),
        }
    }
}

pub(super) fn judge(number: Option<&str>, tenant: &Tenant, found: &mut Findings) -> Calling {
    let Some(number) = number else {
        return Calling::None;
    };
    if is_withheld(number) {
        let says = match number.trim() {
            "" => "the number is empty: the caller is withheld or the variable was".to_owned(),
            shown => format!("\"{shown}\" stands for a withheld caller"),
        };
        found.add(&caller::NUMBER_WITHHELD, says);
        return Calling::Withheld(number.trim().to_owned());
    }
    if is_template(number) {
        let says = format!("\"{number}\" is a template that was not filled in");
        found.add(&caller::NUMBER_TEMPLATE, says);
        return Calling::Template(number.trim().to_owned());
    }
    let calling = comparable(number);
    if (!tenant.knows(&calling) || number.chars().any(char::is_control))
        && let Some(says) = implausible(number)
    {
        found.add(&caller::NUMBER_PLAUSIBLE, says);
    }
    Calling::Number(calling)
}

/// Words that phone systems and trunks use beside the contract's own.
const MORE_WITHHELD: [&str; 10] = [
    "withheld",
    "hidden",
    "suppressed",
    "no caller id",
    "not available",
    "unavailable",
    "privat",
    "unbekannt",
    "dolt nummer",
    "skyddat nummer",
];

fn is_withheld(number: &str) -> bool {
    let plain = number.trim().trim_matches(['"', '<', '>']);
    let user = plain
        .split_once(':')
        .filter(|(scheme, _)| {
            matches!(scheme.to_ascii_lowercase().as_str(), "sip" | "sips" | "tel")
        })
        .map_or(plain, |(_, user)| user);
    let user = user.split(['@', ';']).next().unwrap_or(user);
    [number, plain, user].into_iter().any(contract::is_withheld)
        || MORE_WITHHELD
            .iter()
            .any(|word| word.eq_ignore_ascii_case(user))
        || number.to_ascii_lowercase().contains("anonymous@")
}

/// What an unset variable turns into in one language or another.
const UNSET: [&str; 10] = [
    "undefined",
    "null",
    "(null)",
    "<null>",
    "none",
    "nil",
    "nan",
    "n/a",
    "[object object]",
    "<nil>",
];

fn is_template(number: &str) -> bool {
    let number = number.trim();
    if normalise(number).is_some() || normalise(&percent_decoded(number)).is_some() {
        return false;
    }
    let lower = number.to_ascii_lowercase();
    let has_letter = number.chars().any(char::is_alphabetic);
    contract::is_template(number)
        || UNSET.contains(&lower.as_str())
        || (has_letter && number.contains(['$', '{', '}', '%', '#', '[', ']', '<', '>']))
        // The bare name of a variable: CALLERID(num), caller_id_number, callerNumber.
        || lower.starts_with("callerid")
        || lower.contains("caller_id")
        || lower.contains("phonenumber")
        || lower.contains("phone_number")
        || lower.contains("callernumber")
        || lower.contains("caller_number")
        || matches!(number, "$1" | "{0}" | "%s" | "%d" | "$" | "?")
}

fn implausible(number: &str) -> Option<String> {
    let shown = number.escape_debug();
    if number.chars().any(char::is_control) {
        return Some(format!(
            "\"{shown}\" holds a line break or another control character"
        ));
    }
    if number.contains('%') && normalise(&percent_decoded(number)).is_some() {
        return Some(format!(
            "\"{shown}\" is percent-encoded, which JSON does not want"
        ));
    }
    let Some(normal) = normalise(number) else {
        return Some(format!("\"{shown}\" is not a telephone number"));
    };
    // A plus that went through a form comes out as a space.
    if number.starts_with(' ') && !number.trim().starts_with(['+', '0']) {
        return Some(format!(
            "\"{shown}\" begins with a space where a plus was lost"
        ));
    }
    let digits = normal.trim_start_matches('+');
    // ITU-T E.164 section 6: at most 15 digits, and no country code begins with 0.
    match digits.len() {
        0..5 => Some(format!("\"{shown}\" is too short for a telephone number")),
        5..=15 if normal.starts_with("+0") => {
            Some(format!("\"{shown}\" has no country code after its plus"))
        }
        5..=15 => None,
        _ => Some(format!("\"{shown}\" is too long for a telephone number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn withheld_callers_are_known_in_every_spelling() {
        for number in contract::WITHHELD {
            assert!(is_withheld(number), "{number}");
        }
        for number in [
            " ANONYMOUS ",
            "sip:anonymous@anonymous.invalid",
            "<sip:restricted@trunk>",
            "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
            "Withheld",
            "000000",
        ] {
            assert!(is_withheld(number), "{number}");
        }
    }

    #[test]
    fn templates_are_known_in_every_language() {
        for number in contract::TEMPLATES.into_iter().chain([
            "${caller_id_number}",
            "$CALLERID",
            "#{from}",
            "%CALLER%",
            "<mobile_phone_number>",
            "undefined",
            "None",
            "[object Object]",
            "CALLERID(num)",
            "{0}",
        ]) {
            assert!(is_template(number), "{number}");
        }
    }

    #[test]
    fn telephone_numbers_are_left_alone() {
        for number in [
            "+46701740605",
            "070-174 06 05",
            "(070) 174 06 05",
            "+46 (0)70 174 06 05",
            "tel:+46701740605",
            "sip:+46701740605@trunk;user=phone",
            "+467012345678",
            "46701740605",
            "+1 212 555 0100",
            "112345",
        ] {
            assert!(!is_withheld(number) && !is_template(number), "{number}");
            assert_eq!(implausible(number), None, "{number}");
        }
    }

    #[test]
    fn what_is_no_telephone_number_says_why() {
        for number in [
            "*",
            "12",
            "+0701740605",
            "hello",
            "%2B46701740605",
            " 46701740605",
            "+46701740605\n",
            "+467017406051234567",
        ] {
            assert!(implausible(number).is_some(), "{number:?}");
        }
    }

    proptest! {
        #[test]
        fn looking_at_any_text_never_panics(text in "\\PC{0,40}") {
            let _ = (is_withheld(&text), is_template(&text), implausible(&text), percent_decoded(&text));
        }
    }
}
