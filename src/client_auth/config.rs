//! What the configuration says of clients, and of the proxy in front of us.

use ipnet::IpNet;

use super::DistinguishedName;
use crate::{secret::Secret, tenant::Operations};

/// `[[tenant.client]]`
#[derive(Clone)]
pub struct ClientConfig {
    /// For the log.
    pub name: Box<str>,
    /// A subset of the tenant's.
    pub operations: Operations,
    /// Where the client may call from; anywhere if empty.
    pub addresses: Vec<IpNet>,
    /// How it proves who it is, at least one; any of them will do.
    pub credentials: Vec<Credential>,
}

/// One way for a client to prove who it is.
#[derive(Clone)]
pub enum Credential {
    /// RFC 7617.
    Basic {
        /// Without a colon.
        username: Box<str>,
        /// `$argon2id$...`, a well-formed PHC string.
        password_hash: Box<str>,
    },
    /// RFC 6750.
    Bearer(BearerConfig),
    /// RFC 8705.
    Certificate(CertificateName),
}

/// `bearer = {...}`
#[derive(Clone)]
pub struct BearerConfig {
    /// `iss`, exactly.
    pub issuer: Box<str>,
    /// What `aud` must hold.
    pub audience: Option<Box<str>>,
    /// What `scope` must hold.
    pub scope: Option<Box<str>>,
    /// Which of the issuer's subjects or clients this client is (`sub`, `client_id` or `azp`).
    pub client: Option<Box<str>>,
    /// Accept a JWT whose `typ` is not `at+jwt` (RFC 9068 §4).
    pub any_type: bool,
    /// Where the keys come from.
    pub keys: TokenKeys,
}

/// How a token is judged.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenKeys {
    /// A JWT, by keys from this URL.
    Jwks(Box<str>),
    /// A JWT, by keys whose URL the issuer's metadata tell (RFC 8414).
    Metadata,
    /// By asking the issuer (RFC 7662).
    Introspection {
        /// Where.
        url: Box<str>,
        /// As whom.
        client_id: Box<str>,
        /// With what.
        client_secret: Secret,
    },
}

/// How a client's certificate is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// SHA-256 of the DER encoding.
    Sha256([u8; 32]),
    /// The subject.
    Subject(DistinguishedName),
    /// A DNS name among the subject's alternative names.
    Dns(Box<str>),
}

/// `[server.proxy]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// The peers whose header is believed.
    pub trusted: Vec<IpNet>,
    /// The header that carries the client's certificate, in lower case.
    pub client_certificate_header: Option<Box<str>>,
}
