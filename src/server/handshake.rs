//! The TLS handshake, in the connection's own task and time.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    connection::Protocol,
    failure::{Complaints, Failure},
};
use crate::{client_auth::ClientCertificate, tls::HTTP2};

/// A connection after its handshake.
pub(super) struct Shaken {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) protocol: Protocol,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

/// The connection, if its handshake comes to an end in time and a client certificate, if
/// there is one, is good.
pub(super) async fn shake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    from: IpAddr,
    within: Duration,
    complaints: &Complaints,
) -> Option<Shaken> {
    let stream = match timeout(within, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            complaints.note(Failure::of_handshake(&error), from, &error);
            return None;
        }
        Err(late) => {
            complaints.note(Failure::HandshakeTimedOut, from, &late);
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
                complaints.note(Failure::CertificateWrong, from, &error);
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
