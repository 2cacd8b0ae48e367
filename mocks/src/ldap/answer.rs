//! The answer to each kind of request, and its line in the journal.

use std::io;

use ldap3_proto::{
    LdapMsg, LdapResultCode,
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
    session::{Next, Session},
    wire::{Body, Request},
};

/// A result and what it says.
pub(super) type Outcome = (LdapResultCode, String);

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
