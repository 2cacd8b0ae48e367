//! Tokens and TLS, each against a bare server that does the same and nothing more.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use rcgen::{CertificateParams, KeyPair};

use super::{
    figures::{judged, median},
    load, people,
    process::Server,
    rounds::{measure, measure_over},
};

/// Rounds per server; the first warms up and is not counted.
const ROUNDS: usize = 5;
/// Calls in a round.
const CALLS: usize = 50_000;
/// People to call from; few, because it is not the directory that is measured here.
const PEOPLE: usize = 100_000;

/// Signs tokens, and publishes its key.
struct Issuer {
    name: String,
    key: EncodingKey,
}

impl Issuer {
    /// Answers every request with its key set, until the program ends.
    fn start(folder: &Path) -> Self {
        let pem = KeyPair::generate().unwrap().serialize_pem();
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        let public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let set = serde_json::json!({ "keys": [public] }).to_string();
        fs::write(folder.join("jwks.json"), &set).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = std::io::Read::read(&mut stream, &mut request);
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{set}",
                    set.len()
                );
                let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
            }
        });
        Self { name, key }
    }

    fn token(&self, id: usize) -> String {
        let claims = serde_json::json!({
            "iss": self.name, "aud": "callotp", "sub": "pbx", "client_id": "pbx",
            "exp": 4_000_000_000_u64, "iat": 1, "jti": id.to_string(), "scope": "otp.issue",
        });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}")
    }
}

/// Starts this program as a bare server.
fn bare(arguments: &[&str], folder: &Path) -> Server {
    let me = env::current_exe().unwrap();
    Server::start(me.to_str().unwrap(), arguments, &folder.join("bare.log"))
}

/// Starts callotp with the usual configuration, changed.
fn ours(callotp: &str, folder: &Path, usual: &Path, from: &str, to: &str) -> Server {
    let text = fs::read_to_string(usual).unwrap();
    let start = text.find(from).unwrap();
    let end = start + text[start..].find('\n').unwrap();
    let text = format!("{}{to}{}", &text[..start], &text[end..]);
    let config: PathBuf = folder.join("changed.toml");
    fs::write(&config, text).unwrap();
    let arguments = ["serve", "--config", config.to_str().unwrap()];
    Server::start(callotp, &arguments, &folder.join("callotp.log"))
}

fn requests(round: usize, authorization: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
    (0..CALLS)
        .map(|n| {
            let who = (n * 7919 + round * 104_729) % PEOPLE;
            let body = format!("{{\"phonenumber\":\"{}\"}}", people::number(who));
            load::request_as("getOTP", &authorization(n), &body)
        })
        .collect()
}

/// Tokens, each new and always the same. Says whether the figures hold.
pub fn tokens(callotp: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let issuer = Issuer::start(folder);
    let usual = people::write(folder, PEOPLE, &people::hash(callotp));
    let name = &issuer.name;
    let bearer = format!(
        "bearer = {{ issuer = \"{name}\", audience = \"callotp\", jwks_url = \"{name}/jwks\", scope = \"otp.issue\" }}"
    );
    let ours = ours(callotp, folder, &usual, "basic = ", &bearer);
    let keys = folder.join("jwks.json");
    let verifying = bare(&["bare-token", keys.to_str().unwrap()], folder);
    let bare = bare(&["bare"], folder);
    let (mut fresh, mut remembered) = (Vec::new(), Vec::new());
    let always = format!("Bearer {}", issuer.token(usize::MAX));
    for round in 0..=ROUNDS {
        let each = requests(round, |n| {
            format!("Bearer {}", issuer.token(round * CALLS + n))
        });
        let (floor, own) = (measure(&verifying, &each), measure(&ours, &each));
        let same = requests(round, |_| always.clone());
        let (low, high) = (measure(&bare, &same), measure(&ours, &same));
        if round > 0 {
            println!(
                "  tokens: verifying {:.1} µs, callotp {:.1} µs; remembered: bare {:.2} µs, callotp {:.2} µs",
                floor.cpu, own.cpu, low.cpu, high.cpu
            );
            fresh.push(own.cpu / floor.cpu);
            remembered.push(high.cpu / low.cpu);
        }
    }
    let fresh = judged(
        "a new ES256 token each call: CPU against bare",
        median(&mut fresh),
        "times",
        1.25,
    );
    judged(
        "a remembered token: CPU against bare without",
        median(&mut remembered),
        "times",
        1.7,
    ) && fresh
}

/// TLS, connections kept alive. Says whether the figure holds.
pub fn tls(callotp: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let usual = people::write(folder, PEOPLE, &people::hash(callotp));
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    let section =
        "[server.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n[store]";
    let ours = ours(callotp, folder, &usual, "[store]", section);
    let bare = bare(&["bare-tls", folder.to_str().unwrap()], folder);
    let connector = load::Connector::tls(certificate.der().clone());
    let connector = Arc::new(connector);
    let mut throughput = Vec::new();
    for round in 0..=ROUNDS {
        let asked = requests(round, |_| "Basic cGJ4OnNlY3JldA==".to_owned());
        let (floor, own) = (
            measure_over(&connector, &bare, &asked),
            measure_over(&connector, &ours, &asked),
        );
        if round > 0 {
            let (slow, fast) = (own.seen.per_second(), floor.seen.per_second());
            println!(
                "  TLS: bare {fast:.0}/s, {:.2} µs; callotp {slow:.0}/s, {:.2} µs",
                floor.cpu, own.cpu
            );
            throughput.push(fast / slow);
        }
    }
    judged(
        "TLS, kept alive: bare's throughput against callotp's",
        median(&mut throughput),
        "times",
        1.0 / 0.75,
    )
}
