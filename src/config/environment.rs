//! Environment variables that stand for single keys: `CALLOTP__SERVER__LISTEN`.

use std::ffi::OsString;

use zeroize::Zeroizing;

use super::{
    catalogue::{self, Form, Key},
    document::{Entry, Node, Table, Value, read_value},
    nearest,
    problem::{Place, Problem},
};

const PREFIX: &str = "CALLOTP__";
const BETWEEN: &str = "__";

/// The variables whose names begin with `CALLOTP__`. Has no `Debug`: they may hold secrets.
#[derive(Clone, Default)]
pub struct Environment(Vec<(String, OsString)>);

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self::of(std::env::vars_os().filter_map(named))
    }

    /// These variables; the ones with other names are left out.
    pub fn of<N: Into<String>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let mut ours: Vec<_> = pairs.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        Self(ours)
    }

    /// Writes every variable over the key that it stands for. If the tree is not
    /// `whole`, a tenant or client that a variable names may well have been lost.
    pub(super) fn write_over(&self, root: &mut Table, whole: bool) -> Vec<Problem> {
        let one = |(name, value): &(String, OsString)| {
            let rest = name.strip_prefix(PREFIX).unwrap_or_default();
            let segments: Vec<&str> = rest.split(BETWEEN).collect();
            let written = value
                .to_str()
                .ok_or_else(|| Refusal::Wrong("not UTF-8".to_owned()))
                .and_then(|value| Variable { name, value }.write(root, "", &segments));
            let what = match written.err()? {
                Refusal::Absent(_) if !whole => return None,
                Refusal::Absent(what) | Refusal::Wrong(what) => what,
            };
            Some(Problem {
                place: Place::Variable(name.clone()),
                key: String::new(),
                whose: String::new(),
                what,
            })
        };
        self.0.iter().filter_map(one).collect()
    }
}

/// Why a variable changes nothing.
enum Refusal {
    /// It names no key, or its value cannot be read.
    Wrong(String),
    /// The tenant, client or rule that it names is not in the file.
    Absent(String),
}

struct Variable<'a> {
    name: &'a str,
    value: &'a str,
}

impl Variable<'_> {
    /// Writes into `table`, which stands at `path`, what `segments` lead to.
    fn write(&self, table: &mut Table, path: &str, segments: &[&str]) -> Result<(), Refusal> {
        match segments {
            [] => Err(Refusal::Wrong("names no key".to_owned())),
            [last] => self.write_key(table, path, last),
            [first, rest @ ..] => self.write_below(table, path, first, rest),
        }
    }

    fn write_key(&self, table: &mut Table, path: &str, segment: &str) -> Result<(), Refusal> {
        let names = catalogue::names(path);
        let found = names.into_iter().find(|name| spelling(name) == segment);
        let key = found.as_deref().and_then(|name| key_of(path, name));
        let (Some(name), Some(key)) = (found, key) else {
            return Err(self.no_such_key(path, segment));
        };
        if key.form.is_table() {
            let what = format!("`{}` is a table (name a key in it)", key.path);
            return Err(Refusal::Wrong(what));
        }
        let node = self.node(key, name != key.name())?;
        // A variable for a secret takes the place of the secret's file, and the other way round.
        if key.form.is_secret() {
            table.entries.remove(key.name());
            table.entries.remove(&format!("{}_file", key.name()));
        }
        let place = self.place();
        table.entries.insert(name, Entry { key: place, node });
        Ok(())
    }

    fn write_below(
        &self,
        table: &mut Table,
        path: &str,
        first: &str,
        rest: &[&str],
    ) -> Result<(), Refusal> {
        let key = catalogue::in_table(path)
            .find(|key| key.form.is_table() && spelling(key.name()) == first)
            .ok_or_else(|| self.no_such_key(path, first))?;
        let Some(entry) = table.entries.get_mut(key.name()) else {
            return self.write_new_table(table, key, rest);
        };
        let is_list = matches!(key.form, Form::Tables);
        match &mut entry.node.value {
            // A single table stands for a list of one, unless the variable leaves that out.
            Value::Table(_) if is_list && !is_key(key.path, rest) => {
                self.write_item(std::slice::from_mut(&mut entry.node), key.path, rest)
            }
            Value::Table(inner) => self.write(inner, key.path, rest),
            Value::List(items) => self.write_item(items, key.path, rest),
            // What stands in the file is not a table, and is told as a mistake of the file.
            _ => Ok(()),
        }
    }

    fn write_new_table(&self, table: &mut Table, key: &Key, rest: &[&str]) -> Result<(), Refusal> {
        if matches!(key.form, Form::Tables) {
            let what = format!("there is no `{}` that it could change", key.path);
            return Err(Refusal::Absent(what));
        }
        let mut inner = Table::default();
        self.write(&mut inner, key.path, rest)?;
        let node = Node {
            place: self.place(),
            value: Value::Table(inner),
        };
        let place = self.place();
        let entry = Entry { key: place, node };
        table.entries.insert(key.name().to_owned(), entry);
        Ok(())
    }

    /// Writes into the item of a list that the first of `segments` names: by its id or
    /// name, or by its position, which counts from 0.
    fn write_item(&self, items: &mut [Node], path: &str, segments: &[&str]) -> Result<(), Refusal> {
        let [which, rest @ ..] = segments else {
            let what = format!("does not say which `{path}` (0 is the first)");
            return Err(Refusal::Wrong(what));
        };
        let named: Vec<usize> = (0..items.len())
            .filter(|at| name_of(&items[*at]).is_some_and(|name| spelling(&name) == *which))
            .collect();
        let at = match (named.as_slice(), which.parse()) {
            ([one], _) => *one,
            ([], Ok(position)) => position,
            ([], Err(_)) => return Err(no_such_item(items, path, which)),
            _ => {
                return Err(Refusal::Absent(format!(
                    "several `{path}` could be meant by {which} (use the position; 0 is the first)"
                )));
            }
        };
        match items.get_mut(at).map(|item| &mut item.value) {
            Some(Value::Table(table)) => self.write(table, path, rest),
            Some(_) => Ok(()),
            None => Err(Refusal::Absent(format!(
                "there is no `{path}` at position {at}"
            ))),
        }
    }

    fn node(&self, key: &Key, is_file: bool) -> Result<Node, Refusal> {
        let place = self.place();
        let text = |text: &str| Node {
            place: place.clone(),
            value: Value::Text(Zeroizing::new(text.to_owned())),
        };
        let toml = || {
            read_value(self.value.trim(), &place).ok_or_else(|| {
                Refusal::Wrong("the value cannot be read (write it as in the file)".to_owned())
            })
        };
        match &key.form {
            _ if is_file => Ok(text(self.value)),
            form if !form.is_text() => toml(),
            Form::Words(_) | Form::Texts | Form::Networks | Form::Paths | Form::SecretUrls
                if self.value.trim_start().starts_with('[') =>
            {
                toml()
            }
            Form::Words(_) | Form::Texts | Form::Networks | Form::Paths => {
                let items = self.value.split(',').map(|item| text(item.trim()));
                Ok(Node {
                    place: place.clone(),
                    value: Value::List(items.collect()),
                })
            }
            _ => Ok(text(self.value)),
        }
    }

    fn place(&self) -> Place {
        Place::Variable(self.name.to_owned())
    }

    fn no_such_key(&self, path: &str, segment: &str) -> Refusal {
        let names = catalogue::names(path);
        let spelt: Vec<String> = names.iter().map(|name| spelling(name)).collect();
        let table = match path {
            "" => "at the top".to_owned(),
            path => format!("in `{path}`"),
        };
        let what = match nearest::nearest(segment, spelt.iter().map(String::as_str)) {
            Some(near) => format!("there is no key {segment} {table} (did you mean {near}?)"),
            None => format!(
                "there is no key {segment} {table} (known are {})",
                spelt.join(", ")
            ),
        };
        Refusal::Wrong(what)
    }
}

fn no_such_item(items: &[Node], path: &str, which: &str) -> Refusal {
    let known: Vec<String> = items.iter().filter_map(name_of).collect();
    let spelt: Vec<String> = known.iter().map(|name| spelling(name)).collect();
    let near = nearest::hint(which, spelt.iter().map(String::as_str));
    Refusal::Absent(format!("there is no `{path}` called {which}{near}"))
}

/// True if the first of `segments` is a key of the table at `path`.
fn is_key(path: &str, segments: &[&str]) -> bool {
    let names = catalogue::names(path);
    segments
        .first()
        .is_some_and(|first| names.iter().any(|name| spelling(name) == *first))
}

/// The key that `name`, which may be that of a secret's file, belongs to.
fn key_of(path: &str, name: &str) -> Option<&'static Key> {
    let named = |name: &str| catalogue::in_table(path).find(|key| key.name() == name);
    named(name).or_else(|| named(name.strip_suffix("_file")?))
}

/// What an item of a list is called, if it has a name.
fn name_of(item: &Node) -> Option<String> {
    let Value::Table(table) = &item.value else {
        return None;
    };
    let entry = ["id", "name"]
        .into_iter()
        .find_map(|key| table.entries.get(key))?;
    match &entry.node.value {
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    }
}

/// `name` as it is spelt in a variable's name.
fn spelling(name: &str) -> String {
    name.chars()
        .map(|c| match c.is_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        })
        .collect()
}
