//! Tokens that are bound to a certificate (RFC 8705 §3).

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{TLS, files, http};
use crate::stage::{
    Stage,
    authority::Authority,
    client, folder,
    issuer::{IssuerServer, SigningKey},
    with_clients,
};

#[tokio::test]
async fn a_bound_token_needs_its_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (bound, other) = (theirs.client("bound"), theirs.client("other"));
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let clients = client("pbx", &format!("bearer = {}", issuer.bearer()));
    let print = URL_SAFE_NO_PAD.encode(bound.thumbprint());
    let claims = json!({ "cnf": { "x5t#S256": print } });
    let token = format!("Bearer {}", key.token(&issuer.name(), &claims));
    let header = [("authorization", token.as_str())];
    let server = format!("refusals = \"http\"\n{TLS}client_ca = \"clients.pem\"\n");
    let stage = Stage::in_folder(files(&ours, &theirs), &with_clients(&server, &clients)).await;
    // Twice, because a token that is remembered is still bound.
    for _ in 0..2 {
        for (identity, status) in [(Some(&bound), 200), (Some(&other), 401), (None, 401)] {
            let answer = stage.call(&http(&ours, identity), "https", &header).await;
            assert_eq!(answer.status, status, "{}", stage.log());
        }
    }
    let server = "refusals = \"http\"\n[server.proxy]\ntrusted = [\"127.0.0.1\"]\nclient_certificate_header = \"client-cert\"\n";
    let stage = Stage::in_folder(folder(), &with_clients(server, &clients)).await;
    let plain = reqwest::Client::new();
    for (certificate, status) in [(&bound, 200), (&other, 401)] {
        let passed_on = format!(":{}:", STANDARD.encode(&certificate.der));
        let headers = [header[0], ("client-cert", passed_on.as_str())];
        assert_eq!(stage.call(&plain, "http", &headers).await.status, status);
    }
}
