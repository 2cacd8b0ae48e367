//! The values of a section: one method for each form of the catalogue.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::Section;
use crate::config::{
    catalogue::{Absent, Form},
    document::{Node, Value, read_value},
    value,
};

impl Section<'_> {
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
    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Node) -> Result<T, String>,
    ) -> Option<Vec<T>> {
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
    pub(in crate::config) fn text(&self, name: &str) -> Option<Box<str>> {
        self.read(name, |node| value::text(node).map(Into::into))
    }

    /// A text that may be empty.
    pub(in crate::config) fn any_text(&self, name: &str) -> Option<Box<str>> {
        self.read(name, |node| value::any_text(node).map(Into::into))
    }

    /// A text that `check` makes something of.
    pub(in crate::config) fn checked<T>(
        &self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.read(name, |node| value::text(node).and_then(check))
    }

    /// True or false.
    pub(in crate::config) fn flag(&self, name: &str) -> bool {
        self.read(name, value::flag).unwrap_or_default()
    }

    /// A whole number within the catalogue's bounds.
    pub(in crate::config) fn whole(&self, name: &str) -> u32 {
        let Form::Whole(from, to, because) = self.key(name).form else {
            unreachable!("{name} is no whole number in the catalogue")
        };
        let number = self.read(name, |node| value::whole(node, from, to, because));
        number.unwrap_or(from)
    }

    /// The same, for what is never more than 255.
    pub(in crate::config) fn small(&self, name: &str) -> u8 {
        u8::try_from(self.whole(name)).unwrap_or(u8::MAX)
    }

    /// A time within the catalogue's bounds.
    pub(in crate::config) fn duration(&self, name: &str) -> Duration {
        let Form::Duration(from, to, because) = self.key(name).form else {
            unreachable!("{name} is no duration in the catalogue")
        };
        let duration = self.read(name, |node| value::duration(node, from, to, because));
        duration.unwrap_or(from)
    }

    /// Bytes within the catalogue's bounds.
    pub(in crate::config) fn size(&self, name: &str) -> usize {
        let Form::Size(from, to, because) = self.key(name).form else {
            unreachable!("{name} is no size in the catalogue")
        };
        let size = self.read(name, |node| value::size(node, from, to, because));
        usize::try_from(size.unwrap_or(from)).unwrap_or(usize::MAX)
    }

    /// One of the catalogue's words.
    pub(in crate::config) fn word(&self, name: &str) -> Option<&'static str> {
        let Form::Word(words) = self.key(name).form else {
            unreachable!("{name} is no word in the catalogue")
        };
        self.read(name, |node| value::word(node, words))
    }

    /// Some of the catalogue's words.
    pub(in crate::config) fn words(&self, name: &str) -> Option<Vec<&'static str>> {
        let Form::Words(words) = self.key(name).form else {
            unreachable!("{name} is no list of words in the catalogue")
        };
        self.list(name, |node| value::word(node, words))
    }

    /// One text or several.
    pub(in crate::config) fn texts(&self, name: &str) -> Option<Vec<Box<str>>> {
        self.list(name, |node| value::text(node).map(Box::from))
    }

    /// One address range or several.
    pub(in crate::config) fn networks(&self, name: &str) -> Option<Vec<IpNet>> {
        self.list(name, value::network)
    }

    /// An address and a port.
    pub(in crate::config) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.read(name, value::address)
    }

    /// An address and a port; `None` for "off".
    pub(in crate::config) fn address_or_off(&self, name: &str) -> Option<SocketAddr> {
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
    pub(in crate::config) fn path(&self, name: &str) -> Option<PathBuf> {
        self.read(name, |node| self.one_path(node))
    }

    /// One file or several.
    pub(in crate::config) fn paths(&self, name: &str) -> Vec<PathBuf> {
        let paths = self.list(name, |node| self.one_path(node));
        paths.unwrap_or_default()
    }

    pub(super) fn one_path(&self, node: &Node) -> Result<PathBuf, String> {
        value::text(node).map(|text| self.findings.folder.join(text))
    }
}
