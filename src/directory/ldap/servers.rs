//! The servers of one directory as one: asked in order, each for its share of the time.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use ldap3::{Ldap, LdapResult};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    dial::DialError,
    outcome::SearchRefusal,
    question::{Answer, Question},
    server::{Lost, Server},
    sync::{self, Ended, Word},
};
use crate::{clock::Deadline, directory::DirectoryFault, secret::Secret};

/// A server that has not answered a search for this long gets company, even if its share
/// of the time is longer: searching twice does no harm.
const PATIENCE: Duration = Duration::from_millis(500);

/// A server to which there is no connection within this time is left for the next one.
const CONNECT: Duration = Duration::from_secs(3);

/// In the order of the configuration.
pub(super) struct Servers(pub(super) Vec<Arc<Server>>);

/// A connection of its own to one server.
pub(super) struct Session {
    pub(super) server: usize,
    ldap: Ldap,
}

impl Session {
    /// On a connection that is bound as the service user.
    pub(super) fn on(server: usize, ldap: Ldap) -> Self {
        Self { server, ldap }
    }

    /// Asks; an answer that is a refusal is a fault.
    pub(super) async fn ask(
        &self,
        question: &Question,
        deadline: Deadline,
    ) -> Result<Answer, DirectoryFault> {
        let asked = question.ask(self.ldap.clone());
        let answer = timeout_at(deadline.instant(), asked)
            .await
            .map_err(|_| DirectoryFault::TimedOut)?
            .map_err(|_| DirectoryFault::Unavailable("the connection was closed".into()))?;
        match &answer.refusal {
            None => Ok(answer),
            Some(SearchRefusal::Unavailable(reason)) => {
                Err(DirectoryFault::Unavailable(reason.clone()))
            }
            Some(refusal) => Err(DirectoryFault::Unusable(refusal.to_string())),
        }
    }

    /// Asks for what has changed; see [`sync::refresh`].
    pub(super) async fn synchronise(
        &self,
        question: &Question,
        cookie: Option<Vec<u8>>,
        patience: Duration,
        visit: &mut (dyn FnMut(Word) + Send),
    ) -> Result<Ended, DirectoryFault> {
        sync::refresh(self.ldap.clone(), question, cookie, patience, visit).await
    }
}

impl Servers {
    /// Asks the first server that is worth asking; the next one as soon as that fails, and
    /// beside it as soon as it is late. The first usable answer counts.
    pub(super) async fn ask(
        &self,
        question: &Question,
        deadline: Deadline,
    ) -> Result<Answer, DirectoryFault> {
        let end = before(deadline);
        let mut waiting = self.worth_asking()?.into_iter();
        let mut running = FuturesUnordered::new();
        let mut faults = Faults::default();
        let mut late_at = end;
        let mut newest = None;
        loop {
            if let Some(place) = waiting.next() {
                let server = &self.0[place];
                late_at = Instant::now() + share(end, waiting.len()).min(PATIENCE);
                newest = Some((server, server.heard()));
                let asked = server.ask(question, end);
                running.push(asked.map(move |outcome| (place, outcome)));
            }
            tokio::select! {
                Some((place, outcome)) = running.next() => {
                    match faults.usable(&self.0[place], question, outcome) {
                        Some(answer) => return Ok(answer),
                        None if running.is_empty() && waiting.len() == 0 => {
                            return Err(faults.into());
                        }
                        None => continue,
                    }
                }
                () = sleep_until(late_at.min(end)) => {}
            }
            match newest.take() {
                Some((server, _)) if question.slow => server.suspect(),
                Some((server, heard)) => server.silent_since(heard),
                None => {}
            }
            if Instant::now() >= end {
                return Err(DirectoryFault::TimedOut);
            }
            if waiting.len() == 0 {
                late_at = end;
            }
        }
    }

    /// Binds on the first server to which there is a connection. Once the request is sent
    /// no other server is asked: one login is at most one bind.
    pub(super) async fn bind(
        &self,
        dn: &str,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<(usize, LdapResult), DirectoryFault> {
        let end = before(deadline);
        let mut faults = Faults::default();
        let mut waiting = self.worth_asking()?.into_iter();
        while let Some(place) = waiting.next() {
            let server = &self.0[place];
            let until = Instant::now() + share(end, waiting.len());
            match server.binder(until).await {
                Ok(binder) => {
                    return match server.bind(binder, dn, password, end).await {
                        Ok(result) => Ok((place, result)),
                        Err(Lost(DialError::Silent)) => Err(DirectoryFault::TimedOut),
                        Err(lost) => Err(faults.and(server, &lost.to_string()).into()),
                    };
                }
                Err(lost) => faults = faults.and(server, &lost.to_string()),
            }
        }
        Err(faults.into())
    }

    /// A connection for a conversation: pages of one search belong to one connection.
    pub(super) async fn session(&self, deadline: Deadline) -> Result<Session, DirectoryFault> {
        let end = before(deadline);
        let mut faults = Faults::default();
        let mut waiting = self.worth_asking()?.into_iter();
        while let Some(place) = waiting.next() {
            let server = &self.0[place];
            let until = Instant::now() + share(end, waiting.len()).min(CONNECT);
            match server.session(until).await {
                Ok(ldap) => return Ok(Session::on(place, ldap)),
                Err(lost) => faults = faults.and(server, &lost.to_string()),
            }
        }
        Err(faults.into())
    }

    /// The places of the servers that are not out, or why there is none.
    fn worth_asking(&self) -> Result<Vec<usize>, DirectoryFault> {
        let places = 0..self.0.len();
        let admitted: Vec<usize> = places
            .filter(|place| self.0[*place].circuit.admits())
            .collect();
        if !admitted.is_empty() {
            return Ok(admitted);
        }
        let faults = self.0.iter().filter_map(|server| {
            let outage = server.circuit.outage()?;
            Some((server, outage.reason))
        });
        let all = faults.fold(Faults::default(), |all, (server, reason)| {
            all.and(server, &reason)
        });
        Err(all.into())
    }
}

/// What each server had against answering.
#[derive(Default)]
struct Faults {
    said: Vec<String>,
    /// At least one server answered, though not with what was asked for.
    answered: bool,
}

impl Faults {
    fn and(mut self, server: &Server, reason: &str) -> Self {
        self.said.push(format!("{}: {reason}", server.url));
        self
    }

    /// The answer, if it is one that counts.
    fn usable(
        &mut self,
        server: &Arc<Server>,
        question: &Question,
        outcome: Result<Answer, Lost>,
    ) -> Option<Answer> {
        let reason = match outcome {
            Err(lost) => lost.to_string(),
            Ok(answer) => match answer.refusal {
                None | Some(SearchRefusal::TooMany) => return Some(answer),
                Some(SearchRefusal::NoSuchObject(_)) if question.may_be_gone => {
                    return Some(answer);
                }
                Some(SearchRefusal::Unavailable(reason)) => reason,
                Some(refusal) => {
                    self.answered = true;
                    refusal.to_string()
                }
            },
        };
        self.said.push(format!("{}: {reason}", server.url));
        None
    }
}

impl From<Faults> for DirectoryFault {
    fn from(faults: Faults) -> Self {
        let said = faults.said.join("; ");
        match faults.answered {
            true => Self::Unusable(said),
            false => Self::Unavailable(said),
        }
    }
}

/// What is left of the time, divided fairly with `others` still to be asked.
fn share(end: Instant, others: usize) -> Duration {
    let left = end.saturating_duration_since(Instant::now());
    left / u32::try_from(others + 1).unwrap_or(u32::MAX)
}

/// A little before the caller's own deadline, so that what was learnt of the servers is
/// written down before the caller gives up.
fn before(deadline: Deadline) -> Instant {
    deadline.instant() - deadline.remaining() / 32
}
