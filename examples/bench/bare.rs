//! The floor: hyper, serde_json, and nothing else; or with a token verified, over TLS, or with
//! Redis asked.

use std::{convert::Infallible, fs, path::Path, process::ExitCode, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::redis::BareClient;

#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Otp { otp: String },
    User { username: String },
}

#[derive(Deserialize)]
struct GetOtp {
    phonenumber: String,
}

#[derive(Deserialize)]
struct Validate {
    username: String,
    otp: String,
}

/// What the server does beside answering.
#[derive(Clone)]
pub enum Extra {
    Nothing,
    /// Verifies the token of each call with this key.
    Token(Arc<DecodingKey>),
    /// Speaks TLS.
    Tls(TlsAcceptor),
    /// Asks Redis first.
    Redis(Arc<BareClient>),
}

impl Extra {
    /// With the first key of the set in this file.
    pub fn token(keys: &str) -> Self {
        let set: JwkSet = serde_json::from_str(&fs::read_to_string(keys).unwrap()).unwrap();
        Self::Token(Arc::new(DecodingKey::from_jwk(&set.keys[0]).unwrap()))
    }

    /// With the certificate in this folder, and rustls as callotp sets it.
    pub fn tls(folder: &str) -> Self {
        let at = |name| Path::new(folder).join(name);
        let chain = CertificateDer::pem_file_iter(at("server.pem")).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(at("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        Self::Tls(TlsAcceptor::from(Arc::new(config)))
    }
}

/// What a verified token has to say.
#[derive(Deserialize)]
struct Claims {
    #[expect(dead_code, reason = "it is read, which is what costs")]
    scope: String,
}

fn verify(request: &Request<Incoming>, key: &DecodingKey) {
    let header = request.headers()["authorization"].to_str().unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["callotp"]);
    let token = header.trim_start_matches("Bearer ");
    jsonwebtoken::decode::<Claims>(token, key, &validation).unwrap();
}

async fn answer(
    request: Request<Incoming>,
    extra: Extra,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Extra::Token(key) = &extra {
        verify(&request, key);
    }
    if let Extra::Redis(client) = &extra {
        client.get_otp().await;
    }
    let validates = request.uri().path().ends_with("validate");
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let told = match validates {
        false => serde_json::from_slice::<GetOtp>(&body).map(|asked| Told::Otp {
            otp: format!("{:06}", asked.phonenumber.len()),
        }),
        true => serde_json::from_slice::<Validate>(&body).map(|asked| Told::User {
            username: asked.username + &asked.otp[..0],
        }),
    };
    let text = told
        .map(|told| serde_json::to_string(&told).unwrap())
        .unwrap_or_default();
    Ok(Response::new(Full::new(Bytes::from(text))))
}

/// Serves until the process is ended, on a free port that it prints.
pub fn serve(extra: Extra) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{{\"listening\":\"{}\"}}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let extra = extra.clone();
            tokio::spawn(async move {
                match extra.clone() {
                    Extra::Tls(acceptor) => {
                        let stream = acceptor.accept(stream).await.unwrap();
                        connection(stream, extra).await;
                    }
                    _ => connection(stream, extra).await,
                }
            });
        }
    })
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, extra: Extra) {
    let service = service_fn(|request| answer(request, extra.clone()));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
