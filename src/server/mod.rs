//! Accepts connections, no more than are allowed at once, and lets them finish at the end.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

pub use self::failure::{Failure, Failures};
use self::{
    connection::{Limits, Protocol, Stay},
    failure::Complaints,
};
use crate::{client_auth::Peer, clock::Clock, shutdown::Shutdown, tls::Tls};

mod connection;
mod failure;
mod framing;
mod handshake;
mod outlasting;
mod watched;

/// What answers the requests of a listener.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Once begun it is finished, whatever becomes of its connection.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + 'static;
}

/// A listener, and what it may spend.
pub struct Server<H> {
    /// Already bound.
    pub listener: TcpListener,
    /// Answers.
    pub handler: Arc<H>,
    /// Our certificate and whose client certificates we take; `None` for plain HTTP always.
    pub tls: Option<Arc<Tls>>,
    /// Counts what comes to nothing.
    pub failures: Arc<dyn Failures>,
    /// Tells when something has been said often enough.
    pub clock: Arc<dyn Clock>,
    /// Connections at once; more wait in the listener's queue.
    pub max_connections: usize,
    /// For a request's head to arrive.
    pub head_timeout: Duration,
    /// For requests in flight once draining has begun.
    pub grace: Duration,
}

/// How long a connection may say nothing between two requests. Longer than proxies keep
/// theirs, so that it is they who close.
const IDLE: Duration = Duration::from_secs(75);

/// The pause after a failed accept (no file descriptors left, say).
const PAUSE: Duration = Duration::from_millis(50);

impl<H: Handler> Server<H> {
    /// Serves until it is told to drain, and then until the last connection has finished or
    /// the grace is over.
    pub async fn run(self, mut shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(self.max_connections));
        let limits = Limits {
            head: self.head_timeout,
            idle: IDLE,
        };
        let complaints = Arc::new(Complaints::new(self.failures, self.clock));
        let mut stop = shutdown.clone();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &places) => accepted,
                () = shutdown.draining() => break,
            };
            match accepted {
                Ok((stream, address, place)) => {
                    let handler = Arc::clone(&self.handler);
                    let complaints = Arc::clone(&complaints);
                    // `None` for plain HTTP.
                    let acceptor = self.tls.as_ref().and_then(|tls| tls.acceptor());
                    let mut stop = shutdown.clone();
                    let stay = Stay {
                        place,
                        shutdown: shutdown.clone(),
                    };
                    tokio::spawn(async move {
                        tokio::select! {
                            () = serve(stream, address, acceptor, handler, limits, &complaints, stay) => {}
                            () = stop.stopping() => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let all = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        tokio::select! {
            _ = places.acquire_many(all) => {}
            () = tokio::time::sleep(self.grace) => {
                tracing::warn!("connections were cut off at the end of the grace time");
            }
            () = stop.stopping() => {}
        }
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, place))
}

/// One connection from its handshake to its end.
async fn serve<H: Handler>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    handler: Arc<H>,
    limits: Limits,
    complaints: &Complaints,
    stay: Stay,
) {
    let mut peer = Peer {
        address: address.ip().to_canonical(),
        certificate: None,
    };
    let Some(acceptor) = acceptor else {
        let peer = Arc::new(peer);
        let plain = Protocol::Http1;
        return connection::serve(stream, plain, peer, handler, limits, complaints, stay).await;
    };
    let shaken = handshake::shake(acceptor, stream, peer.address, limits.head, complaints);
    let Some(shaken) = shaken.await else { return };
    peer.certificate = shaken.certificate;
    let (stream, protocol, peer) = (shaken.stream, shaken.protocol, Arc::new(peer));
    connection::serve(stream, protocol, peer, handler, limits, complaints, stay).await;
}
