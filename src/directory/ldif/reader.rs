//! Entries out of an LDIF file (RFC 2849), one after the other.
//!
//! Content records only: `changetype: add` says nothing new and is passed over, any
//! other change is refused, and so are values that stand behind a URL. Values in
//! UTF-8 need not be in base64, and the version need not be given.

use std::{
    io::{self, BufRead, Read as _},
    ops::Range,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::directory::filter::Attributes;

/// Bytes of one entry. A photograph fits.
const LARGEST: usize = 16 * 1024 * 1024;

/// Reads entries and counts lines.
pub struct Reader<R> {
    source: R,
    /// The physical line that was read last, its end left out, and its number.
    next: Vec<u8>,
    line: u64,
    is_at_end: bool,
    has_begun: bool,
}

/// One entry: its name and its attributes, in the order of the file.
#[derive(Default)]
pub struct Entry {
    line: u64,
    bytes: Vec<u8>,
    dn: Range<usize>,
    attributes: Vec<Value>,
}

struct Value {
    line: u64,
    name: Range<usize>,
    value: Range<usize>,
}

/// Where and why a file is not what we can read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct LineError {
    /// From 1.
    pub line: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read any further.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// An entry begins with its name.
    #[error("an entry must begin with \"dn:\", not with {0:?} (with ldapsearch, use -LLL)")]
    NoName(String),
    /// The blank line between two entries is missing.
    #[error("a second \"dn:\" in one entry; entries are set apart by an empty line")]
    SecondName,
    /// Only version 1 exists.
    #[error("only version 1 of the format exists")]
    Version,
    /// A line is `name: value`.
    #[error("neither \"name: value\" nor a comment")]
    NoColon,
    /// A line that starts with a space continues one that is not there.
    #[error("starts with a space, but there is no line that it could continue")]
    Continuation,
    /// Letters, digits and hyphens.
    #[error("{0:?} is not an attribute's name")]
    Name(String),
    /// Not base64.
    #[error("the value behind \"::\" is not base64")]
    Base64,
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    Encoding,
    /// No text has it.
    #[error("the text has a NUL in it")]
    Nul,
    /// A value elsewhere.
    #[error("a value behind a URL (\":<\") is not fetched")]
    Url,
    /// Changes are not applied.
    #[error("this file holds people, so that \"changetype: {0}\" has no place in it")]
    ChangeType(String),
    /// Neither are controls.
    #[error("a control has no place in a file of people")]
    Control,
    /// Beyond what is read.
    #[error("the entry is larger than 16 MiB")]
    Large,
    /// Said by the reader's user of an entry's content.
    #[error("{0}")]
    Content(String),
}

impl<R: BufRead> Reader<R> {
    /// A reader at the start of `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            next: Vec::new(),
            line: 0,
            is_at_end: false,
            has_begun: false,
        }
    }

    /// Reads the next entry into `entry`; false at the end of the file.
    pub fn read(&mut self, entry: &mut Entry) -> Result<bool, LineError> {
        entry.clear();
        if !self.has_begun {
            self.begin()?;
        }
        while !self.is_at_end {
            let start = entry.bytes.len();
            let line = self.line;
            self.logical_line(&mut entry.bytes)?;
            let is_blank = entry.bytes.len() == start;
            if is_blank && !entry.is_empty() {
                return Ok(true);
            }
            if is_blank || entry.bytes[start] == b'#' {
                entry.bytes.truncate(start);
                continue;
            }
            entry
                .add(line, start)
                .map_err(|problem| LineError { line, problem })?;
        }
        Ok(!entry.is_empty())
    }

    fn begin(&mut self) -> Result<(), LineError> {
        self.has_begun = true;
        self.physical_line()?;
        if self.next.starts_with(b"\xEF\xBB\xBF") {
            self.next.drain(..3);
        }
        while !self.is_at_end && (self.next.is_empty() || self.next[0] == b'#') {
            self.logical_line(&mut Vec::new())?;
        }
        let line = self.line;
        if self.next.len() >= 8 && self.next[..8].eq_ignore_ascii_case(b"version:") {
            let mut version = Vec::new();
            self.logical_line(&mut version)?;
            if version[8..].trim_ascii() != b"1" {
                return Err(LineError {
                    line,
                    problem: Problem::Version,
                });
            }
        }
        Ok(())
    }

    /// Appends the line and those that continue it (RFC 2849, note 2) to `bytes`.
    fn logical_line(&mut self, bytes: &mut Vec<u8>) -> Result<(), LineError> {
        let first = self.line;
        if self.next.first() == Some(&b' ') {
            return Err(LineError {
                line: first,
                problem: Problem::Continuation,
            });
        }
        let is_blank = self.next.is_empty();
        bytes.append(&mut self.next);
        loop {
            self.physical_line()?;
            match self.next.split_first() {
                Some((b' ', rest)) if !is_blank => bytes.extend_from_slice(rest),
                _ => return Ok(()),
            }
            if bytes.len() > LARGEST {
                return Err(LineError {
                    line: first,
                    problem: Problem::Large,
                });
            }
        }
    }

    fn physical_line(&mut self) -> Result<(), LineError> {
        self.next.clear();
        self.line += 1;
        let line = self.line;
        let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        let read = (&mut self.source)
            .take(limit + 1)
            .read_until(b'\n', &mut self.next);
        let read = read.map_err(|error| LineError {
            line,
            problem: error.into(),
        })?;
        if read > LARGEST {
            return Err(LineError {
                line,
                problem: Problem::Large,
            });
        }
        self.is_at_end = read == 0;
        if self.next.ends_with(b"\n") {
            self.next.pop();
            if self.next.ends_with(b"\r") {
                self.next.pop();
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Where the entry begins, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The entry's name as it is written.
    pub fn dn(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.dn.clone()]).expect("checked when it was read")
    }

    /// Each value with its attribute's name and its line.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &[u8], u64)> {
        self.attributes.iter().map(|value| {
            let name = &self.bytes[value.name.clone()];
            let name = std::str::from_utf8(name).expect("checked when it was read");
            (name, &self.bytes[value.value.clone()], value.line)
        })
    }

    /// The values of `attribute`, whose name has no case, with or without options
    /// (RFC 4512 §2.5.2), each with its line.
    pub fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = (&'a [u8], u64)> {
        self.attributes().filter_map(move |(name, value, line)| {
            let is_same = name.len() >= attribute.len()
                && name.as_bytes()[..attribute.len()].eq_ignore_ascii_case(attribute.as_bytes())
                && matches!(name.as_bytes().get(attribute.len()), None | Some(b';'));
            is_same.then_some((value, line))
        })
    }

    fn is_empty(&self) -> bool {
        self.line == 0
    }

    fn clear(&mut self) {
        self.line = 0;
        self.bytes.clear();
        self.attributes.clear();
    }

    /// Takes in the logical line that stands at the end of `bytes` from `start` on.
    fn add(&mut self, line: u64, start: usize) -> Result<(), Problem> {
        if self.bytes.len() > LARGEST {
            return Err(Problem::Large);
        }
        let text = &self.bytes[start..];
        let colon = text
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Problem::NoColon)?;
        let name = &text[..colon];
        if !is_name(name) {
            return Err(Problem::Name(excerpt(name)));
        }
        let name_range = start..start + colon;
        let behind = start + colon + 1;
        let value = match self.bytes.get(behind) {
            Some(b':') => self.decode(behind + 1)?,
            Some(b'<') => return Err(Problem::Url),
            _ => self.plain(behind)?,
        };
        let name = &self.bytes[name_range.clone()];
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("dn") {
            if !self.is_empty() {
                return Err(Problem::SecondName);
            }
            if std::str::from_utf8(&self.bytes[value.clone()]).is_err() {
                return Err(Problem::Encoding);
            }
            self.line = line;
            self.dn = value;
            return Ok(());
        }
        if self.is_empty() {
            return Err(Problem::NoName(excerpt(name)));
        }
        if is("control") {
            return Err(Problem::Control);
        }
        if is("changetype") {
            let change = &self.bytes[value];
            return match change.eq_ignore_ascii_case(b"add") {
                true => Ok(()),
                false => Err(Problem::ChangeType(excerpt(change))),
            };
        }
        self.attributes.push(Value {
            line,
            name: name_range,
            value,
        });
        Ok(())
    }

    /// The text from `start` on. Such a value neither starts nor ends with a space
    /// (RFC 2849, notes 4 and 8), so that what stands there was not meant.
    fn plain(&self, start: usize) -> Result<Range<usize>, Problem> {
        let text = &self.bytes[start..];
        if text.contains(&0) {
            return Err(Problem::Nul);
        }
        std::str::from_utf8(text).map_err(|_| Problem::Encoding)?;
        let start = start + (text.len() - text.trim_ascii_start().len());
        let length = self.bytes[start..].trim_ascii_end().len();
        Ok(start..start + length)
    }

    /// Puts the octets that the text from `start` on stands for in its place.
    fn decode(&mut self, start: usize) -> Result<Range<usize>, Problem> {
        let text = self.bytes[start..].trim_ascii();
        let octets = BASE64_STANDARD.decode(text).map_err(|_| Problem::Base64)?;
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(&octets);
        Ok(start..self.bytes.len())
    }
}

impl Attributes for Entry {
    fn any_value(&self, attribute: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.values(attribute).any(|(value, _)| visit(value))
    }
}

fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b';'))
}

fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(40).collect()
}
