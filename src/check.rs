//! `callotp check`: what can be told of a configuration from files alone.

use std::sync::Arc;

use crate::{
    clock::Clock,
    config::{Config, DirectorySource, EngineConfig, StoreConfig, TenantConfig},
    directory::{ldap, ldif::LdifDirectory},
    finding::Finding,
    otp::store::{KeyError, StoreError, StoreKey, embedded::EmbeddedStore},
    tls::Loaded,
};

/// Reads the files that `config` names, those of secrets left out, which have been read, and
/// looks them over. Uses no network.
pub fn check(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let mut findings = check_store(&config.store);
    findings.extend(check_tls(config, clock));
    for tenant in &config.tenants {
        findings.extend(check_directory(tenant));
    }
    findings
}

/// The people's file, or what is needed to ask the servers.
fn check_directory(tenant: &TenantConfig) -> Vec<Finding> {
    let subject = format!("tenant {}", tenant.id);
    let schema = &tenant.directory.schema;
    match &tenant.directory.source {
        DirectorySource::Ldif { path } => {
            match LdifDirectory::open(path, schema, Arc::clone(&tenant.phone)) {
                Err(error) => vec![Finding::broken(subject, error.to_string(), "")],
                Ok(directory) => {
                    let warnings = directory.warnings().into_iter();
                    let whole = format!("{} people in {}", directory.people(), path.display());
                    std::iter::once(Finding::good(&subject, whole))
                        .chain(warnings.map(|warning| Finding::unwise(&subject, warning, "")))
                        .collect()
                }
            }
        }
        DirectorySource::Ldap(servers, _) => match ldap::check(servers, schema) {
            Err(error) => vec![Finding::broken(subject, error.to_string(), error.advice())],
            Ok(()) => Vec::new(),
        },
    }
}

/// The key file, and the store's own if it is one.
fn check_store(config: &StoreConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(path) = &config.key_file else {
        return findings;
    };
    let key = match StoreKey::load(path, None) {
        Ok((key, warning)) => {
            findings.extend(warning.map(|warning| {
                Finding::unwise("store", warning, format!("chmod 600 {}", path.display()))
            }));
            key
        }
        // Made at the start, where a server has the store to itself.
        Err(KeyError::Absent(_)) if !matches!(config.engine, EngineConfig::Redis(_)) => {
            let could = StoreKey::could_be_made(path).err();
            findings.extend(could.map(|error| Finding::broken("store", error.to_string(), "")));
            // Whatever is going to be drawn: a store that is there is filed under another.
            StoreKey::new(&[0; 32])
        }
        Err(error) => {
            findings.push(Finding::broken("store", error.to_string(), ""));
            return findings;
        }
    };
    if let EngineConfig::Embedded { path } = &config.engine {
        findings.push(match EmbeddedStore::examine(path, &key) {
            Ok(true) => Finding::good("store", format!("{} is whole", path.display())),
            Ok(false) => Finding::good("store", format!("{} will be made", path.display())),
            Err(StoreError::InUse(path)) => {
                Finding::good("store", format!("{} is in use", path.display()))
            }
            Err(error) => Finding::broken("store", error.to_string(), ""),
        });
    }
    findings
}

fn check_tls(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let Some(tls) = &config.server.tls else {
        return Vec::new();
    };
    let loaded = match Loaded::read(tls, clock) {
        Ok(loaded) => loaded,
        Err(error) => return vec![Finding::broken(error.file.display(), error.what, "")],
    };
    let now = clock.now();
    let expiries = loaded.expiries().map(|expiry| {
        let (file, date) = (expiry.file.display(), expiry.date());
        let fact = |verb: &str| format!("{} {verb} at {date}", expiry.what);
        match expiry.has_passed(now) {
            true => Finding::broken(file, fact("expired"), "put a newer one in its place"),
            false if expiry.is_near(now) => {
                Finding::unwise(file, fact("expires"), "put a newer one in its place")
            }
            false => Finding::good(file, fact("expires")),
        }
    });
    expiries.collect()
}
