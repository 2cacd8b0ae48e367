//! The embedded directory: an LDIF file (RFC 2849), read again when it changes.
//!
//! Its people are the entries at or below the base that match the user filter and
//! have a name to log in with. Names are compared without case, as `uid` is;
//! numbers by the tenant's plan. An entry without the user id's attribute goes by
//! its distinguished name, so that a file written by hand needs no UUIDs: such a
//! person who is renamed is another.
//!
//! Replace the file by renaming a new one over it. One that is written in place
//! can be read half-written.

use std::{
    fs::{File, Metadata},
    io::BufReader,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;

use self::{
    load::Rules,
    people::People,
    reader::{LineError, Problem},
};
use super::{
    DirectoryFault, DirectoryHealth, Match, PasswordCheck, Schema, UserDirectory, WrongPassword,
    dn,
    filter::{Filter, FilterError},
};
use crate::{
    clock::Deadline,
    password_hash::{self, PasswordHash},
    phone_number::{NumberPlan, PhoneNumber},
    secret::Secret,
    user::User,
};

mod index;
pub mod listing;
mod load;
mod people;
pub mod reader;
#[cfg(test)]
mod tests;

/// How often [`LdifDirectory::watch`] looks at the file.
const LOOK: Duration = Duration::from_secs(1);

/// The people of an LDIF file.
pub struct LdifDirectory {
    path: PathBuf,
    schema: Schema,
    numbers: Arc<NumberPlan>,
    state: ArcSwap<State>,
    /// The version of the file that was looked at last, held while it is read.
    seen: Mutex<Option<Version>>,
}

struct State {
    people: Arc<People>,
    /// Why the file as it is now is not what is served.
    refused: Option<LdifError>,
}

/// Why a file cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdifError {
    /// It is not there, or not for us.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        reason: String,
    },
    /// It is not right.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
    /// `base`.
    #[error("base: {0:?} is not a distinguished name")]
    Base(String),
    /// `user_filter`.
    #[error("user_filter: {0}")]
    Filter(#[from] FilterError),
    /// `user_filter` asks what only an LDAP server can answer.
    #[error("user_filter: {0} cannot be evaluated without an LDAP server")]
    Rule(String),
}

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Version {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl LdifDirectory {
    /// Reads the file at `path`. Takes a thread for some microseconds per person.
    pub fn open(path: &Path, schema: &Schema, numbers: Arc<NumberPlan>) -> Result<Self, LdifError> {
        let rules = rules(schema, &numbers)?;
        let (people, version) = read(path, &rules)?;
        Ok(Self {
            path: path.to_owned(),
            schema: schema.clone(),
            state: ArcSwap::from_pointee(State {
                people: Arc::new(people),
                refused: None,
            }),
            seen: Mutex::new(Some(version)),
            numbers,
        })
    }

    /// Looks at the file every second, for as long as the directory lives, and reads
    /// it again when it has changed. Must be called within the runtime.
    pub fn watch(self: &Arc<Self>) {
        let directory = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(directory) = directory.upgrade() else {
                    return;
                };
                // What happened is told by `reload_if_changed` itself.
                let _ = tokio::task::spawn_blocking(move || directory.reload_if_changed()).await;
            }
        });
    }

    /// Reads the file again if it is another than last time. If the new version is
    /// wrong, the old people stay, and `health` says so. `None`: nothing has changed.
    /// Takes the thread for as long as [`Self::open`] does.
    pub fn reload_if_changed(&self) -> Option<Result<(), LdifError>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::fs::metadata(&self.path)
            .map(|metadata| Version::of(&metadata))
            .ok();
        if now == *seen {
            return None;
        }
        let read = rules(&self.schema, &self.numbers).and_then(|rules| read(&self.path, &rules));
        Some(match read {
            Ok((people, version)) => {
                *seen = Some(version);
                tracing::info!(path = %self.path.display(), people = people.len(), "directory read again");
                self.state.store(Arc::new(State {
                    people: Arc::new(people),
                    refused: None,
                }));
                Ok(())
            }
            Err(error) => {
                *seen = now;
                tracing::error!(%error, "the directory's new version is refused, the old one stays");
                let people = Arc::clone(&self.state.load().people);
                self.state.store(Arc::new(State {
                    people,
                    refused: Some(error.clone()),
                }));
                Err(error)
            }
        })
    }

    /// How many people can be found.
    pub fn people(&self) -> usize {
        self.state.load().people.len()
    }

    /// What is allowed but unwise, and what was left out, for the operator.
    pub fn warnings(&self) -> Vec<String> {
        let state = self.state.load();
        let counts = state.people.counts;
        let path = self.path.display();
        let mut warnings = Vec::new();
        if counts.clear > 0 {
            let clear = counts.clear;
            warnings.push(format!(
                "{path}: the passwords of {clear} people stand in it in clear text"
            ));
        }
        if counts.unusable > 0 {
            let (number, line) = (counts.unusable, counts.first_unusable);
            warnings.push(format!(
                "{path}: {number} passwords cannot be compared with and let nobody in, the first on \
                 line {line} ({{ARGON2}}, {{SSHA512}}, {{SSHA256}} and {{SSHA}} can)"
            ));
        }
        if counts.nameless > 0 {
            let (number, attribute) = (counts.nameless, &self.schema.username_attribute);
            warnings.push(format!(
                "{path}: {number} people have no {attribute} and are left out"
            ));
        }
        if counts.unreadable > 0 {
            let (number, line) = (counts.unreadable, counts.first_unreadable);
            warnings.push(format!(
                "{path}: {number} values are no telephone numbers, the first on line {line}"
            ));
        }
        match state.people.ambiguous() {
            0 => {}
            number => warnings.push(format!(
                "{path}: {number} numbers belong to several people, none of whom can be served by it"
            )),
        }
        warnings
    }
}

#[async_trait]
impl UserDirectory for LdifDirectory {
    async fn find_by_number(
        &self,
        number: &PhoneNumber,
        _deadline: Deadline,
    ) -> Result<Option<Match>, DirectoryFault> {
        Ok(self.state.load().people.by_number(number))
    }

    async fn find_by_name(
        &self,
        name: &str,
        _deadline: Deadline,
    ) -> Result<Option<User>, DirectoryFault> {
        Ok(self.state.load().people.by_name(name))
    }

    async fn check_password(
        &self,
        user: Option<&User>,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<PasswordCheck, DirectoryFault> {
        let people = self.state.load_full().people.clone();
        let hashes = user.map_or_else(Vec::new, |user| people.passwords_of(user));
        let costs = people.costliest.as_ref().map_or(0, PasswordHash::cost);
        let password = password.clone();
        let work = move || is_right(&hashes, &password, &people);
        let is_right = match costs {
            0 => work(),
            _ => password_hash::in_turn(deadline, work)
                .await
                .ok_or(DirectoryFault::TimedOut)?,
        };
        Ok(match is_right {
            true => PasswordCheck::Right,
            false => PasswordCheck::Wrong(WrongPassword::Mismatch),
        })
    }

    fn health(&self) -> DirectoryHealth {
        let state = self.state.load();
        let (number, path) = (state.people.len(), self.path.display());
        let detail = match &state.refused {
            None => format!("{number} people from {path}"),
            Some(error) => format!("{number} people from an earlier version of {path}: {error}"),
        };
        DirectoryHealth {
            ready: true,
            detail,
        }
    }
}

/// Everybody pays once for the costliest hash in the file, whether it is theirs,
/// somebody else's, or they are nobody.
fn is_right(hashes: &[PasswordHash], password: &Secret, people: &People) -> bool {
    let is_right = hashes
        .iter()
        .fold(false, |right, hash| hash.is_of(password) | right);
    let paid = hashes.iter().map(PasswordHash::cost).max();
    if let Some(costliest) = &people.costliest
        && paid.is_none_or(|paid| paid < costliest.cost())
    {
        std::hint::black_box(costliest.is_of(password));
    }
    is_right
}

fn rules<'a>(schema: &'a Schema, numbers: &'a NumberPlan) -> Result<Rules<'a>, LdifError> {
    let base = dn::normalised(&schema.base);
    let base = base.ok_or_else(|| LdifError::Base(schema.base.to_string()))?;
    let filter = Filter::parse(&schema.user_filter)?;
    if let Some(part) = filter.not_evaluated() {
        return Err(LdifError::Rule(part.to_string()));
    }
    Ok(Rules {
        schema,
        numbers,
        base,
        filter,
    })
}

fn read(path: &Path, rules: &Rules<'_>) -> Result<(People, Version), LdifError> {
    let unreadable = |error: std::io::Error| LdifError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = File::open(path).map_err(unreadable)?;
    // Taken first: if the file changes while it is read, it will be read again.
    let version = Version::of(&file.metadata().map_err(unreadable)?);
    match load::load(BufReader::with_capacity(256 * 1024, file), rules) {
        Ok(people) => Ok((people, version)),
        Err(LineError {
            problem: Problem::Read(error),
            ..
        }) => Err(unreadable(error)),
        Err(LineError { line, problem }) => Err(LdifError::Line {
            path: path.to_owned(),
            line,
            problem: problem.to_string(),
        }),
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
