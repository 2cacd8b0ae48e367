//! Access tokens (RFC 6750): JWTs judged by their issuer's keys, and any token by asking
//! the issuer.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use subtle::ConstantTimeEq as _;
use tokio::sync::SemaphorePermit;

use self::{
    claims::{Claims, Wanted},
    introspection::Introspection,
    issuer_keys::IssuerKeys,
    jwt::Jwt,
    recent::Recent,
};
use super::{
    BearerConfig, NotAuthenticated, TokenKeys, Verifier, certificate::ClientCertificate,
    shares::Shares,
};
use crate::clock::{Clock, Deadline, Timestamp};

mod claims;
mod introspection;
mod issuer_keys;
mod issuers;
mod jwt;
mod outgoing;
mod reach;
mod recent;

pub(super) use self::issuers::Issuers;
pub use self::{
    claims::TokenRefusal,
    reach::{Reached, reach_issuer},
};

/// All access tokens of one tenant.
pub(super) struct Bearer {
    issuers: Vec<Issuer>,
    /// Tokens that were right, under a keyed digest. A token in here costs no signature.
    remembered: Recent<Remembered>,
    /// Of this tenant alone: another one's slow issuer is not felt here.
    shares: Shares,
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
}

/// One issuer, one way of judging its tokens, and which clients may have them.
struct Issuer {
    name: Box<str>,
    judge: Judge,
    grants: Vec<Grant>,
}

enum Judge {
    Keys(Arc<IssuerKeys>),
    Asking(Introspection),
}

/// What a token must say to be a client's.
struct Grant {
    client: usize,
    wanted: Wanted,
}

/// A token that was right.
pub(super) struct Remembered {
    /// Whose it is; several clients may share an issuer and differ in what they may do.
    clients: Box<[usize]>,
    /// The certificate that it is bound to.
    bound_to: Option<[u8; 32]>,
    until: Timestamp,
    /// Which issuer said so, and by which generation of its keys.
    issuer: usize,
    generation: u64,
}

/// Tokens that are remembered, at least; when there are more, those that are not used are
/// forgotten.
const REMEMBERED: usize = 5_000;

/// Clocks differ by so much; a token may be as much too old or too young.
pub const LEEWAY: Duration = Duration::from_secs(30);

impl Bearer {
    /// The tokens of the clients at these indices.
    pub(super) fn new(
        configured: Vec<(usize, &BearerConfig)>,
        issuers: &Issuers,
        verifier: &Arc<Verifier>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let mut known: Vec<(&BearerConfig, Issuer)> = Vec::new();
        for (client, config) in configured {
            let wanted = Wanted::new(config);
            let grant = Grant { client, wanted };
            let same = known
                .iter_mut()
                .find(|(other, _)| other.issuer == config.issuer && other.keys == config.keys);
            match same {
                Some((_, issuer)) => issuer.grants.push(grant),
                None => known.push((
                    config,
                    Issuer {
                        name: config.issuer.clone(),
                        judge: Judge::new(config, issuers, clock),
                        grants: vec![grant],
                    },
                )),
            }
        }
        Self {
            issuers: known.into_iter().map(|(_, issuer)| issuer).collect(),
            remembered: Recent::new(REMEMBERED),
            shares: Shares::default(),
            verifier: Arc::clone(verifier),
            clock: Arc::clone(clock),
        }
    }

    pub(super) fn is_used(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// Fetches what will be needed, so that the first call does not wait for it.
    pub(super) fn prepare(&self) {
        for issuer in &self.issuers {
            match &issuer.judge {
                Judge::Keys(keys) => keys.prepare(),
                Judge::Asking(asking) => asking.prepare(),
            }
        }
    }

    /// The clients whose token this is, if it was right a moment ago.
    pub(super) fn remembered(&self, header: &[u8]) -> Option<Arc<Remembered>> {
        let remembered = self.remembered.get(&self.verifier.digest(header))?;
        let now = self.clock.now();
        let is_current = now < remembered.until
            && match &self.issuers.get(remembered.issuer)?.judge {
                Judge::Keys(keys) => keys.generation(now) == remembered.generation,
                Judge::Asking(_) => true,
            };
        is_current.then_some(remembered)
    }

    /// A place among the tokens of `source` that are judged or wait for it, where an issuer
    /// may have to be asked; keys are fetched once for all who wait for them.
    pub(super) async fn place(
        &self,
        source: u64,
        deadline: Deadline,
    ) -> Result<Option<SemaphorePermit<'_>>, NotAuthenticated> {
        let is_asking = |issuer: &Issuer| matches!(issuer.judge, Judge::Asking(_));
        match self.issuers.iter().any(is_asking) {
            true => self.shares.place(source, deadline).await.map(Some),
            false => Ok(None),
        }
    }

    /// The clients whose token this is.
    pub(super) async fn authenticate(
        &self,
        header: &[u8],
        token: &[u8],
        deadline: Deadline,
    ) -> Result<Arc<Remembered>, NotAuthenticated> {
        let token = token_text(token).ok_or(TokenRefusal::Malformed)?;
        let remembered = Arc::new(self.judge(token, deadline).await?);
        if self.clock.now() < remembered.until {
            let digest = self.verifier.digest(header);
            self.remembered.insert(digest, Arc::clone(&remembered));
        }
        Ok(remembered)
    }

    /// A JWT goes to the issuer that it names and to no other; what is none can only be
    /// asked about.
    async fn judge(&self, token: &str, deadline: Deadline) -> Result<Remembered, NotAuthenticated> {
        let jwt = Jwt::parse(token);
        let named = jwt.as_ref().ok().and_then(Jwt::issuer);
        let mut why = match &jwt {
            Ok(_) => TokenRefusal::Issuer,
            Err(why) => *why,
        };
        let mut fault = None;
        for (index, issuer) in self.issuers.iter().enumerate() {
            let judged = match (&issuer.judge, &jwt) {
                (Judge::Keys(keys), Ok(jwt)) if named == Some(&*issuer.name) => {
                    self.by_keys(index, issuer, keys, jwt, deadline).await
                }
                (Judge::Asking(asking), _) if named.is_none_or(|name| *name == *issuer.name) => {
                    self.by_asking(index, issuer, asking, token, deadline).await
                }
                _ => continue,
            };
            match judged {
                Err(NotAuthenticated::Token(refusal)) => why = refusal,
                Err(other) => fault = Some(other),
                Ok(remembered) => return Ok(remembered),
            }
        }
        Err(fault.unwrap_or(NotAuthenticated::Token(why)))
    }

    async fn by_keys(
        &self,
        index: usize,
        issuer: &Issuer,
        keys: &Arc<IssuerKeys>,
        jwt: &Jwt<'_>,
        deadline: Deadline,
    ) -> Result<Remembered, NotAuthenticated> {
        let algorithm = jwt.algorithm();
        let candidates = keys.candidates(jwt.key_id(), algorithm, deadline).await?;
        if candidates.keys.is_empty() {
            return Err(TokenRefusal::Key.into());
        }
        if !candidates.keys.iter().any(|key| jwt.is_signed_by(key)) {
            return Err(TokenRefusal::Signature.into());
        }
        let claims = jwt.claims();
        let now = self.clock.now();
        let expires = claims.expires().ok_or(TokenRefusal::Expired)?;
        claims.check_time(now)?;
        let clients = granted(issuer, claims, jwt.is_access_token())?;
        Ok(Remembered {
            clients,
            bound_to: claims.bound_to()?,
            until: expires,
            issuer: index,
            generation: candidates.generation,
        })
    }

    async fn by_asking(
        &self,
        index: usize,
        issuer: &Issuer,
        asking: &Introspection,
        token: &str,
        deadline: Deadline,
    ) -> Result<Remembered, NotAuthenticated> {
        let digest = self.verifier.digest(token.as_bytes());
        let verdict = asking.ask(digest, token, deadline).await?;
        let claims = verdict.claims.as_ref().ok_or(TokenRefusal::Inactive)?;
        if claims.issuer().is_some_and(|name| *name != *issuer.name) {
            return Err(TokenRefusal::Issuer.into());
        }
        claims.check_time(self.clock.now())?;
        let clients = granted(issuer, claims, true)?;
        Ok(Remembered {
            clients,
            bound_to: claims.bound_to()?,
            until: claims
                .expires()
                .map_or(verdict.until, |expires| expires.min(verdict.until)),
            issuer: index,
            generation: 0,
        })
    }
}

impl Judge {
    fn new(config: &BearerConfig, issuers: &Issuers, clock: &Arc<dyn Clock>) -> Self {
        match &config.keys {
            TokenKeys::Jwks(_) | TokenKeys::Metadata => Self::Keys(issuers.keys(config)),
            TokenKeys::Introspection {
                url,
                client_id,
                client_secret,
            } => Self::Asking(Introspection::new(
                url.clone(),
                client_id.clone(),
                client_secret.clone(),
                issuers.outgoing(),
                Arc::clone(clock),
            )),
        }
    }
}

impl Remembered {
    /// Whose token it is. A token that is bound to a certificate is nobody's without it
    /// (RFC 8705 §3).
    pub(super) fn clients(
        &self,
        certificate: impl FnOnce() -> Result<Option<Arc<ClientCertificate>>, NotAuthenticated>,
    ) -> Result<&[usize], NotAuthenticated> {
        if let Some(bound_to) = &self.bound_to {
            let certificate = certificate()?.ok_or(TokenRefusal::Binding)?;
            if !bool::from(certificate.thumbprint().ct_eq(bound_to)) {
                return Err(TokenRefusal::Binding.into());
            }
        }
        Ok(&self.clients)
    }
}

/// The clients that may have a token with these claims, or what kept the likeliest from it.
fn granted(
    issuer: &Issuer,
    claims: &Claims,
    is_access_token: bool,
) -> Result<Box<[usize]>, TokenRefusal> {
    let mut clients = Vec::new();
    let mut nearest = TokenRefusal::Issuer;
    for grant in &issuer.grants {
        match grant.wanted.check(claims, is_access_token) {
            Ok(()) if clients.contains(&grant.client) => {}
            Ok(()) => clients.push(grant.client),
            Err(why) => nearest = nearest.max(why),
        }
    }
    match clients.is_empty() {
        true => Err(nearest),
        false => Ok(clients.into()),
    }
}

/// True if the token is a JWT that somebody might have signed.
pub(super) fn is_readable(token: &[u8]) -> bool {
    token_text(token).is_some_and(|token| Jwt::parse(token).is_ok())
}

/// `b64token` (RFC 6750 §2.1).
fn token_text(token: &[u8]) -> Option<&str> {
    let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    let text = std::str::from_utf8(token).ok()?;
    (!token.is_empty() && token.iter().all(is_known)).then_some(text)
}

/// A lock whose holder panicked guards nothing that could be half done here.
fn whatever<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
