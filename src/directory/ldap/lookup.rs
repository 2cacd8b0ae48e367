//! Who calls from a number, and who logs in under a name.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::try_join_all;
use ldap3::Scope;
use tokio::time::timeout;

use super::{
    LdapConfig, LdapSetupError, Lookup,
    dialect::Dialect,
    entry::Entry,
    index::{
        Candidate,
        live::{Freshness, LiveIndex},
    },
    outcome::SearchRefusal,
    pattern::{self, Scans},
    question::{Page, Question},
    servers::Servers,
    servers_of,
    terms::{Terms, known},
    trust::Trusted,
};
use crate::{
    clock::{Clock, Deadline},
    directory::{DirectoryFault, Match, Schema, filter::Filter},
    phone_number::{NumberPlan, PhoneNumber},
    user::User,
};

/// Two users are several; a third would make no difference.
const SEVERAL: usize = 2;

/// How long a call waits for a server to be found, before anything has been asked.
const CONNECTING: Duration = Duration::from_millis(300);

/// Entries of an index read at the same time.
const LIVE_READS: usize = 16;

/// Candidates per page, and how many pages are read, when a server does not give all
/// candidates at once.
const PAGE: i32 = 200;
const MAX_PAGES: usize = 20;

/// Bytes of a name. RFC 4519 gives no bound; longer than this is no name but an attempt.
const LONGEST_NAME: usize = 256;

/// The servers, and everything needed to ask them.
pub(super) struct Directory {
    pub(super) servers: Arc<Servers>,
    pub(super) schema: Arc<Schema>,
    pub(super) terms: Arc<Terms>,
    pub(super) plan: Arc<NumberPlan>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lookup: Lookup,
    /// By index all numbers, by search those in unusual spellings.
    pub(super) index: Arc<LiveIndex>,
    pub(super) dialect: OnceLock<Dialect>,
    name_attributes: Arc<[Box<str>]>,
    scans: Scans,
}

impl Directory {
    pub(super) fn new(
        config: LdapConfig,
        trusted: &Trusted,
        lookup: Lookup,
        schema: Schema,
        plan: Arc<NumberPlan>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LdapSetupError> {
        let terms = Terms::try_from(&schema)?;
        let id = schema.user_id_attribute.clone();
        let name_attributes = [id, schema.username_attribute.clone()].into();
        Ok(Self {
            servers: Arc::new(servers_of(config, trusted, &clock)?),
            schema: Arc::new(schema),
            terms: Arc::new(terms),
            plan,
            clock,
            lookup,
            index: Arc::default(),
            dialect: OnceLock::new(),
            name_attributes,
            scans: Scans::default(),
        })
    }

    pub(super) async fn find_by_number(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Option<Match>, DirectoryFault> {
        let found = match self.lookup {
            Lookup::Search => self.by_search(number, deadline).await?,
            Lookup::Index { .. } => self.by_index(number, deadline).await?,
        };
        match found.as_slice() {
            [] => Ok(None),
            [entry] => self.user(entry, None).map(|user| Some(Match::One(user))),
            _ => Ok(Some(Match::Several)),
        }
    }

    pub(super) async fn find_by_name(
        &self,
        name: &str,
        deadline: Deadline,
    ) -> Result<Option<User>, DirectoryFault> {
        if name.trim().is_empty() || name.len() > LONGEST_NAME {
            return Ok(None);
        }
        let called = Filter::equal(&self.terms.username, name);
        let mut question = self.question(called, Arc::new(|_| true));
        // Nobody asks for a number here; without them the answer is half as long.
        question.attributes = self.name_attributes.clone();
        match self.answer(question, deadline).await?.as_slice() {
            [] => Ok(None),
            [entry] => self.user(entry, Some(name)).map(Some),
            [first, ..] => {
                tracing::warn!(
                    attribute = %self.schema.username_attribute,
                    dn = %first.dn,
                    "several users have the same name; none of them can log in with it"
                );
                Ok(None)
            }
        }
    }

    /// Asks for the spellings that the directory's own index can answer, and looks up by
    /// ourselves who writes the number in any other. A directory that looks at every entry
    /// anyway is asked for the digits alone.
    async fn by_search(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Vec<Entry>, DirectoryFault> {
        self.wait_for_the_list(deadline).await;
        let dialect = self.dialect.get();
        let (phones, spellings) = (&self.terms.phones, self.plan.spellings(number, None));
        let spelt = pattern::spelt(phones, &spellings, dialect);
        let any_spelling = || pattern::in_any_spelling(phones, &spellings, number, dialect);
        if dialect.is_some_and(Dialect::always_scans)
            && let Some(any_spelling) = any_spelling()
        {
            let mut question = self.about(number, Filter::Or(vec![spelt, any_spelling]));
            question.slow = true;
            return self.answer(question, deadline).await;
        }
        let usual = self.answer(self.about(number, spelt), deadline);
        let is_listed = self.index.is_loaded();
        let found = match is_listed {
            true => {
                let unusual = self.by_list(number, deadline);
                let (mut found, unusual) = tokio::try_join!(usual, unusual)?;
                for entry in unusual {
                    if found.iter().all(|known| !self.is_same(known, &entry)) {
                        found.push(entry);
                    }
                }
                found
            }
            false => usual.await?,
        };
        if !found.is_empty() {
            return Ok(found);
        }
        // A number may have been written since the list was last brought up to date.
        let Some(any_spelling) = any_spelling() else {
            return Ok(found);
        };
        let mut question = self.about(number, any_spelling);
        question.slow = true;
        let scan = self.answer(question, deadline);
        match self.scans.run(scan, deadline, &*self.clock).await {
            // Too much for the directory: the list's word is enough.
            Err(DirectoryFault::Unusable(_)) if is_listed => Ok(found),
            scanned => scanned,
        }
    }

    /// The list of unusual spellings is made right after the start. A call that comes sooner
    /// gives it a part of its time, but not while a server is out.
    async fn wait_for_the_list(&self, deadline: Deadline) {
        if self.servers.0.iter().any(|server| !server.circuit.admits()) {
            return;
        }
        let part = deadline.remaining() / 3;
        let patience = match self.dialect.get() {
            Some(_) => part,
            None => part.min(CONNECTING),
        };
        let _ = timeout(patience, self.index.tried()).await;
    }

    fn is_same(&self, one: &Entry, other: &Entry) -> bool {
        let id = |entry: &Entry| entry.id(&self.schema);
        one.dn == other.dn || id(one).is_some_and(|one| Some(one) == id(other))
    }

    async fn by_index(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Vec<Entry>, DirectoryFault> {
        match self.index.freshness() {
            Freshness {
                asked: None, fault, ..
            } => {
                let reason = "the index of numbers is not loaded yet";
                Err(fault.unwrap_or_else(|| DirectoryFault::Unavailable(reason.into())))
            }
            _ => self.by_list(number, deadline).await,
        }
    }

    /// Those whom the index names, as far as they still have the number.
    async fn by_list(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Vec<Entry>, DirectoryFault> {
        let candidates = self.index.candidates(number);
        let mut found: Vec<Entry> = Vec::new();
        for some in candidates.chunks(LIVE_READS) {
            let reads = some
                .iter()
                .map(|candidate| self.live(candidate, number, deadline));
            found.extend(try_join_all(reads).await?.into_iter().flatten());
            if found.len() >= SEVERAL {
                break;
            }
        }
        Ok(found)
    }

    /// Reads an entry of the index again: is it still a user, and still the number's?
    async fn live(
        &self,
        candidate: &Candidate,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Option<Entry>, DirectoryFault> {
        let mut question = self.about(number, Filter::Present(known("objectClass")));
        question.base = candidate.dn.clone();
        question.scope = Scope::Base;
        question.may_be_gone = true;
        question.enough = 1;
        let mut answer = self.servers.ask(&question, deadline).await?;
        if !matches!(answer.refusal, Some(SearchRefusal::NoSuchObject(_))) {
            return Ok(answer.entries.pop());
        }
        let id = Filter::equal(&self.terms.user_id, &*candidate.id);
        let mut found = self.answer(self.about(number, id), deadline).await?;
        Ok(found.pop())
    }

    /// All entries that count, if need be page by page.
    async fn answer(
        &self,
        mut question: Question,
        deadline: Deadline,
    ) -> Result<Vec<Entry>, DirectoryFault> {
        let answer = self.servers.ask(&question, deadline).await?;
        if answer.refusal.is_none() || answer.entries.len() >= question.enough {
            return Ok(answer.entries);
        }
        let session = self.servers.session(deadline).await?;
        let (mut found, mut cookie) = (Vec::new(), Vec::new());
        for _ in 0..MAX_PAGES {
            question.page = Some(Page { size: PAGE, cookie });
            let answer = session.ask(&question, deadline).await?;
            found.extend(answer.entries);
            cookie = answer.cookie;
            if found.len() >= question.enough || cookie.is_empty() {
                return Ok(found);
            }
        }
        Err(DirectoryFault::Unusable(
            "too many entries are like that number".into(),
        ))
    }

    fn about(&self, number: &PhoneNumber, filter: Filter) -> Question {
        let (schema, plan, number) = (self.schema.clone(), self.plan.clone(), number.clone());
        let has_number = move |entry: &Entry| {
            let mut numbers = entry.numbers(&schema);
            numbers.any(|text| plan.read(text).as_ref() == Ok(&number))
        };
        self.question(filter, Arc::new(has_number))
    }

    pub(super) fn question(
        &self,
        filter: Filter,
        keep: Arc<dyn Fn(&Entry) -> bool + Send + Sync>,
    ) -> Question {
        let mut attributes = vec![
            self.schema.user_id_attribute.clone(),
            self.schema.username_attribute.clone(),
        ];
        attributes.extend(self.schema.phone_attributes.iter().cloned());
        Question {
            base: self.schema.base.clone(),
            scope: Scope::Subtree,
            filter: Filter::And(vec![self.terms.user_filter.clone(), filter])
                .to_string()
                .into(),
            attributes: attributes.into(),
            keep,
            enough: SEVERAL,
            page: None,
            slow: false,
            may_be_gone: false,
        }
    }

    fn user(&self, entry: &Entry, asked: Option<&str>) -> Result<User, DirectoryFault> {
        entry
            .user(&self.schema, asked)
            .map_err(DirectoryFault::Unusable)
    }
}
