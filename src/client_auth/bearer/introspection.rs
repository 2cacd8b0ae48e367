//! Asking the issuer what a token is worth (RFC 7662).

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{
    claims::Claims,
    outgoing::{Answer, Outgoing, form_encoded},
};
use crate::{
    client_auth::NotAuthenticated,
    clock::{Clock, Deadline, Timestamp},
    secret::Secret,
};

/// How long a yes counts, if the token does not expire sooner: a token that is revoked works
/// no longer than this.
const YES: Duration = Duration::from_secs(60);
/// How long a no counts.
const NO: Duration = Duration::from_secs(5);

/// Answers that are remembered.
const REMEMBERED: u64 = 10_000;

/// Questions at once; a slow issuer must not collect all our callers.
const QUESTIONS: usize = 64;

/// One introspection endpoint, and as whom it is asked.
pub(super) struct Introspection {
    url: Box<str>,
    client_id: Box<str>,
    client_secret: Secret,
    outgoing: Arc<Outgoing>,
    turns: Semaphore,
    recent: Cache<[u8; 32], Arc<Verdict>>,
    clock: Arc<dyn Clock>,
}

/// What the issuer said.
pub(super) struct Verdict {
    /// `None` for a token that is not active.
    pub(super) claims: Option<Claims>,
    pub(super) until: Timestamp,
}

/// The answer (RFC 7662 §2.2).
#[derive(Deserialize)]
struct Told {
    active: bool,
}

impl Introspection {
    pub(super) fn new(
        url: Box<str>,
        client_id: Box<str>,
        client_secret: Secret,
        outgoing: Arc<Outgoing>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            url,
            client_id,
            client_secret,
            outgoing,
            turns: Semaphore::new(QUESTIONS),
            recent: Cache::new(REMEMBERED),
            clock,
        }
    }

    /// Asks in the background whether it can be asked, and says so if not: an operator must
    /// not learn it from the first caller.
    pub(super) fn prepare(&self) {
        let (outgoing, url) = (Arc::clone(&self.outgoing), self.url.clone());
        let (id, secret) = (self.client_id.clone(), self.client_secret.clone());
        tokio::spawn(async move {
            let probed = probe(&outgoing, &url, (&id, secret.expose())).await;
            if let Err(fault) = probed {
                tracing::warn!("an issuer cannot be asked about tokens: {fault}");
            }
        });
    }

    /// What the issuer says of `token`, or has just said. Several callers with one token
    /// ask once.
    pub(super) async fn ask(
        &self,
        digest: [u8; 32],
        token: &str,
        deadline: Deadline,
    ) -> Result<Arc<Verdict>, NotAuthenticated> {
        let asking = async {
            let verdict = self.remembered(digest, token).await?;
            if self.clock.now() < verdict.until {
                return Ok(verdict);
            }
            self.recent.invalidate(&digest).await;
            self.remembered(digest, token).await
        };
        let late = || NotAuthenticated::Issuer(format!("{}: no answer in time", self.url));
        tokio::time::timeout_at(deadline.instant(), asking)
            .await
            .map_err(|_| late())?
            .map_err(|fault: Arc<NotAuthenticated>| (*fault).clone())
    }

    async fn remembered(
        &self,
        digest: [u8; 32],
        token: &str,
    ) -> Result<Arc<Verdict>, Arc<NotAuthenticated>> {
        let question = async { self.question(token).await.map(Arc::new) };
        self.recent.try_get_with(digest, question).await
    }

    async fn question(&self, token: &str) -> Result<Verdict, NotAuthenticated> {
        let _turn = self.turns.acquire().await;
        let form = format!("token={}&token_type_hint=access_token", form_encoded(token));
        let credentials = (&*self.client_id, self.client_secret.expose());
        let answer = self.outgoing.post(&self.url, credentials, form).await;
        let answer = answer.map_err(NotAuthenticated::Issuer)?;
        let claims = understand(&self.url, &answer).map_err(NotAuthenticated::Issuer)?;
        let now = self.clock.now();
        let longest = now.after(YES);
        let expires = claims
            .as_ref()
            .map(|claims| claims.expires().unwrap_or(longest));
        let until = match expires {
            Some(expires) if now < expires => expires.min(longest),
            _ => now.after(NO),
        };
        Ok(Verdict { claims, until })
    }
}

/// Asks about a token that cannot exist.
pub(super) async fn probe(
    outgoing: &Outgoing,
    url: &str,
    credentials: (&str, &str),
) -> Result<Answer, String> {
    let form = "token=callotp-probe&token_type_hint=access_token".to_owned();
    let answer = outgoing.post(url, credentials, form).await?;
    match understand(url, &answer)? {
        None => Ok(answer),
        Some(_) => Err(format!("{url}: says yes to a token that does not exist")),
    }
}

/// The claims of a token that is active, or why the answer is none.
fn understand(url: &str, answer: &Answer) -> Result<Option<Claims>, String> {
    let told = match answer.status.as_u16() {
        200 => read(&answer.body),
        401 | 403 => {
            Err("the issuer does not know us: client_id or client_secret is wrong".to_owned())
        }
        status => Err(format!("status {status}")),
    };
    told.map_err(|what| format!("{url}: {what}"))
}

/// The claims of an active token. Of one that is not, nothing else is said or needed.
fn read(body: &[u8]) -> Result<Option<Claims>, String> {
    let wrong = |_| "not an answer to an introspection request".to_owned();
    let told: Told = serde_json::from_slice(body).map_err(wrong)?;
    match told.active {
        true => serde_json::from_slice(body).map(Some).map_err(wrong),
        false => Ok(None),
    }
}
