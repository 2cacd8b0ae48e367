//! Texts that stand for no number at all: withheld callers and unfilled templates.

use super::{
    NumberRefusal,
    address::{self, Address},
};

/// What networks and phone systems say instead of a number, letters only, lower case.
const WITHHELD: [&str; 12] = [
    "anonymous",
    "restricted",
    "unknown",
    "unavailable",
    "private",
    "blocked",
    "withheld",
    "hidden",
    "privatenumber",
    "unknownnumber",
    "nocallerid",
    "numberwithheld",
];

/// The same words as some carriers spell them on a keypad: ANONYMOUS, RESTRICTED,
/// UNKNOWN, BLOCKED, UNAVAILABLE.
const KEYPAD: [&str; 5] = [
    "266696687",
    "7378742833",
    "8656696",
    "2562533",
    "86282452253",
];

/// RFC 3323 §4.1.1.3: the host of a caller who wants to stay unknown.
const ANONYMOUS_HOST: &str = "anonymous.invalid";

/// Refuses a text that stands for no number.
pub(super) fn check(text: &str, address: &Address<'_>) -> Result<(), NumberRefusal> {
    let digits = address::compact(&address.user);
    let is_withheld = address.host.eq_ignore_ascii_case(ANONYMOUS_HOST)
        || is_withheld_word(&address.user)
        || is_withheld_word(address.name)
        || digits
            .as_deref()
            .is_some_and(|digits| is_blank(digits) || is_keypad_spelling(digits));
    if is_withheld {
        return Err(NumberRefusal::Withheld);
    }
    match is_template(text, address) {
        true => Err(NumberRefusal::Template),
        false => Ok(()),
    }
}

/// True for a withheld word spelt in digits, with or without plus or `00`.
pub(super) fn is_keypad_spelling(compact: &str) -> bool {
    let digits = compact.trim_start_matches('+');
    KEYPAD.contains(&digits)
        || digits
            .strip_prefix("00")
            .is_some_and(|rest| KEYPAD.contains(&rest))
}

/// True for nothing, and for nothing but zeros.
fn is_blank(compact: &str) -> bool {
    compact.chars().all(|c| matches!(c, '0' | '+' | '"' | '\''))
}

fn is_withheld_word(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let word: String = letters.flat_map(char::to_lowercase).collect();
    WITHHELD.contains(&word.as_str())
}

/// `${CALLERID(num)}`, `{{from}}`, `$number`, `[Number]`, `%CallerID%`, `<number>`.
fn is_template(text: &str, address: &Address<'_>) -> bool {
    const SIGNS: [char; 3] = ['{', '}', '$'];
    let is_bare_word = address.scheme.is_empty() && address.host.is_empty();
    text.contains(SIGNS)
        || address.user.contains(SIGNS)
        || encloses_word(&address.user, '[', ']')
        || encloses_word(text, '%', '%')
        || (address.bracketed && is_bare_word && address.user.contains(char::is_alphabetic))
}

/// True if a name of at least three letters, digits or signs stands between the marks.
fn encloses_word(text: &str, open: char, close: char) -> bool {
    text.match_indices(open).any(|(at, _)| {
        let inside = text[at + open.len_utf8()..].split_once(close);
        inside.is_some_and(|(word, _)| {
            word.len() >= 3
                && word.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && word.chars().all(|c| {
                    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '(' | ')' | ':')
                })
        })
    })
}
