//! The administration port: the journal, verification, faults, readiness, evidence
//! and the dashboard, in JSON over HTTP. For loopback; it asks nobody who they are.

mod events;
mod evidence;
mod openapi;
mod routes;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

pub(crate) use self::evidence::evidence;
use crate::{
    authority::Authority, endpoint::render::WARNING, ldap::Directory, scenario::Expectation,
    world::World,
};

/// The largest body of an administration call.
const MAX_BODY: usize = 1024 * 1024;

/// What the administration tells about.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) world: Arc<World>,
    /// Absent where a relay stands before somebody else's server.
    pub(crate) directory: Option<Arc<Directory>>,
    /// The mock's own; absent behind a relay, as the directory is.
    pub(crate) authority: Option<Arc<Authority>>,
    /// The endpoint's URL.
    pub(crate) url: String,
    /// A call that works, for a shell.
    pub(crate) try_line: String,
    /// What the scenario expects.
    pub(crate) expected: Vec<Expectation>,
}

/// A bound administration port.
#[derive(Debug)]
pub(crate) struct Administration(TcpListener, SocketAddr);

/// An answer of the administration.
pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Binds the address; port 0 takes a free one.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<Administration> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok(Administration(listener, address))
}

impl Administration {
    /// The address with its real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.1
    }

    /// Serves until it is dropped; connections end with it.
    pub(crate) async fn serve(self, shared: Arc<Shared>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = self.0.accept() => {
                    let Ok((tcp, _)) = accepted else {
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                        continue;
                    };
                    // A failure costs time only.
                    let _ = tcp.set_nodelay(true);
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        let service = service_fn(|request| answered(request, Arc::clone(&shared)));
                        let mut http = http1::Builder::new();
                        http.timer(TokioTimer::new()).half_close(true);
                        // A client that breaks off has nobody left to be told.
                        let _ = http.serve_connection(TokioIo::new(tcp), service).await;
                    });
                }
            }
        }
    }
}

async fn answered(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let mut answer = match foreign(&head.headers) {
        Some(says) => problem(StatusCode::FORBIDDEN, &says),
        None => {
            let path = head.uri.path();
            let query = head.uri.query().unwrap_or_default();
            match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => {
                    let body = body.to_bytes();
                    routes::route(&shared, &head.method, path, query, &head.headers, &body)
                }
                Err(_) => problem(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "the body is larger than 1 MiB",
                ),
            }
        }
    };
    let (name, value) = WARNING;
    let headers = answer.headers_mut();
    headers.insert(name, HeaderValue::from_static(value));
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    Ok(answer)
}

/// Why a request comes from a page that is none of ours: any page in a browser can reach
/// loopback, under a name of its own (DNS rebinding) or by sending a form across.
fn foreign(headers: &HeaderMap) -> Option<String> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let host = text(header::HOST).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if !(host.is_empty() || is_address || name.eq_ignore_ascii_case("localhost")) {
        return Some(format!(
            "the administration is reached by its address or as localhost, not as {name}"
        ));
    }
    let origin = text(header::ORIGIN)?;
    let own = origin
        .strip_prefix("http://")
        .is_some_and(|origin| origin == host);
    (!own).then(|| "another page's scripts may not administer the mock".to_owned())
}

fn full(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).boxed_unsync());
    *answer.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(header::CONTENT_TYPE, value);
    answer
}

fn json(status: StatusCode, value: &Value) -> Answer {
    full(status, "application/json", value.to_string())
}

fn ok(value: &Value) -> Answer {
    json(StatusCode::OK, value)
}

/// RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or_default();
    let body =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    full(status, "application/problem+json", body.to_string())
}
