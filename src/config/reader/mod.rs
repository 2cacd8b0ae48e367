//! Reads a tree by the catalogue and goes on after every mistake, so that all of
//! them are told at once. What is read in the place of a mistake is a stand-in; it
//! gets nowhere, because a configuration with a single problem is refused.

use std::{
    borrow::Cow,
    cell::RefCell,
    path::{Path, PathBuf},
};

use super::{
    catalogue::{self, Key},
    document::{Node, Table, Value},
    nearest,
    problem::{Place, Problem, quoted},
    value,
};

mod secrets;
mod values;

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
        let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let name = match name.chars().all(is_bare) {
            true => Cow::Borrowed(name),
            false => Cow::Owned(quoted(name)),
        };
        match (self.path.as_str(), name.as_ref()) {
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
        inner.refuse_unknown_keys();
        inner
    }
}
