//! The answer to each kind of request, and its line in the journal.

use std::io;

use ldap3_proto::{
    LdapMsg, LdapResultCode, LdapSearchResultReference,
    control::LdapControl,
    proto::{
        LdapBindCred, LdapBindRequest, LdapBindResponse, LdapCompareRequest, LdapExtendedRequest,
        LdapExtendedResponse, LdapOp, LdapResult, LdapSearchScope,
    },
};
use tokio::io::AsyncWrite;

use super::{
    Flavour,
    bind::{self, PolicyError},
    dn::Dn,
    fault::{self, Effect},
    flavour::oid,
    journal::{Kind, Record},
    output::Output,
    schema,
    search::{self, Selection},
    session::{Next, Rest, Session, message},
    wire::{Body, Request, Search},
};

/// How many paged searches of one connection can be under way.
const MAX_PAGED: usize = 16;

/// A result and what it says.
type Outcome = (LdapResultCode, String);

impl Session {
    /// Answers a request, as a fault has it if there is one.
    pub(super) async fn answer<S>(
        &mut self,
        request: Request,
        effect: Option<Effect>,
        out: &mut Output<'_, S>,
    ) -> io::Result<Next>
    where
        S: AsyncWrite + Unpin,
    {
        let mut next = Next::Continue;
        let (mut entries, mut controls, mut extension) = (None, Vec::new(), None);
        let mut matched = String::new();
        let (code, text) = match (&effect, &request.body) {
            (Some(Effect::Result(code)), Body::Search(search)) => {
                let shown = usize::from(*code == LdapResultCode::SizeLimitExceeded);
                entries = Some(self.show_first(request.id, search, shown, out).await?);
                (code.clone(), String::new())
            }
            (Some(Effect::Result(code)), _) => (code.clone(), String::new()),
            _ if has_unknown_critical(&request.controls, self.shared.settings.flavour) => {
                let text = "critical extension is not supported".to_owned();
                (LdapResultCode::UnavailableCriticalExtension, text)
            }
            (_, Body::Search(search)) => {
                let done = self.search(&request, search, effect.as_ref(), out).await?;
                entries = Some(done.entries);
                controls = done.controls;
                matched = done.matched;
                (done.code, done.text)
            }
            (_, Body::Other(LdapOp::BindRequest(bind))) => {
                let asks = |c: &LdapControl| matches!(c, LdapControl::PasswordPolicyRequest { .. });
                let policy_wanted = request.controls.iter().any(asks);
                let (outcome, policy) = self.bind(bind).await;
                if policy_wanted && self.shared.settings.flavour == Flavour::OpenLdap {
                    controls.push(policy_control(policy));
                }
                outcome
            }
            (_, Body::Other(LdapOp::CompareRequest(compare))) => self.compare(compare),
            (_, Body::Other(LdapOp::ExtendedRequest(asked))) => {
                let (outcome, value) = self.extended(asked);
                if asked.name == oid::START_TLS && outcome.0 == LdapResultCode::Success {
                    next = Next::StartTls;
                }
                extension = value;
                outcome
            }
            _ => {
                let text = "callotp-mock: the directory is changed through its library only";
                (LdapResultCode::UnwillingToPerform, text.to_owned())
            }
        };
        self.record(&request, Some(&code), entries, effect.as_ref());
        let referral = match code {
            LdapResultCode::Referral => {
                vec![format!(
                    "ldap://elsewhere.invalid/{}",
                    self.shared.settings.suffix
                )]
            }
            _ => Vec::new(),
        };
        let result = LdapResult {
            code,
            matcheddn: matched,
            message: text,
            referral,
        };
        let op = response(&request.body, result, extension);
        let done = LdapMsg {
            msgid: request.id,
            op,
            ctrl: controls,
        };
        if effect == Some(Effect::AnsweredTwice) {
            out.send(done.clone()).await?;
        }
        out.send(done).await?;
        Ok(next)
    }

    async fn bind(&mut self, request: &LdapBindRequest) -> (Outcome, Option<PolicyError>) {
        // Whatever comes of it, the connection is nobody's until then (RFC 4511 §4.2.1).
        self.bound = None;
        if request.version != 3 {
            let text = "requested protocol version not allowed".to_owned();
            return ((LdapResultCode::ProtocolError, text), None);
        }
        let LdapBindCred::Simple(password) = &request.cred else {
            let text = "only simple binds are understood".to_owned();
            return ((LdapResultCode::AuthMethodNotSupported, text), None);
        };
        let verdict = bind::bind(
            &self.shared,
            &request.dn,
            password.as_bytes(),
            self.encrypted,
        )
        .await;
        self.bound = verdict.bound;
        ((verdict.code, verdict.text), verdict.policy)
    }

    fn compare(&self, request: &LdapCompareRequest) -> Outcome {
        let bare = |code| (code, String::new());
        if !self.may_search() {
            return self.shared.settings.flavour.wants_bind();
        }
        let Ok(dn) = Dn::parse(&request.dn) else {
            return (LdapResultCode::InvalidDNSyntax, "invalid DN".to_owned());
        };
        let tree = self.shared.tree();
        let Some(entry) = tree.named(&dn) else {
            return bare(LdapResultCode::NoSuchObject);
        };
        let key = schema::key(&request.atype);
        let Some(attribute) = entry.attribute(&key) else {
            return bare(LdapResultCode::NoSuchAttribute);
        };
        let Some(asserted) = schema::syntax(tree.flavour(), &key).normal(&request.val) else {
            return bare(LdapResultCode::InvalidAttributeSyntax);
        };
        let equal = attribute
            .values
            .iter()
            .any(|v| v.normal.as_ref() == Some(&asserted));
        bare(if equal {
            LdapResultCode::CompareTrue
        } else {
            LdapResultCode::CompareFalse
        })
    }

    fn extended(&self, request: &LdapExtendedRequest) -> (Outcome, Option<Vec<u8>>) {
        let success = (LdapResultCode::Success, String::new());
        match (request.name.as_str(), self.shared.settings.flavour) {
            (oid::START_TLS, _) if self.encrypted => {
                let text = "TLS already started".to_owned();
                ((LdapResultCode::OperationsError, text), None)
            }
            (oid::START_TLS, _) => (success, None),
            (oid::WHO_AM_I, Flavour::OpenLdap) => {
                let name = self.bound.as_ref().map(|name| format!("dn:{name}"));
                (success, Some(name.unwrap_or_default().into_bytes()))
            }
            (name, _) => {
                let text = format!("Extended Operation({name}) not supported");
                ((LdapResultCode::ProtocolError, text), None)
            }
        }
    }

    fn may_search(&self) -> bool {
        self.shared.settings.anonymous_search || self.bound.is_some()
    }

    async fn search<S>(
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
    async fn show_first<S>(
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

    /// Writes a request and its result into the journal.
    pub(super) fn record(
        &self,
        request: &Request,
        result: Option<&LdapResultCode>,
        entries: Option<usize>,
        effect: Option<&Effect>,
    ) {
        let (kind, name) = match &request.body {
            Body::Search(search) => (Kind::Search, search.base.clone()),
            Body::Other(LdapOp::BindRequest(bind)) => (Kind::Bind, bind.dn.clone()),
            Body::Other(LdapOp::CompareRequest(compare)) => (Kind::Compare, compare.dn.clone()),
            Body::Other(LdapOp::ExtendedRequest(asked)) => (Kind::Extended, asked.name.clone()),
            Body::Other(_) => (Kind::Write, String::new()),
        };
        let (scope, filter, attributes) = match &request.body {
            Body::Search(search) => {
                let filter = Some(search.filter.to_string());
                (
                    Some(scope_name(&search.scope)),
                    filter,
                    search.attributes.clone(),
                )
            }
            Body::Other(LdapOp::CompareRequest(compare)) => {
                (None, Some(compare.atype.clone()), Vec::new())
            }
            Body::Other(_) => (None, None, Vec::new()),
        };
        self.shared.journal.add(Record {
            id: 0,
            at: (self.shared.clock)(),
            connection: self.connection,
            encrypted: self.encrypted,
            kind,
            name,
            scope,
            filter,
            attributes,
            result: result.map(fault::result_name),
            entries,
            fault: effect.map(Effect::to_string),
        });
    }
}

/// One page of a search's answer.
struct Page {
    entries: Vec<std::sync::Arc<super::entry::Entry>>,
    is_last: bool,
    done: Done,
}

/// How a search ends.
struct Done {
    code: LdapResultCode,
    text: String,
    matched: String,
    controls: Vec<LdapControl>,
    entries: usize,
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

fn response(body: &Body, res: LdapResult, extension: Option<Vec<u8>>) -> LdapOp {
    match body {
        Body::Search(_) => LdapOp::SearchResultDone(res),
        Body::Other(LdapOp::BindRequest(_)) => LdapOp::BindResponse(LdapBindResponse {
            res,
            saslcreds: None,
        }),
        Body::Other(LdapOp::CompareRequest(_)) => LdapOp::CompareResult(res),
        Body::Other(LdapOp::ModifyRequest(_)) => LdapOp::ModifyResponse(res),
        Body::Other(LdapOp::AddRequest(_)) => LdapOp::AddResponse(res),
        Body::Other(LdapOp::DelRequest(_)) => LdapOp::DelResponse(res),
        Body::Other(LdapOp::ModifyDNRequest(_)) => LdapOp::ModifyDNResponse(res),
        Body::Other(_) => LdapOp::ExtendedResponse(LdapExtendedResponse {
            res,
            name: None,
            value: extension,
        }),
    }
}

/// SEQUENCE { error [1] ENUMERATED }, or an empty one.
fn policy_control(error: Option<PolicyError>) -> LdapControl {
    let value = match error {
        Some(error) => vec![0x30, 0x03, 0x81, 0x01, error as u8],
        None => vec![0x30, 0x00],
    };
    let oid = oid::PASSWORD_POLICY.to_owned();
    LdapControl::Unknown {
        oid,
        criticality: false,
        value: Some(value),
    }
}

/// RFC 4511 §4.1.11: a critical control that is not known stops the operation.
fn has_unknown_critical(controls: &[LdapControl], flavour: Flavour) -> bool {
    controls.iter().any(|control| match control {
        LdapControl::Unknown {
            oid, criticality, ..
        } => *criticality && !(flavour == Flavour::Ad && oid == oid::DOMAIN_SCOPE),
        LdapControl::SyncRequest { criticality, .. } => *criticality,
        LdapControl::ShowDeleted { criticality } => *criticality && flavour == Flavour::OpenLdap,
        LdapControl::AdDirsync { .. } => true,
        _ => false,
    })
}

fn scope_name(scope: &LdapSearchScope) -> &'static str {
    match scope {
        LdapSearchScope::Base => "base",
        LdapSearchScope::OneLevel => "one",
        LdapSearchScope::Subtree => "sub",
        LdapSearchScope::Children => "children",
    }
}
