//! `[[tenant.client]]`

use super::{all, bearer, refuse_doubles, tenant::operations};
use crate::{
    client_auth::{CertificateName, ClientConfig, Credential, DistinguishedName},
    config::{client_hash, problem::quoted, reader::Section},
    tenant::{Operation, Operations},
};

/// What a client's tenant and server say that matters to the client.
pub(super) struct Setting {
    /// What the tenant serves, if that is known.
    pub(super) operations: Option<Operations>,
    /// Whether clients' certificates can reach the server at all.
    pub(super) certificates_arrive: bool,
}

/// The clients of the tenant at `tenant`.
pub(super) fn clients(tenant: &Section<'_>, setting: &Setting) -> Option<Vec<ClientConfig>> {
    let sections = tenant.tables("client");
    if sections.is_empty() {
        let what = "there is none, so nobody could call (write at least one [[tenant.client]])";
        tenant.problem("client", what);
    }
    refuse_doubles(
        &sections,
        "name",
        "another client of the tenant has the same name",
    );
    let sections: Vec<_> = sections.into_iter().map(with_name).collect();
    let clients: Vec<_> = sections
        .iter()
        .map(|section| client(section, setting))
        .collect();
    refuse_shared_credentials(&sections, &clients);
    all(clients)
}

/// The section, known by its client's name from now on.
fn with_name(section: Section<'_>) -> Section<'_> {
    match section.peek("name") {
        Some(name) => {
            let whose = format!("{}, client {}", section.whose(), quoted(name));
            section.called(whose)
        }
        None => section,
    }
}

/// Says so where a client's credential is an earlier client's as well. One client may
/// have a name with two passwords, while they are exchanged.
fn refuse_shared_credentials(sections: &[Section<'_>], clients: &[Option<ClientConfig>]) {
    let both = sections.iter().zip(clients);
    let clients: Vec<_> = both
        .filter_map(|(section, client)| Some((section, client.as_ref()?)))
        .collect();
    for (at, (section, client)) in clients.iter().enumerate() {
        let earlier = clients[..at]
            .iter()
            .flat_map(|(_, client)| &client.credentials);
        let earlier: Vec<_> = earlier.collect();
        for credential in &client.credentials {
            if earlier.iter().any(|other| is_same_proof(credential, other)) {
                let (name, what) = match credential {
                    Credential::Basic { .. } => ("basic", "has the same username"),
                    Credential::Bearer(_) => ("bearer", "takes the same tokens"),
                    Credential::Certificate(_) => ("certificate", "has the same certificate"),
                };
                section.problem(name, format!("another client of the tenant {what}"));
            }
        }
    }
}

fn is_same_proof(one: &Credential, other: &Credential) -> bool {
    match (one, other) {
        (
            Credential::Basic { username: one, .. },
            Credential::Basic {
                username: other, ..
            },
        ) => one == other,
        (Credential::Bearer(one), Credential::Bearer(other)) => {
            one.issuer == other.issuer
                && one.audience == other.audience
                && one.scope == other.scope
                && one.client == other.client
        }
        (Credential::Certificate(one), Credential::Certificate(other)) => one == other,
        _ => false,
    }
}

fn client(section: &Section<'_>, setting: &Setting) -> Option<ClientConfig> {
    let name = section.text("name");
    let own = operations(section, "operations");
    if let (Some(own), Some(of_tenant)) = (own, setting.operations) {
        refuse_operations_beyond(section, own, of_tenant);
    }
    let addresses = section.networks("addresses");
    let credentials = credentials(section, setting);
    let operations = match section.has("operations") {
        true => own,
        false => setting.operations,
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

fn credentials(section: &Section<'_>, setting: &Setting) -> Option<Vec<Credential>> {
    let basic = section.tables("basic");
    let bearer = section.tables("bearer");
    let certificate = section.tables("certificate");
    if !certificate.is_empty() && !setting.certificates_arrive {
        section.problem(
            "certificate",
            "no certificate can arrive (write server.tls.client_ca, or \
             server.proxy.client_certificate_header)",
        );
    }
    let ways = ["basic", "bearer", "certificate"];
    if basic.len() + bearer.len() + certificate.len() == 0 {
        let written = ways.into_iter().find(|way| section.has(way));
        section.problem(
            written.unwrap_or_default(),
            "the client has no credentials (write basic, bearer or certificate)",
        );
    }
    let basic = basic.iter().map(self::basic);
    let bearer = bearer.iter().map(bearer::bearer);
    let certificate = certificate.iter().map(self::certificate);
    all(basic.chain(bearer).chain(certificate).collect())
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

fn certificate(section: &Section<'_>) -> Option<Credential> {
    let sha256 = section.checked("sha256", fingerprint);
    let subject = section.checked("subject", |text| {
        text.parse::<DistinguishedName>()
            .map_err(|why| format!("{why}; RFC 4514 writes CN=pbx,O=Example"))
    });
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
