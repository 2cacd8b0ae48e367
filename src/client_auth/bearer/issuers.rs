//! The issuers whose tokens somebody takes, and where their keys are.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, Weak},
};

use serde::Deserialize;

use super::{
    issuer_keys::IssuerKeys,
    outgoing::{self, Answer, Outgoing},
    whatever,
};
use crate::{
    client_auth::{BearerConfig, TokenKeys},
    clock::Clock,
};

/// All issuers, each known once whoever trusts it. Outlives reloads.
pub(in crate::client_auth) struct Issuers {
    outgoing: Arc<Outgoing>,
    keys: Mutex<HashMap<KeySource, Weak<IssuerKeys>>>,
    clock: Arc<dyn Clock>,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum KeySource {
    /// This URL.
    Url(Box<str>),
    /// The URL that this issuer's metadata name (RFC 8414).
    MetadataOf(Box<str>),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) | Self::MetadataOf(url) => f.write_str(url),
        }
    }
}

impl KeySource {
    /// Where the keys for the tokens of `config` are.
    pub(super) fn of(config: &BearerConfig) -> Self {
        match &config.keys {
            TokenKeys::Jwks(url) => Self::Url(url.clone()),
            TokenKeys::Metadata | TokenKeys::Introspection { .. } => {
                Self::MetadataOf(config.issuer.clone())
            }
        }
    }
}

impl Issuers {
    /// None is known yet.
    pub(in crate::client_auth) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            outgoing: Arc::default(),
            keys: Mutex::default(),
            clock,
        }
    }

    pub(super) fn outgoing(&self) -> Arc<Outgoing> {
        Arc::clone(&self.outgoing)
    }

    /// The keys for the tokens of `config`.
    pub(super) fn keys(&self, config: &BearerConfig) -> Arc<IssuerKeys> {
        let source = KeySource::of(config);
        let mut all = whatever(self.keys.lock());
        all.retain(|_, keys| keys.strong_count() > 0);
        if let Some(known) = all.get(&source).and_then(Weak::upgrade) {
            return known;
        }
        let (outgoing, clock) = (self.outgoing(), Arc::clone(&self.clock));
        let keys = Arc::new(IssuerKeys::new(source.clone(), outgoing, clock));
        all.insert(source, Arc::downgrade(&keys));
        keys
    }
}

/// The key set, as it is answered.
pub(super) async fn fetch(outgoing: &Outgoing, source: &KeySource) -> Result<Answer, String> {
    let url = match source {
        KeySource::Url(url) => url.to_string(),
        KeySource::MetadataOf(issuer) => metadata(outgoing, issuer).await?,
    };
    let answer = outgoing.get(&url).await?;
    match answer.status.as_u16() {
        200 => Ok(answer),
        status => Err(format!("{url}: status {status}")),
    }
}

/// The members of the metadata that matter.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Where the issuer's metadata say that its keys are. RFC 8414 §3.1 puts the well-known
/// part before the issuer's path, OpenID Connect Discovery §4 behind it.
async fn metadata(outgoing: &Outgoing, issuer: &str) -> Result<String, String> {
    let mut url = outgoing::parse(issuer)?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    let first = url.to_string();
    let second = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let mut why = String::new();
    for url in [first, second] {
        match outgoing.get(&url).await {
            Ok(answer) if answer.status.as_u16() == 200 => {
                return read_metadata(&answer.body, issuer)
                    .map_err(|what| format!("{url}: {what}"));
            }
            Ok(answer) => why = format!("{url}: status {}", answer.status.as_u16()),
            Err(fault) => return Err(fault),
        }
    }
    Err(why)
}

fn read_metadata(text: &[u8], issuer: &str) -> Result<String, String> {
    let metadata: Metadata = serde_json::from_slice(text)
        .map_err(|_| "not an issuer's metadata with `issuer` and `jwks_uri`")?;
    // RFC 8414 §3.3: or somebody's metadata would speak for another.
    if metadata.issuer != issuer {
        return Err(format!(
            "the metadata are of another issuer: {:?}",
            metadata.issuer
        ));
    }
    outgoing::parse(&metadata.jwks_uri).map(|url| url.to_string())
}
