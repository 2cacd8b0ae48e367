//! `env:NAME` and `file:PATH`: where a secret is, so that it need not be written here.

use std::{fs, path::Path};

use super::TargetError;
use crate::secret::Secret;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// In an environment variable.
    Env(String),
    /// In a file; one trailing line break does not belong to it.
    File(String),
}

impl Reference {
    /// Reads `env:NAME` or `file:PATH`; `place` is what an error calls it.
    ///
    /// # Errors
    /// When it is neither; the text is not repeated, since it may be the secret itself.
    pub fn parse(text: &str, place: &str) -> Result<Self, TargetError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            _ => Err(TargetError(format!(
                "{place}: a secret is never written here; write env:NAME or file:PATH"
            ))),
        }
    }

    /// Fetches the secret; a relative path starts at `base`.
    ///
    /// # Errors
    /// When the variable is not set, the file cannot be read, or nothing is in it.
    pub fn fetch(&self, base: &Path, place: &str) -> Result<Secret, TargetError> {
        let wrong = |why: String| TargetError(format!("{place}: {why}"));
        let value = match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| wrong(format!("the environment variable {name} is not set")))?,
            Self::File(path) => fs::read_to_string(base.join(path))
                .map_err(|error| wrong(format!("{path} cannot be read: {error}")))?,
        };
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        match value.is_empty() {
            true => Err(wrong("the secret is empty".to_owned())),
            false => Ok(Secret::new(value)),
        }
    }
}
