//! One call: routed, answered, and written down in one log line.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, Version,
    body::Body,
    header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
    http::{request::Parts, uri},
};

use self::{
    record::{Call, LastDigits, Ledger, Level, Outcome, RequestIds},
    refusal::Refusal,
};
use crate::{
    client_auth::{Client, Clients, Peer, Presented, single},
    clock::{Clock, Deadline},
    otp::{Authority, validate::PasswordRule},
    tenant::{Operation, Operations},
};

mod body;
mod get_otp;
pub mod record;
mod refusal;
mod validate;

/// How refusals look to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// As the document says: 403, whatever the reason.
    Documented,
    /// With the status that HTTP has for the reason.
    Http,
}

/// Answers calls. One value is one configuration; a reload makes another.
pub struct Http {
    /// How refusals look.
    pub refusals: Refusals,
    /// Serve POST like PUT.
    pub accept_post: bool,
    /// Bytes of a request body.
    pub max_body: usize,
    /// For the whole answer.
    pub request_timeout: Duration,
    /// By the value of the `tenant` header.
    pub tenants: HashMap<Box<str>, Tenant>,
    /// Whose secrets a call under an unknown tenant is compared with, in vain.
    pub strangers: Clients,
    /// Names the calls.
    pub ids: Arc<RequestIds>,
    /// Takes the log lines.
    pub ledger: Arc<dyn Ledger>,
    /// Dates them.
    pub clock: Arc<dyn Clock>,
}

/// One tenant, as calls see it.
pub struct Tenant {
    /// What is served at all.
    pub operations: Operations,
    /// Who may call.
    pub clients: Clients,
    /// Issues and validates.
    pub authority: Authority,
}

/// Marks a request after which it is not certain where the next one begins
/// (RFC 9112 §11.2): it is refused, and the connection closed.
#[derive(Clone, Copy, Debug)]
pub struct AmbiguousFraming;

/// What is known of a call so far, for the log line.
#[derive(Default)]
struct Known<'a> {
    operation: Option<Operation>,
    tenant: Option<&'a str>,
    client: Option<&'a str>,
    user: Option<Box<str>>,
    number: Option<LastDigits>,
}

/// Where the document puts the operations.
const PREFIX: &str = "/api/authentication/";

const TENANT: HeaderName = HeaderName::from_static("tenant");

impl Http {
    /// Begins to fetch what the first calls will need.
    pub fn prepare(&self) {
        for tenant in self.tenants.values() {
            tenant.clients.prepare();
        }
    }

    /// Answers one call, in the time for one, and writes it down.
    pub async fn answer<B>(&self, request: Request<B>, peer: &Peer) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (at, start) = (self.clock.now(), tokio::time::Instant::now());
        let id = self.ids.next();
        let mut known = Known::default();
        // Time is kept back to say no in: the caller must not wait longer than this.
        let deadline = Deadline::after(start, self.request_timeout.mul_f32(0.9));
        let (parts, body) = request.into_parts();
        let whole = self.whole(&parts, body, peer, deadline, &mut known);
        let result = match tokio::time::timeout_at(
            start + self.request_timeout.mul_f32(0.95),
            whole,
        )
        .await
        {
            Ok(result) => result,
            Err(_) => Err(Refusal::TimedOut),
        };
        let (answer, outcome, detail, reason, level) = match result {
            Ok(body) => {
                let outcome = match known.operation {
                    Some(Operation::GetOtp) => Outcome::Issued,
                    _ => Outcome::Validated,
                };
                (granted(body), outcome, None, None, Level::Info)
            }
            Err(refusal) => {
                let challenges = self.challenges(known.tenant, &refusal);
                let answer = refusal.answer(self.refusals, known.operation, id, challenges);
                let outcome = match refusal.is_fault() {
                    true => Outcome::Fault,
                    false => Outcome::Refused,
                };
                (
                    answer,
                    outcome,
                    refusal.detail(),
                    Some(refusal.reason()),
                    refusal.level(),
                )
            }
        };
        self.ledger.note(&Call {
            at,
            level,
            id,
            from: peer.address,
            operation: known.operation,
            tenant: known.tenant,
            client: known.client,
            outcome,
            reason,
            detail: detail.as_deref(),
            status: answer.status().as_u16(),
            user: known.user.as_deref(),
            number: known.number,
            took: start.elapsed(),
        });
        answer
    }

    /// From the request's head to the body of a 200.
    async fn whole<'a, B>(
        &'a self,
        request: &Parts,
        body: B,
        peer: &Peer,
        deadline: Deadline,
        known: &mut Known<'a>,
    ) -> Result<String, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        known.operation = operation(request.uri.path());
        if request.extensions.get::<AmbiguousFraming>().is_some() {
            return Err(Refusal::Framing);
        }
        if !has_host(request) {
            return Err(Refusal::Host);
        }
        let operation = known.operation.ok_or(Refusal::UnknownPath)?;
        self.check_method(&request.method)?;
        let presented = Presented {
            headers: &request.headers,
            peer,
            operation,
        };
        let (tenant, client) = self.who_calls(&presented, deadline, known).await?;
        if !tenant.operations.contain(operation) {
            return Err(Refusal::OperationOfTenant);
        }
        if !client.operations.contain(operation) {
            return Err(Refusal::OperationOfClient);
        }
        if !is_json(&request.headers) {
            return Err(Refusal::ContentType);
        }
        let body = body::read(body, self.max_body, deadline).await?;
        let authority = &tenant.authority;
        match operation {
            Operation::GetOtp => get_otp::get_otp(authority, &body, deadline, known).await,
            Operation::Validate => {
                let rule = authority.validate.password;
                validate::validate(authority, rule, &body, deadline, known).await
            }
            Operation::OtpTokenAuth => {
                validate::validate(authority, PasswordRule::Ignored, &body, deadline, known).await
            }
        }
    }

    fn check_method(&self, method: &Method) -> Result<(), Refusal> {
        match *method {
            Method::PUT => Ok(()),
            Method::POST if self.accept_post => Ok(()),
            _ => Err(Refusal::Method {
                allowed: if self.accept_post { "PUT, POST" } else { "PUT" },
            }),
        }
    }

    /// The tenant that the header names, and which of its clients is calling. Under an
    /// unknown tenant the credentials are looked at as long as under a known one.
    async fn who_calls<'a>(
        &'a self,
        presented: &Presented<'_>,
        deadline: Deadline,
        known: &mut Known<'a>,
    ) -> Result<(&'a Tenant, &'a Client), Refusal> {
        let id = single(presented.headers, &TENANT)
            .filter(|id| !id.is_empty())
            .ok_or(Refusal::TenantHeader)?;
        let tenant = std::str::from_utf8(id.as_bytes())
            .ok()
            .and_then(|id| self.tenants.get_key_value(id));
        let Some((id, tenant)) = tenant else {
            let _ = self.strangers.authenticate(presented, deadline).await;
            return Err(Refusal::UnknownTenant);
        };
        known.tenant = Some(id);
        let client = tenant
            .clients
            .authenticate(presented, deadline)
            .await
            .map_err(Refusal::Client)?;
        known.client = Some(&client.name);
        Ok((tenant, client))
    }

    fn challenges(&self, tenant: Option<&str>, refusal: &Refusal) -> &[HeaderValue] {
        let tenant = tenant.and_then(|id| self.tenants.get(id));
        match (tenant, refusal) {
            (Some(tenant), Refusal::Client(why)) => tenant.clients.challenges(why),
            _ => &[],
        }
    }
}

/// The operation that a path names; one document ends it with a slash, others do not.
fn operation(path: &str) -> Option<Operation> {
    let name = path.strip_prefix(PREFIX)?;
    Operation::named(name.strip_suffix('/').unwrap_or(name))
}

/// True if the request says once whom it is for; before HTTP/1.1 and after it need not, since
/// HTTP/2 says it elsewhere (RFC 9112 §3.2).
fn has_host(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version != Version::HTTP_11,
        (Some(host), None) => {
            let host = host.as_bytes();
            host.is_empty() || (!host.contains(&b'@') && uri::Authority::try_from(host).is_ok())
        }
        (Some(_), Some(_)) => false,
    }
}

/// True for `application/json`, with or without parameters (RFC 9110 §8.3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = single(headers, &CONTENT_TYPE) else {
        return false;
    };
    let value = value.as_bytes();
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or(value);
    media_type
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

fn granted(body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
