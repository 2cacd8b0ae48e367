//! `[[tenant.client]]`

use crate::{
    client_auth::{BearerConfig, CertificateName, ClientConfig, Credential, TokenKeys},
    config::{client_hash, problem::quoted, reader::Section, written::tenant::operations},
    secret::Secret,
    tenant::{Operation, Operations},
};

/// A client of a tenant that serves `of_tenant` (`None` if that is not known).
pub(super) fn client(section: &Section<'_>, of_tenant: Option<Operations>) -> Option<ClientConfig> {
    let section = match section.peek("name") {
        Some(name) => {
            let whose = format!("{}, client {}", section.whose(), quoted(name));
            section.clone().called(whose)
        }
        None => section.clone(),
    };
    let name = section.text("name");
    let own = operations(&section, "operations");
    if let (Some(own), Some(of_tenant)) = (own, of_tenant) {
        refuse_operations_beyond(&section, own, of_tenant);
    }
    let addresses = section.networks("addresses");
    let credentials = credentials(&section);
    let operations = match section.has("operations") {
        true => own,
        false => of_tenant,
    };
    Some(ClientConfig {
        name: name?,
        operations: operations?,
        addresses: addresses.unwrap_or_default(),
        credentials: credentials?,
    })
}

fn refuse_operations_beyond(section: &Section<'_>, own: Operations, of_tenant: Operations) {
    for operation in Operation::ALL {
        if own.contain(operation) && !of_tenant.contain(operation) {
            let name = operation.as_str();
            section.problem("operations", format!("the tenant does not serve {name}"));
        }
    }
}

fn credentials(section: &Section<'_>) -> Option<Vec<Credential>> {
    let tables = |name: &str| section.tables(name);
    let basic: Vec<_> = tables("basic").iter().map(basic).collect();
    let bearer: Vec<_> = tables("bearer").iter().map(bearer).collect();
    let certificate: Vec<_> = tables("certificate").iter().map(certificate).collect();
    let ways = ["basic", "bearer", "certificate"];
    let all: Vec<_> = basic.into_iter().chain(bearer).chain(certificate).collect();
    if all.is_empty() && !ways.iter().any(|way| section.has(way)) {
        section.problem(
            "",
            "the client has no credentials (write basic, bearer or certificate)",
        );
    }
    all.into_iter().collect()
}

fn basic(section: &Section<'_>) -> Option<Credential> {
    let username = section.checked("username", |name| match name.contains(':') {
        true => Err("holds a colon, which ends the name (RFC 7617 §2)".to_owned()),
        false => Ok(Box::from(name)),
    });
    let hash = section.secret("password_hash");
    if let Some(wrong) = hash
        .as_ref()
        .and_then(|hash| client_hash::check(hash.expose()).err())
    {
        let name = match section.has("password_hash") {
            true => "password_hash",
            false => "password_hash_file",
        };
        section.problem(name, format!("{wrong} (callotp hash-password makes one)"));
    }
    Some(Credential::Basic {
        username: username?,
        password_hash: hash?.expose().into(),
    })
}

fn bearer(section: &Section<'_>) -> Option<Credential> {
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

fn certificate(section: &Section<'_>) -> Option<Credential> {
    let sha256 = section.checked("sha256", fingerprint);
    let subject = section.text("subject");
    let dns = section.text("dns");
    let ways = ["sha256", "subject", "dns"];
    let written = ways.iter().filter(|way| section.has(way)).count();
    if written != 1 {
        section.problem("", "write exactly one of sha256, subject and dns");
        return None;
    }
    let sha256 = sha256.map(CertificateName::Sha256);
    let subject = subject.map(CertificateName::Subject);
    let name = sha256.or(subject).or(dns.map(CertificateName::Dns));
    name.map(Credential::Certificate)
}

/// 64 hexadecimal digits, with or without colons between the bytes.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "not a SHA-256 fingerprint (64 hexadecimal digits, with or without colons)";
    let digits: Vec<u32> = match text.contains(':') {
        true if text.split(':').any(|byte| byte.len() != 2) => return Err(wrong().to_owned()),
        _ => text
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?,
    };
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
        .collect();
    match (digits.len(), bytes.try_into()) {
        (64, Ok(bytes)) => Ok(bytes),
        _ => Err(wrong().to_owned()),
    }
}
