//! What is wrong with a configuration, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A position in the file; both count from 1, columns in characters.
    At {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
}

/// One thing that is wrong. Holds no value of a secret, nor any line of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The key, with its tables, as `docs/configuration.md` names it; empty if there is none.
    pub key: String,
    /// The tenant and the client that the key belongs to, for people; empty if there is none.
    pub whose: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, mut list: Vec<Problem>) -> Self {
        list.sort();
        list.dedup();
        Self {
            file: file.to_owned(),
            list,
        }
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One line for each: `file:line:column: key: what is wrong`.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|problem| problem.line(&self.file))
    }
}

impl Problem {
    pub(super) fn line_number(&self) -> Option<usize> {
        match self.place {
            Place::At { line, .. } => Some(line),
            _ => None,
        }
    }

    pub(super) fn is_on_any_of(&self, lines: &[usize]) -> bool {
        self.line_number().is_some_and(|line| lines.contains(&line))
    }

    fn line(&self, file: &Path) -> String {
        let file = file.display();
        let mut line = match &self.place {
            Place::File => format!("{file}: "),
            Place::At { line, column } => format!("{file}:{line}:{column}: "),
            Place::Variable(name) => format!("environment variable {}: ", name.escape_debug()),
        };
        line.push_str(&self.key);
        if !self.whose.is_empty() {
            line.push_str(&format!(" ({})", self.whose));
        }
        if !self.key.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&self.what);
        line
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines().collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Problems {}

/// `text` in quotation marks and on one line, cut if it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// `words` as a person lists them: "a, b or c".
pub(super) fn any_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
