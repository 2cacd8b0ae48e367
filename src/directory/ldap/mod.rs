//! The adapter to LDAP servers, Active Directory included.

use std::{path::PathBuf, time::Duration};

use crate::secret::Secret;

mod circuit;
mod dial;
mod entry;
mod guard;
mod message;
mod outcome;
mod question;
mod server;
mod server_url;
mod servers;
mod trust;

pub use server_url::{BadUrl, ServerUrl};
pub use trust::NoTrust;

/// `[tenant.directory]` with `kind = "ldap"`.
#[derive(Clone)]
pub struct LdapConfig {
    /// In the order in which they are tried.
    pub urls: Vec<String>,
    /// Ask for TLS on `ldap://`.
    pub start_tls: bool,
    /// PEM; the system's roots if absent.
    pub ca: Option<PathBuf>,
    /// The service user; anonymous if absent.
    pub bind_dn: Option<Box<str>>,
    /// Its password.
    pub bind_password: Option<Secret>,
}

/// How a number finds its user in LDAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// One question per call.
    Search,
    /// All numbers in memory.
    Index {
        /// How often changes are asked for.
        refresh: Duration,
    },
}
