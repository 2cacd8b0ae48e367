//! `[tenant.directory]`

use crate::{
    config::{DirectoryConfig, DirectorySource, reader::Section},
    directory::{
        Schema, dn,
        filter::{Attribute, Filter},
        ldap::{LdapConfig, Lookup},
    },
};

pub(super) fn directory(section: &Section<'_>) -> Option<DirectoryConfig> {
    let kind = section.word("kind");
    if let Some(kind) = kind {
        for (name, other) in section.keys_of_others("kind", kind) {
            let what = format!("belongs to kind = \"{other}\", but the kind is \"{kind}\"");
            section.problem(&name, what);
        }
    }
    let schema = schema(section, kind);
    let lookup = section.word("lookup");
    let refresh = section.duration("index_refresh");
    if kind == Some("ldif") && lookup == Some("index") {
        let what = "needs kind = \"ldap\": an LDIF file is in memory anyway";
        section.problem("lookup", what);
    }
    let source = match kind? {
        "ldif" => section
            .path("path")
            .map(|path| DirectorySource::Ldif { path }),
        _ => ldap(section).and_then(|ldap| {
            let lookup = match lookup? {
                "index" => Lookup::Index { refresh },
                _ => Lookup::Search,
            };
            Some(DirectorySource::Ldap(ldap, lookup))
        }),
    };
    Some(DirectoryConfig {
        source: source?,
        schema: schema?,
    })
}

fn schema(section: &Section<'_>, kind: Option<&str>) -> Option<Schema> {
    let base = section.checked("base", distinguished_name);
    if kind == Some("ldap") && !section.has("base") {
        section.problem("base", "missing (where in the directory are the users?)");
    }
    let user_filter = section.checked("user_filter", filter);
    let username_attribute = section.checked("username_attribute", attribute);
    let user_id_attribute = section.checked("user_id_attribute", attribute);
    let phone_attributes = section.texts("phone_attributes");
    let wrong = phone_attributes
        .iter()
        .flatten()
        .find_map(|name| attribute(name).err());
    if let Some(wrong) = wrong {
        section.problem("phone_attributes", wrong);
    }
    Some(Schema {
        base: base.unwrap_or_default(),
        user_filter: user_filter?,
        username_attribute: username_attribute?,
        user_id_attribute: user_id_attribute?,
        phone_attributes: phone_attributes?,
    })
}

/// A distinguished name, as it was written.
fn distinguished_name(text: &str) -> Result<Box<str>, String> {
    match dn::normalised(text) {
        Some(name) if !name.is_empty() => Ok(text.into()),
        _ => Err("not a distinguished name (RFC 4514)".to_owned()),
    }
}

fn filter(text: &str) -> Result<Box<str>, String> {
    match Filter::parse(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("{error} (RFC 4515)")),
    }
}

fn attribute(text: &str) -> Result<Box<str>, String> {
    match Attribute::new(text) {
        Ok(_) => Ok(text.into()),
        Err(_) => Err("not the name of an attribute (RFC 4512 §2.5)".to_owned()),
    }
}

fn ldap(section: &Section<'_>) -> Option<LdapConfig> {
    let urls = section.texts("urls");
    let start_tls = section.flag("start_tls");
    let ca = section.path("ca");
    let bind_dn = section.text("bind_dn");
    let bind_password = section.secret("bind_password");
    for url in urls.iter().flatten() {
        if let Err(what) = ldap_url(url, start_tls) {
            section.problem("urls", what);
        }
    }
    check_bind(section);
    Some(LdapConfig {
        urls: urls?.into_iter().map(String::from).collect(),
        start_tls,
        ca,
        bind_dn,
        bind_password,
    })
}

/// What is wrong with a server's URL; it is not shown, because it may hold a password.
fn ldap_url(text: &str, start_tls: bool) -> Result<(), &'static str> {
    let url = url::Url::parse(text).map_err(|_| "not a URL (write ldaps://host)")?;
    if !matches!(url.scheme(), "ldap" | "ldaps") {
        return Err("not a URL of LDAP (write ldaps://host or ldap://host)");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL names no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a name or a password (use bind_dn and bind_password_file)");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("the URL holds more than host and port (use base and user_filter)");
    }
    if start_tls && url.scheme() == "ldaps" {
        return Err("start_tls is for ldap://: ldaps:// is TLS from the start");
    }
    Ok(())
}

fn check_bind(section: &Section<'_>) {
    let password = section.has("bind_password") || section.has("bind_password_file");
    match (section.has("bind_dn"), password) {
        (true, false) => section.problem(
            "bind_dn",
            "has no password (write bind_password_file; a bind without one is anonymous, \
             RFC 4513 §5.1.2)",
        ),
        (false, true) => {
            section.problem("bind_password", "belongs to a `bind_dn`, which is missing")
        }
        _ => {}
    }
    if section.is_in_the_open("bind_password") {
        section.warning(
            "bind_password",
            "stands in the file (bind_password_file keeps it out)",
        );
    }
}
