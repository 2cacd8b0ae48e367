//! The one thread that writes. While it waits for the disk the next group forms by
//! itself, so that many decisions share the price of one commit.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    Shared, codec,
    codec::Change,
    journal::{Journal, Rows},
    place::Place,
};
use crate::otp::store::{NumberKey, StoreFault, SubjectKey};

/// A record that changed in memory and has to be written down as it then is.
pub(super) enum Changed {
    /// A user's; somebody waits for it to be on the disk.
    User(SubjectKey, oneshot::Sender<Result<(), StoreFault>>),
    /// A number's; nobody waits.
    Number(NumberKey),
}

/// Changes in one commit, at most.
const GROUP: usize = 4096;
/// A journal smaller than this is left alone.
const SMALL: u64 = 1 << 20;
/// Before the first attempt to reopen a file that could not be written; then twice as
/// long, and so on, up to the last.
const PATIENCE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Place,
    pub(super) queue: mpsc::Receiver<Changed>,
    pub(super) journal: Journal,
    pub(super) cleaning: Cleaning,
}

/// When the front of the journal is worth taking off.
pub(super) struct Cleaning {
    /// Above so many bytes a pass begins.
    limit: u64,
    /// The present pass.
    pass: Option<Pass>,
}

/// One pass over the journal: what is at its front and still true goes to its end.
struct Pass {
    /// The row at which it ends.
    until: u64,
    /// What it has written already, of what has more than one change.
    written: HashSet<[u8; 16]>,
}

impl Default for Cleaning {
    fn default() -> Self {
        Self {
            limit: SMALL,
            pass: None,
        }
    }
}

impl Writer {
    /// Writes until every sender of the queue is gone.
    pub(super) fn run(mut self) {
        let mut group = Vec::new();
        while self.queue.blocking_recv_many(&mut group, GROUP) > 0 {
            match self.write(&group) {
                Ok(()) => answer(&mut group, &Ok(())),
                Err(error) => {
                    let Some(writer) = self.recover(&error.to_string(), &mut group) else {
                        return;
                    };
                    self = writer;
                }
            }
        }
    }

    fn write(&mut self, group: &[Changed]) -> Result<(), redb::Error> {
        let mut rows = Rows::default();
        for changed in group {
            match changed {
                Changed::User(key, _) => self.write_user(&mut rows, key),
                Changed::Number(key) => self.write_number(&mut rows, key),
            }
        }
        let first = self.clean(&mut rows)?;
        self.journal.write(&rows, first)?;
        self.cleaning.note(&self.journal);
        Ok(())
    }

    /// Goes on with a pass. Says which row is the first that has to stay.
    fn clean(&mut self, rows: &mut Rows) -> Result<u64, redb::Error> {
        let Some(pass) = &mut self.cleaning.pass else {
            return Ok(self.journal.first);
        };
        // Faster than the journal grows, so that a pass ends.
        let budget = rows.bytes() * 3 + (64 << 10);
        let now = self.shared.clock.now();
        let table = &self.shared.table;
        let mut present = Vec::new();
        self.journal.oldest(budget, |change, bytes| {
            present.clear();
            let key = match change {
                Change::User(key, _) => {
                    table.look_at_user(&key, |record| {
                        if let Some(record) = record.filter(|record| record.matters_at(now)) {
                            codec::write_user(&mut present, &key, Some(record));
                        }
                    });
                    key.0
                }
                Change::Number(key, _) => {
                    table.look_at_number(&key, |calls| {
                        if let Some(calls) = calls.filter(|calls| calls.matter_at(now)) {
                            codec::write_number(&mut present, &key, calls);
                        }
                    });
                    key.0
                }
            };
            pass.keep(rows, key, &present, bytes);
        })
    }

    fn write_user(&self, rows: &mut Rows, key: &SubjectKey) {
        self.shared.table.look_at_user(key, |record| {
            rows.add(|out| codec::write_user(out, key, record));
        });
    }

    fn write_number(&self, rows: &mut Rows, key: &NumberKey) {
        self.shared.table.look_at_number(key, |calls| {
            if let Some(calls) = calls {
                rows.add(|out| codec::write_number(out, key, calls));
            }
        });
    }

    /// A commit failed: what memory says is not on the disk. Everybody who waits gets a
    /// fault, and so does everybody who asks, until the file could be opened and written
    /// again; memory then says what the file says. `None` if the store was closed.
    fn recover(self, error: &str, group: &mut Vec<Changed>) -> Option<Self> {
        let Self {
            shared,
            place,
            mut queue,
            journal,
            ..
        } = self;
        tracing::error!(
            error,
            "the store cannot write; it is tried again until it can"
        );
        let fault = StoreFault::Unavailable(error.to_owned());
        shared.health.fail(&fault);
        // Nobody decides after this who did not see the fault: then the queue is drained.
        shared.table.clear();
        while let Ok(changed) = queue.try_recv() {
            group.push(changed);
        }
        answer(group, &Err(fault));
        drop(journal);
        let mut patience = PATIENCE[0];
        loop {
            std::thread::sleep(patience);
            patience = PATIENCE[1].min(patience * 2);
            if queue.is_closed() {
                return None;
            }
            shared.table.clear();
            let reopened = place.open(&shared.table).map_err(|error| error.to_string());
            let written = reopened.and_then(|mut journal| {
                let first = journal.first;
                let room = journal.write(&Rows::filler(), first);
                room.map(|()| journal).map_err(|error| error.to_string())
            });
            match written {
                Ok(journal) => {
                    tracing::info!("the store can write again");
                    shared.health.recover();
                    return Some(Self {
                        shared,
                        place,
                        queue,
                        journal,
                        cleaning: Cleaning::default(),
                    });
                }
                Err(error) => shared.health.fail(&StoreFault::Unavailable(error)),
            }
        }
    }
}

impl Cleaning {
    /// Begins a pass over a journal that has grown, ends one that is through.
    fn note(&mut self, journal: &Journal) {
        match &self.pass {
            Some(pass) if journal.first >= pass.until => {
                self.pass = None;
                self.limit = SMALL.max(journal.bytes / 5 * 8);
            }
            None if journal.bytes > self.limit => {
                self.pass = Some(Pass {
                    until: journal.end(),
                    written: HashSet::new(),
                });
            }
            _ => {}
        }
    }
}

impl Pass {
    /// Writes what is `present`ly true of `key`, once, where an `old` change is taken off.
    /// If the two differ, the change that made it so may still wait to be written; until
    /// it is, this is all that the journal says of the key.
    fn keep(&mut self, rows: &mut Rows, key: [u8; 16], present: &[u8], old: &[u8]) {
        let nothing = present.is_empty();
        if !nothing && (present == old || self.written.insert(key)) {
            rows.add(|out| out.extend(present));
        }
    }
}

/// Tells everybody in the group what became of it. Who no longer listens is not told.
fn answer(group: &mut Vec<Changed>, outcome: &Result<(), StoreFault>) {
    for changed in group.drain(..) {
        if let Changed::User(_, waiting) = changed {
            let _gone = waiting.send(outcome.clone());
        }
    }
}
