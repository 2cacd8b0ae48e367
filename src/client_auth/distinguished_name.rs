//! A subject's name, as certificates hold it and as people write it (RFC 4514).

use std::{fmt, str::FromStr};

use x509_parser::x509::X509Name;

/// A distinguished name. Two are equal if they have the same attributes with the same
/// values, letter by letter, in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinguishedName(
    /// In the order of RFC 4514: the certificate's last one first.
    Vec<Relative>,
);

/// One part of the name: usually one attribute, sorted if there are several.
type Relative = Vec<Attribute>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    /// Dotted decimal.
    kind: Box<str>,
    value: Box<str>,
}

/// A text that is no distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a distinguished name ({0})")]
pub struct NoName(&'static str);

/// The attribute types that have short names, as OpenSSL, proxies and RFC 4514 §3 write them.
const KINDS: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("S", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("title", "2.5.4.12"),
    ("GN", "2.5.4.42"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("E", "1.2.840.113549.1.9.1"),
];

impl DistinguishedName {
    /// The name in a certificate; `None` if an attribute of it is no text.
    pub(super) fn of(name: &X509Name<'_>) -> Option<Self> {
        let mut parts = Vec::new();
        for relative in name.iter_rdn() {
            let mut part = Vec::new();
            for attribute in relative.iter() {
                part.push(Attribute {
                    kind: attribute.attr_type().to_id_string().into(),
                    value: attribute.as_str().ok()?.into(),
                });
            }
            part.sort();
            parts.push(part);
        }
        parts.reverse();
        Some(Self(parts))
    }
}

impl FromStr for DistinguishedName {
    type Err = NoName;

    /// Reads RFC 4514 §3, with blanks allowed around commas, plus and equals signs.
    fn from_str(text: &str) -> Result<Self, NoName> {
        let mut parts = Vec::new();
        let mut part = Vec::new();
        let mut rest = text;
        loop {
            let (kind, after) = rest.split_once('=').ok_or(NoName("`=` is missing"))?;
            let (value, next) = value(after)?;
            part.push(Attribute {
                kind: self::kind(kind.trim())?,
                value,
            });
            match next {
                Some(('+', after)) => rest = after,
                Some((_, after)) => {
                    part.sort();
                    parts.push(std::mem::take(&mut part));
                    rest = after;
                }
                None => break,
            }
        }
        part.sort();
        parts.push(part);
        Ok(Self(parts))
    }
}

fn kind(name: &str) -> Result<Box<str>, NoName> {
    let known = KINDS
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(name));
    match known {
        Some((_, dotted)) => Ok((*dotted).into()),
        None => {
            let name = name
                .get(..4)
                .filter(|start| start.eq_ignore_ascii_case("OID."))
                .map_or(name, |_| &name[4..]);
            let is_dotted = name.contains('.')
                && name
                    .split('.')
                    .all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()));
            let unknown = NoName("an attribute type that is not known: write it in dotted decimal");
            is_dotted.then(|| name.into()).ok_or(unknown)
        }
    }
}

/// The separator after a value, and what follows it.
type Next<'t> = Option<(char, &'t str)>;

/// A value up to an unescaped `,` or `+`.
fn value(text: &str) -> Result<(Box<str>, Next<'_>), NoName> {
    let text = text.trim_start_matches(' ');
    if text.starts_with('#') {
        return Err(NoName("a value in hexadecimal; match by sha256 instead"));
    }
    let mut bytes = Vec::new();
    // Blanks at the end do not count unless they are escaped.
    let mut kept = 0;
    let mut chars = text.char_indices();
    let mut next = None;
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '+' => {
                next = Some((c, &text[at + 1..]));
                break;
            }
            '\\' => {
                bytes.push(escaped(&mut chars)?);
                kept = bytes.len();
            }
            '"' | ';' | '<' | '>' | '\0' => {
                return Err(NoName("`\"`, `;`, `<` and `>` need a `\\` before them"));
            }
            c => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    let value = String::from_utf8(bytes).map_err(|_| NoName("a value that is not UTF-8"))?;
    Ok((value.into(), next))
}

/// What a `\` stands before: a special character, or a byte in hexadecimal.
fn escaped(chars: &mut std::str::CharIndices<'_>) -> Result<u8, NoName> {
    let wrong = NoName("a `\\` before nothing that needs it");
    let (_, first) = chars.next().ok_or(wrong)?;
    if matches!(
        first,
        ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\'
    ) {
        return Ok(first as u8);
    }
    let (_, second) = chars.next().ok_or(wrong)?;
    match (first.to_digit(16), second.to_digit(16)) {
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| wrong),
        _ => Err(wrong),
    }
}

/// As RFC 4514 §2 writes it, for the operator to copy.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            for (inner, attribute) in part.iter().enumerate() {
                match (index, inner) {
                    (0, 0) => {}
                    (_, 0) => f.write_str(",")?,
                    _ => f.write_str("+")?,
                }
                let short = KINDS.iter().find(|(_, dotted)| **dotted == *attribute.kind);
                f.write_str(short.map_or(&*attribute.kind, |(short, _)| short))?;
                f.write_str("=")?;
                write_value(f, &attribute.value)?;
            }
        }
        Ok(())
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
            '#' if index == 0 => f.write_str("\\#")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "\\{byte:02X}")?;
                }
            }
            c => write!(f, "{c}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_name_are_equal_and_others_are_not() {
        let name = |text: &str| text.parse::<DistinguishedName>();
        let expected = name("CN=pbx one,O=Läb\\, Inc,C=SE");
        for same in [
            "cn=pbx one, o=L\\C3\\A4b\\2C Inc, c=SE",
            "2.5.4.3=pbx one,OID.2.5.4.10=Läb\\, Inc,C=SE",
            "CN = pbx one , O = Läb\\, Inc , C = SE ",
        ] {
            assert_eq!(name(same), expected, "{same}");
        }
        assert_eq!(name("CN=a+UID=b"), name("UID=b+CN=a"));
        for other in [
            "C=SE,O=Läb\\, Inc,CN=pbx one",
            "CN=PBX one,O=Läb\\, Inc,C=SE",
            "CN=pbx one,O=Läb\\, Inc",
            "CN=pbx one\\ ,O=Läb\\, Inc,C=SE",
        ] {
            assert!(name(other).is_ok(), "{other}");
            assert_ne!(name(other), expected, "{other}");
        }
        for wrong in [
            "", "pbx", "CN=a,", "CN=a,O", "FOO=a", "CN=a\\", "CN=\\zz", "CN=#0401", "CN=a;O=b",
            "CN=\\FF", "1..2=a", "=a",
        ] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in proptest::collection::vec(".{0,12}", 1..4)) {
            let parts = values.iter().map(|value| vec![Attribute {
                kind: "2.5.4.3".into(), value: value.as_str().into(),
            }]);
            let name = DistinguishedName(parts.collect());
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<DistinguishedName>();
        }
    }
}
