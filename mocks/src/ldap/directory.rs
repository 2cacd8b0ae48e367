//! A running directory: where it listens, changed while it runs, gone when dropped.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{
    builder::{DirectoryBuilder, StartError, bind},
    content::add_person,
    dn::Dn,
    fault::DirectoryFault,
    journal::Journal,
    schema, session,
    shared::{Settings, Shared},
};
use crate::people::Person;

/// A running directory. It stops when it is dropped, and closes every connection.
pub struct Directory {
    shared: Arc<Shared>,
    ldap: SocketAddr,
    ldaps: Option<SocketAddr>,
    listening: Mutex<Vec<JoinHandle<()>>>,
}

impl Directory {
    /// A directory of OpenLDAP's flavour on a free loopback port, with nobody in it.
    pub fn builder() -> DirectoryBuilder {
        DirectoryBuilder::default()
    }

    pub(super) fn of(shared: Arc<Shared>, (ldap, ldaps): (SocketAddr, Option<SocketAddr>)) -> Self {
        Self {
            shared,
            ldap,
            ldaps,
            listening: Mutex::default(),
        }
    }

    /// Where LDAP is spoken.
    pub fn ldap_address(&self) -> SocketAddr {
        self.ldap
    }

    /// Where LDAPS is spoken.
    pub fn ldaps_address(&self) -> Option<SocketAddr> {
        self.ldaps
    }

    /// `ldap://` and the address.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.ldap)
    }

    /// `ldaps://` and the address.
    pub fn ldaps_url(&self) -> Option<String> {
        self.ldaps.map(|address| format!("ldaps://{address}"))
    }

    /// The certificate to trust for LDAPS and StartTLS.
    pub fn ca_pem(&self) -> String {
        self.shared.authority.pem()
    }

    /// The entry below which people are.
    pub fn people_base(&self) -> String {
        let Settings {
            flavour, suffix, ..
        } = &self.shared.settings;
        flavour.people_base(suffix)
    }

    /// What it was asked.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Replaces all faults; counting begins again.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = DirectoryFault>) {
        self.shared.faults.set(faults.into_iter().collect());
    }

    /// How often each fault has struck, in their order.
    pub fn faults_struck(&self) -> Vec<u64> {
        self.shared.faults.struck()
    }

    /// The distinguished name of the person with this user name.
    pub fn name_of(&self, username: &str) -> Option<String> {
        self.shared.person(username).map(|entry| entry.name.clone())
    }

    /// The bytes of the first value of an attribute of that person.
    pub fn value_of(&self, username: &str, attribute: &str) -> Option<Vec<u8>> {
        let entry = self.shared.person(username)?;
        let values = &entry.attribute(&schema::key(attribute))?.values;
        values.first().map(|value| value.shown.clone())
    }

    /// Adds a person.
    pub fn add(&self, person: &Person) -> Result<(), StartError> {
        let now = (self.shared.clock)();
        add_person(
            &mut self.shared.tree_mut(),
            person,
            &self.shared.settings.suffix,
            now,
        )
    }

    /// Rewrites the entry of the person with the same user name; id and name of the entry stay.
    /// False if there is none.
    pub fn change(&self, person: &Person) -> bool {
        let Settings {
            flavour, suffix, ..
        } = &self.shared.settings;
        let Some(entry) = self.shared.person(&person.username) else {
            return false;
        };
        self.shared
            .change(&entry.dn, |entry| flavour.describe(entry, person, suffix))
    }

    /// Replaces the values of one attribute of the entry of this name; false if there is none.
    pub fn set(&self, name: &str, attribute: &str, values: &[&str]) -> bool {
        let flavour = self.shared.settings.flavour;
        let values = values.iter().map(|value| value.as_bytes());
        Dn::parse(name).is_ok_and(|dn| {
            self.shared
                .change(&dn, |entry| entry.set(flavour, attribute, false, values))
        })
    }

    /// Takes the person with this user name out; false if there is none.
    pub fn remove(&self, username: &str) -> bool {
        let Some(entry) = self.shared.person(username) else {
            return false;
        };
        let now = (self.shared.clock)();
        self.shared.tree_mut().remove(&entry.dn, now)
    }

    /// Stops listening and closes all connections, as a machine does that is switched off.
    pub async fn go_down(&self) {
        let tasks = std::mem::take(&mut *self.listening());
        for task in tasks {
            task.abort();
            // The task was told to stop: how it ended says nothing.
            let _ = task.await;
        }
    }

    /// Listens again on the same addresses after [`Directory::go_down`].
    pub async fn come_up(&self) -> Result<(), StartError> {
        self.accept(bind(self.ldap).await?, false);
        if let Some(ldaps) = self.ldaps {
            self.accept(bind(ldaps).await?, true);
        }
        Ok(())
    }

    pub(super) fn accept(&self, listener: TcpListener, ldaps: bool) {
        let task = tokio::spawn(accept(listener, ldaps, self.shared.clone()));
        self.listening().push(task);
    }

    fn listening(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.listening().drain(..).for_each(|task| task.abort());
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("ldap", &self.ldap)
            .field("ldaps", &self.ldaps)
            .finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, ldaps: bool, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while sessions.try_join_next().is_some() {}
        // Out of file handles, or a client that was gone at once: the next one may fare better.
        let Ok((stream, _)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        sessions.spawn(session::serve(shared.clone(), stream, ldaps));
    }
}
