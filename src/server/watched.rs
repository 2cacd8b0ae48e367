//! A stream that notes when a request begins to arrive, and the watch that is kept by it.
//!
//! hyper's own header time-out also closes idle keep-alive connections, so that a short one
//! would make phone systems and proxies run into closed connections, and a long one would
//! let a request trickle in for as long. Here the two are told apart.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::framing::Framing;

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    /// The phase in the two lowest bits, above them the milliseconds since `opened`.
    state: AtomicU64,
    /// A request came with a length and chunks at once.
    pub(super) ambiguous: AtomicBool,
    /// Requests that are being answered: HTTP/2 has several at once.
    requests: AtomicU32,
}

/// One request that is being answered, until this is dropped.
pub(super) struct Answering(Arc<Pulse>);

impl Drop for Answering {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.enter(Phase::Idle);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle = 0,
    /// A request's head is arriving.
    Head = 1,
    /// A request is being answered; that has a deadline of its own.
    Answering = 2,
}

impl Pulse {
    /// A connection that has just been opened owes us a request.
    pub(super) fn start() -> Arc<Self> {
        let state = AtomicU64::new(Phase::Head as u64);
        Arc::new(Self {
            opened: Instant::now(),
            state,
            ambiguous: AtomicBool::new(false),
            requests: AtomicU32::new(0),
        })
    }

    /// A request's head has arrived.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.enter(Phase::Answering);
        Answering(Arc::clone(self))
    }

    fn enter(&self, phase: Phase) {
        self.state
            .store(self.elapsed() << 2 | phase as u64, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> (Phase, Duration) {
        let state = self.state.load(Ordering::Relaxed);
        let phase = match state & 3 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Answering,
        };
        (
            phase,
            Duration::from_millis(self.elapsed().saturating_sub(state >> 2)),
        )
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    fn received(&self) {
        if self.state.load(Ordering::Relaxed) & 3 == Phase::Idle as u64 {
            self.enter(Phase::Head);
        }
    }
}

/// A stream under watch.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) pulse: Arc<Pulse>,
    pub(super) framing: Framing,
    /// The other side has sent all that it will.
    pub(super) ended: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let received = &buffer.filled()[before..];
        self.ended |= result.is_ready() && received.is_empty();
        if !received.is_empty() {
            self.pulse.received();
            if self.framing.is_ambiguous(received) {
                self.pulse.ambiguous.store(true, Ordering::Relaxed);
            }
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
