//! The file: a journal of changes, kept by redb.
//!
//! redb gives what is hard: a commit that is there or not, checksums, recovery. A group
//! of decisions is one row, or a few, at the end of one table, so that a commit writes
//! next to nothing but the changes. What is old is taken off the front.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition,
};

use super::{
    codec::{self, Change},
    disk::{Disk, Overlay},
};
use crate::otp::store::{StoreError, SubjectKey, table::Table};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("callotp");
const CHANGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("changes");
const FORMAT: u32 = 1;
/// How a file of redb begins.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// redb's own cache. Rows are written once and read once.
const CACHE: usize = 4 << 20;
/// A row fills a page of 4096 bytes and no more, unless one record alone is larger.
const ROW: usize = 4000;

/// The journal, open and locked.
pub(super) struct Journal {
    database: Database,
    /// The first row, the row after the last, and the bytes of all of them.
    pub(super) first: u64,
    next: u64,
    pub(super) bytes: u64,
}

/// Where a journal lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    disk: Disk,
    fingerprint: [u8; 16],
}

impl Place {
    /// Finds the file, makes it if there is none, and locks it.
    pub(super) fn take(path: &Path, fingerprint: [u8; 16]) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io {
            path: path.to_owned(),
            source,
        };
        if is_to_be_made(path) {
            make(path, fingerprint).map_err(failed)?;
        }
        Self::lock(path, fingerprint)
    }

    /// Finds and locks the file that is there.
    fn lock(path: &Path, fingerprint: [u8; 16]) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse(path.to_owned()),
            TryLockError::Error(error) => failed(error),
        })?;
        let mut start = [0; MAGIC.len()];
        match file.read_exact(&mut start) {
            Ok(()) if start == MAGIC => {}
            Ok(()) => return Err(StoreError::Foreign(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(StoreError::Foreign(path.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self {
            path: path.to_owned(),
            disk: Disk::new(file),
            fingerprint,
        })
    }

    /// Could the file be opened? Nothing is made and nothing changed. False if there is none.
    pub(super) fn examine(path: &Path, fingerprint: [u8; 16]) -> Result<bool, StoreError> {
        if is_to_be_made(path) {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            let folder = fs::metadata(folder.unwrap_or(Path::new(".")));
            return match folder {
                Ok(folder) if folder.is_dir() => Ok(false),
                Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
                Err(source) => Err(source),
            }
            .map_err(|source| StoreError::Io {
                path: path.to_owned(),
                source,
            });
        }
        let place = Self::lock(path, fingerprint)?;
        let table = Table::new();
        let read = AssertUnwindSafe(|| place.read_into(&table));
        let damaged = |_| {
            Err(StoreError::Damaged {
                path: path.to_owned(),
                what: "it cannot be made sense of".to_owned(),
            })
        };
        catch_unwind(read).unwrap_or_else(damaged).map(|_| true)
    }

    #[cfg(test)]
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Fills `table` with what the file says, and opens the file for more. Everything
    /// that could be wrong with the file is found before anything in it is changed.
    pub(super) fn open(&self, table: &Table) -> Result<Journal, StoreError> {
        let damaged = |what: String| StoreError::Damaged {
            path: self.path.clone(),
            what,
        };
        let read = AssertUnwindSafe(|| self.read_into(table));
        let (first, next, bytes) = catch_unwind(read)
            .unwrap_or_else(|_| Err(damaged("it cannot be made sense of".to_owned())))?;
        let database = Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(self.disk.clone())
            .map_err(|error| damaged(error.to_string()))?;
        Ok(Journal {
            database,
            first,
            next,
            bytes,
        })
    }

    fn read_into(&self, table: &Table) -> Result<(u64, u64, u64), StoreError> {
        let damaged = |error: &dyn ToString| StoreError::Damaged {
            path: self.path.clone(),
            what: error.to_string(),
        };
        let overlay = Overlay::over(self.disk.clone()).map_err(|error| damaged(&error))?;
        let database = Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create_with_backend(overlay)
            .map_err(|error| match error {
                DatabaseError::UpgradeRequired(found) => StoreError::OtherFormat {
                    place: self.path.display().to_string(),
                    found: found.into(),
                    ours: FORMAT,
                },
                error => damaged(&error),
            })?;
        let reading = database.begin_read().map_err(|error| damaged(&error))?;
        self.check_meta(&reading)?;
        let changes = reading
            .open_table(CHANGES)
            .map_err(|error| damaged(&error))?;
        let (mut first, mut next, mut bytes) = (None, 0, 0);
        for row in changes.iter().map_err(|error| damaged(&error))? {
            let (number, row) = row.map_err(|error| damaged(&error))?;
            first.get_or_insert(number.value());
            next = number.value() + 1;
            bytes += row.value().len() as u64;
            replay(row.value(), table).ok_or_else(|| damaged(&"a row is not a row"))?;
        }
        Ok((first.unwrap_or(next), next, bytes))
    }

    fn check_meta(&self, reading: &redb::ReadTransaction) -> Result<(), StoreError> {
        let Ok(meta) = reading.open_table(META) else {
            return Err(StoreError::Foreign(self.path.clone()));
        };
        let entry = |name: &str| {
            let value = meta.get(name).ok().flatten();
            value
                .map(|value| value.value().to_vec())
                .unwrap_or_default()
        };
        let place = self.path.display().to_string();
        let format = entry("format");
        let found = <[u8; 4]>::try_from(&format[..]).map_or(0, u32::from_le_bytes);
        if found != FORMAT {
            return Err(StoreError::OtherFormat {
                place,
                found,
                ours: FORMAT,
            });
        }
        if entry("filed under") != self.fingerprint {
            return Err(StoreError::OtherKey { place });
        }
        Ok(())
    }
}

impl Journal {
    /// Writes `rows` down and takes off what lies before `first`, in one commit that
    /// is on the disk when this returns.
    pub(super) fn write(&mut self, rows: &Rows, first: u64) -> Result<(), redb::Error> {
        let writing = self.database.begin_write()?;
        let (mut next, mut bytes) = (self.next, self.bytes);
        {
            let mut changes = writing.open_table(CHANGES)?;
            for number in self.first..first {
                if let Some(gone) = changes.remove(number)? {
                    bytes = bytes.saturating_sub(gone.value().len() as u64);
                }
            }
            for row in rows.all() {
                changes.insert(next, row)?;
                next += 1;
                bytes += row.len() as u64;
            }
        }
        writing.commit()?;
        (self.first, self.next, self.bytes) = (first, next, bytes);
        Ok(())
    }

    /// Visits the oldest changes, and each one's bytes, until `budget` bytes are through.
    /// Says which row is then the first that was not visited.
    pub(super) fn oldest(
        &self,
        budget: u64,
        mut visit: impl FnMut(Change, &[u8]),
    ) -> Result<u64, redb::Error> {
        let reading = self.database.begin_read()?;
        let changes = reading.open_table(CHANGES)?;
        let (mut visited, mut first) = (0, self.first);
        for row in changes.range(self.first..)? {
            if visited >= budget {
                break;
            }
            let (number, row) = row?;
            let mut bytes = row.value();
            visited += bytes.len() as u64;
            first = number.value() + 1;
            let mut rest = bytes;
            while let Some(change) = codec::read(&mut rest) {
                let (change_bytes, after) = bytes.split_at(bytes.len() - rest.len());
                visit(change, change_bytes);
                bytes = after;
            }
        }
        Ok(first)
    }

    /// The row after the last.
    pub(super) fn end(&self) -> u64 {
        self.next
    }
}

/// Changes on their way to the journal, cut into rows.
#[derive(Default)]
pub(super) struct Rows {
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Rows {
    /// Adds what `write` appends.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.open.len();
        write(&mut self.open);
        if self.open.len() > ROW && before > 0 {
            let last = self.open.split_off(before);
            let full = std::mem::replace(&mut self.open, last);
            self.full.push(full);
        }
    }

    /// A row of no meaning that fills its page: is there room to write?
    pub(super) fn filler() -> Self {
        let nobody = SubjectKey([0; 16]);
        let mut rows = Self::default();
        while rows.open.len() + 17 < ROW {
            rows.add(|out| codec::write_user(out, &nobody, None));
        }
        rows
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.all().map(|row| row.len() as u64).sum()
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        let open = (!self.open.is_empty()).then_some(&self.open);
        self.full.iter().chain(open).map(Vec::as_slice)
    }
}

fn is_to_be_made(path: &Path) -> bool {
    fs::metadata(path).map_or_else(
        |error| error.kind() == io::ErrorKind::NotFound,
        |file| file.is_file() && file.len() == 0,
    )
}

/// Does to `table` what a row says; `None` if it is not a row.
fn replay(mut row: &[u8], table: &Table) -> Option<()> {
    while !row.is_empty() {
        match codec::read(&mut row)? {
            Change::User(key, record) => table.put_user(key, record),
            Change::Number(key, calls) => table.put_number(key, calls),
        }
    }
    Some(())
}

/// Makes an empty store under another name first: nobody ever finds half a file.
fn make(path: &Path, fingerprint: [u8; 16]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    // Left behind by a process of the same number that was killed here.
    let _gone = fs::remove_file(&draft);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let made = fill(&file, fingerprint)
        .map_err(io::Error::other)
        .and_then(|()| file.sync_all())
        .and_then(|()| {
            let empty = fs::metadata(path).is_ok_and(|present| present.len() == 0);
            if empty {
                fs::rename(&draft, path)
            } else {
                fs::hard_link(&draft, path)
            }
        });
    let _gone = fs::remove_file(&draft);
    match made {
        // Another process was quicker, and has the lock.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        }),
    }
}

fn fill(file: &File, fingerprint: [u8; 16]) -> Result<(), redb::Error> {
    let disk = Disk::new(file.try_clone()?);
    let database = Builder::new().create_with_backend(disk)?;
    let writing = database.begin_write()?;
    {
        let mut meta = writing.open_table(META)?;
        meta.insert("format", &FORMAT.to_le_bytes()[..])?;
        meta.insert("filed under", &fingerprint[..])?;
        writing.open_table(CHANGES)?;
    }
    writing.commit()?;
    Ok(())
}
