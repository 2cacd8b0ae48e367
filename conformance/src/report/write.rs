//! Writes reports to files, so that a reader never finds half of one.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use super::{ClauseReport, Report};

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The evidence itself.
    Json,
    /// For continuous integration servers.
    Junit,
    /// A page.
    Html,
    /// For a pull request.
    Markdown,
    /// A line per clause as it is judged, and the summary last.
    Ndjson,
}

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// In which form.
    pub kind: Kind,
    /// To which file; `-` is the standard output.
    pub path: PathBuf,
}

impl std::str::FromStr for Sink {
    type Err = String;

    /// `KIND=PATH`
    fn from_str(text: &str) -> Result<Self, String> {
        const KINDS: &str = "json, junit, html, md or ndjson";
        let (kind, path) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?}: write KIND=PATH, where KIND is {KINDS}"))?;
        let kind = match kind {
            "json" => Kind::Json,
            "junit" => Kind::Junit,
            "html" => Kind::Html,
            "md" => Kind::Markdown,
            "ndjson" => Kind::Ndjson,
            other => return Err(format!("there is no report {other:?}; there is {KINDS}")),
        };
        match path.is_empty() {
            true => Err(format!("{text:?}: the path is missing")),
            false => Ok(Self {
                kind,
                path: path.into(),
            }),
        }
    }
}

impl Sink {
    /// Makes sure that the file can be written, before a run costs anything, and begins a
    /// stream of lines anew.
    ///
    /// # Errors
    /// When it cannot.
    pub fn prepare(&self) -> io::Result<()> {
        if self.is_stdout() {
            return Ok(());
        }
        match self.kind {
            Kind::Ndjson => fs::File::create(&self.path).map(drop),
            _ => {
                let probe = self.beside();
                fs::File::create(&probe)?;
                fs::remove_file(probe)
            }
        }
    }

    /// Adds a line to a stream of lines; other forms wait for the end.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn judged(&self, clause: &ClauseReport) -> io::Result<()> {
        match self.kind {
            Kind::Ndjson => self.append(&line("clause", clause)?),
            _ => Ok(()),
        }
    }

    /// Writes the whole report; a file is replaced at once, never overwritten in place.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(&self, report: &Report) -> io::Result<()> {
        let text = match self.kind {
            Kind::Json => report.json(),
            Kind::Junit => report.junit(),
            Kind::Html => report.html(),
            Kind::Markdown => report.markdown(),
            Kind::Ndjson => return self.append(&line("summary", &Head::of(report))?),
        };
        if self.is_stdout() {
            return io::stdout().lock().write_all(text.as_bytes());
        }
        let beside = self.beside();
        fs::write(&beside, text)?;
        fs::rename(beside, &self.path)
    }

    /// Is it the standard output?
    pub fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        self.path.with_file_name(name)
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if self.is_stdout() {
            return io::stdout().lock().write_all(line.as_bytes());
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        file.write_all(line.as_bytes())
    }
}

/// A report without its clauses, which stand on lines of their own.
#[derive(serde::Serialize)]
struct Head<'a> {
    schema: u32,
    suite: &'a str,
    catalogue: &'a str,
    started: &'a str,
    target: &'a crate::target::Described,
    summary: &'a super::Summary,
    preflight: &'a [crate::preflight::Step],
}

impl<'a> Head<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            schema: report.schema,
            suite: &report.suite,
            catalogue: &report.catalogue,
            started: &report.started,
            target: &report.target,
            summary: &report.summary,
            preflight: &report.preflight,
        }
    }
}

fn line(kind: &str, content: &impl serde::Serialize) -> io::Result<String> {
    let mut value = serde_json::to_value(content).map_err(io::Error::other)?;
    if let Some(members) = value.as_object_mut() {
        members.insert("type".to_owned(), kind.into());
    }
    Ok(format!("{value}\n"))
}
