//! Where the two kinds of directory differ: how a person is written down, what the root says,
//! and the words of a refusal.

use ldap3_proto::LdapResultCode;

use super::{
    account::{Account, Password},
    dn::{self, Dn, NotADn},
    entry::Entry,
    published,
    tree::Tree,
};
use crate::people::{Person, Status};

/// Whose habits the directory has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// OpenLDAP's slapd: telephoneNumberMatch, `entryUUID`, `entryCSN`, bare refusals.
    #[default]
    OpenLdap,
    /// Active Directory: text comparison, `objectGUID`, `userAccountControl`, `uSNChanged`,
    /// refusals that say why.
    Ad,
}

/// "Never" and "long ago" in Active Directory's clock, which counts 100 ns since 1601.
const NEVER: &str = "9223372036854775807";
const LONG_AGO: &str = "116444736000000000";
const OLD_PASSWORD: &str = "129000000000000000";
const RECENT_PASSWORD: &str = "134000000000000000";

impl Flavour {
    /// Where the people are.
    pub(super) fn people_base(self, suffix: &str) -> String {
        match self {
            Self::OpenLdap => format!("ou=people,{suffix}"),
            Self::Ad => format!("OU=People,{suffix}"),
        }
    }

    /// The name of a person's entry. In Active Directory it is made from the name shown, which
    /// two people may share: the second one gets the name to log in with added.
    pub(super) fn name_of(self, person: &Person, suffix: &str, second: bool) -> String {
        let base = self.people_base(suffix);
        match (self, second) {
            (Self::OpenLdap, _) => format!("uid={},{base}", dn::escape(&person.username)),
            (Self::Ad, false) => format!("CN={},{base}", dn::escape(&person.name)),
            (Self::Ad, true) => {
                let both = format!("{} ({})", person.name, person.username);
                format!("CN={},{base}", dn::escape(&both))
            }
        }
    }

    /// The entry of a person under a name.
    pub(super) fn entry_of(
        self,
        person: &Person,
        name: String,
        suffix: &str,
    ) -> Result<Entry, NotADn> {
        let dn = Dn::parse(&name)?;
        let mut entry = Entry::new(name, dn);
        self.describe(&mut entry, person, suffix);
        Ok(entry)
    }

    /// Writes a person into an entry, over what the entry said of that person before.
    pub(super) fn describe(self, entry: &mut Entry, person: &Person, suffix: &str) {
        let given = person
            .name
            .split(' ')
            .next()
            .filter(|name| !name.is_empty());
        let family = person
            .name
            .split(' ')
            .next_back()
            .filter(|name| !name.is_empty());
        let family = family.unwrap_or(&person.username);
        let shown = if person.name.is_empty() {
            &person.username
        } else {
            &person.name
        };
        entry.set(self, "cn", false, [shown.as_str()]);
        entry.set(self, "sn", false, [family]);
        entry.set(self, "givenName", false, given);
        entry.set(self, "displayName", false, [shown.as_str()]);
        match self {
            Self::OpenLdap => describe_in_openldap(entry, person),
            Self::Ad => describe_in_ad(entry, person, suffix),
        }
        let password = Password::Clear(person.password.clone().into_bytes());
        entry.account = Some(Account {
            password,
            status: person.status,
            failures: 0,
        });
    }

    /// What the status looks like from outside.
    pub(super) fn show_status(self, entry: &mut Entry, status: Status) {
        match self {
            Self::OpenLdap => {
                let locked = match status {
                    Status::Disabled => Some("000001010000Z"),
                    Status::Locked => Some("20260101000000Z"),
                    _ => None,
                };
                let reset = (status == Status::MustChangePassword).then_some("TRUE");
                entry.set(self, "pwdAccountLockedTime", true, locked);
                entry.set(self, "pwdReset", true, reset);
            }
            Self::Ad => {
                let control = if status == Status::Disabled {
                    "514"
                } else {
                    "512"
                };
                let locked = if status == Status::Locked {
                    RECENT_PASSWORD
                } else {
                    "0"
                };
                let expires = if status == Status::AccountExpired {
                    LONG_AGO
                } else {
                    NEVER
                };
                let set = match status {
                    Status::MustChangePassword => "0",
                    Status::PasswordExpired => OLD_PASSWORD,
                    _ => RECENT_PASSWORD,
                };
                entry.set(self, "userAccountControl", false, [control]);
                entry.set(self, "lockoutTime", false, [locked]);
                entry.set(self, "accountExpires", false, [expires]);
                entry.set(self, "pwdLastSet", false, [set]);
            }
        }
    }

    /// The status that an entry's own attributes speak of.
    pub(super) fn status_shown(self, entry: &Entry) -> Status {
        let text = |key: &str| {
            let value = entry.attribute(key)?.values.first()?;
            std::str::from_utf8(&value.shown).ok()
        };
        match self {
            Self::OpenLdap => match (text("pwdaccountlockedtime"), text("pwdreset")) {
                (Some("000001010000Z"), _) => Status::Disabled,
                (Some(_), _) => Status::Locked,
                (None, Some("TRUE")) => Status::MustChangePassword,
                _ => Status::Active,
            },
            Self::Ad => {
                let control = text("useraccountcontrol").and_then(|t| t.parse::<i64>().ok());
                if control.is_some_and(|bits| bits & 2 != 0) {
                    Status::Disabled
                } else if text("lockouttime").is_some_and(|time| time != "0") {
                    Status::Locked
                } else if text("pwdlastset") == Some("0") {
                    Status::MustChangePassword
                } else {
                    Status::Active
                }
            }
        }
    }

    /// The entry without a name, which says what the directory is (RFC 4512 §5.1).
    pub(super) fn root_dse(self, tree: &Tree, suffix: &str) -> Entry {
        let mut root = Entry::new(String::new(), Dn::default());
        let hidden = self == Self::OpenLdap;
        let class = if hidden {
            "OpenLDAProotDSE"
        } else {
            "domainDNS"
        };
        root.set(self, "objectClass", false, ["top", class]);
        root.set(
            self,
            "vendorName",
            hidden,
            ["callotp-mock: not-for-production"],
        );
        root.set(self, "supportedLDAPVersion", hidden, ["3"]);
        root.set(self, "namingContexts", hidden, [suffix]);
        match self {
            Self::OpenLdap => {
                root.set(
                    self,
                    "supportedControl",
                    true,
                    [oid::PAGED, oid::PASSWORD_POLICY],
                );
                root.set(
                    self,
                    "supportedExtension",
                    true,
                    [oid::START_TLS, oid::WHO_AM_I],
                );
                root.set(self, "subschemaSubentry", true, [published::SUBSCHEMA]);
                root.set(self, "supportedFeatures", true, ["1.3.6.1.4.1.4203.1.5.1"]);
            }
            Self::Ad => {
                let host = format!("dc1.{}", domain(suffix));
                root.set(self, "defaultNamingContext", false, [suffix]);
                root.set(self, "rootDomainNamingContext", false, [suffix]);
                let apart = published::configuration(suffix);
                root.set(self, "configurationNamingContext", false, [apart]);
                root.set(
                    self,
                    "schemaNamingContext",
                    false,
                    [published::schema(suffix)],
                );
                root.set(self, "dnsHostName", false, [host]);
                root.set(
                    self,
                    "supportedCapabilities",
                    false,
                    ["1.2.840.113556.1.4.800"],
                );
                let controls = [oid::PAGED, oid::SHOW_DELETED, oid::DOMAIN_SCOPE];
                root.set(self, "supportedControl", false, controls);
                root.set(self, "supportedExtension", false, [oid::START_TLS]);
                let usn = tree.highest_usn().to_string();
                root.set(self, "highestCommittedUSN", false, [usn]);
            }
        }
        root
    }

    /// What a refused bind says: nothing, or the reason when the password was right.
    pub(super) fn refused_bind(self, status: Option<Status>) -> (LdapResultCode, String) {
        let data = match (self, status) {
            (Self::OpenLdap, _) => return (LdapResultCode::InvalidCredentials, String::new()),
            (Self::Ad, None | Some(Status::Active)) => "52e",
            (Self::Ad, Some(Status::OutsideHours)) => "530",
            (Self::Ad, Some(Status::OtherWorkstation)) => "531",
            (Self::Ad, Some(Status::PasswordExpired)) => "532",
            (Self::Ad, Some(Status::Disabled)) => "533",
            (Self::Ad, Some(Status::AccountExpired)) => "701",
            (Self::Ad, Some(Status::MustChangePassword)) => "773",
            (Self::Ad, Some(Status::Locked)) => "775",
        };
        let text = format!(
            "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1"
        );
        (LdapResultCode::InvalidCredentials, text)
    }

    /// What an operation over a bare connection is told when TLS is required.
    pub(super) fn wants_tls(self) -> (LdapResultCode, String) {
        match self {
            Self::OpenLdap => {
                let text = "confidentiality required".to_owned();
                (LdapResultCode::ConfidentialityRequired, text)
            }
            Self::Ad => {
                let text = "BindSimple: Transport encryption required.".to_owned();
                (LdapResultCode::StrongerAuthRequired, text)
            }
        }
    }

    /// What an anonymous search is told when searching needs a bind.
    pub(super) fn wants_bind(self) -> (LdapResultCode, String) {
        match self {
            Self::OpenLdap => (LdapResultCode::InsufficentAccessRights, String::new()),
            Self::Ad => {
                let text = "000004DC: LdapErr: DSID-0C0907C2, comment: In order to perform this \
                            operation a successful bind must be completed on the connection., \
                            data 0, v1db1";
                (LdapResultCode::OperationsError, text.to_owned())
            }
        }
    }
}

/// The object identifiers of controls and extended operations.
pub(super) mod oid {
    /// Paged results (RFC 2696).
    pub(in crate::ldap) const PAGED: &str = "1.2.840.113556.1.4.319";
    /// The password policy control (draft-behera-ldap-password-policy).
    pub(in crate::ldap) const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
    /// Active Directory: deleted entries are shown too.
    pub(in crate::ldap) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
    /// Active Directory: no references to other domains.
    pub(in crate::ldap) const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
    /// StartTLS (RFC 4511 §4.14).
    pub(in crate::ldap) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
    /// Who am I? (RFC 4532)
    pub(in crate::ldap) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
}

/// `dc=lab,dc=test` as a domain: `lab.test`.
pub(super) fn domain(suffix: &str) -> String {
    let dn = Dn::parse(suffix).unwrap_or_default();
    let labels = dn
        .components()
        .filter(|(kind, _)| *kind == "dc")
        .map(|(_, label)| label);
    labels.collect::<Vec<_>>().join(".")
}

fn describe_in_openldap(entry: &mut Entry, person: &Person) {
    let flavour = Flavour::OpenLdap;
    let classes = ["top", "person", "organizationalPerson", "inetOrgPerson"];
    entry.set(flavour, "objectClass", false, classes);
    entry.set(flavour, "structuralObjectClass", true, ["inetOrgPerson"]);
    entry.set(flavour, "uid", false, [person.username.as_str()]);
    let (mobile, second, others) = spread(&person.numbers);
    entry.set(flavour, "mobile", false, mobile);
    entry.set(flavour, "telephoneNumber", false, second);
    entry.set(flavour, "otherMobile", false, others);
    flavour.show_status(entry, person.status);
}

/// The second number is the desk's, all others are mobile. The syntax of both is ASCII
/// (RFC 4517 §3.3.31); what is not goes where the schema has an attribute for any text.
fn spread(numbers: &[String]) -> (Vec<&str>, Option<&str>, Vec<&str>) {
    let (ascii, others): (Vec<&str>, Vec<&str>) = numbers
        .iter()
        .map(String::as_str)
        .partition(|number| number.is_ascii());
    let second = ascii.get(1).copied();
    let mobile = ascii.iter().enumerate().filter(|(at, _)| *at != 1);
    (mobile.map(|(_, number)| *number).collect(), second, others)
}

fn describe_in_ad(entry: &mut Entry, person: &Person, suffix: &str) {
    let flavour = Flavour::Ad;
    let domain = domain(suffix);
    let category = format!("CN=Person,CN=Schema,CN=Configuration,{suffix}");
    let principal = format!("{}@{domain}", person.username);
    let classes = ["top", "person", "organizationalPerson", "user"];
    entry.set(flavour, "objectClass", false, classes);
    entry.set(flavour, "name", false, [person.name.as_str()]);
    entry.set(flavour, "sAMAccountName", false, [person.username.as_str()]);
    entry.set(flavour, "userPrincipalName", false, [principal]);
    entry.set(flavour, "objectCategory", false, [category]);
    entry.set(flavour, "sAMAccountType", false, ["805306368"]);
    entry.set(flavour, "badPwdCount", false, ["0"]);
    // `mobile` and `telephoneNumber` hold one value each; the rest goes where AD puts it.
    let mut numbers = person.numbers.iter().map(String::as_str);
    entry.set(flavour, "mobile", false, numbers.next());
    entry.set(flavour, "telephoneNumber", false, numbers.next());
    entry.set(flavour, "otherMobile", false, numbers);
    flavour.show_status(entry, person.status);
}
