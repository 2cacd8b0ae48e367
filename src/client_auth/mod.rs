//! Which client is calling.
//!
//! A client proves who it is by a name and a password ([`basic`]), an access token
//! ([`bearer`]) or a certificate ([`certificate`]), which it shows to us or to the reverse
//! proxy in front ([`forwarded`]). Any of a client's credentials will do. A call with an
//! `Authorization` header is judged by that header alone, and one without by its certificate.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};

use self::{
    basic::{Basic, BasicSecret},
    bearer::{Bearer, Issuers, Remembered},
    challenge::Challenges,
    limits::Limits,
};
use crate::{
    clock::{Clock, Deadline, Entropy, NoEntropy},
    tenant::{Operation, Operations},
};

mod basic;
mod bearer;
mod certificate;
mod challenge;
mod config;
mod distinguished_name;
pub mod forwarded;
mod limits;
mod once;
mod shares;
mod verifier;

pub use self::{
    bearer::{LEEWAY, Reached, TokenRefusal, reach_issuer},
    certificate::{ClientCertificate, NoCertificate},
    config::{BearerConfig, CertificateName, ClientConfig, Credential, ProxyConfig, TokenKeys},
    distinguished_name::{DistinguishedName, NoName},
    forwarded::Forwarded,
    once::OncePerSource,
    verifier::Verifier,
};

/// What all tenants' clients share, and what outlives a reload.
pub struct Context {
    verifier: Arc<Verifier>,
    limits: Arc<Limits>,
    issuers: Issuers,
    clock: Arc<dyn Clock>,
}

impl Context {
    /// Uses `cores` cores at most for passwords.
    pub fn new(
        cores: usize,
        entropy: &dyn Entropy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NoEntropy> {
        let verifier = Arc::new(Verifier::new(cores, entropy, Arc::clone(&clock))?);
        Ok(Self {
            limits: Arc::new(Limits::new(Arc::clone(&verifier), Arc::clone(&clock))),
            issuers: Issuers::new(Arc::clone(&clock)),
            verifier,
            clock,
        })
    }
}

/// The clients of one tenant.
pub struct Clients {
    clients: Vec<Client>,
    basic: Basic,
    bearer: Bearer,
    certificates: Vec<(CertificateName, usize)>,
    forwarded: Option<Arc<Forwarded>>,
    limits: Arc<Limits>,
    challenges: Challenges,
    clock: Arc<dyn Clock>,
}

/// A program that may call.
#[derive(Clone, Debug)]
pub struct Client {
    /// For the log.
    pub name: Box<str>,
    /// What it may ask for.
    pub operations: Operations,
    addresses: Vec<ipnet::IpNet>,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; an IPv4 address mapped into IPv6 is given as IPv4.
    pub address: IpAddr,
    /// Its certificate, if it showed one in the handshake.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What a call brings along to prove who it is from.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The other end of the connection.
    pub peer: &'a Peer,
    /// What it asks for: of several clients with one credential, the one is meant that may.
    pub operation: Operation,
}

/// Why it is not known which client is calling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthenticated {
    /// No credentials.
    #[error("no credentials")]
    Missing,
    /// Credentials that no scheme of ours can read, or several different ones.
    #[error("unreadable credentials")]
    Malformed,
    /// No client has these credentials.
    #[error("wrong credentials")]
    Wrong,
    /// A token that is no client's.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// A certificate that is no client's.
    #[error("no client has the certificate with {0}")]
    UnknownCertificate(Box<str>),
    /// A certificate outside its time.
    #[error("the certificate has expired or is not valid yet: {0}")]
    ExpiredCertificate(Box<str>),
    /// The right credentials from the wrong address.
    #[error("the client may not call from this address")]
    Address,
    /// Too many wrong credentials from this source.
    #[error("too many wrong credentials")]
    Throttled {
        /// When it may try again.
        remaining: Duration,
    },
    /// There are more credentials to look at than time to do it: a fault of ours.
    #[error("too many credentials to check at once")]
    Busy,
    /// A token's issuer does not answer, or not as it should: a fault.
    #[error("the token's issuer cannot say: {0}")]
    Issuer(String),
}

impl NotAuthenticated {
    /// The word for it in log and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "credentials_missing",
            Self::Malformed => "credentials_malformed",
            Self::Wrong => "credentials_wrong",
            Self::Token(TokenRefusal::Expired) => "token_expired",
            Self::Token(TokenRefusal::Scope) => "token_scope",
            Self::Token(_) => "token_wrong",
            Self::UnknownCertificate(_) => "certificate_unknown",
            Self::ExpiredCertificate(_) => "certificate_expired",
            Self::Address => "client_address",
            Self::Throttled { .. } => "credentials_throttled",
            Self::Busy => "credentials_busy",
            Self::Issuer(_) => "issuer_unavailable",
        }
    }

    /// True if our side or a backend broke.
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Busy | Self::Issuer(_))
    }

    /// What the operator is told beyond the reason. Holds no secret.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Token(why) => Some(why.to_string()),
            Self::UnknownCertificate(text) | Self::ExpiredCertificate(text) => {
                Some(text.to_string())
            }
            Self::Throttled { remaining } => Some(format!("{} s left", remaining.as_secs())),
            Self::Issuer(fault) => Some(fault.clone()),
            _ => None,
        }
    }
}

impl Clients {
    /// The clients that the configuration names.
    pub fn new(
        configured: &[ClientConfig],
        context: &Context,
        forwarded: Option<&Arc<Forwarded>>,
    ) -> Self {
        let clients = configured
            .iter()
            .map(|client| Client {
                name: client.name.clone(),
                operations: client.operations,
                addresses: client.addresses.clone(),
            })
            .collect();
        let (mut secrets, mut tokens, mut certificates) = (Vec::new(), Vec::new(), Vec::new());
        for (index, client) in configured.iter().enumerate() {
            for credential in &client.credentials {
                match credential {
                    Credential::Basic {
                        username,
                        password_hash,
                    } => secrets.push(BasicSecret::new(index, username, password_hash)),
                    Credential::Bearer(bearer) => tokens.push((index, bearer)),
                    Credential::Certificate(name) => certificates.push((name.clone(), index)),
                }
            }
        }
        let Context {
            verifier,
            limits,
            issuers,
            clock,
        } = context;
        let challenges = Challenges::new(!secrets.is_empty(), !tokens.is_empty());
        Self {
            clients,
            basic: Basic::new(secrets, Arc::clone(verifier), Arc::clone(limits)),
            bearer: Bearer::new(tokens, issuers, verifier, clock),
            certificates,
            forwarded: forwarded.cloned(),
            limits: Arc::clone(limits),
            challenges,
            clock: Arc::clone(clock),
        }
    }

    /// Begins to fetch what authentication will need.
    pub fn prepare(&self) {
        self.bearer.prepare();
    }

    /// Says which client is calling, or why that is not known.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        deadline: Deadline,
    ) -> Result<&Client, NotAuthenticated> {
        let client = match presented.headers.contains_key(AUTHORIZATION) {
            true => self.by_header(presented, deadline).await?,
            false => self.by_certificate(presented)?,
        };
        let address = presented.peer.address;
        let may_call_from_there = client.addresses.is_empty()
            || client
                .addresses
                .iter()
                .any(|range| range.contains(&address));
        match may_call_from_there {
            true => Ok(client),
            false => Err(NotAuthenticated::Address),
        }
    }

    async fn by_header(
        &self,
        presented: &Presented<'_>,
        deadline: Deadline,
    ) -> Result<&Client, NotAuthenticated> {
        let header = single(presented.headers, &AUTHORIZATION);
        let header = header.ok_or(NotAuthenticated::Malformed)?.as_bytes();
        let source = presented.peer.address;
        match scheme(header) {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case(b"basic") => {
                let index = self.basic.authenticate(header, source, deadline).await?;
                self.clients.get(index).ok_or(NotAuthenticated::Wrong)
            }
            Some((scheme, token))
                if scheme.eq_ignore_ascii_case(b"bearer") && self.bearer.is_used() =>
            {
                self.by_token(presented, header, token, deadline).await
            }
            _ => Err(NotAuthenticated::Malformed),
        }
    }

    async fn by_token(
        &self,
        presented: &Presented<'_>,
        header: &[u8],
        token: &[u8],
        deadline: Deadline,
    ) -> Result<&Client, NotAuthenticated> {
        let right = match self.bearer.remembered(header) {
            Some(right) => right,
            // Boxed: every call would carry the room for it, and few come here.
            None => Box::pin(self.judge(presented.peer.address, header, token, deadline)).await?,
        };
        let clients = right.clients(|| self.certificate(presented))?;
        self.meant(clients.iter().copied(), presented.operation)
            .ok_or(NotAuthenticated::Wrong)
    }

    /// Judges a token that is not remembered, no more often than the limits say.
    async fn judge(
        &self,
        source: IpAddr,
        header: &[u8],
        token: &[u8],
        deadline: Deadline,
    ) -> Result<Arc<Remembered>, NotAuthenticated> {
        let claimant = self.limits.claimant(source, None);
        self.limits.check(&claimant)?;
        let place = self.bearer.place(claimant.source(), deadline).await?;
        let attempt = self.limits.attempt(&claimant)?;
        let judged = self.bearer.authenticate(header, token, deadline).await;
        drop(place);
        match judged {
            Err(why) if !why.is_fault() => Err(attempt.was_wrong(why, deadline).await),
            other => other,
        }
    }

    fn by_certificate(&self, presented: &Presented<'_>) -> Result<&Client, NotAuthenticated> {
        if self.certificates.is_empty() {
            return Err(NotAuthenticated::Missing);
        }
        let certificate = self.certificate(presented)?;
        let certificate = certificate.ok_or(NotAuthenticated::Missing)?;
        let named = self.certificates.iter();
        let named = named.filter(|(name, _)| certificate.is_called(name));
        self.meant(named.map(|(_, index)| *index), presented.operation)
            .ok_or_else(|| NotAuthenticated::UnknownCertificate(certificate.to_string().into()))
    }

    /// The certificate that somebody has checked: the proxy in front, or our own handshake.
    fn certificate(
        &self,
        presented: &Presented<'_>,
    ) -> Result<Option<Arc<ClientCertificate>>, NotAuthenticated> {
        let peer = presented.peer;
        let passed_on = match &self.forwarded {
            Some(forwarded) => forwarded.certificate(presented.headers, peer.address)?,
            None => None,
        };
        let certificate = passed_on.map(Arc::new).or_else(|| peer.certificate.clone());
        match certificate {
            Some(old) if !old.is_valid_at(self.clock.now()) => {
                Err(NotAuthenticated::ExpiredCertificate(old.to_string().into()))
            }
            other => Ok(other),
        }
    }

    /// Of several clients with one credential, one that may do what is asked for.
    fn meant(
        &self,
        indices: impl Iterator<Item = usize> + Clone,
        operation: Operation,
    ) -> Option<&Client> {
        let mut clients = indices.clone().filter_map(|index| self.clients.get(index));
        let allowed = clients.find(|client| client.operations.contain(operation));
        allowed.or_else(|| self.clients.get(indices.clone().next()?))
    }

    /// What the answer to a call refused for `why` asks for (RFC 9110 §11.6.1).
    pub fn challenges(&self, why: &NotAuthenticated) -> &[HeaderValue] {
        self.challenges.after(why)
    }
}

/// True if an `Authorization` header could be somebody's, told by its form alone.
pub fn is_readable(header: &[u8]) -> bool {
    match scheme(header) {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case(b"basic") => basic::is_readable(header),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer") => {
            bearer::is_readable(token)
        }
        _ => false,
    }
}

/// The scheme of an `Authorization` header (any case, RFC 9110 §11.1), and what follows it.
fn scheme(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = header.split_at(end);
    Some((scheme, rest.trim_ascii()))
}

/// The value of a header that may be there several times if it is always the same: a
/// phone system that stacks its headers on the second request must not be thrown out.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}
