//! The server on a stage of its own: its own folder, its own ports, a clock that is moved by
//! hand, and a log that can be read.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use callotp::{
    app::{App, Reloader, Surroundings},
    clock::{ManualClock, SystemEntropy, Timestamp},
    config::{self, Config, Environment},
    shutdown::{self, Trigger},
    telemetry::{Log, log::Format},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub mod authority;
pub mod issuer;
pub mod wire;

/// Ada's number in the directory that a stage has unless told otherwise.
pub const ADA: &str = "+46701740605";
/// Bo's, who is written down in another spelling.
pub const BO: &str = "+46701740606";
/// Nobody's.
pub const NOBODY: &str = "+46701740699";
/// `pbx:secret`
pub const BASIC: &str = "Basic cGJ4OnNlY3JldA==";

/// argon2id of `secret`, cheap enough to be checked in every test.
pub const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";

/// The people of a stage. Dagmar is disabled, Eve and Frej share a number.
pub const PEOPLE: &str = "\
version: 1

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: person
uid: ada
entryUUID: 5a1d3f0e-0000-4000-8000-000000000001
mobile: +46701740605
userPassword: correct horse

dn: uid=Bo,ou=people,dc=example,dc=org
objectClass: person
uid: Bo
entryUUID: 5a1d3f0e-0000-4000-8000-000000000002
telephoneNumber: 070-174 06 06
telephoneNumber: 070-174 06 16
userPassword: battery staple

dn: uid=dagmar,ou=people,dc=example,dc=org
objectClass: person
uid: dagmar
entryUUID: 5a1d3f0e-0000-4000-8000-000000000003
mobile: +46701740607
employeeType: disabled
userPassword: whatever

dn: uid=eve,ou=people,dc=example,dc=org
objectClass: person
uid: eve
entryUUID: 5a1d3f0e-0000-4000-8000-000000000004
mobile: +46701740608
userPassword: eves

dn: uid=frej,ou=people,dc=example,dc=org
objectClass: person
uid: frej
entryUUID: 5a1d3f0e-0000-4000-8000-000000000005
mobile: 0701740608
userPassword: frejs

dn: uid=document,ou=people,dc=example,dc=org
objectClass: person
uid: document
entryUUID: 5a1d3f0e-0000-4000-8000-000000000006
mobile: +467012345678
userPassword: documents
";

/// What a test wants to be different.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Lines of `[server]`.
    pub server: String,
    /// Lines of the first tenant, tables included.
    pub tenant: String,
    /// Lines of the client.
    pub client: String,
    /// More tenants.
    pub more: String,
    /// The people.
    pub people: String,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            server: String::new(),
            tenant: "[tenant.throttle]\nmean_interval = \"1ms\"\n".to_owned(),
            client: String::new(),
            more: String::new(),
            people: PEOPLE.to_owned(),
        }
    }
}

impl Setting {
    /// With further lines in `[server]`.
    pub fn server(lines: &str) -> Self {
        Self {
            server: lines.to_owned(),
            ..Self::default()
        }
    }

    /// With further tables in the tenant; the throttle is off.
    pub fn tenant(tables: &str) -> Self {
        let mut setting = Self::default();
        let _ = write!(setting.tenant, "{tables}");
        setting
    }

    /// The whole configuration.
    pub fn toml(&self) -> String {
        let Self {
            server,
            tenant,
            client,
            more,
            ..
        } = self;
        let directory = directory("people.ldif");
        format!(
            r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
{server}
[store]
kind = "memory"
[[tenant]]
id = "t1"
display_name = "Tenant 1"
operations = ["getOTP", "validate", "otp_token_auth"]
{tenant}
[tenant.phone]
region = "SE"
{directory}
[[tenant.client]]
name = "pbx"
operations = ["getOTP", "validate", "otp_token_auth"]
basic = {{ username = "pbx", password_hash = "{HASH}" }}
{client}
{more}
"#
        )
    }
}

/// The whole configuration with these lines of `[server]` and these clients of the tenant.
pub fn with_clients(server: &str, clients: &str) -> String {
    let toml = Setting::server(server).toml();
    let (before, _) = toml.split_once("[[tenant.client]]").expect("a client");
    format!("{before}{clients}")
}

/// The tables of a client called `name` with these credentials.
pub fn client(name: &str, credentials: &str) -> String {
    format!(
        "[[tenant.client]]\nname = \"{name}\"\noperations = [\"getOTP\", \"validate\"]\n{credentials}\n"
    )
}

/// A folder with the people in it.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("people.ldif"), PEOPLE).expect("a written file");
    folder
}

/// The number of the caller with this index in a crowd.
pub fn caller(index: usize) -> String {
    assert!(index < 95, "Sweden has no more numbers for fiction");
    format!("+467017406{:02}", index + 5)
}

/// A folder with people who have a number each, for those who call at once.
pub fn crowd() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let people: String = (0..95)
        .map(|index| {
            format!(
                "dn: uid=u{index},dc=example,dc=org\nobjectClass: person\nuid: u{index}\n\
                 entryUUID: 5a1d3f0e-0000-4000-8000-{index:012}\nmobile: {}\n\n",
                caller(index)
            )
        })
        .collect();
    fs::write(folder.path().join("people.ldif"), people).expect("a written file");
    folder
}

/// The tables of a tenant called `id` whose people are in `file`.
pub fn tenant(id: &str, file: &str) -> String {
    let directory = directory(file);
    format!(
        r#"
[[tenant]]
id = "{id}"
operations = ["getOTP", "validate"]
[tenant.throttle]
mean_interval = "1ms"
[tenant.phone]
region = "SE"
{directory}
[[tenant.client]]
name = "pbx"
operations = ["getOTP", "validate"]
basic = {{ username = "pbx", password_hash = "{HASH}" }}
"#
    )
}

fn directory(file: &str) -> String {
    format!(
        r#"
[tenant.directory]
kind = "ldif"
path = "{file}"
base = "dc=example,dc=org"
user_filter = "(&(objectClass=person)(!(employeeType=disabled)))"
username_attribute = "uid"
user_id_attribute = "entryUUID"
phone_attributes = ["mobile", "telephoneNumber"]
"#
    )
}

/// The running server.
pub struct Stage {
    pub folder: TempDir,
    pub clock: ManualClock,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub trigger: Trigger,
    log: Captured,
    http: reqwest::Client,
    reloader: Reloader,
    running: JoinHandle<()>,
}

/// An answer, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The OTP, if there is one.
    pub fn otp(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        body.get("otp")?.as_str().map(str::to_owned)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body without what is different in every refusal.
    pub fn body_without_id(&self) -> Value {
        let mut body: Value = serde_json::from_str(&self.body).expect("a JSON body");
        body.as_object_mut()
            .expect("an object")
            .remove("request_id");
        body
    }
}

impl Stage {
    /// With everything as usual.
    pub async fn usual() -> Self {
        Self::set(Setting::default()).await
    }

    /// As `setting` wants it.
    pub async fn set(setting: Setting) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("people.ldif"), &setting.people).expect("a written file");
        Self::in_folder(folder, &setting.toml()).await
    }

    /// With the configuration `toml` in a folder that holds what it names.
    pub async fn in_folder(folder: TempDir, toml: &str) -> Self {
        let path = folder.path().join("callotp.toml");
        fs::write(&path, toml).expect("a written file");
        let config = configuration(&path);
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let log = Captured::default();
        let surroundings = Surroundings {
            clock: Arc::new(clock.clone()),
            entropy: Arc::new(SystemEntropy),
            log: Log::to(log.clone(), Format::Json),
        };
        let app = App::build(config, surroundings)
            .await
            .expect("a server that starts");
        let addresses = app.addresses();
        let (trigger, told) = shutdown::channel();
        Self {
            folder,
            clock,
            address: addresses.listening,
            admin: addresses.admin.expect("an admin listener"),
            trigger,
            log,
            http: reqwest::Client::new(),
            reloader: app.reloader(),
            running: tokio::spawn(app.run(told)),
        }
    }

    /// Reads the configuration again: connections to directories are new, OTPs, failures and
    /// locks stay.
    pub async fn reload(&self) {
        let config = configuration(&self.folder.path().join("callotp.toml"));
        let taken = self.reloader.reload(config).await;
        taken.expect("a configuration that was good before");
    }

    /// Takes the configuration `toml`, or says why not.
    pub async fn reload_as(&self, toml: &str) -> Result<(), String> {
        let path = self.folder.path().join("callotp.toml");
        fs::write(&path, toml).expect("a written file");
        let config = config::load(&path, &Environment::of(Vec::<(String, String)>::new()));
        let config = config.map_err(|problems| problems.to_string())?;
        self.reloader
            .reload(config)
            .await
            .map_err(|error| error.to_string())
    }

    /// Calls from Ada's number over `http`, with these headers beside the usual ones.
    pub async fn call(
        &self,
        http: &reqwest::Client,
        scheme: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.call_from(ADA, http, scheme, headers).await
    }

    /// Calls from `number`, a moment later than the call before.
    pub async fn call_from(
        &self,
        number: &str,
        http: &reqwest::Client,
        scheme: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        // Calls in the same moment would put the number into quarantine.
        self.clock.advance(Duration::from_millis(2));
        // By name, because certificates are for names.
        let port = self.address.port();
        let mut request = http
            .put(format!(
                "{scheme}://localhost:{port}/api/authentication/getOTP"
            ))
            .header("tenant", "t1")
            .header("content-type", "application/json")
            .body(json!({ "phonenumber": number }).to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// The request of the document for `number`, not yet sent.
    pub fn request(&self, operation: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http
            .put(format!(
                "http://{}/api/authentication/{operation}",
                self.address
            ))
            .header("tenant", "t1")
            .header("content-type", "application/json")
            .header("authorization", BASIC)
            .body(body.to_string())
    }

    /// Sends a request.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        Answer {
            status,
            headers,
            body: response.text().await.expect("a whole body"),
        }
    }

    /// Lets as much time pass as a throttle of a millisecond asks for between two calls.
    pub fn tick(&self) {
        self.clock.advance(Duration::from_millis(2));
    }

    /// Calls from `number`.
    pub async fn get_otp(&self, number: &str) -> Answer {
        self.tick();
        self.send(self.request("getOTP", &json!({ "phonenumber": number })))
            .await
    }

    /// Calls from `number`, which has to be somebody's.
    pub async fn otp(&self, number: &str) -> String {
        let answer = self.get_otp(number).await;
        answer
            .otp()
            .unwrap_or_else(|| panic!("no OTP for {number}: {answer:?}\n{}", self.log()))
    }

    /// Logs in.
    pub async fn validate(&self, username: &str, password: &str, otp: &str) -> Answer {
        let body = json!({ "username": username, "password": password, "otp": otp });
        self.send(self.request("validate", &body)).await
    }

    /// Asks the private listener.
    pub async fn admin(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("http://{}{path}", self.admin)))
            .await
    }

    /// Everything logged so far by calls that have been answered.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The reason that was logged for the last call; waits until its line is there.
    pub async fn last_reason(&self, calls: usize) -> String {
        for _ in 0..500 {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            if lines.len() >= calls {
                let line: Value = serde_json::from_str(lines[calls - 1]).expect("a JSON line");
                return line
                    .get("reason")
                    .and_then(Value::as_str)
                    .unwrap_or("")
                    .to_owned();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("fewer than {calls} calls were logged:\n{}", self.log())
    }

    /// Drains the server and gives what it logged.
    pub async fn end(self) -> String {
        self.trigger.drain();
        self.running.await.expect("a server that ends");
        // It holds on to the log.
        drop(self.reloader);
        let log = self.log.clone();
        // The log's thread writes what is left once the last handle has gone.
        for _ in 0..500 {
            if Arc::strong_count(&log.0) <= 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        log.text()
    }
}

fn configuration(path: &Path) -> Config {
    config::load(path, &Environment::of(Vec::<(String, String)>::new()))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A log that is kept in memory.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("no writer panicked");
        String::from_utf8(bytes.clone()).expect("a log in UTF-8")
    }
}

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no reader panicked")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
