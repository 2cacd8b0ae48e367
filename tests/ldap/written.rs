//! Configurations whose users are in LDAP, as an operator writes them, and a server that
//! runs under one.

use std::path::Path;

use super::{
    people::PASSWORD,
    samba::{self, Samba},
    slapd,
};
use crate::stage::{Setting, Stage};

/// Keys of a directory that is slapd.
pub(super) fn openldap(urls: &[String]) -> String {
    let (service, base) = (slapd::SERVICE, slapd::PEOPLE);
    format!(
        r#"urls = {urls:?}
bind_dn = "{service}"
bind_password_file = "password"
base = "{base}"
user_filter = "(&(objectClass=inetOrgPerson)(!(employeeType=left)))"
username_attribute = "uid"
user_id_attribute = "entryUUID"
phone_attributes = ["mobile", "telephoneNumber", "description"]
"#
    )
}

/// Keys of a directory that is Samba's.
pub(super) fn active_directory(samba: &Samba) -> String {
    let (url, ca) = (samba.url(), samba.files.ca.display());
    let (service, base) = (samba::SERVICE, samba::PEOPLE);
    format!(
        r#"urls = ["{url}"]
ca = "{ca}"
bind_dn = "{service}"
bind_password_file = "password"
base = "{base}"
user_filter = "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
username_attribute = "sAMAccountName"
user_id_attribute = "objectGUID"
phone_attributes = ["mobile", "otherMobile", "telephoneNumber"]
"#
    )
}

/// The whole configuration, with these keys for the first tenant's directory, and `more`.
pub(super) fn toml(keys: &str, more: &str) -> String {
    let setting = Setting {
        more: more.to_owned(),
        ..Setting::default()
    };
    let toml = setting.toml();
    let (before, rest) = toml.split_once("[tenant.directory]").expect("a directory");
    let (_, after) = rest.split_once("[[tenant.client]]").expect("a client");
    format!("{before}[tenant.directory]\nkind = \"ldap\"\n{keys}\n[[tenant.client]]{after}")
}

/// Writes what a configuration names into `folder`: the service user's password, and the
/// people of tenants that are not in LDAP.
pub(super) fn furnish(folder: &Path) {
    let people = Setting::default().people;
    std::fs::write(folder.join("people.ldif"), people).expect("a file");
    std::fs::write(folder.join("password"), PASSWORD).expect("a file");
}

/// A server whose first tenant's directory has these `keys`.
pub(super) async fn stage(keys: &str, more: &str) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    furnish(folder.path());
    Stage::in_folder(folder, &toml(keys, more)).await
}
