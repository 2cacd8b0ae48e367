//! One connection: HTTP/1.1 on it, and an end to it when the other side dawdles.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    Handler,
    framing::Framing,
    watched::{Phase, Pulse, Watched},
};
use crate::{client_auth::Peer, http::AmbiguousFraming, shutdown::Shutdown};

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a request's head to arrive, from its first byte (or from the start).
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// Bytes that a request's head may have; hyper answers 431 to a larger one.
const HEAD: usize = 16 * 1024;

/// Serves the connection to its end.
pub(super) async fn serve<S, H>(
    stream: S,
    address: SocketAddr,
    handler: Arc<H>,
    limits: Limits,
    mut shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let peer = Arc::new(Peer {
        address: address.ip().to_canonical(),
        certificate: None,
    });
    let pulse = Pulse::start();
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        pulse.enter(Phase::Answering);
        if pulse.ambiguous.load(Ordering::Relaxed) {
            request.extensions_mut().insert(AmbiguousFraming);
        }
        let answer = Arc::clone(&handler).handle(request, Arc::clone(&peer));
        let pulse = Arc::clone(&pulse);
        async move {
            let answer = answer.await;
            pulse.enter(Phase::Idle);
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(Watched {
        stream,
        pulse: Arc::clone(&pulse),
        framing: Framing::default(),
    });
    let connection = http1::Builder::new()
        // A client may close its sending side and still wait for the answer.
        .half_close(true)
        .max_buf_size(HEAD)
        .pipeline_flush(true)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut draining = false;
    let mut watch = pin!(tokio::time::sleep(limits.head));
    loop {
        tokio::select! {
            // What went wrong is the other side's affair: it has been answered or is gone.
            _ = connection.as_mut() => return,
            () = watch.as_mut() => {
                if overdue(&pulse, limits) {
                    return;
                }
                // Half the time for a head: nobody is late by more than that.
                watch.as_mut().reset(Instant::now() + limits.head / 2);
            }
            () = shutdown.draining(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn overdue(pulse: &Pulse, limits: Limits) -> bool {
    match pulse.phase() {
        (Phase::Idle, since) => since > limits.idle,
        (Phase::Head, since) => since >= limits.head,
        (Phase::Answering, _) => false,
    }
}
