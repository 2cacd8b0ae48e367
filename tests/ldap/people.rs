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

/// How many users are written in spellings of their own: those above, and drawn ones.
pub(super) const SPELT: usize = SPELLINGS.len() + DRAWN;
const DRAWN: usize = 40;

/// The spelling in which user `place` is written.
pub(super) fn spelling(place: usize) -> String {
    match place < SPELLINGS.len() {
        true => listed(place),
        false => drawn(place),
    }
}

/// Any form, any script, separators anywhere, any wrapping: another one for each place, and
/// the same in every run.
fn drawn(place: usize) -> String {
    const SEPARATORS: [&str; 10] = [
        " ", "-", ".", "/", "\u{a0}", "\u{2011}", "\u{2013}", "\u{202f}", "  ", "\u{200b}",
    ];
    const WRAPPINGS: [(&str, &str); 8] = [
        ("", ""),
        ("", ""),
        (" ", " "),
        ("tel:", ""),
        ("sip:", "@trunk;user=phone"),
        ("SIPS:", "@192.0.2.1:5061"),
        ("<sip:", "@trunk>"),
        ("\"", "\""),
    ];
    let mut state = place as u64 + 1;
    let mut draw = |below: usize| {
        // Knuth's linear congruential generator; its high bits are good enough here.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let national = &number(place)[3..];
    let digits = match draw(5) {
        0 => format!("+46{national}"),
        1 => format!("0046{national}"),
        2 => format!("0{national}"),
        3 => format!("+46(0){national}"),
        _ => format!("46{national}"),
    };
    let zero = ['0', '0', '\u{ff10}', '\u{660}'][draw(4)];
    let mut text: Vec<String> = digits
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => char::from_u32(u32::from(zero) + digit)
                .expect("a digit")
                .into(),
            None => c.into(),
        })
        .collect();
    for _ in 0..draw(6) {
        let at = 1 + draw(text.len() - 1);
        text[at].push_str(SEPARATORS[draw(SEPARATORS.len())]);
    }
    let (before, after) = WRAPPINGS[draw(WRAPPINGS.len())];
    format!("{before}{}{after}", text.concat())
}

fn listed(place: usize) -> String {
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
