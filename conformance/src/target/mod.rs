//! The deployment to be judged, as meant: every part checked.

mod file;
mod reference;

use std::path::PathBuf;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;

use crate::{
    catalogue::Profile,
    contract,
    secret::{Number, Secret},
};

pub use file::{TEMPLATE, Written, WrittenAuth, WrittenBasic, WrittenOther, WrittenValidate};
pub(crate) use file::{duration, toml_error};
pub use reference::Reference;

/// What is wrong with a description of a target: where, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(pub(crate) String);

/// Where a deployment listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Is it reached over TLS?
    pub tls: bool,
    /// The host, without brackets around an IPv6 address.
    pub host: String,
    /// The port, the scheme's own when none is written.
    pub port: u16,
    /// What precedes `/api/authentication/`; empty, or begins with a slash and ends without.
    pub prefix: String,
}

/// How the deployment knows its clients.
#[derive(Clone)]
pub enum Auth {
    /// A username and a password (RFC 7617).
    Basic {
        /// The username.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// A token (RFC 6750).
    Bearer(Secret),
    /// A client certificate.
    Certificate(ClientCertificate),
    /// By the network they come from: nothing is sent.
    Network,
}

/// A client certificate and its key.
pub struct ClientCertificate {
    /// The certificate, its issuers after it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for ClientCertificate {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// A second tenant of the deployment, and a number that is known there.
#[derive(Clone)]
pub struct OtherTenant {
    /// Its id.
    pub id: String,
    /// A number known there and not in the target's own tenant.
    pub known: Number,
}

/// What the validate clauses need.
#[derive(Clone)]
pub struct Validate {
    /// The operation that validates.
    pub operation: String,
    /// The user whose number is the known one.
    pub username: Secret,
    /// That user's password; absent when the operation asks for none.
    pub password: Option<Secret>,
    /// Another user of the same tenant, with a password.
    pub other: Option<(Secret, Option<Secret>)>,
    /// How long an OTP lives.
    pub lifetime: Option<std::time::Duration>,
}

/// A deployment and the data to judge it with.
#[derive(Clone)]
pub struct Target {
    /// Where it listens.
    pub url: BaseUrl,
    /// The value of the `tenant` header.
    pub tenant: String,
    /// How it knows its clients.
    pub auth: Auth,
    /// A number of a test user: its pending OTP will be replaced.
    pub known: Number,
    /// A number nobody has.
    pub unknown: Number,
    /// Further spellings of the known number.
    pub spellings: Vec<Number>,
    /// A second tenant.
    pub other_tenant: Option<OtherTenant>,
    /// An operation that exists and is not on the tenant's list.
    pub other_operation: Option<String>,
    /// What the validate clauses need.
    pub validate: Option<Validate>,
    /// Is it in production?
    pub production: bool,
    /// The profile it asks for.
    pub profile: Profile,
    /// The authorities its certificate is checked against; the system's own when empty.
    pub ca: Vec<CertificateDer<'static>>,
    /// The file that described it.
    pub file: Option<PathBuf>,
}

/// A target as a report names it: nothing secret.
#[derive(Clone, Debug, Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct Described {
    /// Its address.
    pub url: String,
    /// The value of the `tenant` header.
    pub tenant: String,
    /// The profile of the run.
    pub profile: Profile,
    /// The file that described it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl BaseUrl {
    /// Reads `http://host[:port][/prefix]`; the document's own path after it is taken off.
    ///
    /// # Errors
    /// When it is no such address, or holds credentials.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let wrong = |why: &str| TargetError(format!("url: {why}"));
        let url = reqwest::Url::parse(text.trim())
            .map_err(|error| wrong(&format!("{error}; write https://host or https://host:port")))?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(wrong(&format!(
                    "{other}:// is not spoken here; http or https is"
                )));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "it holds credentials; use --basic USER:env:NAME instead",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a query or a fragment has no meaning here"));
        }
        let host = url.host_str().ok_or_else(|| wrong("it names no host"))?;
        let path = url.path().trim_end_matches('/');
        let prefix = match path.find(contract::PATH_PREFIX.trim_end_matches('/')) {
            Some(at) => &path[..at],
            None => path,
        };
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url
                .port_or_known_default()
                .ok_or_else(|| wrong("it names no port"))?,
            prefix: prefix.to_owned(),
        })
    }

    /// The value of the `Host` header (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let usual = if self.tls { 443 } else { 80 };
        match self.port == usual {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    /// The path of an operation.
    pub fn path(&self, operation: &str) -> String {
        format!("{}{}{operation}", self.prefix, contract::PATH_PREFIX)
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl Target {
    /// How a report names it in a run of `profile`.
    pub fn described(&self, profile: Profile) -> Described {
        Described {
            url: self.url.to_string(),
            tenant: self.tenant.clone(),
            profile,
            file: self.file.as_ref().map(|file| file.display().to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
