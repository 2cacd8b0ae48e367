//! Distinguished names, read from their text (RFC 4514) into what can be compared.

use super::schema;

/// A name, leaf first, with every type and value in its normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Dn {
    rdns: Vec<String>,
}

/// The text is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a distinguished name (RFC 4514)")]
pub(super) struct NotADn(String);

impl Dn {
    /// Reads `text`; the empty text is the root.
    pub(super) fn parse(text: &str) -> Result<Self, NotADn> {
        let rdns: Option<Vec<String>> = parts(text).iter().map(|parts| rdn(parts)).collect();
        rdns.map(|rdns| Self { rdns })
            .ok_or_else(|| NotADn(text.to_owned()))
    }

    /// True for the name of the root DSE.
    pub(super) fn is_root(&self) -> bool {
        self.rdns.is_empty()
    }

    /// True if this is `base` or somewhere below it.
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.rdns.ends_with(&base.rdns)
    }

    /// True if this is directly below `base`.
    pub(super) fn is_child_of(&self, base: &Self) -> bool {
        self.rdns.len() == base.rdns.len() + 1 && self.is_within(base)
    }

    /// The name above; `None` above the root.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, above) = self.rdns.split_first()?;
        Some(Self {
            rdns: above.to_vec(),
        })
    }

    /// The types and values of the name, leaf first, in normal form.
    pub(super) fn components(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rdns
            .iter()
            .flat_map(|rdn| rdn.split('\u{0}'))
            .filter_map(|pair| pair.split_once('='))
    }

    /// The normal form as one text, which equal names share.
    pub(super) fn normal(&self) -> String {
        self.rdns.join("\u{1}")
    }
}

/// `value` as it is written inside a name (RFC 4514 §2.4).
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => escaped.extend(['\\', character]),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            '#' if at == 0 => escaped.push_str("\\#"),
            '\u{0}' => escaped.push_str("\\00"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The first relative name of `text`, as it is written.
pub(super) fn first_rdn(text: &str) -> &str {
    split(text, &[',', ';'])
        .first()
        .copied()
        .unwrap_or_default()
}

/// The relative names of `text`, each as its `type=value` parts, still escaped.
fn parts(text: &str) -> Vec<Vec<&str>> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    split(text, &[',', ';'])
        .into_iter()
        .map(|rdn| split(rdn, &['+']))
        .collect()
}

/// Cuts at every separator that is neither escaped nor quoted.
fn split<'t>(text: &'t str, separators: &[char]) -> Vec<&'t str> {
    let (mut pieces, mut start, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted && separators.contains(&character) => {
                pieces.push(&text[start..at]);
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn rdn(parts: &[&str]) -> Option<String> {
    let mut pairs = parts
        .iter()
        .map(|part| pair(part))
        .collect::<Option<Vec<_>>>()?;
    pairs.sort();
    Some(pairs.join("\u{0}"))
}

fn pair(part: &str) -> Option<String> {
    let (kind, value) = part.split_once('=')?;
    let kind = kind.trim();
    let named = kind
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    if kind.is_empty() || !named {
        return None;
    }
    let value = schema::fold_text(&unescape(value)?);
    Some(format!("{}={value}", schema::key(kind)))
}

fn unescape(written: &str) -> Option<String> {
    let trimmed = trim_unescaped(written);
    let inner = match trimmed.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => trimmed,
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let next = characters.next()?;
        match next.to_digit(16) {
            Some(high) => {
                let low = characters.next()?.to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            None if "\"+,;<>\\ #=".contains(next) => bytes.extend([next as u8]),
            None => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

/// Drops the spaces around a value, but not one that is escaped.
fn trim_unescaped(written: &str) -> &str {
    let start = written.trim_start_matches(' ');
    let end = start.trim_end_matches(' ');
    let backslashes = end.len() - end.trim_end_matches('\\').len();
    if backslashes % 2 == 1 && end.len() < start.len() {
        &start[..=end.len()]
    } else {
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Dn, escape};

    #[test]
    fn spelling_does_not_change_a_name() {
        let name = Dn::parse("uid=ada,ou=people,dc=example,dc=org").unwrap();
        for same in [
            "UID=Ada, OU=People, DC=example, DC=org",
            "uid=ada;ou=people;dc=example;dc=org",
            "userid=\\61da,ou=people,dc=example,dc=org",
            "uid=\"ada\",ou=people,dc=example,dc=org",
        ] {
            assert_eq!(Dn::parse(same).as_ref(), Ok(&name), "{same}");
        }
        assert!(name.is_within(&Dn::parse("dc=org").unwrap()));
        assert!(name.is_child_of(&name.parent().unwrap()));
        assert!(!name.is_child_of(&Dn::parse("dc=org").unwrap()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for wrong in [
            "ada",
            "=ada",
            "uid=a\\zz",
            "uid=ada,",
            "uid=ada\\",
            "u id=x",
            "uid=\"a",
        ] {
            assert!(Dn::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_refused(text in "\\PC*") {
            let _ = Dn::parse(&text);
        }

        #[test]
        fn an_escaped_value_is_one_value(value in "\\PC{1,12}") {
            let dn = Dn::parse(&format!("cn={},dc=org", escape(&value))).unwrap();
            prop_assert!(dn.is_child_of(&Dn::parse("dc=org").unwrap()), "{dn:?}");
        }
    }
}
