//! Answers on their way out, gathered so that many small ones share a write.

use std::io;

use bytes::BytesMut;
use ldap3_proto::{LdapCodec, LdapMsg};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::codec::Encoder as _;

/// How many bytes are gathered before they are sent.
const GATHER: usize = 64 * 1024;

/// The writing half of a conversation, and the way to its reading half.
pub(super) struct Output<'s, S> {
    stream: &'s mut S,
    codec: LdapCodec,
    buffer: BytesMut,
}

impl<'s, S> Output<'s, S> {
    /// An output to `stream` with nothing gathered.
    pub(super) fn new(stream: &'s mut S) -> Self {
        Self {
            stream,
            codec: LdapCodec::default(),
            buffer: BytesMut::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> Output<'_, S> {
    /// Reads what has arrived; 0 at the end.
    pub(super) async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        self.stream.read_buf(input).await
    }
}

impl<S: AsyncWrite + Unpin> Output<'_, S> {
    /// Adds a message, and sends what was gathered if it is much.
    pub(super) async fn send(&mut self, message: LdapMsg) -> io::Result<()> {
        self.codec.encode(message, &mut self.buffer)?;
        if self.buffer.len() >= GATHER {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Sends what was gathered.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.stream.flush().await
    }
}
