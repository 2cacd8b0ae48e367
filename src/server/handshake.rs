//! The TLS handshake, in the connection's own task and time.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::connection::Protocol;
use crate::{
    client_auth::{ClientCertificate, OncePerSource},
    clock::Clock,
    tls::{HTTP2, Tls},
};

/// Makes handshakes, and says why they fail.
pub(super) struct Handshakes {
    tls: Option<Arc<Tls>>,
    complaints: OncePerSource,
}

/// A connection after its handshake.
pub(super) struct Shaken {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) protocol: Protocol,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

impl Handshakes {
    pub(super) fn new(tls: Option<Arc<Tls>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            tls,
            complaints: OncePerSource::new(clock),
        }
    }

    /// `None` for plain HTTP.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.tls.as_ref()?.acceptor()
    }

    /// The connection, if its handshake comes to an end in time and a client certificate,
    /// if there is one, is good.
    pub(super) async fn shake(
        &self,
        acceptor: TlsAcceptor,
        stream: TcpStream,
        from: IpAddr,
        within: Duration,
    ) -> Option<Shaken> {
        let stream = match timeout(within, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                // Port scanners and health checks end up here by the thousand.
                if self.complaints.is_first(from) {
                    tracing::warn!(%from, %error, "a TLS handshake failed (said once an hour)");
                } else {
                    tracing::debug!(%from, %error, "a TLS handshake failed");
                }
                return None;
            }
            Err(_) => {
                tracing::debug!(%from, "a TLS handshake took too long");
                return None;
            }
        };
        let (_, session) = stream.get_ref();
        let protocol = match session.alpn_protocol() {
            Some(HTTP2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let certificate = match session.peer_certificates().and_then(<[_]>::first) {
            None => None,
            Some(der) => match ClientCertificate::from_der(der) {
                Ok(certificate) => Some(Arc::new(certificate)),
                Err(error) => {
                    tracing::warn!(%from, %error, "a client's certificate cannot be read");
                    return None;
                }
            },
        };
        Some(Shaken {
            stream,
            protocol,
            certificate,
        })
    }
}
