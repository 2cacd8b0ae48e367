//! Laws of telephone numbers: every spelling reads as its number, and no two numbers meet.

use proptest::{prelude::*, sample::select};

use super::{exact, plan, read, with_extensions};

/// A region, its country code, its trunk prefix, and numbers that it may have.
const REGIONS: [(&str, &str, &str, &str); 12] = [
    ("SE", "46", "0", "7[02369][0-9]{7}"),
    ("SE", "46", "0", "8[1-9][0-9]{6}"),
    ("NO", "47", "", "[49][0-9]{7}"),
    ("DK", "45", "", "[2-9][0-9]{7}"),
    ("FI", "358", "0", "4[0-6][0-9]{7}"),
    ("DE", "49", "0", "1(5[1257]|7[0-9])[0-9]{8}"),
    ("GB", "44", "0", "7[4579][0-9]{8}"),
    ("FR", "33", "0", "[67][1-8][0-9]{7}"),
    ("NL", "31", "0", "6[1-5][0-9]{7}"),
    ("IT", "39", "", "3[2-4][0-9]{8}"),
    ("US", "1", "1", "[2-9]0[1-8][2-9][0-9]{6}"),
    ("AU", "61", "0", "4[0-9]{8}"),
];

#[derive(Clone, Debug)]
struct Drawn {
    region: &'static str,
    code: &'static str,
    trunk: &'static str,
    national: String,
}

impl Drawn {
    fn e164(&self) -> String {
        format!("+{}{}", self.code, self.national)
    }
}

fn number() -> impl Strategy<Value = Drawn> {
    select(&REGIONS[..]).prop_flat_map(|(region, code, trunk, pattern)| {
        let national = proptest::string::string_regex(pattern).expect("a pattern");
        national.prop_map(move |national| Drawn {
            region,
            code,
            trunk,
            national,
        })
    })
}

/// The number as digits, with or without code, and a sign where the trunk prefix stands apart.
fn form(number: &Drawn, form: u8) -> String {
    let Drawn {
        code,
        trunk,
        national,
        ..
    } = number;
    match form {
        0 => format!("+{code}{national}"),
        1 => format!("00{code}{national}"),
        // In Germany this is a number in Leer (0491) as well; the national reading wins.
        2 if number.region != "DE" => format!("{code}{national}"),
        3 => format!("{trunk}{national}"),
        4 if *trunk == "0" => format!("+{code}({trunk}){national}"),
        _ => format!("+{code}{national}"),
    }
}

/// Separators put in at random, and digits of another alphabet.
fn written(digits: &str, separators: &[(usize, &str)], zero: char) -> String {
    let mut text: Vec<String> = digits
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => char::from_u32(u32::from(zero) + digit)
                .expect("a digit")
                .to_string(),
            None => c.to_string(),
        })
        .collect();
    for (at, separator) in separators {
        let at = 1 + at % (text.len() - 1);
        text[at].push_str(separator);
    }
    text.concat()
}

const SEPARATORS: [&str; 10] = [
    " ", "-", ".", "/", "\u{a0}", "\u{2011}", "\u{2013}", "\u{202f}", "  ", "\u{200b}",
];

const WRAPPINGS: [(&str, &str); 9] = [
    ("", ""),
    (" ", "\n"),
    ("tel:", ""),
    ("sip:", "@trunk;user=phone"),
    ("SIPS:", "@192.0.2.1:5061"),
    ("<sip:", "@trunk>;tag=1"),
    ("\"Anna\" <tel:", ">"),
    ("", "@trunk"),
    ("\"", "\""),
];

fn spelling() -> impl Strategy<Value = (Drawn, String)> {
    let separators = prop::collection::vec((any::<usize>(), select(&SEPARATORS[..])), 0..6);
    let zero = select(&['0', '0', '\u{ff10}', '\u{660}'][..]);
    (number(), 0..5_u8, separators, zero, select(&WRAPPINGS[..])).prop_map(
        |(number, kind, separators, zero, (before, after))| {
            let text = written(&form(&number, kind), &separators, zero);
            (number, format!("{before}{text}{after}"))
        },
    )
}

/// Texts that look like numbers more often than not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\+?[0-9]{1,22}",
        "[+0-9 ()./xe;=t-]{0,24}",
        "(tel|sip|sips|x):[+%0-9a-f;=@.:-]{0,24}",
        ".{0,40}",
        "[\"<>{}\\[\\]$%a-z0-9+]{0,16}",
        spelling().prop_map(|(_, text)| text),
    ]
}

proptest! {
    #[test]
    fn every_spelling_of_a_number_is_that_number((number, text) in spelling()) {
        let read = read(&plan(number.region), &text);
        prop_assert_eq!(read, Ok(number.e164()), "{:?} under {}", text, number.region);
    }

    #[test]
    fn no_two_different_numbers_meet(a in spelling(), b in spelling(), region in select(&REGIONS[..])) {
        // Under one plan only what has a country code names the same number everywhere.
        let plan = plan(region.0);
        let international = |(number, text): (Drawn, String)| match number.region == region.0 {
            true => (number.e164(), text),
            false => (number.e164(), number.e164()),
        };
        let ((a, first), (b, second)) = (international(a), international(b));
        prop_assert_eq!(plan.read(&first) == plan.read(&second), a == b, "{} {}", first, second);
    }

    #[test]
    fn neighbours_differ(number in number(), at in any::<prop::sample::Index>(), by in 1..10_u8) {
        let mut other = number.e164().into_bytes();
        let at = 1 + number.code.len() + at.index(number.national.len());
        other[at] = b'0' + (other[at] - b'0' + by) % 10;
        let other = String::from_utf8(other).expect("digits");
        let plan = plan(number.region);
        prop_assert_ne!(plan.read(&number.e164()), plan.read(&other));
    }

    #[test]
    fn a_number_reads_as_itself(text in text(), (region, ..) in select(&REGIONS[..])) {
        for plan in [plan(region), exact(), with_extensions()] {
            if let Ok(number) = plan.read(&text) {
                prop_assert_eq!(plan.read(number.as_str()), Ok(number.clone()), "{:?} {}", text, number.as_str());
            }
        }
    }

    #[test]
    fn what_reads_is_e164_and_perhaps_an_extension(text in text()) {
        if let Ok(number) = plan("SE").read(&text) {
            let (number, extension) = number.as_str().split_once(";ext=").unwrap_or((number.as_str(), "1"));
            let digits = number.strip_prefix('+').expect("a plus");
            prop_assert!((3..=20).contains(&digits.len()) && !digits.starts_with('0'), "{}", number);
            prop_assert!(digits.bytes().chain(extension.bytes()).all(|byte| byte.is_ascii_digit()));
        }
    }

    #[test]
    fn only_what_has_digits_and_no_foreign_sign_is_read(text in ".{0,30}") {
        if plan("SE").read(&text).is_ok() {
            prop_assert!(text.chars().any(char::is_numeric), "{:?}", text);
            prop_assert!(!text.contains(['*', '#', '{', '}', '$', '\\', '\0', ',']), "{:?}", text);
        }
    }

    #[test]
    fn every_spelling_asked_for_is_the_number((number, text) in spelling()) {
        let plan = plan(number.region);
        let read = plan.read(&text).expect("a number");
        let spellings = plan.spellings(&read, Some(&text));
        prop_assert!((10..=24).contains(&spellings.len()), "{:?}", spellings);
        for spelling in &spellings {
            prop_assert_eq!(plan.read(spelling), Ok(read.clone()), "{}", spelling);
        }
    }

    #[test]
    fn a_number_is_shown_by_two_digits_only(number in number()) {
        let e164 = number.e164();
        let shown = format!("{:?}", plan("SE").read(&e164).expect("a number"));
        prop_assert_eq!(shown, format!("PhoneNumber(…{})", &e164[e164.len() - 2..]));
    }
}
