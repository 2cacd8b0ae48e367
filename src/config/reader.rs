//! Reads a tree by the catalogue and goes on after every mistake, so that all of
//! them are told at once. What is read in the place of a mistake is a stand-in; it
//! gets nowhere, because a configuration with a single problem is refused.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;

use super::{
    catalogue::{self, Absent, Form, Key},
    document::{Node, Table, Value, read_value},
    nearest, not_yet,
    problem::{Place, Problem},
    secret_file, value,
};
use crate::secret::Secret;

/// What comes out of reading beside the values.
pub(super) struct Findings {
    folder: PathBuf,
    problems: RefCell<Vec<Problem>>,
    missing: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Findings {
    /// Nothing yet; paths will be relative to `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            problems: RefCell::default(),
            missing: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// What is wrong, what is missing, and what is unwise.
    pub(super) fn into_lists(self) -> (Vec<Problem>, Vec<Problem>, Vec<Problem>) {
        let Self {
            problems,
            missing,
            warnings,
            ..
        } = self;
        (
            problems.into_inner(),
            missing.into_inner(),
            warnings.into_inner(),
        )
    }
}

/// One table of the file, or the place where it could have been written.
#[derive(Clone)]
pub(super) struct Section<'t> {
    findings: &'t Findings,
    path: String,
    whose: String,
    place: Place,
    table: Option<&'t Table>,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub(super) fn root(table: &'t Table, findings: &'t Findings) -> Self {
        let root = Self {
            findings,
            path: String::new(),
            whose: String::new(),
            place: Place::File,
            table: Some(table),
        };
        root.refuse_unknown_keys();
        root
    }

    /// Says in later messages whose table this is.
    pub(super) fn called(mut self, whose: String) -> Self {
        self.whose = whose;
        self
    }

    /// Whose table this is, as told to [`Self::called`].
    pub(super) fn whose(&self) -> &str {
        &self.whose
    }

    /// True if `name` is written.
    pub(super) fn has(&self, name: &str) -> bool {
        self.node(name).is_some()
    }

    /// The text written for `name`, before it is read.
    pub(super) fn peek(&self, name: &str) -> Option<&'t str> {
        value::any_text(self.node(name)?).ok()
    }

    /// The file called `name` beside the configuration's.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.findings.folder.join(name)
    }

    /// True if something is written at `path`, from here on.
    pub(super) fn has_below(&self, path: &[&str]) -> bool {
        let Some((name, rest)) = path.split_first() else {
            return true;
        };
        self.node(name).is_some_and(|node| match &node.value {
            _ if rest.is_empty() => true,
            Value::Table(table) => {
                let below = Section {
                    table: Some(table),
                    ..self.clone()
                };
                below.has_below(rest)
            }
            _ => false,
        })
    }

    /// Something is wrong with `name`, or with its absence.
    pub(super) fn problem(&self, name: &str, what: impl Into<String>) {
        let problem = self.finding(self.place_of(name), name, what.into());
        let list = match self.has(name) {
            true => &self.findings.problems,
            false => &self.findings.missing,
        };
        list.borrow_mut().push(problem);
    }

    fn problem_at(&self, place: &Place, name: &str, what: String) {
        let problem = self.finding(place.clone(), name, what);
        self.findings.problems.borrow_mut().push(problem);
    }

    /// Something about `name` is allowed but unwise.
    pub(super) fn warning(&self, name: &str, what: impl Into<String>) {
        let warning = self.finding(self.place_of(name), name, what.into());
        self.findings.warnings.borrow_mut().push(warning);
    }

    fn finding(&self, place: Place, name: &str, what: String) -> Problem {
        Problem {
            place,
            key: self.key_path(name),
            whose: self.whose.clone(),
            what,
        }
    }

    fn place_of(&self, name: &str) -> Place {
        let written = self.node(name).map(|node| node.place.clone());
        written.unwrap_or_else(|| self.place.clone())
    }

    fn key_path(&self, name: &str) -> String {
        match (self.path.as_str(), name) {
            ("", name) => name.to_owned(),
            (path, "") => path.to_owned(),
            (path, name) => format!("{path}.{name}"),
        }
    }

    fn node(&self, name: &str) -> Option<&'t Node> {
        Some(&self.table?.entries.get(name)?.node)
    }

    fn key(&self, name: &str) -> &'static Key {
        let path = self.key_path(name);
        catalogue::find(&path).unwrap_or_else(|| unreachable!("{path} is not in the catalogue"))
    }

    fn refuse_unknown_keys(&self) {
        let known = catalogue::names(&self.path);
        for (name, entry) in self.table.iter().flat_map(|table| &table.entries) {
            if !known.contains(name) {
                self.problem_at(&entry.key, name, nearest::unknown_key(&self.path, name));
            }
        }
    }

    /// Every key that only makes sense beside another word of `choice` than `chosen`.
    pub(super) fn keys_of_others(
        &self,
        choice: &str,
        chosen: &str,
    ) -> impl Iterator<Item = (String, &'static str)> {
        let others = catalogue::in_table(&self.path).filter_map(move |key| match key.only {
            Some((by, word)) if by == choice && word != chosen => Some((key.name(), word)),
            _ => None,
        });
        let written: Vec<_> = others
            .flat_map(|(name, word)| [(name.to_owned(), word), (format!("{name}_file"), word)])
            .filter(|(name, _)| self.has(name))
            .collect();
        written.into_iter()
    }

    // Tables

    /// The table `name`, if it is written.
    pub(super) fn table(&self, name: &str) -> Option<Section<'t>> {
        let node = self.node(name)?;
        match &node.value {
            Value::Table(_) => Some(self.inner(name, node)),
            _ => {
                self.problem(name, format!("expected a table, found {}", node.kind()));
                None
            }
        }
    }

    /// The table `name`, or an empty one.
    pub(super) fn table_or_empty(&self, name: &str) -> Section<'t> {
        self.table(name).unwrap_or_else(|| Section {
            path: self.key_path(name),
            table: None,
            ..self.clone()
        })
    }

    /// The tables called `name`, however many; one table stands for a list of one.
    pub(super) fn tables(&self, name: &str) -> Vec<Section<'t>> {
        let Some(node) = self.node(name) else {
            return Vec::new();
        };
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let table = |item: &'t Node| match &item.value {
            Value::Table(_) => Some(self.inner(name, item)),
            _ => {
                self.problem(name, format!("expected a table, found {}", item.kind()));
                None
            }
        };
        items.iter().filter_map(table).collect()
    }

    fn inner(&self, name: &str, node: &'t Node) -> Section<'t> {
        let inner = Section {
            path: self.key_path(name),
            place: node.place.clone(),
            table: match &node.value {
                Value::Table(table) => Some(table),
                _ => None,
            },
            ..self.clone()
        };
        if let Some(missing) = not_yet::table(&inner.path) {
            inner.problem("", missing);
        }
        inner.refuse_unknown_keys();
        inner
    }

    // Values

    /// What `read` makes of `name`, or of its default.
    fn read<T>(&self, name: &str, read: impl FnOnce(&Node) -> Result<T, String>) -> Option<T> {
        match (self.node(name), &self.key(name).absent) {
            (Some(node), _) => match read(node) {
                Ok(value) => Some(value),
                Err(what) => {
                    self.problem(name, what);
                    None
                }
            },
            (None, Absent::Is(default)) => {
                read_value(default, &self.place).and_then(|node| read(&node).ok())
            }
            (None, Absent::Means(_)) => None,
            (None, Absent::Refused) => {
                self.problem(name, "missing");
                None
            }
        }
    }

    /// What `read` makes of each member of a list that is not empty; a single value
    /// stands for a list of one.
    fn list<T>(&self, name: &str, read: impl Fn(&Node) -> Result<T, String>) -> Option<Vec<T>> {
        let items = self.read(name, |node| match &node.value {
            Value::List(items) if items.is_empty() => Err("the list is empty".to_owned()),
            Value::List(items) => Ok(items.clone()),
            _ => Ok(vec![node.clone()]),
        })?;
        let read: Vec<Option<T>> = items
            .iter()
            .map(|item| match read(item) {
                Ok(value) => Some(value),
                Err(what) => {
                    self.problem_at(&item.place, name, what);
                    None
                }
            })
            .collect();
        read.into_iter().collect()
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<Box<str>> {
        self.read(name, |node| value::text(node).map(Into::into))
    }

    /// A text that may be empty.
    pub(super) fn any_text(&self, name: &str) -> Option<Box<str>> {
        self.read(name, |node| value::any_text(node).map(Into::into))
    }

    /// A text that `check` makes something of.
    pub(super) fn checked<T>(
        &self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(name, |node| value::text(node).and_then(check))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.read(name, value::flag).unwrap_or_default()
    }

    /// A whole number within the catalogue's bounds.
    pub(super) fn whole(&self, name: &str) -> u32 {
        let Form::Whole(from, to, because) = self.key(name).form else {
            unreachable!("{name} is no whole number in the catalogue")
        };
        let number = self.read(name, |node| value::whole(node, from, to, because));
        number.unwrap_or(from)
    }

    /// The same, for what is never more than 255.
    pub(super) fn small(&self, name: &str) -> u8 {
        u8::try_from(self.whole(name)).unwrap_or(u8::MAX)
    }

    /// A time within the catalogue's bounds.
    pub(super) fn duration(&self, name: &str) -> Duration {
        let Form::Duration(from, to, because) = self.key(name).form else {
            unreachable!("{name} is no duration in the catalogue")
        };
        let duration = self.read(name, |node| value::duration(node, from, to, because));
        duration.unwrap_or(from)
    }

    /// Bytes within the catalogue's bounds.
    pub(super) fn size(&self, name: &str) -> usize {
        let Form::Size(from, to, because) = self.key(name).form else {
            unreachable!("{name} is no size in the catalogue")
        };
        let size = self.read(name, |node| value::size(node, from, to, because));
        usize::try_from(size.unwrap_or(from)).unwrap_or(usize::MAX)
    }

    /// One of the catalogue's words.
    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        let Form::Word(words) = self.key(name).form else {
            unreachable!("{name} is no word in the catalogue")
        };
        let word = self.read(name, |node| value::word(node, words))?;
        if let Some(missing) = not_yet::word(&self.key_path(name), word) {
            self.problem(name, missing);
        }
        Some(word)
    }

    /// Some of the catalogue's words.
    pub(super) fn words(&self, name: &str) -> Option<Vec<&'static str>> {
        let Form::Words(words) = self.key(name).form else {
            unreachable!("{name} is no list of words in the catalogue")
        };
        self.list(name, |node| value::word(node, words))
    }

    /// One text or several.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<Box<str>>> {
        self.list(name, |node| value::text(node).map(Box::from))
    }

    /// One address range or several.
    pub(super) fn networks(&self, name: &str) -> Option<Vec<IpNet>> {
        self.list(name, value::network)
    }

    /// An address and a port.
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.read(name, value::address)
    }

    /// An address and a port; `None` for "off".
    pub(super) fn address_or_off(&self, name: &str) -> Option<SocketAddr> {
        let off = |node: &Node| matches!(value::text(node), Ok("off"));
        self.read(name, |node| match off(node) {
            true => Ok(None),
            false => value::address(node)
                .map(Some)
                .map_err(|what| format!("{what}, or \"off\"")),
        })
        .flatten()
    }

    /// A file, relative to the configuration's.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.read(name, |node| self.one_path(node))
    }

    /// One file or several.
    pub(super) fn paths(&self, name: &str) -> Vec<PathBuf> {
        let paths = self.list(name, |node| self.one_path(node));
        paths.unwrap_or_default()
    }

    fn one_path(&self, node: &Node) -> Result<PathBuf, String> {
        value::text(node).map(|text| self.findings.folder.join(text))
    }

    // Secrets

    /// A secret, written here or in the file that the twin `_file` names.
    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        match self.where_secret_is(name)? {
            Written::Here(node) => match value::secret(node) {
                Ok(secret) => Some(secret),
                Err(what) => {
                    self.problem(name, what);
                    None
                }
            },
            Written::InFile(twin, path) => match secret_file::read(&path) {
                Ok(secret) => Some(secret),
                Err(what) => {
                    self.problem(&twin, what);
                    None
                }
            },
        }
    }

    /// Several secrets: a text, a list of texts, or a file with one on each line.
    pub(super) fn secrets(&self, name: &str) -> Option<Vec<Secret>> {
        match self.where_secret_is(name)? {
            Written::Here(_) => self.list(name, value::secret),
            Written::InFile(twin, path) => match secret_file::read_lines(&path) {
                Ok(secrets) => Some(secrets),
                Err(what) => {
                    self.problem(&twin, what);
                    None
                }
            },
        }
    }

    /// True if the secret `name` is written in the configuration's own file.
    pub(super) fn is_in_the_open(&self, name: &str) -> bool {
        self.node(name)
            .is_some_and(|node| !matches!(node.place, Place::Variable(_)))
    }

    fn where_secret_is(&self, name: &str) -> Option<Written<'t>> {
        let twin = format!("{name}_file");
        match (self.node(name), self.node(&twin)) {
            (Some(_), Some(_)) => {
                self.problem(
                    &twin,
                    format!("`{name}` is there as well: keep one of the two"),
                );
                None
            }
            (Some(node), None) => Some(Written::Here(node)),
            (None, Some(node)) => match self.one_path(node) {
                Ok(path) => Some(Written::InFile(twin, path)),
                Err(what) => {
                    self.problem(&twin, what);
                    None
                }
            },
            (None, None) => {
                if matches!(self.key(name).absent, Absent::Refused) {
                    self.problem(name, format!("missing (write `{name}` or `{twin}`)"));
                }
                None
            }
        }
    }
}

enum Written<'t> {
    Here(&'t Node),
    InFile(String, PathBuf),
}
