//! TLS for the endpoints, with certificates made on the spot.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::world::{Received, World};
use crate::target::ClientCertificate;

/// What is special about the TLS of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Nothing.
    Sound,
    /// It speaks HTTP/2 and nothing else.
    Http2,
    /// Its certificate has expired.
    Expired,
    /// Its certificate ends within days.
    EndsSoon,
    /// It answers a hello of TLS 1.0.
    Old,
    /// It wants a client certificate of its own authority.
    ClientCertificate,
    /// It is said to want one, and does not ask.
    UnaskedCertificate,
}

/// What an endpoint needs to accept a connection over TLS.
#[derive(Clone)]
pub(super) struct Security {
    pub(super) acceptor: TlsAcceptor,
    pub(super) authority: CertificateDer<'static>,
    pub(super) http2: bool,
    old: bool,
    client: Option<ClientCertificate>,
}

impl Security {
    pub(super) fn new(tls: Tls) -> io::Result<Self> {
        let Made {
            chain,
            key,
            authority,
            client,
        } = certificates(tls).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match tls {
            Tls::ClientCertificate => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone()).map_err(io::Error::other)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(io::Error::other)?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(io::Error::other)?;
        let http2 = tls == Tls::Http2;
        let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            authority,
            http2,
            old: tls == Tls::Old,
            client: matches!(tls, Tls::ClientCertificate | Tls::UnaskedCertificate)
                .then_some(client),
        })
    }

    /// The certificate that a client is to show.
    pub(super) fn client(&self) -> Option<ClientCertificate> {
        self.client.clone()
    }

    /// An endpoint with old versions left on answers their hello before anything else.
    pub(super) async fn first_look(&self, mut tcp: TcpStream) -> io::Result<TcpStream> {
        if !self.old {
            return Ok(tcp);
        }
        let mut start = [0; 11];
        loop {
            tcp.readable().await?;
            match tcp.peek(&mut start).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                11.. => break,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        let version = [start[9], start[10]];
        if version < [3, 3] {
            let hello = [
                22, version[0], version[1], 0, 6, 2, 0, 0, 2, version[0], version[1],
            ];
            tcp.write_all(&hello).await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(tcp)
    }
}

struct Made {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: CertificateDer<'static>,
    client: ClientCertificate,
}

/// A server's certificate, its authority's, and a client's.
fn certificates(tls: Tls) -> Result<Made, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let now = jiff::Timestamp::now();
    let day = |days: i64| {
        let date = now + jiff::SignedDuration::from_hours(24 * days);
        let date = date.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        let number = |part: i8| u8::try_from(part).unwrap_or(1);
        rcgen::date_time_ymd(
            i32::from(date.year()),
            number(date.month()),
            number(date.day()),
        )
    };
    params.not_before = day(-30);
    params.not_after = match tls {
        Tls::Expired => day(-2),
        Tls::EndsSoon => day(5),
        _ => day(300),
    };
    let certificate = params.signed_by(&key, &issuer)?;
    let client_key = KeyPair::generate()?;
    let mut client = CertificateParams::new(vec!["pbx.example.org".to_owned()])?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = client.signed_by(&client_key, &issuer)?;
    let private = |key: &KeyPair| PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok(Made {
        chain: vec![certificate.der().clone()],
        key: private(&key),
        authority: authority_certificate.der().clone(),
        client: ClientCertificate {
            chain: vec![client.der().clone()],
            key: private(&client_key),
        },
    })
}

/// Serves one connection over HTTP/2.
pub(super) async fn http2(stream: TlsStream<TcpStream>, world: Arc<World>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let world = world.clone();
        async move { Ok::<_, Infallible>(answer(&world, request).await) }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(world: &World, request: Request<Incoming>) -> Response<Full<hyper::body::Bytes>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, 64 * 1024).collect().await;
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: body.map_or(Vec::new(), |body| body.to_bytes().to_vec()),
    };
    let reply = world.answer(&received).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response
        .body(Full::from(reply.body))
        .unwrap_or_else(|_| Response::new(Full::default()))
}
