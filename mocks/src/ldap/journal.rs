//! What the directory was asked, and what it answered. Bounded; passwords are not in it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tokio::sync::Notify;

/// How many records are kept.
pub const CAPACITY: usize = 10_000;

/// One operation, or one event of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Counts up from 1 over the directory's life.
    pub id: u64,
    /// When the answer was made, or was not.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// Which connection; counts up from 1.
    pub connection: u64,
    /// Over TLS.
    pub encrypted: bool,
    /// What it was.
    pub kind: Kind,
    /// The name bound as, the base searched, the entry compared; the operation's id for an
    /// extended one; what was wrong with garbage.
    pub name: String,
    /// A search's scope: `base`, `one`, `sub`, `children`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// A search's filter (RFC 4515), or what was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Which attributes a search asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The result's name (RFC 4511 §4.1.9); absent if there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// How many entries a search gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<usize>,
    /// The fault that struck it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A connection was accepted.
    Connect,
    /// A handshake, by LDAPS or StartTLS; without a result it failed.
    Tls,
    /// A bind.
    Bind,
    /// A search, or one page of it.
    Search,
    /// A compare.
    Compare,
    /// An extended operation.
    Extended,
    /// An attempt to change the directory over LDAP.
    Write,
    /// An abandon.
    Abandon,
    /// An unbind.
    Unbind,
    /// Bytes that are no LDAP.
    Garbage,
    /// The connection ended.
    Disconnect,
}

/// The records of one directory.
#[derive(Debug, Default)]
pub struct Journal {
    kept: Mutex<Kept>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Record>,
    last_id: u64,
}

impl Journal {
    /// The records that are kept, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.kept().records.iter().cloned().collect()
    }

    /// The records with an id above `id`, oldest first.
    pub fn since(&self, id: u64) -> Vec<Record> {
        self.kept()
            .records
            .iter()
            .filter(|record| record.id > id)
            .cloned()
            .collect()
    }

    /// How many records were dropped to make room.
    pub fn dropped(&self) -> u64 {
        let kept = self.kept();
        kept.last_id - kept.records.len() as u64
    }

    /// Waits until there is a record for which `wanted` holds, and gives it.
    pub async fn wait_for(&self, wanted: impl Fn(&Record) -> bool) -> Record {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(record) = self.kept().records.iter().find(|record| wanted(record)) {
                return record.clone();
            }
            news.await;
        }
    }

    pub(super) fn add(&self, mut record: Record) {
        let mut kept = self.kept();
        kept.last_id += 1;
        record.id = kept.last_id;
        if kept.records.len() == CAPACITY {
            kept.records.pop_front();
        }
        kept.records.push_back(record);
        drop(kept);
        self.news.notify_waiters();
    }

    /// A panic elsewhere leaves whole records behind, so they can still be read.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
