//! The private listener: is it alive, is it ready, what has it counted, who is locked.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{
    client_auth::Peer,
    directory::DirectoryHealth,
    otp::store::{Counts, OtpStore, StoreKey, lock_file},
    server::Handler,
    tenant::TenantId,
};

/// What the private listener asks of the running program.
pub trait Running: Send + Sync + 'static {
    /// Every tenant's directory and its state.
    fn directories(&self) -> Vec<(TenantId, DirectoryHealth)>;
    /// The metrics in Prometheus' text format.
    fn metrics(&self, counts: Counts) -> String;
}

/// Answers on the private listener.
pub struct Admin<R> {
    /// The program.
    pub running: Arc<R>,
    /// Its store.
    pub store: Arc<dyn OtpStore>,
    /// What its locks are filed under. Whoever lists or changes them must show that the key
    /// file is readable to them.
    pub keys: Arc<StoreKey>,
    /// Where it listens.
    pub address: IpAddr,
}

/// `/readyz`
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    store: Part,
    directories: BTreeMap<String, Part>,
}

/// One thing that readiness hangs on.
#[derive(Serialize)]
struct Part {
    ready: bool,
    detail: String,
}

/// What `callotp locks unlock` sends.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unlock {
    /// The user's name, in any case.
    pub user: String,
    /// In this tenant only.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// What a change of locks gets back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    /// How many locks are other than before.
    pub changed: usize,
}

/// Bytes of a request body: some ten thousand locks.
const BODY: usize = 4 << 20;

impl<R: Running> Handler for Admin<R> {
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => {
                plain(StatusCode::OK, "alive\n".to_owned())
            }
            (&Method::GET | &Method::HEAD, "/readyz") => self.readiness().await,
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics().await,
            (&Method::GET, "/locks") if self.may_see_locks(&request, &peer) => self.locks().await,
            (&Method::POST, "/locks/unlock") if self.may_see_locks(&request, &peer) => {
                self.unlock(request).await
            }
            (&Method::POST, "/locks/import") if self.may_see_locks(&request, &peer) => {
                self.import(request).await
            }
            (_, "/locks" | "/locks/unlock" | "/locks/import") => plain(
                StatusCode::FORBIDDEN,
                "use `callotp locks` on this machine\n".to_owned(),
            ),
            _ => plain(
                StatusCode::NOT_FOUND,
                "/healthz /readyz /metrics\n".to_owned(),
            ),
        }
    }
}

impl<R: Running> Admin<R> {
    async fn readiness(&self) -> Response<Full<Bytes>> {
        let store = match self.store.check().await {
            Ok(()) => Part {
                ready: true,
                detail: "decides".to_owned(),
            },
            Err(fault) => Part {
                ready: false,
                detail: fault.to_string(),
            },
        };
        let directories: BTreeMap<_, _> = self
            .running
            .directories()
            .into_iter()
            .map(|(tenant, health)| {
                (
                    tenant.to_string(),
                    Part {
                        ready: health.ready,
                        detail: health.detail,
                    },
                )
            })
            .collect();
        // One tenant's outage must not take the others' server out of the balancer.
        let ready = store.ready && directories.values().any(|part| part.ready);
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        json(
            status,
            &Readiness {
                ready,
                store,
                directories,
            },
        )
    }

    async fn metrics(&self) -> Response<Full<Bytes>> {
        let counts = self.store.counts().await.unwrap_or_default();
        let mut answer = plain(StatusCode::OK, self.running.metrics(counts));
        answer.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
        );
        answer
    }

    /// True for whoever has the key, on this machine: what is shown is always the same, and
    /// must not cross a network in the clear.
    fn may_see_locks(&self, request: &Request<Incoming>, peer: &Peer) -> bool {
        if !is_here(peer.address, self.address) {
            return false;
        }
        let shown = request
            .headers()
            .get(AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let expected = bearer(&self.keys);
        shown.is_some_and(|shown| shown.ct_eq(expected.as_bytes()).into())
    }

    async fn locks(&self) -> Response<Full<Bytes>> {
        match self.store.locks().await {
            Ok(locks) => plain(StatusCode::OK, lock_file::write(&locks, &self.keys)),
            Err(fault) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        }
    }

    async fn import(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = body(request).await.unwrap_or_default();
        let read = lock_file::read(&String::from_utf8_lossy(&body), &self.keys);
        let locks = match read {
            Ok(locks) => locks,
            Err(error) => return plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let mut changed = 0;
        for lock in &locks {
            match self.store.lock(lock).await {
                Ok(new) => changed += usize::from(new),
                Err(fault) => return plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
            }
        }
        json(StatusCode::OK, &Changed { changed })
    }

    async fn unlock(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let asked = body(request).await;
        let asked = asked.and_then(|body| serde_json::from_slice::<Unlock>(&body).ok());
        let Some(Unlock { user, tenant }) = asked else {
            return plain(
                StatusCode::BAD_REQUEST,
                "{\"user\":\"...\"} is needed\n".to_owned(),
            );
        };
        let tenant = tenant.as_deref().map(TenantId::new);
        match self.store.unlock(tenant.as_ref(), &user).await {
            Ok(changed) => json(StatusCode::OK, &Changed { changed }),
            Err(fault) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        }
    }
}

/// True if who calls a listener is on its machine. A machine that calls an address of its own
/// does so from that address.
fn is_here(peer: IpAddr, listener: IpAddr) -> bool {
    peer.is_loopback() || peer == listener.to_canonical()
}

/// The `Authorization` header that opens the locks.
pub fn bearer(keys: &StoreKey) -> String {
    let token = keys.administration();
    token.iter().fold("Bearer ".to_owned(), |text, byte| {
        text + &format!("{byte:02x}")
    })
}

async fn body(request: Request<Incoming>) -> Option<Bytes> {
    let body = Limited::new(request.into_body(), BODY).collect().await;
    body.ok().map(http_body_util::Collected::to_bytes)
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    // Structures of texts and numbers are always JSON.
    let mut answer = plain(status, serde_json::to_string(value).unwrap_or_default());
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_are_for_callers_on_the_same_machine() {
        for (peer, listener, is_one) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "0.0.0.0", true),
            ("::1", "::", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.2", "192.0.2.1", false),
            ("192.0.2.2", "0.0.0.0", false),
            ("2001:db8::1", "::", false),
        ] {
            let address = |text: &str| text.parse().expect("an address");
            let told = is_here(address(peer), address(listener));
            assert_eq!(told, is_one, "{peer} {listener}");
        }
    }
}
