//! Which client is calling.

use std::{net::IpAddr, sync::Arc, time::Duration};

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};

use self::basic::{Basic, BasicSecret};
use crate::{clock::Deadline, tenant::Operations};

mod basic;
mod config;
mod verifier;

pub use self::{
    config::{BearerConfig, CertificateName, ClientConfig, Credential, ProxyConfig, TokenKeys},
    verifier::Verifier,
};

/// The clients of one tenant.
pub struct Clients {
    clients: Vec<Client>,
    basic: Basic,
    challenges: Vec<HeaderValue>,
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
    /// Its certificate (DER), if it showed one in the handshake.
    pub certificate: Option<Arc<[u8]>>,
}

/// What a call brings along to prove who it is from.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The other end of the connection.
    pub peer: &'a Peer,
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
}

impl NotAuthenticated {
    /// The word for it in log and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "credentials_missing",
            Self::Malformed => "credentials_malformed",
            Self::Wrong => "credentials_wrong",
            Self::Address => "client_address",
            Self::Throttled { .. } => "credentials_throttled",
            Self::Busy => "credentials_busy",
        }
    }

    /// True if our side or a backend broke.
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// What the operator is told beyond the reason.
    pub const fn detail(&self) -> Option<String> {
        None
    }
}

impl Clients {
    /// The clients that the configuration names, checked by `verifier`.
    pub fn new(configured: &[ClientConfig], verifier: &Arc<Verifier>) -> Self {
        let clients = configured
            .iter()
            .map(|client| Client {
                name: client.name.clone(),
                operations: client.operations,
                addresses: client.addresses.clone(),
            })
            .collect();
        let mut secrets = Vec::new();
        for (index, client) in configured.iter().enumerate() {
            for credential in &client.credentials {
                if let Credential::Basic {
                    username,
                    password_hash,
                } = credential
                {
                    secrets.push(BasicSecret::new(index, username, password_hash));
                }
            }
        }
        // RFC 7617 §2.1
        let challenge = HeaderValue::from_static("Basic realm=\"callotp\", charset=\"UTF-8\"");
        let challenges = if secrets.is_empty() {
            Vec::new()
        } else {
            vec![challenge]
        };
        Self {
            clients,
            basic: Basic::new(secrets, Arc::clone(verifier)),
            challenges,
        }
    }

    /// Says which client is calling, or why that is not known.
    pub async fn authenticate(
        &self,
        presented: &Presented<'_>,
        deadline: Deadline,
    ) -> Result<&Client, NotAuthenticated> {
        let index = self.index(presented, deadline).await?;
        let client = self.clients.get(index).ok_or(NotAuthenticated::Wrong)?;
        let address = presented.peer.address;
        match client.addresses.is_empty()
            || client
                .addresses
                .iter()
                .any(|range| range.contains(&address))
        {
            true => Ok(client),
            false => Err(NotAuthenticated::Address),
        }
    }

    async fn index(
        &self,
        presented: &Presented<'_>,
        deadline: Deadline,
    ) -> Result<usize, NotAuthenticated> {
        if !presented.headers.contains_key(AUTHORIZATION) {
            return Err(NotAuthenticated::Missing);
        }
        let header = single(presented.headers, &AUTHORIZATION);
        let header = header.ok_or(NotAuthenticated::Malformed)?.as_bytes();
        match scheme(header) {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case(b"basic") => {
                self.basic.authenticate(header, deadline).await
            }
            _ => Err(NotAuthenticated::Malformed),
        }
    }

    /// What a 401 asks for.
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.challenges
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
