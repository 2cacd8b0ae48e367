//! The number within what was written: out of URIs, display names and punctuation.

use std::borrow::Cow;

/// Digits of an extension (RFC 3966 §5.3 sets no limit; ITU-T E.164 §6 has 40, none in use has half).
const LONGEST_EXTENSION: usize = 20;

/// The parts of a text that could stand for a caller: a bare number, a `tel:` URI
/// (RFC 3966 §3), a SIP URI (RFC 3261 §19.1.1) or one in a name-addr (§20.10).
pub(super) struct Address<'a> {
    /// The display name.
    pub(super) name: &'a str,
    /// True if the rest stood in angle brackets.
    pub(super) bracketed: bool,
    /// `tel`, `sip` or `sips` in lower case, or nothing.
    pub(super) scheme: &'static str,
    /// The number, or the user part of the URI, decoded.
    pub(super) user: Cow<'a, str>,
    /// Behind the `@`.
    pub(super) host: &'a str,
    context: &'a str,
    extension: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Takes `text` apart. Whatever it is, its parts are in there somewhere.
    pub(super) fn of(text: &'a str) -> Self {
        let (name, inner) = name_addr(text.trim());
        let bracketed = inner.is_some();
        let inner = inner.unwrap_or(text).trim().trim_matches(is_quote).trim();
        let (scheme, rest) = without_scheme(inner).unwrap_or(("", inner));
        let (user, host) = rest.split_once('@').unwrap_or((rest, ""));
        let is_uri_like = !scheme.is_empty() || !host.is_empty();
        let (user, parameters) = user
            .split_once(';')
            // Without a URI around it, a semicolon may just as well part two numbers.
            .filter(|(_, behind)| is_uri_like || behind.split(';').all(|p| p.contains('=')))
            .unwrap_or((user, ""));
        let parameters = || parameters.split(';').filter_map(|p| p.split_once('='));
        let value = |wanted: &str| {
            let mut named =
                parameters().filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
            named.next().map(|(_, value)| value.trim())
        };
        Self {
            name,
            bracketed,
            scheme,
            user: match is_uri_like {
                true => percent_decoded(user.split([':', '?']).next().unwrap_or_default()),
                false => Cow::Borrowed(user),
            },
            host: host.split([';', '?', ':']).next().unwrap_or_default(),
            context: value("phone-context").unwrap_or_default(),
            extension: value("ext"),
        }
    }

    /// The number as rewrite rules see it: digits, plus and whatever else is no
    /// punctuation, then `;ext=` if there is an extension. `None` if there are
    /// control characters, or if it is a host's name or address.
    pub(super) fn cleaned(&self) -> Option<String> {
        if self.scheme.starts_with("sip") && self.host.is_empty() && self.user.contains('.') {
            return None;
        }
        let mut number = compact(&self.user)?;
        if self.context.starts_with('+') && !number.starts_with('+') {
            number.insert_str(0, &compact(self.context)?);
        }
        match self.extension {
            Some(extension) => Some(format!("{number};ext={}", compact(extension)?)),
            None => Some(with_extension_named(number)),
        }
    }
}

/// `text` without white space, punctuation and invisible characters, digits and
/// plus in ASCII. `None` if there is a control character in it.
pub(super) fn compact(text: &str) -> Option<String> {
    let mut compact = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '0'..='9' | '+' => compact.push(c),
            // Full-width, Arabic-Indic and extended Arabic-Indic digits.
            '\u{FF10}'..='\u{FF19}' => compact.push(digit(c, 0xFF10)),
            '\u{0660}'..='\u{0669}' => compact.push(digit(c, 0x0660)),
            '\u{06F0}'..='\u{06F9}' => compact.push(digit(c, 0x06F0)),
            '\u{FF0B}' | '\u{FE62}' => compact.push('+'),
            c if c.is_control() => return None,
            c if is_punctuation(c) => {}
            c => compact.push(c),
        }
    }
    Some(compact)
}

fn digit(c: char, zero: u32) -> char {
    char::from_digit(u32::from(c) - zero, 10).expect("the caller's range has ten digits")
}

/// What people and programs put between the digits, ITU-T E.123 and beyond, and
/// the invisible marks that come with a number copied from a contact list.
fn is_punctuation(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '/' | '(' | ')'
                | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
                | '\u{FF08}' | '\u{FF09}' | '\u{FF0E}' | '\u{FF0F}'
                | '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{2069}' | '\u{FEFF}'
        )
}

/// The number and the digits behind `;ext=`.
pub(super) fn split_extension(cleaned: &str) -> (&str, Option<&str>) {
    match cleaned.split_once(";ext=") {
        Some((number, extension)) => (number, Some(extension)),
        None => (cleaned, None),
    }
}

/// True for what can stand behind `;ext=`.
pub(super) fn is_extension(digits: &str) -> bool {
    (1..=LONGEST_EXTENSION).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// `0812345x67`, `0812345ext67` (the dot is gone already) with the extension as `;ext=67`.
fn with_extension_named(number: String) -> String {
    let Some(start) = number.find(['x', 'X', 'e', 'E']) else {
        return number;
    };
    let tail = number[start..].to_ascii_lowercase();
    let digits = tail.strip_prefix("ext").or_else(|| tail.strip_prefix('x'));
    match digits.map(|digits| digits.trim_start_matches(':')) {
        Some(digits) if start > 0 && is_extension(digits) => {
            format!("{};ext={digits}", &number[..start])
        }
        _ => number,
    }
}

/// The display name, and what stands in the angle brackets, if anything does.
fn name_addr(text: &str) -> (&str, Option<&str>) {
    let Some((name, rest)) = text.split_once('<') else {
        return ("", None);
    };
    match rest.split_once('>') {
        Some((inner, after)) if after.is_empty() || after.trim_start().starts_with(';') => {
            (name.trim(), Some(inner))
        }
        _ => ("", None),
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{2018}'..='\u{201F}')
}

fn without_scheme(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let known = ["tel", "sip", "sips"];
    let known = known
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known))?;
    Some((known, rest))
}

/// RFC 3986 §2.1. What is not an encoded octet stays as it is written.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octet = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(octet.unwrap_or(bytes[at]));
        at += if octet.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}
