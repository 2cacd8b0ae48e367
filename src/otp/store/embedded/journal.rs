//! The file: a journal of changes, kept by redb.
//!
//! redb gives what is hard: a commit that is there or not, checksums, recovery. A group
//! of decisions is one row, or a few, at the end of one table, so that a commit writes
//! next to nothing but the changes. What is old is taken off the front.

use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::codec::{self, Change};
use crate::otp::store::SubjectKey;

pub(super) const CHANGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("changes");
/// A row fills a page of 4096 bytes and no more, unless one record alone is larger.
const ROW: usize = 4000;

/// The journal, open and locked.
pub(super) struct Journal {
    pub(super) database: Database,
    /// The first row, the row after the last, and the bytes of all of them.
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) bytes: u64,
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
