//! A Samba Active Directory domain controller, in a folder of its own on a loopback
//! address of its own: its ports cannot be chosen.

use std::{
    fmt::Write as _,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tempfile::TempDir;

use super::{
    authority::{Authority, Files},
    minder::Minded,
    people::{self, PASSWORD, SPELT},
    slapd::{succeed, wait_for},
};

pub(super) const BASE: &str = "DC=callotp,DC=test";
pub(super) const PEOPLE: &str = "OU=People,DC=callotp,DC=test";
pub(super) const SERVICE: &str = "callotp@callotp.test";
const ADMINISTRATOR: &str = "Administrator@callotp.test";

/// A running domain controller.
pub(super) struct Samba {
    pub(super) address: IpAddr,
    pub(super) files: Files,
    folder: PathBuf,
    _process: Minded,
}

impl Samba {
    /// The one that all tests share: nobody changes anything in it that others look at.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Samba> = OnceLock::new();
        SHARED.get_or_init(Self::provision)
    }

    fn provision() -> Self {
        let folder = TempDir::with_prefix("callotp-samba-")
            .expect("a folder")
            .keep();
        let pid = std::process::id().to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(127, 64 | (pid[1] & 63), pid[2], pid[3] | 1));
        let names = ["dc1.callotp.test", &address.to_string()];
        let files = Authority::new().certify(&folder, &names);
        provision(&folder);
        let conf = folder.join("dc/etc/smb.conf");
        configure(&conf, &folder, address, &files);
        let mut samba = Command::new("/usr/sbin/samba");
        samba.args(["-F", "-M", "single", "--no-process-group"]);
        samba.arg(format!("--configfile={}", conf.display()));
        let output = folder.join("output");
        let process = Minded::start(&mut samba, &output, Some(&folder)).expect("a shell");
        wait_for(SocketAddr::new(address, 636), &output);
        let samba = Self {
            address,
            files,
            folder,
            _process: process,
        };
        samba.modify(&everybody());
        samba.expire("expired");
        samba
    }

    pub(super) fn url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// Changes it, with LDIF change records.
    pub(super) fn modify(&self, ldif: &str) {
        let path = self
            .folder
            .join(format!("change-{:?}.ldif", std::thread::current().id()));
        fs::write(&path, ldif).expect("a file");
        let mut modify = Command::new("ldapmodify");
        modify.env("LDAPTLS_CACERT", &self.files.ca);
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

    /// An attribute of a user, as the administrator sees it.
    pub(super) fn attribute(&self, name: &str, attribute: &str) -> Vec<String> {
        let mut search = Command::new("ldapsearch");
        search.env("LDAPTLS_CACERT", &self.files.ca);
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
        let filter = format!("(sAMAccountName={name})");
        search.args(["-w", PASSWORD, "-b", PEOPLE, &filter, attribute]);
        let output = succeed(search.output().expect("ldapsearch is installed"));
        let prefix = format!("{attribute}: ");
        let lines = output.lines().filter_map(|line| line.strip_prefix(&prefix));
        lines.map(str::to_owned).collect()
    }

    /// An old password can be made behind the server's back only.
    fn expire(&self, name: &str) {
        let path = self.folder.join("expire.ldif");
        let ldif = format!(
            "dn: CN={name},{PEOPLE}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 132223104000000000\n"
        );
        fs::write(&path, ldif).expect("a file");
        let mut modify = Command::new("ldbmodify");
        modify.arg("-H").arg(self.folder.join("dc/private/sam.ldb"));
        // Samba's own control: take the time as it is given.
        modify.arg("--controls=local_oid:1.3.6.1.4.1.7165.4.3.12:0");
        succeed(modify.arg(&path).output().expect("ldbmodify is installed"));
    }
}

fn provision(folder: &Path) {
    // Without an empty one, Debian's own configuration is taken over.
    let empty = folder.join("empty.conf");
    fs::write(&empty, "[global]\n").expect("a file");
    let mut provision = Command::new("samba-tool");
    provision.args([
        "domain",
        "provision",
        "--realm=CALLOTP.TEST",
        "--domain=CALLOTP",
    ]);
    provision.args(["--host-name=dc1", "--host-ip=127.0.0.1", "--server-role=dc"]);
    provision.args(["--dns-backend=NONE", &format!("--adminpass={PASSWORD}")]);
    provision.arg(format!("--configfile={}", empty.display()));
    provision.arg(format!("--targetdir={}", folder.join("dc").display()));
    succeed(provision.output().expect("samba-tool is installed"));
}

fn configure(conf: &Path, folder: &Path, address: IpAddr, files: &Files) {
    let text = fs::read_to_string(conf).expect("the provisioned configuration");
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("server services"))
        .map(|line| format!("{line}\n"))
        .collect();
    let mut ours = format!("[global]\n\tserver services = ldap\n\tinterfaces = {address}/8\n");
    ours.push_str("\tbind interfaces only = yes\n\tdisable netbios = yes\n\ttls enabled = yes\n");
    for (key, path) in [
        ("pid directory", "run"),
        ("ncalrpc dir", "run/ncalrpc"),
        ("winbindd socket directory", "run/winbindd"),
        ("ntp signd socket directory", "run/ntp"),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(&path).expect("a folder");
        let _ = writeln!(ours, "\t{key} = {}", path.display());
    }
    for (key, path) in [
        ("tls keyfile", &files.key),
        ("tls certfile", &files.certificate),
        ("tls cafile", &files.ca),
        ("log file", &folder.join("log")),
    ] {
        let _ = writeln!(ours, "\t{key} = {}", path.display());
    }
    fs::write(conf, text.replacen("[global]\n", &ours, 1)).expect("a file");
}

fn everybody() -> String {
    let mut ldif =
        format!("dn: {PEOPLE}\nchangetype: add\nobjectClass: organizationalUnit\nou: People\n\n");
    for place in 0..SPELT {
        let spelling = people::spelling(place);
        person(
            &mut ldif,
            &format!("spelt{place}"),
            512,
            &[("mobile", &spelling)],
        );
    }
    person(&mut ldif, "callotp", 66048, &[]);
    person(&mut ldif, "anna", 512, &[("mobile", "+46701740605")]);
    let others = [
        ("otherMobile", "070-174 06 06"),
        ("otherMobile", "+46 70 174 06 80"),
        ("telephoneNumber", "070 174 06 81"),
    ];
    person(&mut ldif, "bo", 512, &others);
    person(&mut ldif, "twin1", 512, &[("mobile", "+46701740607")]);
    person(
        &mut ldif,
        "twin2",
        512,
        &[("telephoneNumber", "0-7-0 174 0607")],
    );
    person(&mut ldif, "disabled", 514, &[("mobile", "+46701740690")]);
    person(&mut ldif, "locked", 512, &[("mobile", "+46701740691")]);
    person(&mut ldif, "mustchange", 512, &[("pwdLastSet", "0")]);
    person(&mut ldif, "expired", 512, &[]);
    person(
        &mut ldif,
        "over",
        512,
        &[("accountExpires", "132223104000000000")],
    );
    person(
        &mut ldif,
        "elsewhere",
        512,
        &[("userWorkstations", "NOWHERE")],
    );
    person(&mut ldif, "moving", 512, &[]);
    let _ = write!(
        ldif,
        "dn: {BASE}\nchangetype: modify\nreplace: lockoutThreshold\nlockoutThreshold: 3\n-\n\
         replace: lockoutDuration\nlockoutDuration: -18000000000\n-\n\
         replace: lockOutObservationWindow\nlockOutObservationWindow: -18000000000\n"
    );
    ldif
}

fn person(ldif: &mut String, name: &str, control: u32, more: &[(&str, &str)]) {
    let password: Vec<u8> = format!("\"{PASSWORD}\"")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let _ = write!(
        ldif,
        "dn: CN={name},{PEOPLE}\nchangetype: add\nobjectClass: user\nsAMAccountName: {name}\n\
         userPrincipalName: {name}@callotp.test\nuserAccountControl: {control}\nunicodePwd:: {}\n",
        BASE64_STANDARD.encode(password)
    );
    for (attribute, value) in more {
        people::line(ldif, attribute, value);
    }
    ldif.push('\n');
}
