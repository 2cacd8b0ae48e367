//! Keeps the index like the directory: loads all of it, then asks for what has changed.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use jiff::{ToSpan as _, civil::DateTime};
use ldap3::Scope;
use tokio::{sync::Notify, time::sleep};

use super::NumberIndex;
use crate::{
    clock::{Clock, Deadline, Timestamp},
    directory::{
        DirectoryFault, Schema,
        filter::Filter,
        ldap::{
            entry::Entry,
            question::{Page, Question},
            servers::{Servers, Session},
            terms::{Terms, known},
        },
    },
    phone_number::NumberPlan,
};

/// Entries per page; Active Directory gives no more at once.
const PAGE: i32 = 1000;

/// For one page, and for reaching a server at all.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Deletions and renamed containers leave no trace that could be asked for.
const FULL_LOAD: Duration = Duration::from_secs(60 * 60);

/// A change can reach this server later than a younger one, and the one that is read last
/// is not the last one made.
const OVERLAP: Duration = Duration::from_secs(10);

/// How soon a load that failed is tried again, if changes are asked for less often.
const RETRY: Duration = Duration::from_secs(5);

/// The index, and how fresh it is.
#[derive(Default)]
pub(in super::super) struct LiveIndex {
    pub(in super::super) numbers: RwLock<NumberIndex>,
    freshness: Mutex<Freshness>,
    changed: Notify,
}

#[derive(Clone, Debug, Default)]
struct Freshness {
    /// When the directory was last asked with success.
    asked: Option<Timestamp>,
    fault: Option<DirectoryFault>,
}

impl LiveIndex {
    /// When what is in the index was last true, and what has gone wrong since.
    pub(in super::super) fn freshness(&self) -> (Option<Timestamp>, Option<DirectoryFault>) {
        let freshness = self.lock();
        (freshness.asked, freshness.fault.clone())
    }

    /// Waits until it has been loaded.
    pub(in super::super) async fn loaded(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.lock().asked.is_some() {
                return;
            }
            changed.await;
        }
    }

    fn asked(&self, at: Timestamp) {
        self.lock().asked = Some(at);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Freshness> {
        self.freshness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refreshes an index for as long as it is polled.
pub(in super::super) struct Refresher {
    pub(in super::super) index: Arc<LiveIndex>,
    pub(in super::super) servers: Arc<Servers>,
    pub(in super::super) schema: Arc<Schema>,
    pub(in super::super) terms: Arc<Terms>,
    pub(in super::super) plan: Arc<NumberPlan>,
    pub(in super::super) clock: Arc<dyn Clock>,
    pub(in super::super) interval: Duration,
}

/// Up to where a server's changes have been read.
struct Followed {
    server: usize,
    mark: Mark,
    loaded: Timestamp,
}

/// A server's own measure of what is newer than what.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// Active Directory's, of this one server alone.
    Usn(u64),
    /// OpenLDAP's; its time, `YYYYMMDDhhmmss`.
    Csn(String),
    /// Everybody's, to the second.
    ModifyTimestamp(String),
    /// The service user may read none of them: all is loaded every time.
    None,
}

impl Refresher {
    /// Loads, and then follows; never ends.
    pub(in super::super) async fn run(self) {
        let (mut session, mut followed) = (None, None);
        loop {
            let pause = match self.refresh(&mut session, &mut followed).await {
                Ok(()) => {
                    self.note(None);
                    self.interval
                }
                Err(fault) => {
                    self.note(Some(fault));
                    session = None;
                    self.interval.min(RETRY)
                }
            };
            sleep(pause).await;
        }
    }

    async fn refresh(
        &self,
        session: &mut Option<Session>,
        followed: &mut Option<Followed>,
    ) -> Result<(), DirectoryFault> {
        let asked = self.clock.now();
        let deadline = Deadline::within(PAGE_TIME);
        let session = match session {
            Some(session) => session,
            none => none.insert(self.servers.session(deadline).await?),
        };
        let next = match followed {
            Some(followed) if asked.since(followed.loaded) < FULL_LOAD => {
                self.follow(session, followed).await?
            }
            _ => None,
        };
        *followed = Some(match next {
            Some(next) => next,
            None => self.load(session).await?,
        });
        self.index.asked(asked);
        Ok(())
    }

    fn note(&self, fault: Option<DirectoryFault>) {
        let mut freshness = self.index.lock();
        match (&freshness.fault, &fault) {
            (None, Some(fault)) => {
                tracing::error!(base = %self.schema.base, %fault, "the index of numbers cannot be refreshed");
            }
            (Some(_), None) => {
                tracing::warn!(base = %self.schema.base, "the index of numbers is refreshed again");
            }
            _ => {}
        }
        freshness.fault = fault;
    }

    /// Reads every entry that has a number.
    async fn load(&self, session: &Session) -> Result<Followed, DirectoryFault> {
        let started = self.clock.now();
        let committed = committed_usn(session).await?;
        let phones = self.terms.phones.iter().cloned();
        let filter = Filter::Or(phones.map(Filter::Present).collect());
        self.write(NumberIndex::begin_load);
        let newest = self.read_all(session, filter).await?;
        self.write(NumberIndex::end_load);
        let took = self.clock.now().since(started);
        let size = self.size();
        tracing::info!(
            base = %self.schema.base,
            entries = size.entries,
            numbers = size.numbers,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "the index of numbers is loaded"
        );
        // What changed while we read may be older than the newest that we saw.
        let mark = match committed {
            Some(usn) => Mark::Usn(usn),
            None => newest.earlier(took),
        };
        Ok(Followed {
            server: session.server,
            mark,
            loaded: started,
        })
    }

    /// Reads what has changed since the mark; `None` if that cannot be told.
    async fn follow(
        &self,
        session: &Session,
        followed: &Followed,
    ) -> Result<Option<Followed>, DirectoryFault> {
        let (filter, next) = match &followed.mark {
            // Another server counts otherwise, and one that was restored counts anew.
            Mark::Usn(mark) => match committed_usn(session).await? {
                Some(now) if session.server == followed.server && now >= *mark => {
                    let since = (mark + 1).to_string();
                    (
                        Filter::AtLeast(known("uSNChanged"), since.into()),
                        Mark::Usn(now),
                    )
                }
                _ => return Ok(None),
            },
            Mark::Csn(mark) => {
                let since = format!("{}.000000Z#000000#000#000000", earlier(mark, OVERLAP));
                (
                    Filter::AtLeast(known("entryCSN"), since.into()),
                    followed.mark.clone(),
                )
            }
            Mark::ModifyTimestamp(mark) => {
                let since = format!("{}Z", earlier(mark, OVERLAP));
                (
                    Filter::AtLeast(known("modifyTimestamp"), since.into()),
                    followed.mark.clone(),
                )
            }
            Mark::None => return Ok(None),
        };
        let newest = self.read_all(session, filter).await?;
        Ok(Some(Followed {
            server: session.server,
            mark: next.newer(newest),
            loaded: followed.loaded,
        }))
    }

    /// Puts all entries that match into the index; the newest mark among them.
    async fn read_all(&self, session: &Session, filter: Filter) -> Result<Mark, DirectoryFault> {
        let mut attributes = vec![self.schema.user_id_attribute.clone()];
        attributes.extend(self.schema.phone_attributes.iter().cloned());
        attributes.extend(["entryCSN".into(), "modifyTimestamp".into()]);
        let mut question = Question {
            base: self.schema.base.clone(),
            scope: Scope::Subtree,
            filter: filter.to_string().into(),
            attributes: attributes.into(),
            keep: Arc::new(|_| true),
            enough: usize::MAX,
            page: None,
            slow: true,
            may_be_gone: false,
        };
        let mut newest = Mark::None;
        let mut cookie = Vec::new();
        loop {
            question.page = Some(Page { size: PAGE, cookie });
            let answer = session.ask(&question, Deadline::within(PAGE_TIME)).await?;
            for entry in &answer.entries {
                newest = newest.newer(Mark::of(entry));
            }
            self.put(&answer.entries);
            cookie = answer.cookie;
            if cookie.is_empty() {
                return Ok(newest);
            }
        }
    }

    fn put(&self, entries: &[Entry]) {
        // Reading numbers takes longer than filing them; calls go on meanwhile.
        let read: Vec<_> = entries
            .iter()
            .filter_map(|entry| {
                let id = entry.values(&self.schema.user_id_attribute).next()?;
                let texts = entry.numbers(&self.schema);
                let numbers: Vec<_> = texts.filter_map(|text| self.plan.read(text).ok()).collect();
                Some((id, &*entry.dn, numbers))
            })
            .collect();
        self.write(|index| {
            for (id, dn, numbers) in read {
                index.put(id, dn, &numbers);
            }
        });
    }

    fn write<T>(&self, change: impl FnOnce(&mut NumberIndex) -> T) -> T {
        let mut index = self
            .index
            .numbers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut index)
    }

    fn size(&self) -> super::Size {
        let index = self.index.numbers.read();
        index.unwrap_or_else(PoisonError::into_inner).size()
    }
}

/// Active Directory's count of changes on this server; other directories have none.
async fn committed_usn(session: &Session) -> Result<Option<u64>, DirectoryFault> {
    let deadline = Deadline::within(PAGE_TIME);
    let answer = session.ask(&Question::about_the_server(), deadline).await?;
    let root = answer.entries.first();
    Ok(root.and_then(|root| root.texts("highestCommittedUSN").next()?.parse().ok()))
}

impl Mark {
    fn of(entry: &Entry) -> Self {
        let time = |attribute| {
            let digits = entry.texts(attribute).next()?.get(..14)?;
            let is_time = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_time.then(|| digits.to_owned())
        };
        match (time("entryCSN"), time("modifyTimestamp")) {
            (Some(time), _) => Self::Csn(time),
            (None, Some(time)) => Self::ModifyTimestamp(time),
            (None, None) => Self::None,
        }
    }

    fn newer(self, other: Self) -> Self {
        match (self, other) {
            (Self::Csn(a), Self::Csn(b)) => Self::Csn(a.max(b)),
            (Self::ModifyTimestamp(a), Self::ModifyTimestamp(b)) => Self::ModifyTimestamp(a.max(b)),
            (mark, Self::None) | (Self::None, mark) => mark,
            // One entry has a CSN and another not: the time is what they share.
            (Self::Csn(a) | Self::ModifyTimestamp(a), Self::Csn(b) | Self::ModifyTimestamp(b)) => {
                Self::ModifyTimestamp(a.max(b))
            }
            // A server that counts is asked for its count, not for times.
            (Self::Usn(usn), _) | (_, Self::Usn(usn)) => Self::Usn(usn),
        }
    }

    fn earlier(self, by: Duration) -> Self {
        match self {
            Self::Csn(time) => Self::Csn(earlier(&time, by)),
            Self::ModifyTimestamp(time) => Self::ModifyTimestamp(earlier(&time, by)),
            other => other,
        }
    }
}

/// `YYYYMMDDhhmmss`, that much earlier. What is no time stays as it is.
fn earlier(time: &str, by: Duration) -> String {
    const FORMAT: &str = "%Y%m%d%H%M%S";
    let seconds = i64::try_from(by.as_secs()).unwrap_or_default() + 1;
    DateTime::strptime(FORMAT, time)
        .and_then(|time| time.checked_sub(seconds.seconds()))
        .map_or_else(
            |_| time.to_owned(),
            |time| time.strftime(FORMAT).to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_goes_back_across_midnight_and_new_year() {
        let mark = Mark::Csn("20270101000003".into());
        let back = mark.earlier(Duration::from_secs(9));
        assert_eq!(back, Mark::Csn("20261231235953".into()));
        assert_eq!(earlier("no time", OVERLAP), "no time");
    }

    #[test]
    fn the_newest_mark_counts() {
        let csn = |time: &str| Mark::Csn(time.into());
        let newest = Mark::None.newer(csn("1")).newer(csn("3")).newer(csn("2"));
        assert_eq!(newest, csn("3"));
        let mixed = newest.newer(Mark::ModifyTimestamp("2".into()));
        assert_eq!(mixed, Mark::ModifyTimestamp("3".into()));
    }
}
