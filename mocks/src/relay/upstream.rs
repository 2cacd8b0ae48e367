//! The connection to the real server: bytes out as they came, bytes back as they come.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::TlsConnector;

use crate::endpoint::{render::chunked, request::Request, stream::Stream};

/// The most of an answer that is looked at; what is longer is passed on unseen.
const LOOKED_AT: usize = 256 * 1024;

/// The server behind a relay.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    authority: String,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// The server behind a relay is not well named.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not an URL that can be called.
    #[error("{0:?} is not an address like https://mfa.example.org")]
    Url(String),
    /// It has a path, which would change the calls.
    #[error("{0:?} has a path: a relay changes nothing, so the caller names the path")]
    Path(String),
    /// The CA cannot be used.
    #[error("the CA cannot be used: {0}")]
    Ca(String),
}

impl Target {
    /// Reads the server's URL; `ca` is PEM to trust instead of the system's.
    pub fn read(url: &str, ca: Option<&[u8]>) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let parsed: reqwest::Url = url.parse().map_err(|_| wrong())?;
        let host = parsed.host_str().ok_or_else(wrong)?.to_owned();
        let port = parsed.port_or_known_default().ok_or_else(wrong)?;
        if !matches!(parsed.path(), "" | "/") {
            return Err(TargetError::Path(url.to_owned()));
        }
        let tls = match parsed.scheme() {
            "http" => None,
            "https" => Some(connector(ca)?),
            _ => return Err(wrong()),
        };
        let authority = match parsed.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority,
            tls,
        })
    }
}

fn connector(ca: Option<&[u8]>) -> Result<TlsConnector, TargetError> {
    let failed = |error: &dyn std::fmt::Display| TargetError::Ca(error.to_string());
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| failed(&error))?;
                roots.add(certificate).map_err(|error| failed(&error))?;
            }
        }
        // Certificates of the system that cannot be read are not trusted, which is the safe side.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The head with the server's own name in its `Host` line.
pub(super) fn with_host(head: &[u8], target: &Target) -> Bytes {
    let mut named = Vec::with_capacity(head.len() + 32);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let is_host = line
            .get(..5)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"host:"));
        match is_host {
            true => {
                named.extend_from_slice(&line[..5]);
                named.extend_from_slice(format!(" {}\r\n", target.authority).as_bytes());
            }
            false => named.extend_from_slice(line),
        }
    }
    Bytes::from(named)
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection to the server.
pub(super) struct Upstream(Box<dyn Io>);

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a whole answer.
    Whole {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
        /// Can the connection be used again?
        keep: bool,
    },
    /// The caller went before it was whole.
    CallerGone,
    /// The server reset the connection.
    Reset { says: &'static str },
    /// The server ended the connection before its answer was whole.
    Cut { says: &'static str },
}

impl Upstream {
    pub(super) async fn connect(target: &Target) -> io::Result<Self> {
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &target.tls else {
            return Ok(Self(Box::new(tcp)));
        };
        let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
        Ok(Self(Box::new(tls.connect(name, tcp).await?)))
    }

    /// Sends a request, and passes the answer on as it comes.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        caller: &mut Stream,
        ahead: &mut BytesMut,
        patience: Instant,
        late: &mut (dyn FnMut() + Send),
    ) -> Ended {
        let chunks = request.values("transfer-encoding").next().is_some();
        let body = match chunks {
            true => chunked(&request.body, 1),
            false => request.body.to_vec(),
        };
        let whole = [&request.head[..], &body].concat();
        if self.0.write_all(&whole).await.is_err() || self.0.flush().await.is_err() {
            return Ended::Reset {
                says: "the server ended the connection before it had read the request",
            };
        }
        let mut answer = Incoming::new(&request.method);
        let mut patience = Some(patience);
        loop {
            let mut bytes = BytesMut::with_capacity(8 * 1024);
            let read = tokio::select! {
                read = self.0.read_buf(&mut bytes) => read,
                closed = caller.wait(patience, ahead) => match closed {
                    // A caller that only closed its own half is told the answer all the same.
                    true => match self.passed_on(caller, &mut answer).await {
                        Some(ended) => return ended,
                        None => return Ended::CallerGone,
                    },
                    false => {
                        patience = None;
                        late();
                        continue;
                    }
                },
            };
            match read {
                Ok(0) => return answer.ended(),
                Err(_) => {
                    return Ended::Reset {
                        says: "the server reset the connection",
                    };
                }
                Ok(_) => {}
            }
            if caller.write_all(&bytes).await.is_err() || caller.flush().await.is_err() {
                return Ended::CallerGone;
            }
            if let Some(ended) = answer.take(&bytes) {
                return ended;
            }
        }
    }

    /// The rest of an answer that is already under way.
    async fn passed_on(&mut self, caller: &mut Stream, answer: &mut Incoming) -> Option<Ended> {
        let moment = std::time::Duration::from_millis(200);
        loop {
            let mut bytes = BytesMut::with_capacity(8 * 1024);
            let read = tokio::time::timeout(moment, self.0.read_buf(&mut bytes)).await;
            if !matches!(read, Ok(Ok(1..))) || caller.write_all(&bytes).await.is_err() {
                return None;
            }
            if let Some(ended) = answer.take(&bytes) {
                return Some(ended);
            }
        }
    }
}

/// An answer as far as it has come.
struct Incoming {
    raw: Vec<u8>,
    head_only: bool,
}

impl Incoming {
    fn new(method: &str) -> Self {
        Self {
            raw: Vec::new(),
            head_only: method == "HEAD",
        }
    }

    /// Takes further bytes; the answer, once it is whole.
    fn take(&mut self, bytes: &[u8]) -> Option<Ended> {
        if self.raw.len() < LOOKED_AT {
            self.raw.extend_from_slice(bytes);
        }
        self.understood(false)
    }

    /// The server closed: that is how some answers end.
    fn ended(mut self) -> Ended {
        self.understood(true).unwrap_or(Ended::Cut {
            says: "the server ended the connection before its answer was whole",
        })
    }

    fn understood(&mut self, closed: bool) -> Option<Ended> {
        let mut parsed_headers = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Response::new(&mut parsed_headers);
        let length = match parsed.parse(&self.raw) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return None,
            Err(_) => {
                return Some(Ended::Cut {
                    says: "what the server answered is no HTTP",
                });
            }
        };
        let status = parsed.code.unwrap_or_default();
        if (100..200).contains(&status) {
            self.raw.drain(..length);
            return self.understood(closed);
        }
        let headers: Vec<(String, String)> = parsed
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).trim().to_owned();
                (header.name.to_ascii_lowercase(), value)
            })
            .collect();
        let version = parsed.version;
        let value = |name: &str| {
            headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
        };
        let rest = &self.raw[length..];
        let until_close = value("transfer-encoding").is_none() && value("content-length").is_none();
        let body = if self.head_only || matches!(status, 204 | 304) {
            Some(Vec::new())
        } else if value("transfer-encoding").is_some() {
            unchunked(rest)
        } else if let Some(length) = value("content-length") {
            let length: usize = length.parse().ok()?;
            rest.get(..length).map(<[u8]>::to_vec)
        } else {
            closed.then(|| rest.to_vec())
        };
        let says_close =
            value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let keep = !closed && !until_close && !says_close && version == Some(1);
        Some(Ended::Whole {
            status,
            body: body?,
            keep,
            headers,
        })
    }
}

/// The body out of its chunks, once they are all there.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (at, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            _ => return None,
        };
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            let ended = rest[at..].starts_with(b"\r\n") || rest.ends_with(b"\r\n\r\n");
            return ended.then_some(body);
        }
        body.extend_from_slice(rest.get(at..at.checked_add(size)?)?);
        rest = rest.get(at + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> Option<(u16, String, bool)> {
        match Incoming::new("PUT").take(bytes)? {
            Ended::Whole {
                status, body, keep, ..
            } => Some((status, String::from_utf8_lossy(&body).into_owned(), keep)),
            _ => None,
        }
    }

    #[test]
    fn answers_are_whole_when_their_framing_says_so() {
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(whole(length), Some((200, "{}".to_owned(), true)));
        assert_eq!(whole(&length[..length.len() - 1]), None);
        let chunks = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
        assert_eq!(whole(chunks), Some((403, "{}".to_owned(), false)));
        assert_eq!(whole(&chunks[..chunks.len() - 2]), None);
        let mut open = Incoming::new("PUT");
        assert!(open.take(b"HTTP/1.0 200 OK\r\n\r\n{}").is_none());
        assert!(matches!(open.ended(), Ended::Whole { status: 200, .. }));
    }

    #[test]
    fn a_target_is_a_server_and_nothing_below_it() {
        assert!(Target::read("http://mfa.example.org", None).is_ok());
        assert!(matches!(
            Target::read("http://a/b", None),
            Err(TargetError::Path(_))
        ));
        assert!(Target::read("ftp://a", None).is_err());
        assert!(Target::read("mfa.example.org", None).is_err());
    }

    #[test]
    fn only_the_host_line_is_changed() {
        let target = Target::read("http://mfa.example.org:81", None).expect("a target");
        let head = b"PUT / HTTP/1.1\r\nhOst: relay\r\nx:  Y\r\n\r\n";
        let named = with_host(head, &target);
        assert_eq!(
            &named[..],
            b"PUT / HTTP/1.1\r\nhOst: mfa.example.org:81\r\nx:  Y\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), text in "[0-9a-f;\r\n:x ]{0,60}") {
            let _ = Incoming::new("PUT").take(&bytes);
            let framed = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}");
            let _ = Incoming::new("PUT").take(framed.as_bytes());
        }
    }
}
