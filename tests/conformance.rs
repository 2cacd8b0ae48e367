//! The conformance suite, which shares no line with the server, finds nothing in it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use callotp_conformance::{
    catalogue::{Consent, Profile},
    report::Report,
    run,
    secret::{Number, Secret},
    selection::{DirectorySwitch, Rate, Selection},
    target::{Auth, BaseUrl, ClientCertificate, OtherTenant, Target, Validate},
};
use callotp_mock::{ldap::Directory, people::Person};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tempfile::TempDir;

use crate::stage::{
    self, Setting,
    authority::{Authority, Wish},
    issuer::{IssuerServer, SigningKey},
};

/// The program, serving two tenants from a folder of its own; killed when dropped.
struct Serving {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(setting: &Setting) -> Self {
        Self::with_client(setting, None, |_| {})
    }

    /// The same, with clients known by something else than Basic, and files beside it.
    fn with_client(setting: &Setting, client: Option<&str>, files: impl FnOnce(&Path)) -> Self {
        let basic = format!(
            "basic = {{ username = \"pbx\", password_hash = \"{}\" }}",
            stage::HASH
        );
        let toml = setting.toml();
        assert!(toml.contains(&basic), "{toml}");
        let toml = toml.replace(&basic, client.unwrap_or(&basic));
        Self::configured(&toml, |folder| {
            fs::write(folder.join("people.ldif"), &setting.people).expect("a written file");
            files(folder);
        })
    }

    /// The same, with this configuration.
    fn configured(toml: &str, files: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a written file");
        };
        write("others.ldif", OTHERS);
        write("callotp.toml", toml);
        files(folder.path());
        let mut child = Command::new(env!("CARGO_BIN_EXE_callotp"))
            .args(["serve", "--config"])
            .arg(folder.path().join("callotp.toml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a started program");
        let mut line = String::new();
        let out = child.stdout.take().expect("standard output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("a line in JSON");
        let address: std::net::SocketAddr = ready["listening"]
            .as_str()
            .expect("an address")
            .parse()
            .expect("an address");
        Self {
            child,
            port: address.port(),
            _folder: folder,
        }
    }

    fn target(&self) -> Target {
        Target {
            url: BaseUrl {
                tls: false,
                host: "127.0.0.1".to_owned(),
                port: self.port,
                prefix: String::new(),
            },
            tenant: "t1".to_owned(),
            auth: Auth::Basic {
                username: Secret::new("pbx"),
                password: Secret::new("secret"),
            },
            known: Number::new(stage::ADA),
            unknown: Number::new(stage::NOBODY),
            spellings: vec![
                Number::new("(070) 174 06 05"),
                Number::new("46701740605"),
                Number::new("sip:+46701740605@trunk;user=phone"),
                Number::new("+46\u{a0}70\u{2011}174\u{a0}06\u{a0}05"),
            ],
            other_tenant: Some(OtherTenant {
                id: "t2".to_owned(),
                known: Number::new("+46701740610"),
            }),
            // The stage's tenant has every operation that the server knows.
            other_operation: None,
            validate: Some(Validate {
                operation: "validate".to_owned(),
                username: Secret::new("ada"),
                password: Some(Secret::new("correct horse")),
                other: Some((Secret::new("Bo"), Some(Secret::new("battery staple")))),
                lifetime: Some(Duration::from_secs(2)),
            }),
            production: false,
            profile: Profile::Hardened,
            ca: Vec::new(),
            file: None,
        }
    }
}

/// The people of the other tenant.
const OTHERS: &str = "\
dn: uid=cy,ou=people,dc=example,dc=org
objectClass: person
uid: cy
entryUUID: 5a1d3f0e-0000-4000-8000-000000000010
mobile: +46701740610
userPassword: tenant two
";

/// Two tenants, an OTP that lives for two seconds, and no throttle.
fn two_tenants(server: &str) -> Setting {
    let mut setting = Setting::tenant("[tenant.otp]\nlifetime = \"2s\"\n");
    setting.server = server.to_owned();
    setting.more = stage::tenant("t2", "others.ldif");
    setting
}

fn everything() -> Selection {
    Selection {
        strict: true,
        rate: Rate::UNLIMITED,
        max_otp: 200,
        allow: [Consent::Authfail].into(),
        ..Selection::default()
    }
}

async fn judged(target: &Target) -> Report {
    run(target, &everything()).await
}

#[track_caller]
fn flawless(report: &Report, not_applicable: &[&str]) {
    assert_eq!(report.summary.exit, 0, "{}", report.markdown());
    let skipped: Vec<&str> = report
        .clauses
        .iter()
        .filter(|clause| clause.verdict == callotp_conformance::verdict::Verdict::NotApplicable)
        .map(|clause| clause.id.as_str())
        .collect();
    assert_eq!(skipped, not_applicable, "{}", report.markdown());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_hardened_profile_holds_over_http_with_basic() {
    let serving = Serving::start(&two_tenants(""));
    flawless(
        &judged(&serving.target()).await,
        &["method.allow", "tls.version", "tls.chain", "backend.down"],
    );
}

const TLS: &str = "[server.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";

/// The target over TLS, its authority known.
fn over_tls(serving: &Serving, authority: &Authority) -> Target {
    let mut target = serving.target();
    target.url.tls = true;
    target.url.host = "localhost".to_owned();
    target.ca = vec![certificate(&authority.pem)];
    target
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_hardened_profile_holds_over_https_with_basic() {
    let ours = Authority::new("ours");
    let serving = Serving::with_client(&two_tenants(TLS), None, |folder| {
        ours.issue(&Wish::server()).write(folder, "server");
    });
    let report = judged(&over_tls(&serving, &ours)).await;
    flawless(&report, &["method.allow", "backend.down"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_hardened_profile_holds_over_https_with_certificates() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let client = theirs.client("pbx");
    let known = format!("certificate = {{ sha256 = \"{}\" }}", client.sha256());
    let server = format!("{TLS}client_ca = \"clients.pem\"\n");
    let serving = Serving::with_client(&two_tenants(&server), Some(&known), |folder| {
        ours.issue(&Wish::server()).write(folder, "server");
        fs::write(folder.join("clients.pem"), &theirs.pem).expect("a written file");
    });
    let mut target = over_tls(&serving, &ours);
    target.auth = Auth::Certificate(ClientCertificate {
        chain: vec![certificate(&client.pem)],
        key: PrivateKeyDer::from_pem_slice(client.key.as_bytes()).expect("a key"),
    });
    let report = judged(&target).await;
    flawless(
        &report,
        &["method.allow", "auth.scheme-case", "backend.down"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_hardened_profile_holds_over_http_with_bearer() {
    let key = SigningKey::new("es", jsonwebtoken::Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let client = format!("bearer = {}", issuer.bearer());
    let serving = Serving::with_client(&two_tenants(""), Some(&client), |_| {});
    // The program has the machine's clock: a token for a long time to come.
    let lasting = serde_json::json!({ "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64 });
    let mut target = serving.target();
    target.auth = Auth::Bearer(Secret::new(key.token(&issuer.name(), &lasting)));
    let report = judged(&target).await;
    flawless(
        &report,
        &["method.allow", "tls.version", "tls.chain", "backend.down"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_hardened_profile_holds_over_https_with_bearer() {
    let ours = Authority::new("ours");
    let key = SigningKey::new("es", jsonwebtoken::Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let client = format!("bearer = {}", issuer.bearer());
    let serving = Serving::with_client(&two_tenants(TLS), Some(&client), |folder| {
        ours.issue(&Wish::server()).write(folder, "server");
    });
    let lasting = serde_json::json!({ "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64 });
    let mut target = over_tls(&serving, &ours);
    target.auth = Auth::Bearer(Secret::new(key.token(&issuer.name(), &lasting)));
    let report = judged(&target).await;
    flawless(&report, &["method.allow", "backend.down"]);
}

/// A directory on a real socket that is there while a file is not; another file says
/// that it is gone.
struct Switched {
    task: tokio::task::JoinHandle<()>,
    address: std::net::SocketAddr,
    folder: TempDir,
}

impl Drop for Switched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Switched {
    async fn start() -> Self {
        let directory = Self::directory(([127, 0, 0, 1], 0).into()).await;
        let address = directory.ldap_address();
        let folder = tempfile::tempdir().expect("a folder");
        let (wanted, gone) = (folder.path().join("off"), folder.path().join("gone"));
        let task = tokio::spawn(async move {
            let mut directory = Some(directory);
            loop {
                match (wanted.exists(), directory.is_some()) {
                    (true, true) => {
                        directory = None;
                        fs::write(&gone, "").expect("a written file");
                    }
                    (false, false) => directory = Some(Self::directory(address).await),
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        });
        Self {
            task,
            address,
            folder,
        }
    }

    async fn directory(address: std::net::SocketAddr) -> Directory {
        let people = [
            Person::new("Ada", "ada", "correct horse", &[stage::ADA]),
            Person::new("Bo", "Bo", "battery staple", &["070-174 06 06"]),
        ];
        Directory::builder()
            .suffix("dc=example,dc=org")
            .people(people)
            .listen(address)
            .start()
            .await
            .expect("a free port on loopback")
    }

    fn switch(&self) -> DirectorySwitch {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (off, gone) = (path("off"), path("gone"));
        DirectorySwitch {
            off: format!("touch '{off}'; while [ ! -e '{gone}' ]; do sleep 0.01; done"),
            on: format!("rm '{off}'"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_hardened_profile_holds_with_a_directory_that_is_switched_off() {
    for lookup in ["search", "index"] {
        let switched = Switched::start().await;
        let file = "kind = \"ldif\"\npath = \"people.ldif\"\n";
        let url = format!(
            "kind = \"ldap\"\nurls = [\"ldap://{}\"]\nlookup = \"{lookup}\"\n",
            switched.address
        );
        let toml = two_tenants("").toml();
        assert!(toml.contains(file), "{toml}");
        let serving = Serving::configured(&toml.replacen(file, &url, 1), |_| {});
        let golden = Selection {
            only: vec!["golden.ok".to_owned()],
            ..everything()
        };
        // An index is loaded after the program listens.
        while run(&serving.target(), &golden).await.summary.exit != 0 {}
        let selection = Selection {
            directory: Some(switched.switch()),
            ..everything()
        };
        let report = run(&serving.target(), &selection).await;
        flawless(&report, &["method.allow", "tls.version", "tls.chain"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_statuses_of_http_everything_else_holds() {
    let serving = Serving::start(&two_tenants("refusals = \"http\""));
    let report = judged(&serving.target()).await;
    let wrong: Vec<&str> = report
        .clauses
        .iter()
        .filter(|clause| clause.verdict == callotp_conformance::verdict::Verdict::Fail)
        .map(|clause| clause.id.as_str())
        .collect();
    assert_eq!(wrong, ["refuse.status"], "{}", report.markdown());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_number_is_untested_and_the_report_names_the_throttle() {
    let mut setting = two_tenants("");
    setting.tenant = "[tenant.throttle]\nmean_interval = \"30s\"\nlookback = 5\n".to_owned();
    let serving = Serving::start(&setting);
    let report = judged(&serving.target()).await;
    assert_eq!(report.summary.exit, 3, "{}", report.markdown());
    let said = report.markdown();
    assert!(said.contains("throttle"), "{said}");
}
