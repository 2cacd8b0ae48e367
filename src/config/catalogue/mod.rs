//! Every key there is, as data: what is read, what is known, what applies when a
//! key is absent, and `docs/configuration.md` all come from here.

use std::time::Duration;

mod client;
mod directory;
mod server;
mod store;
mod tenant;

/// Every key, in the order of the documentation.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    [
        server::KEYS,
        store::KEYS,
        tenant::KEYS,
        directory::KEYS,
        client::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// The key at `path`.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

/// The keys that stand directly in the table at `path`; the topmost has the empty path.
pub(super) fn in_table(path: &str) -> impl Iterator<Item = &'static Key> {
    all().filter(move |key| key.table() == path)
}

/// The names that can be written in the table at `path`, secrets' twins included.
pub(super) fn names(path: &str) -> Vec<String> {
    in_table(path)
        .flat_map(|key| {
            let twin = key.form.is_secret().then(|| format!("{}_file", key.name()));
            std::iter::once(key.name().to_owned()).chain(twin)
        })
        .collect()
}

/// One key, or one table.
pub(super) struct Key {
    /// With its tables, separated by dots, indices left out.
    pub(super) path: &'static str,
    /// What is written for it.
    pub(super) form: Form,
    /// What applies when it is absent.
    pub(super) absent: Absent,
    /// The key and the word beside it without which it makes no sense.
    pub(super) only: Option<(&'static str, &'static str)>,
    /// What it decides.
    pub(super) meaning: &'static str,
    /// Why the default is what it is.
    pub(super) why: &'static str,
}

/// What can be written for a key.
pub(super) enum Form {
    /// Any text but the empty one.
    Text,
    /// A text that is never shown. Its twin with `_file` names the file that holds it.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, and where they come from.
    Whole(u32, u32, &'static str),
    /// A time within bounds, and where they come from.
    Duration(Duration, Duration, &'static str),
    /// Bytes within bounds, and where they come from.
    Size(u64, u64, &'static str),
    /// An IP address and a port.
    Address,
    /// An address, or `"off"`.
    AddressOrOff,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, at least one.
    Words(&'static [&'static str]),
    /// One text, or a list of them.
    Texts,
    /// One URL that may hold a password, or a list of them. Its twin with `_file`
    /// names a file with one on each line.
    SecretUrls,
    /// Address ranges.
    Networks,
    /// A file.
    Path,
    /// A file, or a list of them.
    Paths,
    /// A table.
    Table,
    /// A table, or a list of tables.
    Tables,
}

/// What applies when a key is absent.
pub(super) enum Absent {
    /// This value, as TOML.
    Is(&'static str),
    /// What the words say.
    Means(&'static str),
    /// An error.
    Refused,
}

impl Form {
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::SecretUrls)
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self, Self::Table | Self::Tables)
    }

    /// True if the text of an environment variable is the value itself, and not TOML.
    pub(super) fn is_text(&self) -> bool {
        !matches!(
            self,
            Self::Flag | Self::Whole(..) | Self::Table | Self::Tables
        )
    }
}

impl Key {
    /// The last part of the path.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// The path of the table in which the key stands.
    pub(super) fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }

    const fn only(mut self, key: &'static str, word: &'static str) -> Self {
        self.only = Some((key, word));
        self
    }
}

const fn key(
    path: &'static str,
    form: Form,
    absent: Absent,
    meaning: &'static str,
    why: &'static str,
) -> Key {
    Key {
        path,
        form,
        absent,
        only: None,
        meaning,
        why,
    }
}

const fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

const fn days(number: u64) -> Duration {
    Duration::from_secs(number * 24 * 60 * 60)
}
