//! `callotp doctor`: can everything in a configuration be reached, and does it answer as it
//! should? Changes nothing anywhere.

use std::{sync::Arc, time::Duration};

use crate::{
    check::check,
    client_auth::{BearerConfig, Credential, LEEWAY, reach_issuer},
    clock::{Clock, SystemEntropy, Timestamp},
    config::{Config, DirectorySource, EngineConfig, TenantConfig},
    directory::ldap::doctor as ldap,
    finding::Finding,
    otp::store::{
        StoreKey,
        redis::{RedisStore, TimeSource},
    },
};

/// Looks at everything that `config` names.
pub async fn examine(config: &Config, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let mut findings = check(config, clock);
    findings.extend(examine_store(config).await);
    for tenant in &config.tenants {
        findings.extend(examine_directory(tenant, clock).await);
        for (whose, bearer) in issuers(tenant) {
            findings.extend(examine_issuer(&whose, bearer, clock).await);
        }
    }
    findings
}

/// Everything that a start would find wrong with a shared store.
async fn examine_store(config: &Config) -> Option<Finding> {
    let (EngineConfig::Redis(redis), Some(key_file)) =
        (&config.store.engine, &config.store.key_file)
    else {
        return None;
    };
    // A key file that cannot be read has been found before.
    let (key, _) = StoreKey::load(key_file, None).ok()?;
    let entropy = Arc::new(SystemEntropy);
    let opened = RedisStore::open(redis, &key, TimeSource::Server, entropy).await;
    Some(match opened {
        Ok(_) => Finding::good("store", "redis takes every decision"),
        Err(error) => Finding::broken("store", error.to_string(), ""),
    })
}

async fn examine_directory(tenant: &TenantConfig, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let DirectorySource::Ldap(servers, lookup) = &tenant.directory.source else {
        return Vec::new();
    };
    let examined = ldap::examine(
        servers.clone(),
        *lookup,
        tenant.directory.schema.clone(),
        Arc::clone(&tenant.phone),
        Arc::clone(clock),
    );
    // What makes asking impossible has been found by looking at the files.
    examined.await.unwrap_or_default()
}

/// The issuers of a tenant's clients, each with whose it is.
fn issuers(tenant: &TenantConfig) -> impl Iterator<Item = (String, &BearerConfig)> {
    tenant.clients.iter().flat_map(|client| {
        let whose = format!("tenant {}, client {}", tenant.id, client.name);
        let credentials = client.credentials.iter();
        credentials.filter_map(move |credential| match credential {
            Credential::Bearer(bearer) => Some((whose.clone(), bearer)),
            _ => None,
        })
    })
}

async fn examine_issuer(
    whose: &str,
    config: &BearerConfig,
    clock: &Arc<dyn Clock>,
) -> Vec<Finding> {
    match reach_issuer(config).await {
        Err(fault) => {
            let advice = "calls with its tokens fail until it answers";
            vec![Finding::broken(whose, fault, advice)]
        }
        Ok(reached) => {
            let apart = reached.time.map(|time| skew(whose, clock.now(), time));
            std::iter::once(Finding::good(whose, reached.what))
                .chain(apart.flatten())
                .collect()
        }
    }
}

/// The issuer's clock tells whole seconds, and its answer took some time.
const EXACT: Duration = Duration::from_secs(3);

fn skew(whose: &str, ours: Timestamp, theirs: Timestamp) -> Option<Finding> {
    let apart = ours.since(theirs).max(theirs.since(ours));
    let seconds = apart.as_secs();
    let fact = format!("the issuer's clock and ours are {seconds} s apart");
    let leeway = LEEWAY.as_secs();
    let advice = format!("set them; tokens are taken up to {leeway} s beyond their time");
    match apart {
        apart if apart <= EXACT => None,
        apart if apart <= LEEWAY => Some(Finding::unwise(whose, fact, advice)),
        _ => Some(Finding::broken(whose, fact, advice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    #[test]
    fn clocks_that_differ_are_spoken_of_in_both_directions() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        for (ours, theirs, severity) in [
            (100, 100, None),
            (103, 100, None),
            (104, 100, Some(Severity::Unwise)),
            (100, 130, Some(Severity::Unwise)),
            (100, 131, Some(Severity::Broken)),
            (500, 100, Some(Severity::Broken)),
        ] {
            let found = skew("tenant t1", at(ours), at(theirs));
            assert_eq!(
                found.map(|found| found.severity),
                severity,
                "{ours} {theirs}"
            );
        }
    }
}
