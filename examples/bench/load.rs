//! The load: requests written out beforehand, sent over 64 connections that are kept alive,
//! each sending its next request when it has its answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

pub const CONNECTIONS: usize = 64;

/// What a run of the load saw.
pub struct Seen {
    pub took: Duration,
    /// Sorted.
    pub latencies: Vec<Duration>,
    /// The JSON string in each answer's only member, in the order of the requests.
    pub answers: Vec<String>,
}

impl Seen {
    pub fn per_second(&self) -> f64 {
        self.answers.len() as f64 / self.took.as_secs_f64()
    }

    pub fn percentile(&self, percent: f64) -> Duration {
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * percent / 100.0).round() as usize]
    }
}

/// One request as it goes over the wire.
pub fn request(operation: &str, body: &str) -> Vec<u8> {
    request_as(operation, "Basic cGJ4OnNlY3JldA==", body)
}

/// The same with another `Authorization`.
pub fn request_as(operation: &str, authorization: &str, body: &str) -> Vec<u8> {
    format!(
        "PUT /api/authentication/{operation} HTTP/1.1\r\nHost: localhost\r\ntenant: t1\r\n\
         Content-Type: application/json\r\nAuthorization: {authorization}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Makes connections.
pub enum Connector {
    Plain,
    Tls(TlsConnector),
}

/// A connection, plain or not.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Connector {
    /// TLS with a server that has this certificate.
    pub fn tls(certificate: CertificateDer<'static>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self::Tls(TlsConnector::from(Arc::new(config)))
    }

    async fn connect(&self, address: SocketAddr) -> Box<dyn Stream> {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match self {
            Self::Plain => Box::new(stream),
            Self::Tls(connector) => {
                let name = ServerName::try_from("localhost").unwrap();
                Box::new(connector.connect(name, stream).await.unwrap())
            }
        }
    }
}

/// Sends all `requests` to `address`; every answer has to be 200.
pub fn run(address: SocketAddr, requests: &[Vec<u8>]) -> Seen {
    run_over(&Connector::Plain, address, requests)
}

/// The same over whatever `connector` makes.
pub fn run_over(connector: &Connector, address: SocketAddr, requests: &[Vec<u8>]) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(send(connector, address, requests))
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn send(connector: &Connector, address: SocketAddr, requests: &[Vec<u8>]) -> Seen {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let connections = (0..CONNECTIONS).map(|_| async {
        let mut stream = connector.connect(address).await;
        let mut seen = Vec::with_capacity(requests.len() / CONNECTIONS * 2);
        let mut buffer = vec![0; 4096];
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(index) else {
                return seen;
            };
            let sent = Instant::now();
            stream.write_all(request).await.unwrap();
            stream.flush().await.unwrap();
            let answer = answer(&mut stream, &mut buffer).await;
            seen.push((index, sent.elapsed(), answer));
        }
    });
    let mut all: Vec<_> = futures_util::future::join_all(connections)
        .await
        .into_iter()
        .flatten()
        .collect();
    let took = start.elapsed();
    all.sort_by_key(|(index, ..)| *index);
    let mut latencies: Vec<_> = all.iter().map(|(_, latency, _)| *latency).collect();
    latencies.sort();
    Seen {
        took,
        latencies,
        answers: all.into_iter().map(|(.., answer)| answer).collect(),
    }
}

async fn answer(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> String {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        filled += read;
        let text = std::str::from_utf8(&buffer[..filled]).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.ends_with('}')
        {
            assert!(head.starts_with("HTTP/1.1 200"), "refused: {text}");
            return body.rsplit('"').nth(1).unwrap_or_default().to_owned();
        }
    }
}
