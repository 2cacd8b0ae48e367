//! A directory full of people with numbers that read the same in any order of asking.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The number of person `index`. Real numbers are not called: all stays on loopback.
pub fn number(index: usize) -> String {
    format!("+4670{:07}", index)
}

pub fn name(index: usize) -> String {
    format!("u{index}")
}

/// Writes a directory of `people` and a configuration that serves it into `folder`, and gives
/// the configuration's path.
pub fn write(folder: &Path, people: usize, hash: &str) -> PathBuf {
    let mut ldif = BufWriter::new(File::create(folder.join("people.ldif")).unwrap());
    writeln!(ldif, "version: 1\n").unwrap();
    for index in 0..people {
        let (name, number) = (name(index), number(index));
        writeln!(
            ldif,
            "dn: uid={name},dc=example,dc=org\nobjectClass: person\nuid: {name}\n\
             entryUUID: 00000000-0000-4000-8000-{index:012}\nmobile: {number}\n"
        )
        .unwrap();
    }
    ldif.flush().unwrap();
    let config = folder.join("callotp.toml");
    fs::write(&config, configuration(hash)).unwrap();
    config
}

fn configuration(hash: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[store]
kind = "memory"
[[tenant]]
id = "t1"
operations = ["getOTP", "validate"]
[tenant.otp]
lifetime = "10m"
[tenant.throttle]
mean_interval = "100ms"
[tenant.validate]
password = "optional"
[tenant.phone]
region = "SE"
[tenant.directory]
kind = "ldif"
path = "people.ldif"
base = "dc=example,dc=org"
user_filter = "(objectClass=person)"
username_attribute = "uid"
user_id_attribute = "entryUUID"
phone_attributes = ["mobile"]
[[tenant.client]]
name = "pbx"
operations = ["getOTP", "validate"]
basic = {{ username = "pbx", password_hash = "{hash}" }}
"#
    )
}

/// The hash of the phone system's password, as the program itself makes it.
pub fn hash(callotp: &str) -> String {
    let mut child = Command::new(callotp)
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}
