//! The directory, asked by OpenLDAP's own command line clients and byte by byte.

use std::{net::Ipv4Addr, process::Output, time::Duration};

use callotp_mock::{
    ldap::{Directory, Flavour},
    people::{Person, Status},
};
use tokio::{process::Command, time::timeout};

mod binds;
mod changes;
mod connections;
mod entries;
mod faults;
mod filters;

const PASSWORD: &str = "correct horse";
const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const FLAVOURS: [Flavour; 2] = [Flavour::OpenLdap, Flavour::Ad];

fn people() -> Vec<Person> {
    let status =
        |username: &str, status| Person::new(username, username, PASSWORD, &[]).with_status(status);
    vec![
        Person::new(
            "Ada Ek",
            "ada",
            PASSWORD,
            &["+46 70-174 06 05", "08-465 004 10"],
        ),
        Person::new("Åsa Öst, d.y.", "åsa", PASSWORD, &["+46701740606"]),
        Person::new("Bo", "bo", PASSWORD, &["+46701740607"]),
        status("disabled", Status::Disabled),
        status("locked", Status::Locked),
        status("pwexpired", Status::PasswordExpired),
        status("expired", Status::AccountExpired),
        status("mustchange", Status::MustChangePassword),
    ]
}

async fn directory(flavour: Flavour) -> Directory {
    Directory::builder()
        .flavour(flavour)
        .suffix("dc=lab,dc=test")
        .people(people())
        .service("callotp", "service secret")
        .ldaps(LOOPBACK.into())
        .start()
        .await
        .expect("a free port on loopback")
}

/// One of OpenLDAP's clients at work.
struct Client<'d> {
    directory: &'d Directory,
    ca: tempfile::NamedTempFile,
}

impl<'d> Client<'d> {
    fn of(directory: &'d Directory) -> Self {
        let ca = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(ca.path(), directory.ca_pem()).expect("a file just made");
        Self { directory, ca }
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> (i32, String) {
        let url = self.directory.url();
        self.run_at(&url, program, arguments).await
    }

    async fn run_at(&self, url: &str, program: &str, arguments: &[&str]) -> (i32, String) {
        let client = Command::new(program)
            .args(["-x", "-H", url])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.ca.path())
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(20), client)
            .await
            .expect("the client ends");
        let Output {
            status,
            stdout,
            stderr,
        } = output.expect("ci/install-components installs ldap-utils");
        let text = [stdout, stderr].concat();
        (
            status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    async fn search(&self, filter: &str, attributes: &[&str]) -> String {
        let base = self.directory.people_base();
        let fixed = ["-LLL", "-o", "ldif_wrap=no", "-b", &base, filter];
        self.run("ldapsearch", &[&fixed, attributes].concat())
            .await
            .1
    }

    /// The common names found, sorted.
    async fn found(&self, filter: &str) -> Vec<String> {
        let answer = self.search(filter, &["cn"]).await;
        let names = answer.lines().filter_map(|line| line.strip_prefix("cn: "));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    async fn bind(&self, name: &str, password: &str) -> (i32, String) {
        let fixed = [
            "-LLL", "-D", name, "-w", password, "-b", "", "-s", "base", "1.1",
        ];
        self.run("ldapsearch", &fixed).await
    }
}

/// A base search of the root for `(objectClass=*)`, message 1.
const ROOT_SEARCH: [u8; 39] = [
    0x30, 0x25, 2, 1, 1, 0x63, 0x20, 4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0, 0x87, 11,
    b'o', b'b', b'j', b'e', b'c', b't', b'C', b'l', b'a', b's', b's', 0x30, 0,
];
