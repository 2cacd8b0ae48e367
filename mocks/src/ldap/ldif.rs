//! Entries from an LDIF text (RFC 2849): content records, and change records that add.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line it begins on, counted from 1.
    pub(super) line: usize,
    /// The entry's name.
    pub(super) dn: String,
    /// Attributes and values in the order written.
    pub(super) attributes: Vec<(String, Vec<u8>)>,
}

/// The text is not LDIF, or asks for what a directory that is being filled cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {says}")]
pub struct LdifError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub says: String,
}

/// Reads all records of `text`.
pub(super) fn read(text: &str) -> Result<Vec<Record>, LdifError> {
    let mut records = Vec::new();
    let mut open: Option<Record> = None;
    for line in unfold(text) {
        if line.text.is_empty() {
            records.extend(open.take());
            continue;
        }
        let (attribute, value) = line.split()?;
        match (&mut open, attribute.to_ascii_lowercase().as_str()) {
            (None, "version") if records.is_empty() => {
                if value != b"1" {
                    return Err(line.error("only version 1 of LDIF is known"));
                }
            }
            (None, "dn") => {
                let dn =
                    String::from_utf8(value).map_err(|_| line.error("the name is not UTF-8"))?;
                open = Some(Record {
                    line: line.number,
                    dn,
                    attributes: Vec::new(),
                });
            }
            (None, _) => return Err(line.error("a record begins with `dn:`")),
            (Some(_), "dn") => return Err(line.error("an empty line stands between two records")),
            (Some(record), "changetype") if record.attributes.is_empty() => {
                if value != b"add" {
                    return Err(line.error("of the change records only `changetype: add` is read"));
                }
            }
            (Some(record), _) => record.attributes.push((attribute.to_owned(), value)),
        }
    }
    records.extend(open);
    Ok(records)
}

/// A line with its continuations.
struct Line {
    number: usize,
    text: String,
}

/// Joins continued lines and drops comments.
fn unfold(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        match (raw.strip_prefix(' '), lines.last_mut()) {
            (Some(rest), Some(line)) if !line.text.is_empty() => line.text.push_str(rest),
            _ => lines.push(Line {
                number: index + 1,
                text: raw.to_owned(),
            }),
        }
    }
    lines.retain(|line| !line.text.starts_with('#'));
    lines
}

impl Line {
    /// `attribute: text`, `attribute:: base64`.
    fn split(&self) -> Result<(&str, Vec<u8>), LdifError> {
        let Some((attribute, rest)) = self.text.split_once(':') else {
            return Err(self.error("neither `attribute: value` nor a continuation"));
        };
        let named = attribute
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-.;".contains(c));
        if attribute.is_empty() || !named {
            return Err(self.error(&format!("{attribute:?} is not an attribute's name")));
        }
        let value = match rest.as_bytes().first() {
            Some(b':') => STANDARD
                .decode(rest[1..].trim_matches(' '))
                .map_err(|_| self.error("the value after `::` is not base64"))?,
            Some(b'<') => return Err(self.error("values behind a URL (`:<`) are not read")),
            _ => rest.trim_start_matches(' ').as_bytes().to_vec(),
        };
        Ok((attribute, value))
    }

    fn error(&self, says: &str) -> LdifError {
        LdifError {
            line: self.number,
            says: says.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{read, unfold};

    const TEXT: &str = "version: 1\r\n# a comment\r\n  that goes on\r\ndn: uid=ada,dc=example,\r\n dc=org\r\nuid: ada\r\ncn:: w4VzYQ==\r\nmobile: +46 70-174 06 05\r\n\r\n\r\ndn: uid=bo,dc=example,dc=org\r\nchangetype: add\r\nuid:bo\r\n";

    #[test]
    fn records_are_read_with_folding_base64_and_comments() {
        let records = read(TEXT).unwrap();
        let names: Vec<&str> = records.iter().map(|record| record.dn.as_str()).collect();
        assert_eq!(
            names,
            ["uid=ada,dc=example,dc=org", "uid=bo,dc=example,dc=org"]
        );
        assert_eq!(
            records[0].attributes[1],
            ("cn".to_owned(), "Åsa".as_bytes().to_vec())
        );
        assert_eq!(records[1].attributes, [("uid".to_owned(), b"bo".to_vec())]);
        assert_eq!(records[1].line, 11);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line) in [
            ("dn: x=y\nuid", 2),
            ("uid: ada", 1),
            ("dn: x=y\ncn:: ???", 2),
            ("dn: x=y\n\ndn: x=z\nchangetype: delete", 4),
            ("dn: x=y\nphoto:< file:///etc/passwd", 2),
            ("version: 2", 1),
            ("dn: x=y\ndn: x=z", 2),
        ] {
            assert_eq!(read(text).unwrap_err().line, line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n:<#åÅ]{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn folding_anywhere_changes_nothing(at in 1_usize..20) {
            let line = "description: a text of some length";
            let folded = format!("{}\n {}", &line[..at], &line[at..]);
            prop_assert_eq!(&unfold(&folded)[0].text, line);
        }
    }
}
