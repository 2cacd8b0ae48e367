//! Another configuration, while calls go on.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::Mutex, time::timeout};

use super::{LdapDirectories, Parts, StartError, door::Door};
use crate::{
    config::Config,
    directory::{UserDirectory as _, ldap::LdapDirectory},
    http::Http,
    tenant::TenantId,
    tls::Loaded,
};

/// How long a reload waits for the numbers of a directory that has changed. Until then calls
/// are answered as before.
const LOAD: Duration = Duration::from_secs(30);

/// Takes a new configuration while the program runs: all of it or nothing.
pub struct Reloader {
    pub(super) parts: Arc<Parts>,
    pub(super) door: Arc<Door>,
    pub(super) in_force: Mutex<InForce>,
}

/// What calls are answered by now.
pub(super) struct InForce {
    pub(super) config: Arc<Config>,
    pub(super) ldap: LdapDirectories,
}

impl InForce {
    /// Waits for those of the `newer` directories in whose place calls are answered now.
    async fn load(&self, newer: &LdapDirectories) {
        let is_awaited = |(tenant, newer): &(&TenantId, &Arc<LdapDirectory>)| {
            let older = self.ldap.get(*tenant);
            self.config.tenants.iter().any(|old| old.id == **tenant)
                && !older.is_some_and(|older| Arc::ptr_eq(older, newer))
        };
        let loads = newer.iter().filter(is_awaited).map(|(tenant, newer)| async move {
            if timeout(LOAD, newer.loaded()).await.is_err() {
                let detail = newer.health().detail;
                tracing::error!(%tenant, %detail, "the changed directory is not loaded in time; it is used all the same");
            }
        });
        join_all(loads).await;
    }
}

impl Reloader {
    /// Calls that come from now on are answered by `newer`; those in flight by the older one.
    /// OTPs, failures and locks stay, and so does an LDAP directory of which nothing has
    /// changed. One that has changed first loads what it has to.
    pub async fn reload(&self, newer: Config) -> Result<(), StartError> {
        let mut in_force = self.in_force.lock().await;
        let newer = Arc::new(newer);
        let built = self.build(&in_force, &newer).await;
        let Built { http, ldap, tls } =
            built.inspect_err(|_| self.parts.telemetry.metrics.reloaded(false))?;
        http.prepare();
        in_force.load(&ldap).await;
        self.door.http.store(Arc::new(http));
        self.parts.tls.take(tls);
        self.parts.telemetry.metrics.reloaded(true);
        *in_force = InForce {
            config: newer,
            ldap,
        };
        Ok(())
    }

    /// Counts a configuration that could not even be read.
    pub fn refused(&self) {
        self.parts.telemetry.metrics.reloaded(false);
    }

    /// Away from the threads that answer calls: a directory may have a million people.
    async fn build(&self, older: &InForce, newer: &Arc<Config>) -> Result<Built, StartError> {
        if let Some(what) = older.config.needs_restart(newer) {
            return Err(StartError::NeedsRestart(what));
        }
        let (parts, newer, older) = (
            Arc::clone(&self.parts),
            Arc::clone(newer),
            older.ldap.clone(),
        );
        let built = tokio::task::spawn_blocking(move || {
            let tls = parts.tls.prepare(newer.server.tls.as_ref())?;
            let (http, ldap) = parts.http(&newer, &older)?;
            Ok(Built { http, ldap, tls })
        });
        built.await.unwrap_or(Err(StartError::Panicked))
    }
}

/// What a configuration comes to, before it is in force.
struct Built {
    http: Http,
    ldap: LdapDirectories,
    tls: Option<Arc<Loaded>>,
}
