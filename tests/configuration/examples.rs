//! The files that people begin with.

use std::{fs, path::Path};

use callotp::config::{self, Environment};

use super::{Folder, HASH, wrong};

/// Every key that is not a choice between kinds, as a small organisation writes it.
const EVERY_KEY: &str = r#"
[server]
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:9080"
refusals = "documented"
accept_post = false
max_body = "16 KiB"
request_timeout = "3s"
max_connections = 10000
shutdown_grace = "10s"

[server.tls]
certificate = "server.pem"
private_key = "server.key"
client_ca = "clients.pem"
client_certificates = "optional"

[server.proxy]
trusted = ["127.0.0.1/32"]
client_certificate_header = "ssl_client_cert"

[store]
kind = "embedded"
path = "callotp.redb"
key_file = "callotp.key"

[[tenant]]
id = "t1"
display_name = "Tenant 1"
operations = ["getOTP", "validate"]

[tenant.otp]
digits = 6
lifetime = "5m"
attempts = 3

[tenant.validate]
password = "required"
order = "otp-first"

[tenant.lockout]
failures = 5
window = "30m"
duration = "60m"
kind = "soft"

[tenant.throttle]
mean_interval = "30s"
lookback = 5
quarantine = "10m"

[tenant.phone]
region = "SE"
matching = "normalised"
rewrite = [{ from = "^([0-9]{4})$", to = "+4687001$1" }]

[tenant.directory]
kind = "ldif"
path = "people.ldif"
base = "dc=example,dc=org"
user_filter = "(objectClass=person)"
username_attribute = "uid"
user_id_attribute = "entryUUID"
phone_attributes = ["mobile", "telephoneNumber"]
lookup = "search"

[[tenant.client]]
name = "pbx"
operations = ["getOTP"]
basic = { username = "pbx", password_hash = "HASH" }
"#;

fn example(name: &str) -> std::path::PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    examples.join(name).join("callotp.toml")
}

#[test]
fn the_quickstart_is_right() {
    let config = config::load(&example("quickstart"), &Environment::default());
    let config = config.expect("right");
    assert_eq!(config.warnings, Vec::<String>::new());
    assert!(config.server.listen.ip().is_loopback());
}

#[test]
fn the_production_example_is_right_but_for_what_the_build_lacks() {
    let folder = Folder::new();
    folder.write(
        "redis.url",
        "rediss://callotp:pass@redis.example.org:6380/0\n",
    );
    folder.write("directory.password", "secret\n");
    folder.write("gateway-old.hash", HASH);
    folder.write("gateway-new.hash", HASH);
    let text = fs::read_to_string(example("production")).expect("the example");
    let loaded = folder.load(&text, &Environment::default());
    if let Ok(config) = &loaded {
        assert_eq!(config.warnings, Vec::<String>::new());
    }
    assert_eq!(wrong(loaded), []);
}

#[test]
fn a_file_with_every_key_is_right_but_for_what_the_build_lacks() {
    let text = EVERY_KEY.replace("HASH", HASH);
    let loaded = Folder::new().load(&text, &Environment::default());
    if let Ok(config) = &loaded {
        assert_eq!(config.warnings, Vec::<String>::new());
    }
    assert_eq!(wrong(loaded), []);
}
