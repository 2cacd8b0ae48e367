//! Who is in the directories of the tests, as LDIF (RFC 2849).

use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Everybody's password.
pub(super) const PASSWORD: &str = "Us3r-Pass!";

/// The ways of writing one number that a directory may hold, each by its user: `{}` stands
/// for the last two digits of 070-174 06 05 to 99, the numbers for fiction.
pub(super) const SPELLINGS: [&str; 30] = [
    "+467017406{}",
    "+46 70-174 06 {}",
    "00467017406{}",
    "070-174 06 {}",
    "(070) 174 06 {}",
    "+46 (0)70 174 06 {}",
    "467017406{}",
    "tel:+467017406{}",
    "sip:+467017406{}@trunk;user=phone",
    "+46\u{a0}70\u{a0}174\u{a0}06\u{a0}{}",
    "+46 70\u{2011}174\u{2011}06\u{2011}{}",
    "070\u{2013}174 06 {}",
    "\u{ff0b}\u{ff14}\u{ff16}\u{ff17}\u{ff10}\u{ff11}\u{ff17}\u{ff14}\u{ff10}\u{ff16}{}",
    "07017406{}",
    "070.174.06.{}",
    "070/174 06 {}",
    "+46-70-174-06-{}",
    "+46 (70) 174 06 {}",
    "0046 70 174 06 {}",
    "0046 (0)70-1740 6{}",
    "  070 1740 6{}  ",
    "+46(0)701740 6{}",
    "(+46) 70 17 40 6{}",
    "070 17 40 6 {}",
    "0 7 0 1 7 4 0 6 {}",
    "+4670.1740.6{}",
    "TEL:+46-70-174-06-{}",
    "+46 0701740 6{}",
    "0701 74-06-{}",
    "+46 70 1740 6{}",
];

/// The spelling in which user `place` of [`SPELLINGS`] is written.
pub(super) fn spelling(place: usize) -> String {
    let tail = format!("{:02}", place + 10);
    let wide = SPELLINGS[place].starts_with('\u{ff0b}');
    let tail: String = tail
        .chars()
        .map(|digit| match wide {
            true => char::from_u32(0xff10 + digit as u32 - '0' as u32).expect("a digit"),
            false => digit,
        })
        .collect();
    SPELLINGS[place].replace("{}", &tail)
}

/// The same number as E.164.
pub(super) fn number(place: usize) -> String {
    format!("+467017406{:02}", place + 10)
}

/// One `name: value` line, in base64 where LDIF asks for it.
pub(super) fn line(ldif: &mut String, name: &str, value: &str) {
    let plain = value.is_ascii()
        && !value.starts_with([' ', ':', '<'])
        && !value.ends_with(' ')
        && !value.contains(['\n', '\r', '\0']);
    let _ = match plain {
        true => writeln!(ldif, "{name}: {value}"),
        false => writeln!(ldif, "{name}:: {}", BASE64_STANDARD.encode(value)),
    };
}
