//! The secrets of a section, written in it or in files of their own.

use std::path::PathBuf;

use super::Section;
use crate::{
    config::{catalogue::Absent, document::Node, problem::Place, secret_file, value},
    secret::Secret,
};

impl<'t> Section<'t> {
    /// A secret, written here or in the file that the twin `_file` names.
    pub(in crate::config) fn secret(&self, name: &str) -> Option<Secret> {
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
    pub(in crate::config) fn secrets(&self, name: &str) -> Option<Vec<Secret>> {
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
    pub(in crate::config) fn is_in_the_open(&self, name: &str) -> bool {
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
