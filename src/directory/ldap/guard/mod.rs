//! Stands between a server and the client library: only whole, well-formed messages of
//! bounded size and nesting pass from the one to the other (see [`message`](super::message)).

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UnixStream,
};

use super::message::{self, BadMessage, Expected};

/// An unbind request (RFC 4511 §4.3), so that the server need not guess why we went.
const UNBIND: [u8; 10] = [0x30, 8, 0x02, 4, 0x7f, 0xff, 0xff, 0xff, 0x42, 0];

/// What the guard knows about its connection, for whoever asks questions on it.
#[derive(Debug)]
pub(super) struct Pulse {
    /// How many messages the server has sent, on all connections. A server that answers
    /// others is slow, not dead.
    heard: Arc<AtomicU64>,
    searching: AtomicBool,
}

impl Pulse {
    /// The state of a new connection, on which binds are answered.
    pub(super) fn counting(heard: Arc<AtomicU64>) -> Self {
        Self {
            heard,
            searching: AtomicBool::new(false),
        }
    }

    /// From now on searches are answered, and no binds any more.
    pub(super) fn search_from_now_on(&self) {
        self.searching.store(true, Ordering::Release);
    }

    fn expected(&self) -> Expected {
        match self.searching.load(Ordering::Acquire) {
            true => Expected::Search,
            false => Expected::Bind,
        }
    }
}

/// Relays between `server` and the client library until either side ends or the server
/// sends what does not pass. Then both sides are closed.
pub(super) async fn relay(
    server: impl AsyncRead + AsyncWrite,
    client: UnixStream,
    pulse: &Pulse,
) -> Result<(), Ended> {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_client, mut to_client) = client.into_split();
    tokio::select! {
        ended = answers(&mut from_server, &mut to_client, pulse) => ended,
        ended = questions(&mut from_client, &mut to_server) => ended,
    }
}

/// Why a connection ended other than by its owner's will.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The network, or the server.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What the server sent.
    #[error("the server sent {0}")]
    BadMessage(#[from] BadMessage),
}

async fn answers(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    pulse: &Pulse,
) -> Result<(), Ended> {
    let mut buffer = BytesMut::with_capacity(32 * 1024);
    loop {
        buffer.reserve(8 * 1024);
        if server.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let whole = whole_messages(&buffer, pulse)?;
        if whole > 0 {
            client.write_all(&buffer[..whole]).await?;
            buffer.advance(whole);
        }
    }
}

/// How many bytes at the front of `buffer` are whole messages that pass.
fn whole_messages(buffer: &[u8], pulse: &Pulse) -> Result<usize, BadMessage> {
    let mut whole = 0;
    while let Some(length) = message::length(&buffer[whole..])? {
        let Some(message) = buffer.get(whole..whole + length) else {
            break;
        };
        message::check(message, pulse.expected())?;
        pulse.heard.fetch_add(1, Ordering::Relaxed);
        whole += length;
    }
    Ok(whole)
}

async fn questions(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Ended> {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        if client.read_buf(&mut buffer).await? == 0 {
            server.write_all(&UNBIND).await?;
            server.shutdown().await?;
            return Ok(());
        }
        server.write_all(&buffer).await?;
        server.flush().await?;
        buffer.clear();
    }
}

#[cfg(test)]
mod tests;
