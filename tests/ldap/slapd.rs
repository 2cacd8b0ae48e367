//! OpenLDAP's slapd with an mdb database, in a folder of its own on free ports.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    authority::{Authority, Files},
    minder::Minded,
    people::{self, PASSWORD, SPELT},
};

pub(super) const BASE: &str = "dc=example,dc=org";
pub(super) const PEOPLE: &str = "ou=people,dc=example,dc=org";
pub(super) const SERVICE: &str = "cn=callotp,dc=example,dc=org";
const ADMINISTRATOR: &str = "cn=admin,dc=example,dc=org";

/// Users besides those with a name of their own, in the shared server.
pub(super) const CROWD: usize = 20_000;

/// What a test wants to be different.
pub(super) struct Setup {
    /// Users besides those with a name of their own.
    pub(super) crowd: usize,
    /// It is never dropped.
    pub(super) shared: bool,
    /// Lines that load more modules.
    pub(super) modules: &'static str,
    /// How much the service user may read.
    pub(super) limits: &'static str,
    /// Lines of the database, behind all others.
    pub(super) overlays: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            crowd: 0,
            shared: false,
            modules: "",
            limits: "size=unlimited",
            overlays: "",
        }
    }
}

/// A running slapd.
pub(super) struct Slapd {
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    pub(super) files: Files,
    folder: std::path::PathBuf,
    _temporary: Option<TempDir>,
    process: Option<Minded>,
}

impl Slapd {
    /// The one that all tests share: nobody changes anything in it that others look at.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Slapd> = OnceLock::new();
        let setup = Setup {
            crowd: CROWD,
            shared: true,
            ..Setup::default()
        };
        SHARED.get_or_init(|| Self::start_as(&setup))
    }

    /// One for a test that changes or ends it.
    pub(super) fn own() -> Self {
        Self::with(0)
    }

    /// The same, with so many users besides those with a name of their own.
    pub(super) fn with(crowd: usize) -> Self {
        Self::start_as(&Setup {
            crowd,
            ..Setup::default()
        })
    }

    /// One that is set up in a certain way.
    pub(super) fn start_as(setup: &Setup) -> Self {
        let temporary = TempDir::with_prefix("callotp-slapd-").expect("a folder");
        let folder = temporary.path().to_owned();
        fs::create_dir(folder.join("db")).expect("a folder");
        let names = ["localhost", "127.0.0.1", "::1"];
        let files = Authority::new().certify(&folder, &names);
        let configuration = configuration(&folder, &files, setup);
        fs::write(folder.join("slapd.conf"), configuration).expect("a file");
        fs::write(folder.join("people.ldif"), everybody(setup.crowd)).expect("a file");
        let (plain, tls) = (free_port(), free_port());
        let mut slapd = Self {
            plain,
            tls,
            files,
            folder,
            _temporary: None,
            process: None,
        };
        slapd.load();
        match setup.shared {
            // Nothing that is shared is dropped; the folder goes with the process.
            true => slapd.run(Some(&temporary.keep())),
            false => {
                slapd.run(None);
                slapd._temporary = Some(temporary);
            }
        }
        slapd
    }

    fn run(&mut self, remove: Option<&Path>) {
        let mut slapd = Command::new("/usr/sbin/slapd");
        slapd
            .args(["-d", "0", "-f"])
            .arg(self.folder.join("slapd.conf"));
        let urls = format!("ldap://{}/ ldaps://{}/", self.plain, self.tls);
        slapd.arg("-h").arg(urls);
        let output = self.folder.join("output");
        self.process = Some(Minded::start(&mut slapd, &output, remove).expect("a shell"));
        wait_for(self.plain, &output);
    }

    /// Ends it; its data stay.
    pub(super) fn stop(&mut self) {
        self.process = None;
    }

    /// Loads it anew as it was at first, without those called like this. It has to be stopped.
    pub(super) fn restore(&self, without: &[&str]) {
        fs::remove_dir_all(self.folder.join("db")).expect("its data");
        fs::create_dir(self.folder.join("db")).expect("a folder");
        let path = self.folder.join("people.ldif");
        let people = fs::read_to_string(&path).expect("who was there at first");
        let is_wanted = |entry: &&str| {
            let called = |uid: &&str| entry.starts_with(&format!("dn: uid={uid},"));
            !without.iter().any(called)
        };
        let people: Vec<&str> = people.split("\n\n").filter(is_wanted).collect();
        fs::write(path, people.join("\n\n")).expect("a file");
        self.load();
    }

    fn load(&self) {
        let mut load = Command::new("/usr/sbin/slapadd");
        load.arg("-q").arg("-f").arg(self.folder.join("slapd.conf"));
        load.arg("-l").arg(self.folder.join("people.ldif"));
        succeed(load.output().expect("slapadd is installed"));
    }

    /// Starts it again, on the same ports.
    pub(super) fn start(&mut self) {
        self.run(None);
    }

    pub(super) fn url(&self) -> String {
        format!("ldap://{}", self.plain)
    }

    /// Changes it, with LDIF change records.
    pub(super) fn modify(&self, ldif: &str) {
        let path = self.folder.join("change.ldif");
        fs::write(&path, ldif).expect("a file");
        let mut modify = Command::new("ldapmodify");
        modify.args([
            "-x",
            "-H",
            &self.url(),
            "-D",
            ADMINISTRATOR,
            "-w",
            PASSWORD,
            "-f",
        ]);
        succeed(modify.arg(&path).output().expect("ldapmodify is installed"));
    }

    /// An operational attribute of a user, as the administrator sees it.
    pub(super) fn operational(&self, uid: &str, attribute: &str) -> Vec<String> {
        let mut search = Command::new("ldapsearch");
        search.args([
            "-x",
            "-LLL",
            "-o",
            "ldif-wrap=no",
            "-H",
            &self.url(),
            "-D",
            ADMINISTRATOR,
        ]);
        search.args([
            "-w",
            PASSWORD,
            "-b",
            PEOPLE,
            &format!("(uid={uid})"),
            attribute,
        ]);
        let output = succeed(search.output().expect("ldapsearch is installed"));
        let prefix = format!("{attribute}: ");
        let lines = output.lines().filter_map(|line| line.strip_prefix(&prefix));
        lines.map(str::to_owned).collect()
    }
}

/// What a program wrote, if it did what it should.
pub(super) fn succeed(output: Output) -> String {
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{written}\n{errors}");
    written
}

/// A port that is free now.
pub(super) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// Waits until a server accepts.
pub(super) fn wait_for(address: SocketAddr, output: &Path) {
    for _ in 0..3000 {
        if TcpStream::connect(address).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = fs::read_to_string(output).unwrap_or_default();
    panic!("nothing listens on {address}: {said}");
}

fn configuration(folder: &Path, files: &Files, setup: &Setup) -> String {
    let Setup {
        modules,
        limits,
        overlays,
        ..
    } = setup;
    let folder = folder.display();
    let (ca, certificate, key) = (
        files.ca.display(),
        files.certificate.display(),
        files.key.display(),
    );
    format!(
        "\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
{modules}
pidfile {folder}/pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
password-hash {{CLEARTEXT}}
allow bind_anon_cred
sizelimit 500
database mdb
suffix {BASE}
rootdn {ADMINISTRATOR}
rootpw {PASSWORD}
directory {folder}/db
maxsize 1073741824
dbnosync
index objectClass,entryCSN,entryUUID eq
index uid,mobile,telephoneNumber,homePhone eq
limits dn.exact=\"{SERVICE}\" {limits}
access to attrs=userPassword by anonymous auth by * none
access to * by * read
overlay ppolicy
ppolicy_default cn=policy,{BASE}
ppolicy_use_lockout
{overlays}
"
    )
}

fn everybody(crowd: usize) -> String {
    let mut ldif = format!(
        "\
dn: {BASE}
objectClass: domain
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: cn=policy,{BASE}
objectClass: applicationProcess
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 3
pwdMustChange: TRUE

dn: cn=short,{BASE}
objectClass: applicationProcess
objectClass: pwdPolicy
cn: short
pwdAttribute: userPassword
pwdMaxAge: 1
pwdGraceAuthNLimit: 0

dn: {SERVICE}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: callotp
userPassword: {PASSWORD}

"
    );
    for place in 0..SPELT {
        person(
            &mut ldif,
            &format!("spelt{place}"),
            &[&people::spelling(place)],
            &[],
        );
    }
    person(&mut ldif, "anna", &["+46701740605"], &[]);
    person(&mut ldif, "bo", &["070-174 06 06"], &[]);
    person(&mut ldif, "twin1", &["+46701740607"], &[]);
    person(&mut ldif, "twin2", &["(070) 174 06 07"], &[]);
    person(
        &mut ldif,
        "left",
        &["+46701740608"],
        &[("employeeType", "left")],
    );
    person(&mut ldif, "half", &["+46701740609"], &[]);
    person(
        &mut ldif,
        "other-half",
        &["070-174 06 09"],
        &[("employeeType", "left")],
    );
    person(
        &mut ldif,
        "disabled",
        &["+46701740690"],
        &[("pwdAccountLockedTime", "000001010000Z")],
    );
    person(&mut ldif, "locked", &["+46701740691"], &[]);
    person(
        &mut ldif,
        "mustchange",
        &["+46701740692"],
        &[("pwdReset", "TRUE")],
    );
    let short = format!("cn=short,{BASE}");
    person(
        &mut ldif,
        "expired",
        &["+46701740693"],
        &[
            ("pwdPolicySubentry", &short),
            ("pwdChangedTime", "20200101000000Z"),
        ],
    );
    person(&mut ldif, "star*", &["+46701740694"], &[]);
    for place in 0..crowd {
        // Longer than any number that Sweden has, in the ranges that it keeps for fiction.
        let number = format!("+46846500{place:05}");
        let desk = format!("+46 40 628 04 {place:05}");
        let home = format!("031-390 06{place:05}");
        let _ = write!(
            ldif,
            "dn: uid=user{place},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: user{place}\ncn: User {place}\nsn: User\n\
             mobile: {number}\ntelephoneNumber: {desk}\nhomePhone: {home}\nuserPassword: {PASSWORD}\n\n"
        );
    }
    ldif
}

/// A person; numbers that slapd's telephone number syntax has no characters for are kept
/// in `description`, which the tests name as a phone attribute too.
fn person(ldif: &mut String, uid: &str, numbers: &[&str], more: &[(&str, &str)]) {
    let _ = writeln!(
        ldif,
        "dn: uid={uid},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {uid}\nsn: User"
    );
    let _ = writeln!(ldif, "cn: {uid}\nuserPassword: {PASSWORD}");
    for number in numbers {
        let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
        let attribute = match number.chars().all(printable) {
            true => "mobile",
            false => "description",
        };
        people::line(ldif, attribute, number);
    }
    for (name, value) in more {
        people::line(ldif, name, value);
    }
    ldif.push('\n');
}
