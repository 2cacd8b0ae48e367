//! The floor: hyper, serde_json, and nothing else.

use std::{convert::Infallible, process::ExitCode};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

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

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
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
pub fn serve() -> ExitCode {
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
            tokio::spawn(async move {
                let service = service_fn(answer);
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}
