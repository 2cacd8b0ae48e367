//! A search's answer on its way: pages, limits, and the references of a domain.

use std::{io, sync::Arc};

use ldap3_proto::{
    LdapResultCode, LdapSearchResultReference,
    control::LdapControl,
    proto::{LdapOp, LdapSearchScope},
};
use tokio::io::AsyncWrite;

use super::{
    Flavour,
    answer::Outcome,
    dn::Dn,
    entry::Entry,
    fault::Effect,
    flavour::oid,
    output::Output,
    search::{self, Selection},
    session::{Rest, Session, message},
    wire::{Request, Search},
};

/// How many paged searches of one connection can be under way.
const MAX_PAGED: usize = 16;

impl Session {
    /// Whether this connection may search, and compare.
    pub(super) fn may_search(&self) -> bool {
        self.shared.settings.anonymous_search || self.bound.is_some()
    }

    /// Sends what a search finds; its end is the caller's to send.
    pub(super) async fn search<S>(
        &mut self,
        request: &Request,
        search: &Search,
        effect: Option<&Effect>,
        out: &mut Output<'_, S>,
    ) -> io::Result<Done>
    where
        S: AsyncWrite + Unpin,
    {
        let of_root = search.base.is_empty() && search.scope == LdapSearchScope::Base;
        if !of_root && !self.may_search() {
            return Ok(Done::refused(self.shared.settings.flavour.wants_bind()));
        }
        let page = match self.find(request, search) {
            Ok(page) => page,
            Err(refused) => return Ok(refused),
        };
        let selection = Selection::of(search);
        let mut sent = 0;
        for entry in &page.entries {
            let shown = selection.show(entry);
            if effect == Some(&Effect::SecondEntry) {
                let second = search::second(&shown);
                out.send(message(request.id, LdapOp::SearchResultEntry(second)))
                    .await?;
                sent += 1;
            }
            out.send(message(request.id, LdapOp::SearchResultEntry(shown)))
                .await?;
            sent += 1;
        }
        if page.is_last && self.refers_on(request, search) {
            let uris = vec![search::elsewhere(&self.shared.settings.suffix)];
            let reference = LdapOp::SearchResultReference(LdapSearchResultReference { uris });
            out.send(message(request.id, reference)).await?;
        }
        Ok(Done {
            entries: sent,
            ..page.done
        })
    }

    /// What of the entries found goes into this answer.
    fn find(&mut self, request: &Request, search: &Search) -> Result<Page, Done> {
        let deleted_too = request
            .controls
            .iter()
            .any(|c| matches!(c, LdapControl::ShowDeleted { .. }));
        let paged = request.controls.iter().find_map(|control| match control {
            LdapControl::SimplePagedResults { size, cookie } => Some((*size, cookie.as_slice())),
            _ => None,
        });
        let rest = match paged {
            Some((_, cookie)) if !cookie.is_empty() => {
                let known = <[u8; 8]>::try_from(cookie).ok().map(u64::from_be_bytes);
                known
                    .and_then(|cookie| self.pages.remove(&cookie))
                    .ok_or_else(|| {
                        let text = "paged results cookie is invalid".to_owned();
                        Done::refused((LdapResultCode::UnwillingToPerform, text))
                    })?
            }
            _ => self.find_all(search, deleted_too)?,
        };
        Ok(self.page(rest, paged.map(|(size, _)| size)))
    }

    fn find_all(&self, search: &Search, deleted_too: bool) -> Result<Rest, Done> {
        let found = search::find(
            &self.shared.tree(),
            &self.shared.settings,
            search,
            deleted_too,
        );
        let mut entries = found.map_err(|nowhere| Done {
            matched: nowhere.matched,
            ..Done::refused((nowhere.code, String::new()))
        })?;
        let limit = usize::try_from(search.size_limit).unwrap_or(usize::MAX);
        let cut_short = limit > 0 && entries.len() > limit;
        if cut_short {
            entries.truncate(limit);
        }
        Ok(Rest { entries, cut_short })
    }

    /// Cuts the next page off; without the control there is one page of everything, up to the
    /// directory's own limit.
    fn page(&mut self, mut rest: Rest, size: Option<i64>) -> Page {
        let most = self.shared.settings.size_limit.unwrap_or(usize::MAX);
        let wanted = size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or_default());
        let kept = rest
            .entries
            .split_off(wanted.min(most).min(rest.entries.len()));
        let (entries, is_over) = (rest.entries, kept.is_empty());
        // A page of no entries gives the search up (RFC 2696 §3).
        let given_up = size == Some(0);
        let mut cookie = Vec::new();
        if size.is_some() && !is_over && !given_up {
            cookie = self.next_cookie.to_be_bytes().to_vec();
            if self.pages.len() >= MAX_PAGED {
                self.pages.clear();
            }
            self.pages.insert(
                self.next_cookie,
                Rest {
                    entries: kept,
                    cut_short: rest.cut_short,
                },
            );
            self.next_cookie += 1;
        }
        let is_last = cookie.is_empty();
        let exceeded = (is_last && rest.cut_short && !given_up) || (size.is_none() && !is_over);
        let code = if exceeded {
            LdapResultCode::SizeLimitExceeded
        } else {
            LdapResultCode::Success
        };
        let controls = size
            .map(|_| LdapControl::SimplePagedResults { size: 0, cookie })
            .into_iter()
            .collect();
        let done = Done {
            controls,
            ..Done::refused((code, String::new()))
        };
        Page {
            entries,
            is_last,
            done,
        }
    }

    /// A search from the top of a domain is referred on to the domain's other parts.
    fn refers_on(&self, request: &Request, search: &Search) -> bool {
        let stays = |control: &LdapControl| matches!(control, LdapControl::Unknown { oid, .. } if oid == oid::DOMAIN_SCOPE);
        let of_top = Dn::parse(&search.base) == Dn::parse(&self.shared.settings.suffix);
        self.shared.settings.flavour == Flavour::Ad
            && of_top
            && search.scope != LdapSearchScope::Base
            && !request.controls.iter().any(stays)
    }

    /// The entries that go out before a fault's result.
    pub(super) async fn show_first<S>(
        &self,
        id: i32,
        search: &Search,
        count: usize,
        out: &mut Output<'_, S>,
    ) -> io::Result<usize>
    where
        S: AsyncWrite + Unpin,
    {
        let found = match count {
            0 => Vec::new(),
            _ => self
                .find_all(search, false)
                .map(|rest| rest.entries)
                .unwrap_or_default(),
        };
        let selection = Selection::of(search);
        let shown: Vec<_> = found
            .iter()
            .take(count)
            .map(|entry| selection.show(entry))
            .collect();
        let sent = shown.len();
        for entry in shown {
            out.send(message(id, LdapOp::SearchResultEntry(entry)))
                .await?;
        }
        Ok(sent)
    }
}

/// One page of a search's answer.
struct Page {
    entries: Vec<Arc<Entry>>,
    is_last: bool,
    done: Done,
}

/// How a search ends.
pub(super) struct Done {
    pub(super) code: LdapResultCode,
    pub(super) text: String,
    pub(super) matched: String,
    pub(super) controls: Vec<LdapControl>,
    pub(super) entries: usize,
}

impl Done {
    fn refused((code, text): Outcome) -> Self {
        Self {
            code,
            text,
            matched: String::new(),
            controls: Vec::new(),
            entries: 0,
        }
    }
}
