//! Connections to a target, and requests over them, byte by byte.
//!
//! HTTP/1.1 goes over a socket of our own, so that header names, framing and doubled
//! lines are exactly what a clause asks for. A target that speaks HTTP/2 alone gets its
//! requests through reqwest ([`super::http2`]).

use std::{sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Answer, Exchange, Framing, Request, Trouble, http2::Http2, reading::Reader, tls,
    tls::ClientSide,
};
use crate::target::{BaseUrl, Target};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The way to a target.
pub(crate) struct Wire {
    url: BaseUrl,
    tls: Option<tls::Configurations>,
    http2: Option<Http2>,
    timeout: Duration,
}

/// One connection.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// The server's certificates, its own first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// The TLS version that was agreed on.
    pub(crate) version: Option<String>,
}

impl Wire {
    pub(crate) fn new(target: &Target, timeout: Duration) -> Result<Self, Trouble> {
        let tls = match target.url.tls {
            true => Some(tls::Configurations::new(target, &[b"http/1.1"])?),
            false => None,
        };
        Ok(Self {
            url: target.url.clone(),
            tls,
            http2: None,
            timeout,
        })
    }

    /// From now on requests go over HTTP/2.
    pub(crate) fn use_http2(&mut self, target: &Target) -> Result<(), Trouble> {
        let configurations = tls::Configurations::new(target, &[b"h2"])?;
        self.http2 = Some(Http2::new(&self.url, configurations, self.timeout)?);
        Ok(())
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.is_some()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The addresses of the host.
    pub(crate) async fn resolve(&self) -> Result<Vec<std::net::SocketAddr>, Trouble> {
        let host = (self.url.host.as_str(), self.url.port);
        let found = timeout(self.timeout, tokio::net::lookup_host(host))
            .await
            .map_err(|_| Trouble::Address("the name server does not answer".to_owned()))?
            .map_err(|error| Trouble::Address(error.to_string()))?;
        Ok(found.collect())
    }

    /// A TCP connection, without TLS.
    pub(crate) async fn tcp(&self) -> Result<TcpStream, Trouble> {
        let host = (self.url.host.as_str(), self.url.port);
        let stream = timeout(self.timeout, TcpStream::connect(host))
            .await
            .map_err(|_| Trouble::Connection("no answer to the connection".to_owned()))?
            .map_err(|error| Trouble::Connection(reason(&error)))?;
        // Small writes must leave at once: a byte a second is what some clauses are about.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// A connection, with TLS where the target has it.
    pub(crate) async fn connect(&self, side: ClientSide) -> Result<Connection, Trouble> {
        let tcp = self.tcp().await?;
        let Some(configurations) = &self.tls else {
            return Ok(Connection {
                stream: Box::new(tcp),
                buffer: Vec::new(),
                certificates: Vec::new(),
                version: None,
            });
        };
        self.handshake(tcp, configurations.of(side)).await
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        config: Arc<rustls::ClientConfig>,
    ) -> Result<Connection, Trouble> {
        let name = ServerName::try_from(self.url.host.clone())
            .map_err(|_| Trouble::Tls("the host is no name a certificate could hold".to_owned()))?;
        let stream = timeout(self.timeout, TlsConnector::from(config).connect(name, tcp))
            .await
            .map_err(|_| Trouble::Tls("the handshake does not come to an end".to_owned()))?
            .map_err(|error| {
                tls::trouble(&error).unwrap_or_else(|| {
                    Trouble::Tls("the connection was closed during the handshake".to_owned())
                })
            })?;
        let session = stream.get_ref().1;
        let certificates = session.peer_certificates().unwrap_or_default();
        Ok(Connection {
            certificates: certificates
                .iter()
                .map(|one| one.clone().into_owned())
                .collect(),
            version: session
                .protocol_version()
                .map(|version| format!("{version:?}")),
            stream: Box::new(stream),
            buffer: Vec::new(),
        })
    }

    /// Sends a request over a connection of its own.
    pub(crate) async fn exchange(&self, request: &Request) -> Exchange {
        let begun = Instant::now();
        let result = match &self.http2 {
            Some(http2) => http2.send(request).await,
            None => self.alone(request).await,
        };
        Exchange {
            request: request.clone(),
            result,
            took: begun.elapsed(),
        }
    }

    async fn alone(&self, request: &Request) -> Result<Answer, Trouble> {
        let mut connection = self.connect(request.certificate).await?;
        connection.send(request, self.timeout).await
    }
}

impl Connection {
    /// Sends a request and reads its answer, all within `limit`.
    pub(crate) async fn send(
        &mut self,
        request: &Request,
        limit: Duration,
    ) -> Result<Answer, Trouble> {
        let begun = Instant::now();
        let sent = self.send_inner(request, begun);
        timeout_at(begun + limit, sent)
            .await
            .unwrap_or(Err(Trouble::Timeout(limit)))
    }

    async fn send_inner(&mut self, request: &Request, begun: Instant) -> Result<Answer, Trouble> {
        let (read, mut write) = tokio::io::split(&mut self.stream);
        let go = tokio::sync::Notify::new();
        let writing = send_bytes(&mut write, request, &go);
        tokio::pin!(writing);
        let mut reader = Reader {
            stream: read,
            buffer: &mut self.buffer,
        };
        let reading = reader.answer(|status| {
            if status == 100 {
                go.notify_one();
            }
        });
        tokio::pin!(reading);
        let mut written = false;
        let raw = loop {
            // An answer may come before the request is whole, and a server that closes
            // early may have answered: the write's own failure says nothing.
            tokio::select! {
                biased;
                answer = &mut reading => break answer?,
                _ = &mut writing, if !written => written = true,
            }
        };
        Ok(Answer {
            version: raw.version,
            status: raw.status,
            reason: raw.reason,
            headers: raw.headers,
            body: raw.body,
            took: begun.elapsed(),
            reusable: raw.reusable && written,
        })
    }
}

async fn send_bytes(
    write: &mut (impl AsyncWrite + Unpin),
    request: &Request,
    go: &tokio::sync::Notify,
) -> std::io::Result<()> {
    let payload = request.payload();
    match request.framing {
        Framing::Length | Framing::Chunked => {
            let mut bytes = request.head();
            bytes.extend_from_slice(&payload);
            write.write_all(&bytes).await?;
        }
        Framing::Expect => {
            write.write_all(&request.head()).await?;
            write.flush().await?;
            // RFC 9110 section 10.1.1: a client does not wait for ever.
            let _ = timeout(Duration::from_secs(1), go.notified()).await;
            write.write_all(&payload).await?;
        }
        Framing::Dribble { promised, pause } => {
            write.write_all(&request.head()).await?;
            for at in 0..promised - 1 {
                let byte = payload.get(at).copied().unwrap_or(b' ');
                write.write_all(&[byte]).await?;
                write.flush().await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    write.flush().await
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "the port is closed".to_owned(),
        _ => error.to_string(),
    }
}
