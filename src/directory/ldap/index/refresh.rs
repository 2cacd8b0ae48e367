//! Keeps the index like the directory: loads all of it, then asks for what has changed.

use std::{sync::Arc, time::Duration};

use ldap3::Scope;
use tokio::time::sleep;

use super::{NumberIndex, live::LiveIndex, mark::Mark};
use crate::{
    clock::{Clock, Deadline, Timestamp},
    directory::{
        DirectoryFault, Schema,
        filter::Filter,
        ldap::{
            entry::Entry,
            question::{Page, Question},
            servers::{Servers, Session},
            sync::{Ended, SYNC_REQUEST, Word},
            terms::Terms,
        },
    },
    phone_number::{NumberPlan, PhoneNumber},
};

/// Entries per page; Active Directory gives no more at once.
const PAGE: i32 = 1000;

/// For one page, and for reaching a server at all.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Deletions and renamed containers leave no trace that every directory could be asked for.
const FULL_LOAD: Duration = Duration::from_secs(60 * 60);

/// How soon a load that failed is tried again, if changes are asked for less often.
const RETRY: Duration = Duration::from_secs(5);

/// Refreshes an index for as long as it is polled.
pub(in super::super) struct Refresher {
    pub(in super::super) index: Arc<LiveIndex>,
    pub(in super::super) wanted: Wanted,
    pub(in super::super) servers: Arc<Servers>,
    pub(in super::super) schema: Arc<Schema>,
    pub(in super::super) terms: Arc<Terms>,
    pub(in super::super) plan: Arc<NumberPlan>,
    pub(in super::super) clock: Arc<dyn Clock>,
    pub(in super::super) interval: Duration,
}

/// Which numbers the index is to know.
pub(in super::super) enum Wanted {
    /// All.
    All,
    /// Those that are written in a way that no call asks for: true for such an attribute, text
    /// and number.
    Unusual(IsUnusual),
}

type IsUnusual = Box<dyn Fn(&str, &str, &PhoneNumber) -> bool + Send + Sync>;

/// Up to where a server's changes have been read.
struct Followed {
    server: usize,
    mark: Mark,
    loaded: Timestamp,
}

impl Refresher {
    /// Loads, and then follows; never ends.
    pub(in super::super) async fn run(self) {
        let (mut session, mut followed) = (None, None);
        loop {
            let was_open = session.is_some();
            let mut outcome = self.refresh(&mut session, &mut followed).await;
            // Servers close connections on which nobody asks anything.
            if let (Err(DirectoryFault::Unavailable(_)), true) = (&outcome, was_open) {
                session = None;
                outcome = self.refresh(&mut session, &mut followed).await;
            }
            if outcome.is_err() {
                session = None;
            }
            let pause = self.pause_after(&outcome);
            self.note(outcome);
            sleep(pause).await;
        }
    }

    fn pause_after(&self, outcome: &Result<Timestamp, DirectoryFault>) -> Duration {
        match outcome {
            Ok(_) => self.interval,
            // Calls can do without, and asking sooner would not change the server's mind.
            Err(DirectoryFault::Unusable(_)) if !self.wanted.is_all() => self.interval,
            Err(_) => self.interval.min(RETRY),
        }
    }

    async fn refresh(
        &self,
        session: &mut Option<Session>,
        followed: &mut Option<Followed>,
    ) -> Result<Timestamp, DirectoryFault> {
        let asked = self.clock.now();
        let deadline = Deadline::within(PAGE_TIME);
        let session = match session {
            Some(session) => session,
            none => none.insert(self.servers.session(deadline).await?),
        };
        let next = match followed {
            Some(followed)
                if session.server == followed.server
                    && asked.since(followed.loaded) < FULL_LOAD =>
            {
                self.follow(session, followed).await?
            }
            _ => None,
        };
        *followed = Some(match next {
            Some(next) => next,
            None => self.load(session).await?,
        });
        Ok(asked)
    }

    fn note(&self, outcome: Result<Timestamp, DirectoryFault>) {
        let now = outcome.as_ref().err().cloned();
        let base = &self.schema.base;
        match (self.index.note(outcome), now) {
            (None, Some(fault)) if self.wanted.is_all() => {
                tracing::error!(%base, %fault, "the index of numbers cannot be refreshed");
            }
            (None, Some(fault @ DirectoryFault::Unusable(_))) => tracing::warn!(
                %base,
                %fault,
                "numbers in unusual spellings cannot be listed; they are looked for call by call, \
                 as far as the directory allows that (callotp doctor says what to do)"
            ),
            (Some(_), None) if self.wanted.is_all() => {
                tracing::warn!(%base, "the index of numbers is refreshed again");
            }
            _ => {}
        }
    }

    /// Reads every entry that has a number.
    async fn load(&self, session: &Session) -> Result<Followed, DirectoryFault> {
        let started = self.clock.now();
        let about = Question::about_the_server();
        let root = session.ask(&about, Deadline::within(PAGE_TIME)).await?;
        let root = root.entries.into_iter().next().unwrap_or_default();
        let synchronised = match self.can_synchronise(&root) {
            true => self.synchronise(session, None).await?,
            false => None,
        };
        let mark = match synchronised {
            Some(mark) => mark,
            None => {
                self.index.write(NumberIndex::begin_load);
                let newest = self.read_all(session, self.has_number()).await?;
                self.index.write(NumberIndex::end_load);
                // What changed while we read may be older than the newest that we saw.
                let took = self.clock.now().since(started);
                Mark::committed(&root).unwrap_or_else(|| newest.earlier(took))
            }
        };
        let took = self.clock.now().since(started);
        let size = self.index.size();
        tracing::info!(
            base = %self.schema.base,
            entries = size.entries,
            numbers = size.numbers,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "{}", self.wanted.loaded()
        );
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
        let mark = match &followed.mark {
            Mark::Cookie(cookie) => match self.synchronise(session, Some(cookie.clone())).await? {
                Some(mark) => mark,
                None => return Ok(None),
            },
            Mark::Usn(before) => {
                let about = Question::about_the_server();
                let root = session.ask(&about, Deadline::within(PAGE_TIME)).await?;
                let now = root.entries.first().and_then(Mark::committed);
                match now {
                    // One that was restored counts anew.
                    Some(Mark::Usn(now)) if now < *before => return Ok(None),
                    None => return Ok(None),
                    Some(now) => {
                        self.read_changes(session, &followed.mark).await?;
                        now
                    }
                }
            }
            Mark::None => return Ok(None),
            mark => {
                let newest = self.read_changes(session, mark).await?;
                mark.clone().newer(newest)
            }
        };
        Ok(Some(Followed {
            server: session.server,
            mark,
            loaded: followed.loaded,
        }))
    }

    async fn read_changes(&self, session: &Session, mark: &Mark) -> Result<Mark, DirectoryFault> {
        match mark.since() {
            Some(changed) => self.read_all(session, changed).await,
            None => Ok(Mark::None),
        }
    }

    /// True if the server says what has changed by itself, and calls entries by what we call
    /// users by.
    fn can_synchronise(&self, root: &Entry) -> bool {
        let mut controls = root.texts("supportedControl");
        self.schema
            .user_id_attribute
            .eq_ignore_ascii_case("entryUUID")
            && controls.any(|control| control == SYNC_REQUEST)
    }

    /// Reads all, or what has changed since the cookie; `None` if the server refuses that.
    async fn synchronise(
        &self,
        session: &Session,
        cookie: Option<Vec<u8>>,
    ) -> Result<Option<Mark>, DirectoryFault> {
        self.index.write(NumberIndex::begin_load);
        let question = self.question(self.has_number());
        let mut file = |word| self.file(word);
        let ended = session.synchronise(&question, cookie, PAGE_TIME, &mut file);
        match ended.await? {
            Ended::Synchronised(cookie) => Ok(Some(Mark::Cookie(cookie))),
            Ended::Refused(reason) => {
                tracing::debug!(base = %self.schema.base, %reason, "content synchronisation is refused");
                Ok(None)
            }
        }
    }

    fn file(&self, word: Word) {
        match word {
            Word::Is(uuid, entry) => {
                let numbers = self.numbers(&entry);
                self.index
                    .write(|index| index.put(uuid.as_bytes(), &entry.dn, &numbers));
            }
            Word::Unchanged(uuid) => self.index.write(|index| index.saw(uuid.as_bytes())),
            Word::Gone(uuid) => self.index.write(|index| index.forget(uuid.as_bytes())),
            Word::AllNamed => self.index.write(NumberIndex::end_load),
        }
    }

    /// Puts all entries that match into the index; the newest mark among them.
    async fn read_all(&self, session: &Session, filter: Filter) -> Result<Mark, DirectoryFault> {
        let mut question = self.question(filter);
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

    fn has_number(&self) -> Filter {
        let phones = self.terms.phones.iter().cloned();
        Filter::Or(phones.map(Filter::Present).collect())
    }

    fn question(&self, filter: Filter) -> Question {
        let mut attributes = vec![self.schema.user_id_attribute.clone()];
        attributes.extend(self.schema.phone_attributes.iter().cloned());
        attributes.extend(["entryCSN".into(), "modifyTimestamp".into()]);
        Question {
            base: self.schema.base.clone(),
            scope: Scope::Subtree,
            filter: filter.to_string().into(),
            attributes: attributes.into(),
            keep: Arc::new(|_| true),
            enough: usize::MAX,
            page: None,
            slow: true,
            may_be_gone: false,
        }
    }

    fn put(&self, entries: &[Entry]) {
        // Reading numbers takes longer than filing them; calls go on meanwhile.
        let read: Vec<_> = entries
            .iter()
            .filter_map(|entry| {
                let id = entry.values(&self.schema.user_id_attribute).next()?;
                Some((id, &*entry.dn, self.numbers(entry)))
            })
            .collect();
        self.index.write(|index| {
            for (id, dn, numbers) in read {
                index.put(id, dn, &numbers);
            }
        });
    }

    fn numbers(&self, entry: &Entry) -> Vec<PhoneNumber> {
        let phones = self.schema.phone_attributes.iter();
        let written = phones.flat_map(|phone| entry.texts(phone).map(move |text| (phone, text)));
        written
            .filter_map(|(phone, text)| {
                let number = self.plan.read(text).ok()?;
                self.wanted.wants(phone, text, &number).then_some(number)
            })
            .collect()
    }
}

impl Wanted {
    fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    fn wants(&self, attribute: &str, text: &str, number: &PhoneNumber) -> bool {
        match self {
            Self::All => true,
            Self::Unusual(is_unusual) => is_unusual(attribute, text, number),
        }
    }

    fn loaded(&self) -> &'static str {
        match self {
            Self::All => "the index of numbers is loaded",
            Self::Unusual(_) => "numbers in unusual spellings are listed",
        }
    }
}
