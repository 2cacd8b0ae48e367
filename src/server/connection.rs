//! One connection: HTTP on it, and an end to it when the other side dawdles.

use std::{
    future::Future,
    net::IpAddr,
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
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{
    Handler,
    failure::{Complaints, Failure},
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

/// How long a connection stays.
pub(super) struct Stay {
    /// Taken until the last call that came on it has ended.
    pub(super) place: OwnedSemaphorePermit,
    /// The word to leave.
    pub(super) shutdown: Shutdown,
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

/// What is still read, and for how long, of a client that had more to say than was wanted.
const LINGER: Duration = Duration::from_secs(1);
const LINGERED: usize = 1 << 20;

/// Serves the connection to its end.
pub(super) async fn serve<S, H>(
    stream: S,
    protocol: Protocol,
    peer: Arc<Peer>,
    handler: Arc<H>,
    limits: Limits,
    complaints: &Complaints,
    stay: Stay,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let pulse = Pulse::start();
    let from = peer.address;
    // A call that outlasts its stream or its connection still counts: the next ones wait for it,
    // and so does the end of the program.
    let Stay { place, shutdown } = stay;
    let place = Arc::new(place);
    let turns = Arc::new(Semaphore::new(STREAMS as usize));
    let service = service_fn(|mut request: Request<Incoming>| {
        if pulse.ambiguous.load(Ordering::Relaxed) {
            request.extensions_mut().insert(AmbiguousFraming);
        }
        let answering = pulse.answering();
        let turn = Arc::clone(&turns).try_acquire_owned();
        let place = Arc::clone(&place);
        let answer = Arc::clone(&handler).handle(request, Arc::clone(&peer));
        let answer = turn.map(|turn| {
            Outlasting::new(async move {
                let answer = answer.await;
                drop((turn, place));
                answer
            })
        });
        async move {
            let answer = answer.map_err(|_| TooManyCalls)?.await;
            drop(answering);
            Ok::<Response<Full<Bytes>>, TooManyCalls>(answer)
        }
    });
    match protocol {
        Protocol::Http1 => {
            let io = TokioIo::new(Watched {
                stream,
                pulse: Arc::clone(&pulse),
                framing: Framing::default(),
                ended: false,
            });
            let mut connection = http1::Builder::new()
                // A client may close its sending side and still wait for the answer.
                .half_close(true)
                .max_buf_size(HEAD)
                // Answers are small: one buffer costs less than a list of two.
                .writev(false)
                .serve_connection(io, service);
            let end = watch(Pin::new(&mut connection), &pulse, limits, shutdown).await;
            end.complain(complaints, from);
            if matches!(end, End::Closed(_)) {
                linger(connection.into_parts().io.into_inner()).await;
            }
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
            let end = watch(pin!(connection), &pulse, limits, shutdown).await;
            end.complain(complaints, from);
        }
    }
}

/// More streams were opened and reset than may be answered at once: no client does that.
#[derive(Debug, thiserror::Error)]
#[error("too many calls at once on one connection")]
struct TooManyCalls;

/// How a connection ended.
enum End {
    /// By itself, or because its client went away, or against the protocol.
    Closed(Result<(), hyper::Error>),
    /// It was told to finish, and did.
    Finished,
    /// Something did not come in time.
    Overdue(Phase),
}

impl End {
    fn complain(&self, complaints: &Complaints, from: IpAddr) {
        match self {
            Self::Closed(Err(error)) => {
                if let Some(failure) = Failure::of_http(error) {
                    complaints.note(failure, from, error);
                }
            }
            Self::Overdue(Phase::Head) => {
                complaints.note(Failure::HeadTimedOut, from, &"no request in time");
            }
            _ => {}
        }
    }
}

/// Reads what a client has sent beyond what was answered, before the connection is closed:
/// closed with unread bytes, TCP resets it, and the answer may be lost on its way
/// (RFC 9112 §9.6).
async fn linger<S: AsyncRead + Unpin>(mut stream: Watched<S>) {
    let mut buffer = [0; 1024];
    let rest = async {
        let mut read = 0;
        while !stream.ended && read < LINGERED {
            match stream.read(&mut buffer).await {
                Ok(some @ 1..) => read += some,
                _ => return,
            }
        }
    };
    let _ = timeout(LINGER, rest).await;
}

/// A connection that can be told to finish what it has begun and take nothing new.
trait Graceful: Future<Output = Result<(), hyper::Error>> {
    fn finish(self: Pin<&mut Self>);
}

impl<I, S> Graceful for http1::Connection<I, S>
where
    Self: Future<Output = Result<(), hyper::Error>>,
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
    Self: Future<Output = Result<(), hyper::Error>>,
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
) -> End {
    let mut draining = false;
    let mut watch = pin!(tokio::time::sleep(limits.head));
    loop {
        tokio::select! {
            result = connection.as_mut() => return match draining {
                true => End::Finished,
                false => End::Closed(result),
            },
            () = watch.as_mut() => {
                if let Some(phase) = overdue(pulse, limits) {
                    return End::Overdue(phase);
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

/// What the connection is overdue with.
fn overdue(pulse: &Pulse, limits: Limits) -> Option<Phase> {
    let (phase, since) = pulse.phase();
    let is_overdue = match phase {
        Phase::Idle => since > limits.idle,
        Phase::Head => since >= limits.head,
        Phase::Answering => false,
    };
    is_overdue.then_some(phase)
}
