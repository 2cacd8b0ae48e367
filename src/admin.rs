//! The private listener: is it alive, is it ready, what has it counted, who is locked.

use std::{collections::BTreeMap, sync::Arc};

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
    otp::store::{Lock, OtpStore, StoreKey, lock_file},
    server::Handler,
    tenant::TenantId,
};

/// What the private listener asks of the running program.
pub trait Running: Send + Sync + 'static {
    /// Every tenant's directory and its state.
    fn directories(&self) -> Vec<(TenantId, DirectoryHealth)>;
    /// The metrics in Prometheus' text format.
    fn metrics(&self, counts: crate::otp::store::Counts) -> String;
}

/// Answers on the private listener.
pub struct Admin<R> {
    /// The program.
    pub running: Arc<R>,
    /// Its store.
    pub store: Arc<dyn OtpStore>,
    /// The store's key. Whoever lists or ends locks must show what only those know who can
    /// read its file.
    pub keys: Arc<StoreKey>,
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

/// One lock, as `callotp locks` reads it.
#[derive(Debug, Serialize, Deserialize)]
pub struct LockLine {
    /// The tenant.
    pub tenant: String,
    /// The user's name.
    pub user: String,
    /// Milliseconds since the Unix epoch.
    pub since: u64,
    /// Milliseconds since the Unix epoch; absent for a lock that an administrator ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
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

/// What it gets back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unlocked {
    /// How many locks ended.
    pub unlocked: usize,
}

/// What `callotp locks import` gets back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Imported {
    /// How many locks are in force that were not before.
    pub locked: usize,
}

/// Bytes of a request body.
const BODY: usize = 16 * 1024;
/// Bytes of a text of locks: some hundred thousand of them.
const LOCKS: usize = 64 << 20;

impl<R: Running> Handler for Admin<R> {
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        _peer: Arc<Peer>,
    ) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/healthz") => {
                plain(StatusCode::OK, "alive\n".to_owned())
            }
            (&Method::GET | &Method::HEAD, "/readyz") => self.readiness().await,
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics().await,
            (&Method::GET, "/locks") if self.may_see_locks(&request) => self.locks().await,
            (&Method::POST, "/locks/unlock") if self.may_see_locks(&request) => {
                self.unlock(request).await
            }
            (&Method::GET, "/locks/export") if self.may_see_locks(&request) => self.export().await,
            (&Method::POST, "/locks/import") if self.may_see_locks(&request) => {
                self.import(request).await
            }
            (_, "/locks" | "/locks/unlock" | "/locks/export" | "/locks/import") => {
                plain(StatusCode::FORBIDDEN, "use `callotp locks`\n".to_owned())
            }
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

    fn may_see_locks(&self, request: &Request<Incoming>) -> bool {
        let shown = request
            .headers()
            .get(AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let expected = bearer(&self.keys.administration());
        shown.is_some_and(|shown| shown.ct_eq(expected.as_bytes()).into())
    }

    async fn locks(&self) -> Response<Full<Bytes>> {
        match self.store.locks().await {
            Ok(locks) => json(
                StatusCode::OK,
                &locks.iter().map(LockLine::from).collect::<Vec<_>>(),
            ),
            Err(fault) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        }
    }

    async fn unlock(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = Limited::new(request.into_body(), BODY).collect().await;
        let asked = body.ok().map(|body| body.to_bytes());
        let asked = asked.and_then(|body| serde_json::from_slice::<Unlock>(&body).ok());
        let Some(Unlock { user, tenant }) = asked else {
            return plain(
                StatusCode::BAD_REQUEST,
                "{\"user\":\"...\"} is needed\n".to_owned(),
            );
        };
        let tenant = tenant.as_deref().map(TenantId::new);
        match self.store.unlock(tenant.as_ref(), &user).await {
            Ok(unlocked) => json(StatusCode::OK, &Unlocked { unlocked }),
            Err(fault) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        }
    }
}

impl<R: Running> Admin<R> {
    async fn export(&self) -> Response<Full<Bytes>> {
        match self.store.locks().await {
            Ok(locks) => plain(StatusCode::OK, lock_file::write(&locks, &self.keys)),
            Err(fault) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        }
    }

    async fn import(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = Limited::new(request.into_body(), LOCKS).collect().await;
        let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
        let locks = match lock_file::read(&text.unwrap_or_default(), &self.keys) {
            Ok(locks) => locks,
            Err(error) => return plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let mut locked = 0;
        for lock in locks {
            match self.store.lock(&lock).await {
                Ok(changed) => locked += usize::from(changed),
                Err(fault) => return plain(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
            }
        }
        json(StatusCode::OK, &Imported { locked })
    }
}

/// The `Authorization` header that opens the locks.
pub fn bearer(token: &[u8; 16]) -> String {
    token.iter().fold("Bearer ".to_owned(), |text, byte| {
        text + &format!("{byte:02x}")
    })
}

impl From<&Lock> for LockLine {
    fn from(lock: &Lock) -> Self {
        Self {
            tenant: lock.tenant.to_string(),
            user: lock.name.to_string(),
            since: lock.since.as_millis(),
            until: lock.until.map(crate::clock::Timestamp::as_millis),
        }
    }
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
