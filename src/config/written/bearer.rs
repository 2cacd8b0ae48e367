//! `bearer = {...}`

use crate::{
    client_auth::{BearerConfig, Credential, TokenKeys},
    config::reader::Section,
    secret::Secret,
};

pub(super) fn bearer(section: &Section<'_>) -> Option<Credential> {
    let issuer = section.checked("issuer", url);
    let audience = section.text("audience");
    let scope = section.text("scope");
    let client = section.text("client");
    let any_type = section.flag("any_type");
    let keys = token_keys(section);
    let asks = section.has("introspection_url");
    if !asks && !section.has("audience") {
        section.problem(
            "audience",
            "missing (a token for another service must not work here)",
        );
    }
    if asks && section.has("any_type") {
        section.problem(
            "any_type",
            "is for JWTs; `introspection_url` asks the issuer instead",
        );
    }
    Some(Credential::Bearer(BearerConfig {
        issuer: issuer?,
        audience,
        scope,
        client,
        any_type,
        keys: keys?,
    }))
}

fn token_keys(section: &Section<'_>) -> Option<TokenKeys> {
    let jwks = section.checked("jwks_url", url);
    let introspection = section.checked("introspection_url", url);
    let client_id = section.text("client_id");
    let client_secret = section.secret("client_secret");
    let has_secret = section.has("client_secret") || section.has("client_secret_file");
    if section.is_in_the_open("client_secret") {
        section.warning(
            "client_secret",
            "stands in the file (client_secret_file keeps it out)",
        );
    }
    match (section.has("jwks_url"), section.has("introspection_url")) {
        (true, true) => {
            section.problem(
                "introspection_url",
                "`jwks_url` is there as well: keep one of the two",
            );
            None
        }
        (jwks_written, false) => {
            for (name, is_there) in [
                ("client_id", section.has("client_id")),
                ("client_secret", has_secret),
            ] {
                if is_there {
                    section.problem(name, "belongs to `introspection_url`, which is missing");
                }
            }
            match jwks_written {
                true => jwks.map(TokenKeys::Jwks),
                false => Some(TokenKeys::Metadata),
            }
        }
        (false, true) => introspection_as(section, introspection, client_id, client_secret),
    }
}

fn introspection_as(
    section: &Section<'_>,
    url: Option<Box<str>>,
    client_id: Option<Box<str>>,
    client_secret: Option<Secret>,
) -> Option<TokenKeys> {
    if !section.has("client_id") {
        section.problem(
            "client_id",
            "missing (the issuer answers nobody it does not know)",
        );
    }
    if !section.has("client_secret") && !section.has("client_secret_file") {
        section.problem("client_secret", "missing (write client_secret_file)");
    }
    Some(TokenKeys::Introspection {
        url: url?,
        client_id: client_id?,
        client_secret: client_secret?,
    })
}

/// An `https` URL, or `http` to loopback; not shown, because it may hold a password.
fn url(text: &str) -> Result<Box<str>, String> {
    let url = url::Url::parse(text).map_err(|_| "not a URL (write https://host/path)")?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(text.into()),
        "http" if loopback => Ok(text.into()),
        "http" => Err("not https, which it must be beyond loopback".to_owned()),
        _ => Err("not an https URL".to_owned()),
    }
}
