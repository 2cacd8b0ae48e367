//! getOTP and validate over HTTP on a callotp of its own, whose users are in slapd.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{
    USERS, load,
    people::PASSWORD,
    slapd::{PEOPLE, SERVICE, Slapd},
};

/// Calls in a round. Each is for another user.
pub(super) const CALLS: usize = 15_000;

/// `pbx:secret`
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";

/// A running callotp.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `program` in `folder`.
    pub(super) fn start(program: &str, slapd: &Slapd, folder: &Path) -> Self {
        let config = folder.join("callotp.toml");
        std::fs::write(&config, configuration(slapd)).expect("a file");
        std::fs::write(folder.join("password"), PASSWORD).expect("a file");
        let log = std::fs::File::create(folder.join("log")).expect("a file");
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("callotp");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("a readiness line");
        let address = ready["listening"].as_str().expect("an address");
        Self {
            child,
            address: address.parse().expect("an address"),
        }
    }

    /// Calls from other people's numbers in each round: calls a second, and the OTPs in the
    /// order of [`places`].
    pub(super) fn get_otp(&self, round: usize) -> (f64, Vec<String>) {
        let requests: Vec<_> = places(round)
            .map(|place| {
                let number = super::number_of(place);
                load::request("getOTP", &format!("{{\"phonenumber\":\"{number}\"}}"))
            })
            .collect();
        let seen = load::run(self.address, &requests);
        (seen.per_second(), seen.answers)
    }

    /// Logs in those who have called in this round; logins a second.
    pub(super) fn validate(&self, round: usize, otps: &[String]) -> f64 {
        let requests: Vec<_> = places(round)
            .zip(otps)
            .map(|(place, otp)| {
                let body = serde_json::json!({
                    "username": format!("user{place}"), "password": PASSWORD, "otp": otp,
                });
                load::request("validate", &body.to_string())
            })
            .collect();
        load::run(self.address, &requests).per_second()
    }

    /// Seconds that it has had of the processors.
    pub(super) fn cpu_time(&self) -> f64 {
        super::cpu_time_of(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn places(round: usize) -> impl Iterator<Item = usize> {
    (0..CALLS).map(move |call| (round * CALLS + call) * 7919 % USERS)
}

fn configuration(slapd: &Slapd) -> String {
    let url = slapd.url();
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
kind = "memory"
[[tenant]]
id = "t1"
operations = ["getOTP", "validate"]
[tenant.throttle]
mean_interval = "1ms"
[tenant.phone]
region = "SE"
[tenant.directory]
kind = "ldap"
urls = ["{url}"]
bind_dn = "{SERVICE}"
bind_password_file = "password"
base = "{PEOPLE}"
user_filter = "(objectClass=inetOrgPerson)"
username_attribute = "uid"
user_id_attribute = "entryUUID"
phone_attributes = ["mobile", "telephoneNumber", "homePhone"]
[[tenant.client]]
name = "pbx"
operations = ["getOTP", "validate"]
basic = {{ username = "pbx", password_hash = "{HASH}" }}
"#
    )
}
