//! The configuration: what is read, what is refused, and how that is told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use callotp::config::{self, Config, Environment, Place, Problem, Problems};
use tempfile::TempDir;

mod documented;
mod environment;
mod examples;
mod laws;
mod meant;
mod mistakes;
mod secrets;

/// One tenant and one client, every section with its header, in a small organisation.
const SMALL: &str = r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "[::1]:0"

[store]
kind = "memory"

[[tenant]]
id = "t1"

[tenant.otp]

[tenant.validate]

[tenant.lockout]

[tenant.throttle]

[tenant.phone]
region = "SE"

[[tenant.phone.rewrite]]
from = "^([0-9]{4})$"
to = "+4687001$1"

[tenant.directory]
kind = "ldif"
path = "people.ldif"

[[tenant.client]]
name = "pbx"

[[tenant.client.basic]]
username = "pbx"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$HguUSzKeZet5p/OLX7MkRg$9gvxcqX20vqVp+ZLCITF3KRDepPRhdYre6P+BKitUWA"
"#;

/// Every section that [`SMALL`] does not have, in a large one.
const LARGE: &str = r#"
[server]
listen = "0.0.0.0:8443"

[server.tls]
certificate = "server.pem"
private_key = "server.key"
client_ca = "clients.pem"

[server.proxy]
trusted = ["127.0.0.1/32"]
client_certificate_header = "Client-Cert"

[store]
kind = "redis"
url = "rediss://callotp:planted-in-url@redis.example.org/0"
key_file = "callotp.key"

[store.sentinel]
master = "callotp"
urls = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"]

[[tenant]]
id = "t1"

[tenant.otp]

[tenant.validate]

[tenant.lockout]

[tenant.throttle]

[tenant.phone]
region = "SE"

[[tenant.phone.rewrite]]
from = "^([0-9]{4})$"
to = "+4687001$1"

[tenant.directory]
kind = "ldap"
urls = ["ldaps://dc1.example.org", "ldaps://[2001:db8::1]:636"]
bind_dn = "cn=callotp,dc=example,dc=org"
bind_password = "planted-for-the-directory"
base = "dc=example,dc=org"
lookup = "index"

[[tenant.client]]
name = "pbx"

[[tenant.client.basic]]
username = "pbx"
password_hash_file = "pbx.hash"

[[tenant.client.bearer]]
issuer = "https://idp.example.org"
introspection_url = "https://idp.example.org/introspect"
client_id = "callotp"
client_secret = "planted-for-the-issuer"

[[tenant.client.certificate]]
subject = "CN=pbx,O=Example"
"#;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$HguUSzKeZet5p/OLX7MkRg$9gvxcqX20vqVp+ZLCITF3KRDepPRhdYre6P+BKitUWA";

/// A folder with a configuration in it, and the files of secrets that [`LARGE`] names.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("pbx.hash", HASH);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn load(&self, text: impl AsRef<[u8]>, environment: &Environment) -> Result<Config, Problems> {
        config::load(&self.write("callotp.toml", text), environment)
    }
}

fn load(text: impl AsRef<[u8]>) -> Result<Config, Problems> {
    Folder::new().load(text, &Environment::default())
}

/// What is wrong with `text`.
fn problems(text: impl AsRef<[u8]>) -> Vec<Problem> {
    wrong(load(text))
}

fn wrong(loaded: Result<Config, Problems>) -> Vec<Problem> {
    let problems = loaded.err();
    let problems = problems.iter().flat_map(Problems::iter);
    problems.cloned().collect()
}

/// `text` with `line` first in the section `header`, in the place of a line for the same key.
fn with(text: &str, header: &str, line: &str) -> String {
    let header = format!("\n{header}\n");
    let (before, after) = text.split_once(&header).expect("the section");
    let (section, rest) = after.split_at(after.find("\n[").unwrap_or(after.len()));
    let key = line.split([' ', '=']).next().expect("a key");
    let kept: Vec<&str> = section
        .lines()
        .filter(|line| line.split(' ').next() != Some(key))
        .collect();
    format!("{before}{header}{line}\n{}{rest}", kept.join("\n"))
}

/// Where `line` is in `text`, counted from 1.
fn line_of(text: &str, line: &str) -> usize {
    1 + text
        .lines()
        .position(|other| other == line)
        .expect("the line")
}

fn at(problem: &Problem) -> (usize, usize) {
    match problem.place {
        Place::At { line, column } => (line, column),
        _ => (0, 0),
    }
}
