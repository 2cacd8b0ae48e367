//! Distinguished names (RFC 4514), as far as comparing them goes.

/// A name's form for comparing: attribute types in lower case, values unescaped,
/// without case and superfluous white space (RFC 4517 §4.2.15 with caseIgnoreMatch
/// for every value), the parts of a multi-valued RDN sorted. `None` if the text is
/// no name.
pub(crate) fn normalised(dn: &str) -> Option<String> {
    if dn.trim().is_empty() {
        return Some(String::new());
    }
    let mut normalised = String::with_capacity(dn.len());
    for rdn in split(dn, &[',', ';']) {
        if !normalised.is_empty() {
            normalised.push(',');
        }
        let parts = split(rdn, &['+']).into_iter().map(assertion);
        let mut parts = parts.collect::<Option<Vec<String>>>()?;
        parts.sort();
        normalised.push_str(&parts.join("+"));
    }
    Some(normalised)
}

/// True if the entry called `dn` is `base` or below it, both normalised.
pub(crate) fn is_within(dn: &str, base: &str) -> bool {
    let above = dn.strip_suffix(base);
    base.is_empty() || above.is_some_and(|above| above.is_empty() || above.ends_with(','))
}

/// `type=value` for comparing. What has a meaning in a name is escaped in the value
/// by one sign, so that no two names get the same form. The quoted strings of RFC 2253
/// are not read as such: RFC 4514 has none.
fn assertion(text: &str) -> Option<String> {
    let (kind, value) = text.split_once('=')?;
    let kind = kind.trim();
    let is_kind = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if !is_kind {
        return None;
    }
    let mut normalised = kind.to_ascii_lowercase();
    normalised.push('=');
    for c in unescaped(value)?.chars() {
        if matches!(c, ',' | ';' | '+' | '"' | '\\') {
            normalised.push('\\');
        }
        normalised.push(c);
    }
    Some(normalised)
}

/// The value itself, folded. A hexadecimal value (`#04…`) is compared as it is written.
fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let hex = rest
            .get(..2)
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match (hex, rest.chars().next()) {
            (Some(hex), _) => {
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
                rest = &rest[2..];
            }
            (None, Some(escaped)) => {
                bytes.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[escaped.len_utf8()..];
            }
            (None, None) => return None,
        }
    }
    String::from_utf8(super::filter::folded(&bytes)).ok()
}

/// `text` at the separators that are not escaped.
fn split<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if separators.contains(&c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_name_in_several_spellings_is_one() {
        for spelling in [
            "uid=anna,ou=People,dc=example,dc=org",
            "UID=Anna, OU=people, DC=example, DC=org",
            "uid=\\61nna;ou=People;dc=example;dc=org",
            "uid=anna , ou = People,dc=example,dc=org",
        ] {
            let expected = "uid=anna,ou=people,dc=example,dc=org";
            assert_eq!(
                normalised(spelling).as_deref(),
                Some(expected),
                "{spelling}"
            );
        }
        assert_eq!(normalised("cn=B+uid=a,dc=x"), normalised("UID=A+CN=b,dc=x"));
        assert_ne!(normalised("cn=a\\,dc=x,dc=x"), normalised("cn=a,dc=x,dc=x"));
        for wrong in ["anna", "uid=anna,people", "uid=anna,", "=x", "uid=a\\"] {
            assert_eq!(normalised(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn below_is_told_from_beside() {
        let base = "dc=example,dc=org";
        assert!(is_within("uid=anna,dc=example,dc=org", base));
        assert!(is_within(base, base));
        assert!(is_within(base, ""));
        assert!(!is_within(
            "uid=anna,adc=example,dc=org",
            "dc=example,dc=org"
        ));
        assert!(!is_within("dc=org", base));
    }

    proptest! {
        #[test]
        fn normalising_never_panics_and_is_done_once(dn in "([a-c]{1,2}=[A-C ,+\"\\\\å#]{0,6},?){0,3}", any in ".{0,40}") {
            for dn in [dn, any] {
                if let Some(once) = normalised(&dn) {
                    prop_assert_eq!(normalised(&once), Some(once));
                }
            }
        }
    }
}
