//! An issuer of access tokens, on a real socket: its keys, its metadata, its opinions.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The stage's clock, in seconds since the Unix epoch.
pub const NOW: i64 = 1_800_000_000;

/// A key that tokens are signed with.
#[derive(Clone)]
pub struct SigningKey {
    pub id: &'static str,
    pub algorithm: Algorithm,
    private: EncodingKey,
    raw: Vec<u8>,
}

impl SigningKey {
    pub fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let kind = match algorithm {
            Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
            Algorithm::EdDSA => &PKCS_ED25519,
            _ => &PKCS_RSA_SHA256,
        };
        let pair = KeyPair::generate_for(kind).expect("a key");
        let pem = pair.serialize_pem();
        let private = match algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        Self {
            id,
            algorithm,
            private: private.expect("a private key"),
            raw: pair.public_key_raw().to_vec(),
        }
    }

    /// As it stands in a key set.
    pub fn public(&self) -> Value {
        if self.algorithm == Algorithm::EdDSA {
            let x = URL_SAFE_NO_PAD.encode(&self.raw);
            return json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id, "use": "sig" });
        }
        let mut key = Jwk::from_encoding_key(&self.private, self.algorithm).expect("a public key");
        key.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(key).expect("JSON")
    }

    /// The usual token with `claims` written over it.
    pub fn token(&self, issuer: &str, claims: &Value) -> String {
        self.token_with(issuer, &json!({}), claims)
    }

    /// The same with `header` written over its header; null takes a member away.
    pub fn token_with(&self, issuer: &str, header: &Value, claims: &Value) -> String {
        let usual =
            json!({ "alg": Header::new(self.algorithm).alg, "typ": "at+jwt", "kid": self.id });
        let header = over(usual, header);
        let claims = over(claims_of(issuer), claims);
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A signature over any two texts.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, self.algorithm)
                .expect("a signature");
        format!("{signed}.{signature}")
    }
}

/// What the usual token says.
pub fn claims_of(issuer: &str) -> Value {
    json!({
        "iss": issuer, "aud": "callotp", "sub": "pbx", "client_id": "pbx",
        "iat": NOW - 60, "exp": NOW + 600, "jti": "1", "scope": "otp.issue other",
    })
}

fn over(mut usual: Value, changes: &Value) -> Value {
    let members = usual.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    usual
}

/// The issuer's server.
pub struct IssuerServer {
    server: MockServer,
    answers: Arc<Mutex<Answers>>,
}

/// What it answers now.
#[derive(Clone)]
pub struct Answers {
    pub keys: Value,
    pub introspection: Value,
    /// A token that is active whatever is said of others.
    pub right_token: Option<&'static str>,
    pub status: u16,
    pub delay: Duration,
    /// Of the metadata at these paths.
    pub metadata: Vec<(&'static str, Value)>,
}

impl IssuerServer {
    pub async fn start(keys: &[&SigningKey]) -> Self {
        let answers = Arc::new(Mutex::new(Answers {
            keys: key_set(keys),
            introspection: json!({ "active": false }),
            right_token: None,
            status: 200,
            delay: Duration::ZERO,
            metadata: Vec::new(),
        }));
        let server = MockServer::start().await;
        let known = Arc::clone(&answers);
        let answer = move |request: &Request| {
            let answers = known.lock().expect("no panic").clone();
            let path = request.url.path();
            let body = match path {
                "/jwks" => Some(answers.keys),
                "/introspect" => {
                    let asked = String::from_utf8_lossy(&request.body);
                    let right = answers.right_token.map(|token| format!("token={token}&"));
                    match right.is_some_and(|right| asked.starts_with(&right)) {
                        true => Some(json!({ "active": true, "exp": NOW + 600 })),
                        false => Some(answers.introspection),
                    }
                }
                _ => answers
                    .metadata
                    .into_iter()
                    .find(|(known, _)| *known == path)
                    .map(|(_, value)| value),
            };
            match body {
                Some(body) => ResponseTemplate::new(answers.status)
                    .set_delay(answers.delay)
                    .set_body_json(body),
                None => ResponseTemplate::new(404),
            }
        };
        Mock::given(wiremock::matchers::any())
            .respond_with(answer)
            .mount(&server)
            .await;
        Self { server, answers }
    }

    /// Its name, which is its address too.
    pub fn name(&self) -> String {
        self.server.uri()
    }

    pub fn change(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().expect("no panic"));
    }

    pub fn rotate(&self, keys: &[&SigningKey]) {
        self.change(|answers| answers.keys = key_set(keys));
    }

    /// The requests for `path` so far, without those that try whether there is anybody.
    pub async fn asked(&self, at: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.expect("recorded");
        all.into_iter()
            .filter(|request| request.url.path() == at)
            .filter(|request| !request.body.starts_with(b"token=callotp-probe&"))
            .collect()
    }

    /// `bearer = {...}` for its tokens.
    pub fn bearer(&self) -> String {
        let name = self.name();
        format!(
            "{{ issuer = \"{name}\", audience = \"callotp\", jwks_url = \"{name}/jwks\", scope = \"otp.issue\" }}"
        )
    }
}

pub fn key_set(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>() })
}
