//! What a directory needs besides being asked: to be known, to be kept in memory as far as
//! calls depend on it, and to say how it is.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    Lookup,
    dialect::Dialect,
    doctor,
    index::{
        live::Freshness,
        refresh::{Refresher, Wanted},
    },
    lookup::Directory,
    pattern,
    servers::Session,
};
use crate::{clock::Deadline, directory::DirectoryHealth};

/// How often changes are asked for of the list of numbers in unusual spellings.
const LIST_REFRESH: Duration = Duration::from_secs(60);

impl Directory {
    /// Finds out what kind of directory it is, whether the configuration fits it, and what
    /// calls need to have in memory; keeps that fresh for as long as it is polled.
    pub(super) async fn look_after(self: Arc<Self>) {
        match self.lookup {
            Lookup::Index { refresh } => {
                let refresher = self.refresher(Wanted::All, refresh);
                tokio::join!(refresher.run(), async {
                    self.examine(self.learn().await).await
                });
            }
            Lookup::Search => {
                let session = self.learn().await;
                let scans = self.dialect.get().is_some_and(Dialect::always_scans);
                let listed = async {
                    match scans || self.plan.is_exact() {
                        true => self.index.leave_empty(),
                        false => self.refresher(self.unusual(), LIST_REFRESH).run().await,
                    }
                };
                tokio::join!(listed, self.examine(session));
            }
        }
    }

    /// A session with a server that has said what kind of directory it is.
    async fn learn(&self) -> Session {
        const AGAIN: Duration = Duration::from_secs(1);
        loop {
            let deadline = Deadline::within(Duration::from_secs(5));
            if let Ok(session) = self.servers.session(deadline).await
                && let Ok(dialect) = Dialect::of(&session, &self.schema, deadline).await
            {
                let _ = self.dialect.set(dialect);
                return session;
            }
            sleep(AGAIN).await;
        }
    }

    async fn examine(&self, session: Session) {
        let url = self.servers.0[session.server].url.to_string();
        doctor::log(
            &self.schema.base,
            &self.examine_content(&url, &session).await,
        );
    }

    /// What a question for the usual spellings does not find.
    fn unusual(self: &Arc<Self>) -> Wanted {
        let directory = self.clone();
        Wanted::Unusual(Box::new(move |attribute, text, number| {
            let dialect = directory.dialect.get();
            !pattern::is_usual(&directory.plan, attribute, text, number, dialect)
        }))
    }

    fn refresher(&self, wanted: Wanted, interval: Duration) -> Refresher {
        Refresher {
            index: self.index.clone(),
            wanted,
            servers: self.servers.clone(),
            schema: self.schema.clone(),
            terms: self.terms.clone(),
            plan: self.plan.clone(),
            clock: self.clock.clone(),
            interval,
        }
    }

    pub(super) fn health(&self) -> DirectoryHealth {
        let now = self.clock.now();
        let (mut ready, mut detail) = (false, Vec::new());
        for server in &self.servers.0 {
            ready |= server.circuit.is_up();
            detail.push(match server.circuit.outage() {
                Some(outage) => {
                    let seconds = now.since(outage.since).as_secs();
                    format!("{} is out for {seconds} s: {}", server.url, outage.reason)
                }
                None if server.circuit.is_up() => format!("{} is up", server.url),
                None => format!("{} has not answered yet", server.url),
            });
        }
        let Freshness { asked, fault, .. } = self.index.freshness();
        let numbers = self.index.size().numbers;
        let age = |asked| now.since(asked).as_secs();
        match (self.lookup, asked) {
            (Lookup::Index { .. }, Some(asked)) => {
                let age = age(asked);
                detail.push(format!("the index of {numbers} numbers is {age} s old"));
            }
            (Lookup::Index { .. }, None) => {
                ready = false;
                detail.push("the index of numbers is not loaded yet".to_owned());
            }
            (Lookup::Search, Some(asked)) => {
                let age = age(asked);
                detail.push(format!(
                    "the list of {numbers} numbers in unusual spellings is {age} s old"
                ));
            }
            (Lookup::Search, None) => {}
        }
        detail.extend(fault.map(|fault| match self.lookup {
            Lookup::Index { .. } => format!("its refresh fails: {fault}"),
            Lookup::Search => format!("unusual spellings cannot be listed: {fault}"),
        }));
        DirectoryHealth {
            ready,
            detail: detail.join("; "),
        }
    }
}
