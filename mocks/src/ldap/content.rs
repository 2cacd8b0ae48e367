//! What a directory is filled with: people, entries of LDIF texts, accounts of services, and
//! the entries that hold them all.

use std::fmt;

use jiff::Timestamp;

use super::{
    Flavour,
    account::{Account, Password},
    builder::StartError,
    dn::{self, Dn},
    entry::Entry,
    flavour,
    ldif::{self, LdifError},
    published,
    schema::{self, Syntax},
    shared::Settings,
    tree::Tree,
};
use crate::people::{Person, Status};

/// What to fill a directory with.
#[derive(Default)]
pub(super) struct Content {
    pub(super) people: Vec<Person>,
    pub(super) ldif: Vec<String>,
    /// Name and password.
    pub(super) services: Vec<(String, String)>,
}

impl Content {
    /// A tree of all of it.
    pub(super) fn fill(
        &self,
        settings: &Settings,
        seed: u64,
        now: Timestamp,
    ) -> Result<Tree, StartError> {
        let Settings {
            flavour, suffix, ..
        } = settings;
        let mut tree = Tree::new(*flavour, suffix, seed);
        // What the LDIF says of the top comes first; what is missing is added after it.
        for text in &self.ldif {
            for record in ldif::read(text)? {
                let line = record.line;
                let entry = entry_of(*flavour, record)?;
                tree.add(entry, now).map_err(|e| LdifError {
                    line,
                    says: e.to_string(),
                })?;
            }
        }
        for (name, class) in frame(*flavour, suffix) {
            let mut entry = Entry::new(name.clone(), Dn::parse(&name).map_err(content)?);
            entry.set(*flavour, "objectClass", false, ["top", class]);
            let components: Vec<(String, String)> = entry
                .dn
                .components()
                .take(1)
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect();
            for (kind, value) in components {
                entry.set(*flavour, &kind, false, [value]);
            }
            if tree.named(&entry.dn).is_none() {
                tree.add(entry, now).map_err(content)?;
            }
        }
        for entry in published::entries(*flavour, suffix).map_err(content)? {
            if tree.named(&entry.dn).is_none() {
                tree.add(entry, now).map_err(content)?;
            }
        }
        for (name, password) in &self.services {
            tree.add(service(*flavour, suffix, name, password)?, now)
                .map_err(content)?;
        }
        for person in &self.people {
            add_person(&mut tree, person, suffix, now)?;
        }
        Ok(tree)
    }
}

/// The entries that hold the people, with their classes.
fn frame(flavour: Flavour, suffix: &str) -> Vec<(String, &'static str)> {
    let people = (flavour.people_base(suffix), "organizationalUnit");
    match flavour {
        Flavour::OpenLdap => vec![(suffix.to_owned(), "domain"), people],
        Flavour::Ad => {
            let users = (format!("CN=Users,{suffix}"), "container");
            vec![(suffix.to_owned(), "domainDNS"), users, people]
        }
    }
}

fn entry_of(flavour: Flavour, record: ldif::Record) -> Result<Entry, LdifError> {
    let line = record.line;
    let error = |says: String| LdifError { line, says };
    let dn = Dn::parse(&record.dn).map_err(|e| error(e.to_string()))?;
    let mut entry = Entry::new(record.dn, dn);
    for (name, value) in record.attributes {
        if !name.eq_ignore_ascii_case("userPassword") {
            let syntax = schema::syntax(flavour, &schema::key(&name));
            if syntax == Syntax::Telephone && syntax.normal(&value).is_none() {
                return Err(error(format!("{name} holds ASCII only (RFC 4517 §3.3.31)")));
            }
            entry.push(flavour, &name, value);
            continue;
        }
        let password = Password::stored(&value).map_err(|e| error(e.to_string()))?;
        entry.account = Some(Account {
            password,
            status: Status::Active,
            failures: 0,
        });
    }
    let status = flavour.status_shown(&entry);
    if let Some(account) = &mut entry.account {
        account.status = status;
    }
    Ok(entry)
}

fn service(
    flavour: Flavour,
    suffix: &str,
    name: &str,
    password: &str,
) -> Result<Entry, StartError> {
    let place = match flavour {
        Flavour::OpenLdap => format!("cn={},{suffix}", dn::escape(name)),
        Flavour::Ad => format!("CN={},CN=Users,{suffix}", dn::escape(name)),
    };
    let mut entry = Entry::new(place.clone(), Dn::parse(&place).map_err(content)?);
    entry.set(flavour, "objectClass", false, ["top", "applicationProcess"]);
    entry.set(flavour, "cn", false, [name]);
    if flavour == Flavour::Ad {
        let principal = format!("{name}@{}", flavour::domain(suffix));
        entry.set(flavour, "sAMAccountName", false, [name]);
        entry.set(flavour, "userPrincipalName", false, [principal]);
    }
    let password = Password::Clear(password.as_bytes().to_vec());
    entry.account = Some(Account {
        password,
        status: Status::Active,
        failures: 0,
    });
    Ok(entry)
}

/// Adds the entry of a person.
pub(super) fn add_person(
    tree: &mut Tree,
    person: &Person,
    suffix: &str,
    now: Timestamp,
) -> Result<(), StartError> {
    let flavour = tree.flavour();
    let key = match flavour {
        Flavour::OpenLdap => "uid",
        Flavour::Ad => "samaccountname",
    };
    let taken = tree.equal(key, schema::fold_text(&person.username).as_bytes());
    let mut taken = taken.iter().filter_map(|&place| tree.at(place));
    if taken.any(|entry| !entry.is_deleted()) {
        let text = format!("the user name {:?} is taken", person.username);
        return Err(StartError::Content(text));
    }
    let entry = |second| {
        let name = flavour.name_of(person, suffix, second);
        flavour.entry_of(person, name, suffix).map_err(content)
    };
    let first = entry(false)?;
    let entry = if tree.named(&first.dn).is_some() {
        entry(true)?
    } else {
        first
    };
    tree.add(entry, now).map_err(content)
}

fn content(error: impl fmt::Display) -> StartError {
    StartError::Content(error.to_string())
}
