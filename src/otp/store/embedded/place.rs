//! Where the file lies: found, made, locked, and looked through before anything in it is
//! changed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use redb::{Builder, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{
    codec::{self, Change},
    disk::{Disk, Overlay},
    journal::{CHANGES, Journal},
};
use crate::otp::store::{StoreError, folder::could_make, table::Table};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("callotp");
const FORMAT: u32 = 1;
/// How a file of redb begins.
const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// redb's own cache. Rows are written once and read once.
const CACHE: usize = 4 << 20;

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
            let could = could_make(path).map(|()| false);
            return could.map_err(|source| StoreError::Io {
                path: path.to_owned(),
                source,
            });
        }
        let place = Self::lock(path, fingerprint)?;
        place.read(&Table::new()).map(|_| true)
    }

    #[cfg(test)]
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Fills `table` with what the file says, and opens the file for more. Everything
    /// that could be wrong with the file is found before anything in it is changed.
    pub(super) fn open(&self, table: &Table) -> Result<Journal, StoreError> {
        let (first, next, bytes) = self.read(table)?;
        let database = Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(self.disk.clone())
            .map_err(|error| self.trouble(error))?;
        Ok(Journal {
            database,
            first,
            next,
            bytes,
        })
    }

    /// Fills `table` with what the file says: the first row, the row after the last, and the
    /// bytes of all.
    fn read(&self, table: &Table) -> Result<(u64, u64, u64), StoreError> {
        let read = AssertUnwindSafe(|| self.read_into(table));
        let nonsense = |_| Err(self.damaged("it cannot be made sense of"));
        catch_unwind(read).unwrap_or_else(nonsense)
    }

    fn read_into(&self, table: &Table) -> Result<(u64, u64, u64), StoreError> {
        let overlay = Overlay::over(self.disk.clone()).map_err(|error| self.trouble(error))?;
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
                error => self.trouble(error),
            })?;
        let reading = database.begin_read().map_err(|error| self.trouble(error))?;
        self.check_meta(&reading)?;
        let changes = reading
            .open_table(CHANGES)
            .map_err(|error| self.trouble(error))?;
        let (mut first, mut next, mut bytes) = (None, 0, 0);
        for row in changes.iter().map_err(|error| self.trouble(error))? {
            let (number, row) = row.map_err(|error| self.trouble(error))?;
            first.get_or_insert(number.value());
            next = number.value() + 1;
            bytes += row.value().len() as u64;
            replay(row.value(), table).ok_or_else(|| self.damaged("a row is not a row"))?;
        }
        Ok((first.unwrap_or(next), next, bytes))
    }

    /// What the operating system has against it, or what is wrong with what it gave.
    fn trouble(&self, error: impl Into<redb::Error>) -> StoreError {
        match error.into() {
            redb::Error::Io(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
                StoreError::Io {
                    path: self.path.clone(),
                    source,
                }
            }
            error => self.damaged(error),
        }
    }

    fn damaged(&self, what: impl ToString) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            what: what.to_string(),
        }
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

/// True if there is no file yet, or an empty one.
pub(super) fn is_to_be_made(path: &Path) -> bool {
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
