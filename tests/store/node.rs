//! A program that serves, as an operator starts it, and a caller of it.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{self, BASIC};

pub(crate) const PEOPLE: usize = 40;

/// A folder with people, a key and a configuration: what of it a test wants to be different.
pub(crate) struct Setting<'a> {
    /// Lines of `[store]`.
    pub(crate) store: &'a str,
    /// The port of the private listener.
    pub(crate) admin: u16,
    /// Tables of the tenant.
    pub(crate) tenant: &'a str,
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self {
            store: "kind = \"embedded\"\npath = \"callotp.redb\"",
            admin: 0,
            tenant: "",
        }
    }
}

impl Setting<'_> {
    pub(crate) fn folder(&self) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let mut people = "version: 1\n".to_owned();
        for person in 0..PEOPLE {
            write!(
                people,
                "\ndn: uid={name},dc=example,dc=org\nobjectClass: person\nuid: {name}\n\
                 entryUUID: {name}\nmobile: {number}\nuserPassword: secret of {name}\n",
                name = name(person),
                number = number(person),
            )
            .expect("text");
        }
        let Self {
            store,
            admin,
            tenant,
        } = self;
        // Nobody here calls too often.
        let t1 = stage::tenant("t1", "people.ldif");
        let t1 = t1.replace("[tenant.throttle]", "[tenant.throttle]\nlookback = 20");
        let t1 = t1.replace("[tenant.phone]", &format!("{tenant}\n[tenant.phone]"));
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:{admin}\"\n\
             [store]\nkey_file = \"callotp.key\"\n{store}\n{t1}",
        );
        let write = |name: &str, content: &str| {
            fs::write(folder.path().join(name), content).expect("written");
        };
        write("people.ldif", &people);
        write("callotp.key", &"5a".repeat(32));
        write("callotp.toml", &config);
        folder
    }
}

/// The usual folder with these lines of `[store]`.
pub(crate) fn folder(store: &str) -> TempDir {
    Setting {
        store,
        ..Setting::default()
    }
    .folder()
}

pub(crate) fn name(person: usize) -> String {
    format!("person{person:02}")
}

/// Of the numbers that Sweden keeps for fiction.
pub(crate) fn number(person: usize) -> String {
    format!("+467017406{:02}", 5 + person)
}

/// A serving program; killed when it is dropped.
pub(crate) struct Node {
    process: Child,
    address: String,
    admin: String,
    http: reqwest::Client,
}

impl Node {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::started_by(Command::new(env!("CARGO_BIN_EXE_callotp")), folder)
    }

    /// A file that it may not make larger is an error to it, and not its end.
    pub(crate) fn start_in_a_small_room(folder: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        shell.arg(env!("CARGO_BIN_EXE_callotp"));
        Self::started_by(shell, folder)
    }

    fn started_by(mut command: Command, folder: &Path) -> Self {
        let mut process = command
            .args(["serve", "--config"])
            .arg(folder.join("callotp.toml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a started program");
        let mut line = String::new();
        let mut out = BufReader::new(process.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("a readiness line");
        let address = |name: &str| ready[name].as_str().expect("an address").to_owned();
        Self {
            process,
            address: address("listening"),
            admin: address("admin"),
            http: reqwest::Client::new(),
        }
    }

    pub(crate) fn pid(&self) -> String {
        self.process.id().to_string()
    }

    pub(crate) fn kill(&self) {
        let killed = Command::new("kill").args(["-9", &self.pid()]).status();
        assert!(killed.expect("kill").success());
    }

    /// The status and the body; nothing if the program is gone.
    pub(crate) async fn ask(&self, operation: &str, body: Value) -> Option<(u16, Value)> {
        let url = format!("http://{}/api/authentication/{operation}", self.address);
        let request = self
            .http
            .put(url)
            .header("tenant", "t1")
            .header("content-type", "application/json")
            .header("authorization", BASIC)
            .body(body.to_string());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&body).ok()?))
    }

    /// The OTP that the caller hears, or the status of a refusal.
    pub(crate) async fn call_or_not(&self, person: usize) -> Option<Result<String, u16>> {
        let asked = self.ask("getOTP", json!({ "phonenumber": number(person) }));
        let (status, body) = asked.await?;
        Some(match status {
            200 => Ok(body["otp"].as_str().expect("an OTP").to_owned()),
            refused => Err(refused),
        })
    }

    /// The OTP that the caller hears.
    pub(crate) async fn call(&self, person: usize) -> Option<String> {
        Some(self.call_or_not(person).await?.expect("an OTP"))
    }

    /// The status of a login.
    pub(crate) async fn log_in(&self, person: usize, otp: &str) -> Option<u16> {
        let name = name(person);
        let password = format!("secret of {name}");
        let body = json!({ "username": name, "password": password, "otp": otp });
        Some(self.ask("validate", body).await?.0)
    }

    /// What `/readyz` says of the store.
    pub(crate) async fn readiness(&self) -> (u16, String) {
        let url = format!("http://{}/readyz", self.admin);
        let answer = self.http.get(url).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        let detail = body["store"]["detail"].as_str().expect("a detail");
        (status, detail.to_owned())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Runs `callotp` with its configuration in `folder`: what it says, and its exit code.
pub(crate) fn callotp(folder: &Path, arguments: &[&str], input: &str) -> (String, Option<i32>) {
    let text = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&text, input).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_callotp"))
        .args(&arguments[..1])
        .arg("--config")
        .arg(folder.join("callotp.toml"))
        .args(&arguments[1..])
        .env_clear()
        .stdin(fs::File::open(&text).expect("readable"))
        .output()
        .expect("a program that ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    (said, output.status.code())
}

/// Not the one that it is.
pub(crate) fn another(otp: &str) -> String {
    let last = if otp.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &otp[..otp.len() - 1])
}
