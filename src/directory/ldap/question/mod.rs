//! One search on one connection.

use std::sync::Arc;

use futures_util::FutureExt as _;
use ldap3::{
    Ldap, LdapError, LdapResult, ResultEntry, Scope, SearchOptions, SearchStream,
    controls::{PagedResults, RawControl},
};

use super::{
    entry::Entry,
    message::Elements,
    outcome::{self, SearchRefusal},
};

/// What is asked for. Shared by the servers that are asked at the same time.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) base: Box<str>,
    pub(super) scope: Scope,
    pub(super) filter: Box<str>,
    pub(super) attributes: Arc<[Box<str>]>,
    /// Entries that count; the others are read and dropped.
    pub(super) keep: Arc<dyn Fn(&Entry) -> bool + Send + Sync>,
    /// So many entries are enough, whatever else there is.
    pub(super) enough: usize,
    pub(super) page: Option<Page>,
    /// The directory may have to look at every entry: that it takes long says nothing
    /// about the server.
    pub(super) slow: bool,
    /// A base that does not exist is an answer, not a mistake of the operator's.
    pub(super) may_be_gone: bool,
}

/// One page of a paged search (RFC 2696).
#[derive(Clone)]
pub(super) struct Page {
    pub(super) size: i32,
    /// Empty for the first.
    pub(super) cookie: Vec<u8>,
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) entries: Vec<Entry>,
    /// Why there may be more than these.
    pub(super) refusal: Option<SearchRefusal>,
    /// Where the next page begins; empty if there is none.
    pub(super) cookie: Vec<u8>,
}

/// The connection ended before the answer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Question {
    /// What the server says of itself: the root DSE (RFC 4512 §5.1), readable for all.
    pub(super) fn about_the_server() -> Self {
        Self {
            base: "".into(),
            scope: Scope::Base,
            filter: "(objectClass=*)".into(),
            attributes: ["*".into(), "+".into()].into(),
            keep: Arc::new(|_| true),
            enough: usize::MAX,
            page: None,
            slow: false,
            may_be_gone: false,
        }
    }

    /// Asks on `ldap`. May be dropped at any moment: the message id is given back.
    pub(super) async fn ask(&self, mut ldap: Ldap) -> Result<Answer, Broken> {
        if let Some(page) = &self.page {
            let (size, cookie) = (page.size, page.cookie.clone());
            ldap.with_controls(PagedResults { size, cookie });
        }
        ldap.with_search_options(SearchOptions::new());
        let started = ldap
            .streaming_search(
                &self.base,
                self.scope,
                &self.filter,
                self.attributes.clone(),
            )
            .await;
        let stream = match started {
            Ok(stream) => stream,
            Err(LdapError::FilterParsing) => return Ok(Answer::unreadable_filter()),
            Err(_) => return Err(Broken),
        };
        let mut running = Running::of(stream);
        let mut entries = Vec::new();
        while entries.len() < self.enough {
            match running.next().await {
                Ok(Some(result)) => entries.extend(Entry::read(result).filter(|e| (self.keep)(e))),
                Ok(None) => return Ok(Answer::complete(entries, &running.end().await)),
                Err(_) => return Err(Broken),
            }
        }
        Ok(Answer {
            entries,
            refusal: None,
            cookie: Vec::new(),
        })
    }
}

/// A search that gives its message id back, however it ends. (The library's own
/// `search()` keeps one for good with every call.)
pub(super) struct Running {
    stream: SearchStream<'static, Box<str>, Arc<[Box<str>]>>,
    over: bool,
}

impl Running {
    pub(super) fn of(stream: SearchStream<'static, Box<str>, Arc<[Box<str>]>>) -> Self {
        Self {
            stream,
            over: false,
        }
    }

    /// The next message; `None` once all have come.
    pub(super) async fn next(&mut self) -> Result<Option<ResultEntry>, LdapError> {
        self.stream.next().await
    }

    /// What the server said at the end.
    pub(super) async fn end(&mut self) -> LdapResult {
        self.over = true;
        self.stream.finish().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // Both messages are sent at the first poll; there is nothing to wait for.
        let id = self.stream.ldap_handle().last_id();
        let mut ldap = self.stream.ldap_handle().clone();
        drop(ldap.abandon(id).now_or_never());
        drop(self.stream.finish().now_or_never());
    }
}

impl Answer {
    fn complete(entries: Vec<Entry>, end: &LdapResult) -> Self {
        Self {
            entries,
            refusal: outcome::of_search(end),
            cookie: cookie(end).unwrap_or_default(),
        }
    }

    fn unreadable_filter() -> Self {
        Self {
            entries: Vec::new(),
            refusal: Some(SearchRefusal::Unwilling("the filter cannot be read".into())),
            cookie: Vec::new(),
        }
    }
}

/// `SEQUENCE { size INTEGER, cookie OCTET STRING }`
fn cookie(end: &LdapResult) -> Option<Vec<u8>> {
    const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
    let control = end.ctrls.iter().find(|c| c.1.ctype == PAGED_RESULTS)?;
    let value: &RawControl = &control.1;
    let whole = Elements(value.val.as_deref()?).next().ok()??;
    let mut parts = Elements(whole.content);
    parts.next().ok()??;
    Some(parts.next().ok()??.content.to_vec())
}

#[cfg(test)]
mod tests;
