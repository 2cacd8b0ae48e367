//! A TOML text as a tree whose every node knows where it was written.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::problem::{Place, Problem};

/// A value and its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What can be written. Has no `Debug`: any text may be a secret.
#[derive(Clone)]
pub(super) enum Value {
    Text(Zeroizing<String>),
    Whole(i64),
    Flag(bool),
    List(Vec<Node>),
    Table(Table),
    /// What no key takes: a fraction, a date, a number beyond 64 bits.
    Other(&'static str),
}

/// The keys of one table.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Entry>,
}

/// One key and what was written for it.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: Place,
    pub(super) node: Node,
}

impl Node {
    /// What kind of value was written.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a text",
            Value::Whole(_) => "a number",
            Value::Flag(true) => "true",
            Value::Flag(false) => "false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(kind) => kind,
        }
    }
}

/// Dots outside of quotation marks on one line: far more than any key has, and few
/// enough that the tree stays shallow.
const MOST_DOTS: usize = 12;

/// Reads `text`. What cannot be read is a problem, and left out of the tree.
pub(super) fn read(text: &str) -> (Table, Vec<Problem>) {
    let lines = Lines::of(text);
    if let Some(start) = lines.too_many_dots(text) {
        let what = "this is not a line of a configuration: too many dots".to_owned();
        return (Table::default(), vec![syntax(lines.place(start), what)]);
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let problems = errors
        .iter()
        .map(|error| {
            let place = error
                .span()
                .map_or(Place::File, |span| lines.place(span.start));
            syntax(place, format!("not TOML: {}", error.message()))
        })
        .collect();
    (
        table(root.get_ref(), &|span| lines.place(span.start)),
        problems,
    )
}

/// Reads `text` as one TOML value that stands at `place`; `None` if it is not one.
pub(super) fn read_value(text: &str, place: &Place) -> Option<Node> {
    if Lines::of(text).too_many_dots(text).is_some() {
        return None;
    }
    let value = DeValue::parse(text).ok()?;
    Some(node(&value, &|_| place.clone()))
}

fn syntax(place: Place, what: String) -> Problem {
    Problem {
        place,
        key: String::new(),
        whose: String::new(),
        what,
    }
}

type Placing<'a> = &'a dyn Fn(Range<usize>) -> Place;

fn table(written: &DeTable<'_>, placing: Placing<'_>) -> Table {
    let entries = written.iter().map(|(key, value)| {
        let entry = Entry {
            key: placing(key.span()),
            node: node(value, placing),
        };
        (key.get_ref().to_string(), entry)
    });
    Table {
        entries: entries.collect(),
    }
}

fn node(written: &Spanned<DeValue<'_>>, placing: Placing<'_>) -> Node {
    let value = match written.get_ref() {
        DeValue::String(text) => Value::Text(Zeroizing::new(text.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Whole),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item, placing)).collect())
        }
        DeValue::Table(entries) => Value::Table(table(entries, placing)),
    };
    Node {
        place: placing(written.span()),
        value,
    }
}

/// Where the lines of a text begin, in bytes.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(newlines).collect(),
        }
    }

    fn place(&self, byte: usize) -> Place {
        let byte = (0..=byte.min(self.text.len()))
            .rev()
            .find(|byte| self.text.is_char_boundary(*byte))
            .unwrap_or_default();
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let before = &self.text[self.starts[line - 1]..byte];
        Place::At {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// Where a line with too many dots starts: dotted keys nest without a limit of
    /// the parser's, and a deep tree overflows the stack.
    fn too_many_dots(&self, text: &str) -> Option<usize> {
        let dots = |line: &str| {
            let mut quote = None;
            let mut dots = 0;
            for character in line.chars() {
                match (quote, character) {
                    (None, '#') => break,
                    (None, '"' | '\'') => quote = Some(character),
                    (None, '.') => dots += 1,
                    (Some(open), _) if open == character => quote = None,
                    _ => {}
                }
            }
            dots
        };
        let mut starts = self.starts.iter();
        text.split('\n')
            .zip(starts.by_ref())
            .find_map(|(line, start)| (dots(line) > MOST_DOTS).then_some(*start))
    }
}
