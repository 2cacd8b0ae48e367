//! Client certificates: shown to the server itself, or passed on by a proxy.

mod bound;
mod passed_on;
mod shown;

use std::fs;

use tempfile::TempDir;

use crate::stage::{
    Answer, Stage,
    authority::{Authority, Issued, Wish},
    folder,
};

const TLS: &str = "[server.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";

/// The serial number that certificates have unless told otherwise.
const SERIAL: u64 = 7;

/// A folder with the people, the server's certificate by `ours` and clients' by `theirs`.
fn files(ours: &Authority, theirs: &Authority) -> TempDir {
    let folder = folder();
    ours.issue(&Wish::server()).write(folder.path(), "server");
    fs::write(folder.path().join("clients.pem"), &theirs.pem).expect("written");
    folder
}

fn http(ours: &Authority, identity: Option<&Issued>) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(ours.pem.as_bytes()).expect("a certificate");
    let builder = reqwest::Client::builder().tls_certs_only([root]);
    let builder = match identity {
        Some(identity) => builder.identity(identity.identity()),
        None => builder,
    };
    builder.build().expect("a client")
}

/// The answer, or `None` if the handshake failed.
async fn call(stage: &Stage, http: &reqwest::Client, headers: &[(&str, &str)]) -> Option<Answer> {
    let request = http
        .put(format!(
            "https://localhost:{}/api/authentication/getOTP",
            stage.address.port()
        ))
        .body("{}");
    match headers.is_empty() && request.send().await.is_err() {
        true => None,
        false => Some(stage.call(http, "https", headers).await),
    }
}
