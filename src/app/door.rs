//! Where calls and the operator's questions come in.

use std::{panic::AssertUnwindSafe, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CACHE_CONTROL, HeaderValue},
};

use super::Parts;
use crate::{
    admin::Running,
    client_auth::Peer,
    directory::DirectoryHealth,
    http::{Http, Tenant},
    otp::store::Counts,
    server::Handler,
    tenant::TenantId,
};

/// Hands each call to the configuration in force.
pub(super) struct Door {
    pub(super) http: ArcSwap<Http>,
}

impl Handler for Door {
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> Response<Full<Bytes>> {
        let http = self.http.load_full();
        let call = AssertUnwindSafe(http.answer(request, &peer)).catch_unwind();
        // The panic's own message has gone into the log where it happened.
        call.await.unwrap_or_else(|_| {
            tracing::error!("a call could not be answered: the program has a mistake");
            let mut answer = Response::new(Full::default());
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        })
    }
}

/// What the private listener asks.
pub(super) struct Program {
    pub(super) parts: Arc<Parts>,
    pub(super) door: Arc<Door>,
}

impl Running for Program {
    fn directories(&self) -> Vec<(TenantId, DirectoryHealth)> {
        let http = self.door.http.load();
        let health = |tenant: &Tenant| {
            (
                tenant.authority.tenant.clone(),
                tenant.authority.directory.health(),
            )
        };
        http.tenants.values().map(health).collect()
    }

    fn metrics(&self, counts: Counts) -> String {
        self.parts.telemetry.metrics.render(counts)
    }
}
