//! One connection: HTTP on it, and an end to it when the other side dawdles.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    Handler,
    framing::Framing,
    outlasting::Outlasting,
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

/// What is spoken on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Bytes that a request's head may have; hyper answers 431 to a larger one.
const HEAD: usize = 16 * 1024;

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// How often an HTTP/2 peer is asked whether it is still there, and how long it has to say so.
const PING: Duration = Duration::from_secs(20);

/// Serves the connection to its end.
pub(super) async fn serve<S, H>(
    stream: S,
    protocol: Protocol,
    peer: Arc<Peer>,
    handler: Arc<H>,
    limits: Limits,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let pulse = Pulse::start();
    let service = service_fn(|mut request: Request<Incoming>| {
        if pulse.ambiguous.load(Ordering::Relaxed) {
            request.extensions_mut().insert(AmbiguousFraming);
        }
        let answering = pulse.answering();
        let answer = Arc::clone(&handler).handle(request, Arc::clone(&peer));
        let answer = Outlasting::new(answer);
        async move {
            let answer = answer.await;
            drop(answering);
            Ok::<Response<Full<Bytes>>, Infallible>(answer)
        }
    });
    match protocol {
        Protocol::Http1 => {
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
            watch(pin!(connection), &pulse, limits, shutdown).await;
        }
        Protocol::Http2 => {
            // Frames that are no requests come and go at any time, so that bytes say nothing
            // here: until the first request, and between two, only the time since counts.
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
                .max_send_buf_size(HEAD)
                .keep_alive_interval(PING)
                .keep_alive_timeout(PING)
                .serve_connection(TokioIo::new(stream), service);
            watch(pin!(connection), &pulse, limits, shutdown).await;
        }
    }
}

/// A connection that can be told to finish what it has begun and take nothing new.
trait Graceful: Future {
    fn finish(self: Pin<&mut Self>);
}

impl<I, S> Graceful for http1::Connection<I, S>
where
    Self: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Full<Bytes>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, E> Graceful for http2::Connection<I, S, E>
where
    Self: Future,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Full<Bytes>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, Full<Bytes>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn watch<C: Graceful>(
    mut connection: Pin<&mut C>,
    pulse: &Pulse,
    limits: Limits,
    mut shutdown: Shutdown,
) {
    let mut draining = false;
    let mut watch = pin!(tokio::time::sleep(limits.head));
    loop {
        tokio::select! {
            // What went wrong is the other side's affair: it has been answered or is gone.
            _ = connection.as_mut() => return,
            () = watch.as_mut() => {
                if overdue(pulse, limits) {
                    return;
                }
                // Half the time for a head: nobody is late by more than that.
                watch.as_mut().reset(Instant::now() + limits.head / 2);
            }
            () = shutdown.draining(), if !draining => {
                draining = true;
                connection.as_mut().finish();
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
