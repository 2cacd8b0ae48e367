//! Digits under a region's numbering plan (ITU-T E.164).
//!
//! The library behind it is asked for the structure of a number, never for its
//! word on validity except where a text can be read in two ways.

use std::borrow::Cow;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber as Parsed, PhoneNumberFormat, Region};

use super::NumberRefusal;

/// Digits that a number may have: 17 behind a country code of 3, more than E.164 allows.
const MOST_DIGITS: usize = 20;

/// Zeros at the start of a national number beyond which it is none. (The library
/// writes no more than 10, so that longer runs would meet.)
const MOST_ZEROS: i32 = 6;

/// Times that a number is read again before it has to read as itself.
const ROUNDS: usize = 4;

/// Reads digits with or without plus; anything else in `text` is refused.
pub(super) fn read(text: &str, region: Region) -> Result<Cow<'_, str>, NumberRefusal> {
    match is_settled(text) {
        true => Ok(Cow::Borrowed(text)),
        false => by_plan(text, region).map(Cow::Owned),
    }
}

/// The library's reading, read again until it reads as itself: the zero in
/// `+460701740605` is dropped at the first time, that in `+4600701740605` is not.
pub(super) fn by_plan(text: &str, region: Region) -> Result<String, NumberRefusal> {
    let digits = text.trim_start_matches('+');
    let is_short = digits.len() <= 2 * MOST_DIGITS;
    if !is_short || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberRefusal::Unreadable);
    }
    let mut number = read_once(text, region)?;
    for _ in 0..ROUNDS {
        let again = match is_settled(&number) {
            true => number.clone(),
            false => read_once(&number, region)?,
        };
        if again == number {
            return Ok(number);
        }
        number = again;
    }
    Err(NumberRefusal::Unreadable)
}

/// True for E.164 of which it is known without the library that it reads as
/// itself: the national number does not start like its country's trunk prefix.
pub(super) fn is_settled(text: &str) -> bool {
    let Some(digits) = text.as_bytes().strip_prefix(b"+") else {
        return false;
    };
    if !(MOST_DIGITS >= digits.len() && digits.iter().all(u8::is_ascii_digit)) {
        return false;
    }
    let Some(start) = digits.first_chunk::<3>() else {
        return false;
    };
    let code = start
        .iter()
        .fold(0, |code, digit| code * 10 + usize::from(digit - b'0'));
    let Some(Plain { length, trunk }) = PLAIN_CODES[code] else {
        return false;
    };
    let national = &digits[length..];
    (2..=17).contains(&national.len()) && national[0] != b'0' && national[0] != trunk
}

/// True if a numbering plan has such a number.
pub(super) fn is_plausible(e164: &str) -> bool {
    let parsed = PHONE_NUMBER_UTIL.parse(e164, None);
    parsed.is_ok_and(|number| PHONE_NUMBER_UTIL.is_valid_number(&number))
}

fn read_once(text: &str, region: Region) -> Result<String, NumberRefusal> {
    let national = parse(text, Some(region))?;
    let number = match international_after_all(text, &national) {
        Some(international) => international,
        None => national,
    };
    match number.national_number {
        0 => Err(NumberRefusal::Withheld),
        _ => Ok(PHONE_NUMBER_UTIL
            .format(&number, PhoneNumberFormat::E164)
            .into_owned()),
    }
}

fn parse(text: &str, region: Option<Region>) -> Result<Parsed, NumberRefusal> {
    match PHONE_NUMBER_UTIL.parse(text, region) {
        // A country code and zeros is how some networks withhold a number.
        Ok(number) if number.national_number == 0 => Err(NumberRefusal::Withheld),
        Ok(number) if number.number_of_leading_zeros() <= MOST_ZEROS => Ok(number),
        _ => Err(NumberRefusal::Unreadable),
    }
}

/// Phone systems leave out the plus, or write `00` where the region dials
/// otherwise. Digits that start with the region's own code are international if no
/// plan has them as a national number and what follows has a number's length;
/// digits that start with another code, if they have no national number's length
/// and that code's plan has them.
fn international_after_all(text: &str, national: &Parsed) -> Option<Parsed> {
    let digits = text.strip_prefix("00").unwrap_or(text);
    // The cheap question first: a trunk prefix or a plus leaves nothing to ask.
    if digits.starts_with(['0', '+']) || PHONE_NUMBER_UTIL.is_valid_number(national) {
        return None;
    }
    let number = parse(&format!("+{digits}"), None).ok()?;
    let is_international = match number.country_code == national.country_code {
        true => PHONE_NUMBER_UTIL.is_possible_number(&number),
        false => {
            !PHONE_NUMBER_UTIL.is_possible_number(national)
                && PHONE_NUMBER_UTIL.is_valid_number(&number)
        }
    };
    is_international.then_some(number)
}

/// A country code of which a number's first digit tells that it has no trunk prefix.
#[derive(Clone, Copy)]
struct Plain {
    /// Digits of the code.
    length: usize,
    /// The digit, beside zero, with which the prefix may start; zero if none does.
    trunk: u8,
}

/// The country codes whose trunk prefix, as the library's metadata have it, is
/// nothing or starts with zero.
const ORDINARY: [u16; 197] = [
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 45, 46, 47, 48, 49, 51, 52, 53, 56, 57, 58, 60,
    62, 63, 64, 65, 66, 81, 82, 84, 90, 91, 92, 93, 94, 95, 98, 211, 212, 213, 216, 218, 220, 221,
    222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240,
    241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, 260,
    262, 263, 264, 265, 266, 267, 268, 269, 290, 291, 297, 299, 350, 351, 353, 354, 355, 356, 357,
    358, 359, 371, 372, 373, 374, 376, 377, 380, 381, 382, 383, 385, 386, 387, 389, 420, 421, 500,
    501, 502, 503, 504, 505, 507, 508, 509, 590, 591, 592, 593, 594, 595, 596, 597, 598, 599, 670,
    673, 674, 675, 676, 677, 678, 679, 680, 681, 682, 683, 685, 686, 687, 688, 689, 690, 691, 800,
    808, 850, 852, 853, 855, 856, 870, 878, 880, 881, 882, 883, 886, 888, 960, 961, 962, 963, 964,
    965, 966, 967, 968, 970, 971, 972, 973, 974, 975, 976, 977, 979, 992, 994, 995, 996, 998,
];

/// The country codes whose trunk prefix may start with another digit, and the digit.
const SINGULAR: [(u16, u8); 13] = [
    (1, b'1'),
    (7, b'8'),
    (44, b'1'),
    (61, b'1'),
    (86, b'1'),
    (298, b'1'),
    (352, b'1'),
    (370, b'8'),
    (375, b'8'),
    (423, b'1'),
    (506, b'1'),
    (692, b'1'),
    (993, b'8'),
];

/// These codes by the first three digits of a number. Any other code (Argentina's,
/// Brazil's) takes the library. The laws compare the two over all codes, so that a
/// new version of the library cannot make this table lie.
static PLAIN_CODES: [Option<Plain>; 1000] = {
    let mut codes = [None; 1000];
    let mut at = 0;
    while at < ORDINARY.len() {
        enter(&mut codes, ORDINARY[at], 0);
        at += 1;
    }
    at = 0;
    while at < SINGULAR.len() {
        enter(&mut codes, SINGULAR[at].0, SINGULAR[at].1);
        at += 1;
    }
    codes
};

const fn enter(codes: &mut [Option<Plain>; 1000], code: u16, trunk: u8) {
    let (length, span) = match code {
        0..=9 => (1, 100),
        10..=99 => (2, 10),
        _ => (3, 1),
    };
    let mut at = code as usize * span;
    let end = at + span;
    while at < end {
        codes[at] = Some(Plain { length, trunk });
        at += 1;
    }
}
