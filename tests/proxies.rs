//! nginx, haproxy and Apache in front of the server, configured as `docs/clients.md` says.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use crate::stage::{
    Answer, BASIC, HASH, Stage,
    authority::{Authority, Issued, Wish},
    client, folder, with_clients,
};

/// A reverse proxy; ended with the test.
struct Proxy {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nginx,
    Haproxy,
    Apache,
}

const KINDS: [Kind; 3] = [Kind::Nginx, Kind::Haproxy, Kind::Apache];

/// The example of the documentation for this proxy.
fn documented(kind: Kind) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md");
    let page = fs::read_to_string(page).expect("the page");
    let mark = format!("```{}\n", format!("{kind:?}").to_lowercase());
    let (_, after) = page.split_once(&mark).expect("an example");
    let (example, _) = after.split_once("```").expect("its end");
    example.to_owned()
}

impl Kind {
    /// The whole configuration: the documented part at these addresses, and what each proxy
    /// needs to run in a folder of its own.
    fn configuration(self, folder: &Path, at: SocketAddr, upstream: SocketAddr) -> String {
        let folder = folder.display();
        let example = documented(self);
        for needed in ["443", "127.0.0.1:8080"] {
            assert!(example.contains(needed), "{example}");
        }
        let example = example
            .replace("*:443", &at.to_string())
            .replace(" :443", &format!(" {at}"))
            .replace("listen 443", &format!("listen {at}"))
            .replace("127.0.0.1:8080", &upstream.to_string());
        match self {
            Self::Nginx => {
                let bodies: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
                    .concat();
                format!(
                    "daemon off; master_process off; pid {folder}/pid; events {{}}\n\
                     error_log {folder}/error;\nhttp {{ access_log off;\n{bodies}{example}}}\n"
                )
            }
            Self::Haproxy => format!(
                "defaults\n    mode http\n    timeout connect 5s\n    timeout client 9s\n    \
                 timeout server 9s\n{example}"
            ),
            Self::Apache => {
                let modules: String = [
                    "mpm_event",
                    "authz_core",
                    "headers",
                    "proxy",
                    "proxy_http",
                    "socache_shmcb",
                    "ssl",
                ]
                .map(|name| {
                    format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
                })
                .concat();
                format!(
                    "ServerRoot {folder}\nServerName localhost\nPidFile {folder}/pid\n\
                     DefaultRuntimeDir {folder}\nErrorLog {folder}/error\n{modules}\
                     Listen {at}\n{example}"
                )
            }
        }
    }

    /// In the foreground and in one process, so that it ends with the test.
    fn command(self, folder: &Path) -> Command {
        let (program, arguments): (&str, &[&str]) = match self {
            Self::Nginx => ("/usr/sbin/nginx", &["-e", "error", "-p", ".", "-c", "conf"]),
            Self::Haproxy => ("/usr/sbin/haproxy", &["-q", "-db", "-f", "conf"]),
            Self::Apache => ("/usr/sbin/apache2", &["-X", "-d", ".", "-f", "conf"]),
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        command
    }

    /// Starts one with the server's certificate by `ours` in front of `upstream`.
    async fn start(self, ours: &Authority, theirs: &Authority, upstream: SocketAddr) -> Proxy {
        let mut said = String::new();
        for _ in 0..5 {
            let folder = tempfile::tempdir().expect("a folder");
            let server = ours.issue(&Wish::server());
            let file = |name: &str, text: &str| {
                fs::write(folder.path().join(name), text).expect("written");
            };
            server.write(folder.path(), "server");
            file("server.both", &format!("{}{}", server.pem, server.key));
            file("clients.pem", &theirs.pem);
            file("clients.crl", &theirs.revoke(&[99]));
            // Free now, and rarely taken in between: then there is another try.
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = free.local_addr().expect("its address");
            drop(free);
            file(
                "conf",
                &self.configuration(folder.path(), address, upstream),
            );
            let output = fs::File::create(folder.path().join("output")).expect("a file");
            let child = self
                .command(folder.path())
                .stdin(Stdio::null())
                .stdout(output.try_clone().expect("a handle"))
                .stderr(output)
                .spawn()
                .expect("a proxy that is installed");
            let mut proxy = Proxy {
                child,
                address,
                folder,
            };
            if proxy.is_up().await {
                return proxy;
            }
            said = proxy.said();
        }
        panic!("{self:?} does not start: {said}");
    }
}

impl Proxy {
    async fn is_up(&mut self) -> bool {
        for _ in 0..500 {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            if self.child.try_wait().expect("a state").is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// What it has complained of.
    fn said(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name));
        ["output", "error"]
            .map(|name| read(name).unwrap_or_default())
            .concat()
    }

    /// A client that trusts `ours` and shows `identity`, with a connection for each call.
    fn client(&self, ours: &Authority, identity: Option<&Issued>) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(ours.pem.as_bytes()).expect("a certificate");
        let mut builder = reqwest::Client::builder()
            .tls_certs_only([root])
            .http1_only()
            .pool_max_idle_per_host(0);
        if let Some(identity) = identity {
            builder = builder.identity(identity.identity());
        }
        builder.build().expect("a client")
    }

    /// The answer that comes through it; `None` if the proxy lets nothing through.
    async fn call(
        &self,
        stage: &Stage,
        http: &reqwest::Client,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        stage.tick();
        let body = serde_json::json!({ "phonenumber": crate::stage::ADA });
        let url = format!(
            "https://localhost:{}/api/authentication/getOTP",
            self.address.port()
        );
        let mut request = http
            .put(url)
            .header("tenant", "t1")
            .header("content-type", "application/json")
            .body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let body = response.text().await.ok()?;
        Some(Answer {
            status,
            headers: Vec::new(),
            body,
        })
    }
}

/// A server behind a proxy on the same machine.
async fn stage() -> Stage {
    let server = "refusals = \"http\"\n[server.proxy]\ntrusted = [\"127.0.0.1\"]\nclient_certificate_header = \"client-cert\"\n";
    let clients = client(
        "pbx",
        &format!(
            "certificate = {{ subject = \"CN=pbx one,O=Läb\\\\, Inc,C=SE\" }}\n\
             basic = {{ username = \"pbx\", password_hash = \"{HASH}\" }}"
        ),
    );
    Stage::in_folder(folder(), &with_clients(server, &clients)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn real_proxies_pass_on_who_called_and_nothing_else() {
    let (ours, theirs, foreign) = (
        Authority::new("ours"),
        Authority::new("theirs"),
        Authority::new("foreign"),
    );
    let right = theirs.client("pbx one");
    let other = theirs.client("pbx two");
    let revoked = theirs.issue(&Wish {
        serial: 99,
        ..Wish::client("pbx one")
    });
    let strange = foreign.client("pbx one");
    let base64 = STANDARD.encode(&right.der);
    let escaped: String = url::form_urlencoded::byte_serialize(right.pem.as_bytes()).collect();
    let (rfc, escaped) = (format!(":{base64}:"), escaped.replace('+', "%20"));
    for kind in KINDS {
        let stage = stage().await;
        let proxy = kind.start(&ours, &theirs, stage.address).await;
        let with = |identity| proxy.client(&ours, identity);
        let status = async |http: &reqwest::Client, headers: &[(&str, &str)]| {
            let answer = proxy.call(&stage, http, headers).await;
            answer.map(|answer| answer.status)
        };
        let told = || format!("{kind:?}: {}\n{}", proxy.said(), stage.log());
        // Twice: the second handshake takes the first one's session up again.
        let known = with(Some(&right));
        for _ in 0..2 {
            assert_eq!(status(&known, &[]).await, Some(200), "{}", told());
        }
        assert_eq!(
            status(&with(Some(&other)), &[]).await,
            Some(401),
            "{}",
            told()
        );
        assert_eq!(
            stage.last_reason(3).await,
            "certificate_unknown",
            "{}",
            told()
        );
        let none = with(None);
        assert_eq!(status(&none, &[]).await, Some(401), "{}", told());
        assert_eq!(
            stage.last_reason(4).await,
            "credentials_missing",
            "{}",
            told()
        );
        // Without a certificate there are other ways.
        let basic = [("authorization", BASIC)];
        assert_eq!(status(&none, &basic).await, Some(200), "{}", told());
        for (what, bad) in [("revoked", &revoked), ("strange", &strange)] {
            let status = status(&with(Some(bad)), &[]).await;
            assert!(
                matches!(status, None | Some(400 | 401)),
                "{what}: {status:?} {}",
                told()
            );
        }
        // What a client itself says in the header, and in names like it, is worth nothing.
        for name in ["client-cert", "Client-Cert", "client_cert", "CLIENT_CERT"] {
            for value in [&rfc, &base64, &escaped] {
                for headers in [
                    &[(name, value.as_str())][..],
                    &[(name, value), (name, value)],
                    &[(name, value), ("connection", "close, client-cert")],
                ] {
                    let anonymous = status(&none, headers).await;
                    assert_eq!(anonymous, Some(401), "{headers:?} {}", told());
                    let somebody = status(&with(Some(&other)), headers).await;
                    assert_eq!(somebody, Some(401), "{headers:?} {}", told());
                }
            }
        }
        // Nor does it take away what the proxy says.
        let headers = [("client-cert", "(null)"), ("client_cert", rfc.as_str())];
        assert_eq!(status(&known, &headers).await, Some(200), "{}", told());
    }
}
