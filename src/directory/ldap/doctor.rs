//! Can every server be reached, believed and asked, and is what it holds what the
//! configuration says? Asks and reads; changes nothing.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp as Moment, civil::DateTime, tz::TimeZone};
use ldap3::Scope;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::{
    LdapConfig, LdapSetupError, Lookup,
    dial::{self, DialError, Purpose},
    dialect::Dialect,
    entry::Entry,
    lookup::Directory,
    question::{Page, Question},
    server::Server,
    servers::Session,
    terms::known,
    trust,
};
use crate::{
    clock::{Clock, Deadline},
    directory::{
        DirectoryFault, Schema,
        filter::{Attribute, Filter},
    },
    finding::{Finding, Severity},
    phone_number::NumberPlan,
};

/// For each step of the examination.
const STEP: Duration = Duration::from_secs(5);

/// A look-up that takes longer than this is done by reading every entry.
const UNINDEXED: Duration = Duration::from_millis(10);

/// Clocks further apart make tickets, certificates and log files hard to believe.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// A certificate that ends sooner should be on somebody's list.
const CERTIFICATE_LEFT: i64 = 14 * 24 * 60 * 60;

/// Examines every server of a directory, one after the other.
pub async fn examine(
    config: LdapConfig,
    lookup: Lookup,
    schema: Schema,
    plan: Arc<NumberPlan>,
    clock: Arc<dyn Clock>,
) -> Result<Vec<Finding>, LdapSetupError> {
    let trusted = trust::anchors(config.ca.as_deref())?;
    let directory = Directory::new(config, &trusted, lookup, schema, plan, clock)?;
    let mut findings = Vec::new();
    for place in 0..directory.servers.0.len() {
        findings.extend(directory.examine_server(place, lookup).await);
    }
    Ok(findings)
}

impl Directory {
    async fn examine_server(&self, place: usize, lookup: Lookup) -> Vec<Finding> {
        let server = &self.servers.0[place];
        let mut findings = Vec::new();
        if !self.reach(server, &mut findings).await {
            return findings;
        }
        let deadline = Instant::now() + STEP;
        let heard = Arc::default();
        let dialled = server
            .dialer
            .dial(&server.url, Purpose::Search, &heard, deadline);
        let session = match dialled.await {
            Ok(ldap) => Session::on(place, ldap),
            Err(error) => {
                findings.push(failed(server, &error));
                return findings;
            }
        };
        let who = match &server.dialer.bind {
            Some(service) => format!("{} is let in", service.dn),
            None => "it can be asked without a name".to_owned(),
        };
        findings.push(Finding::good(&server.url, who));
        let url = server.url.to_string();
        findings.extend(self.clock_of(&url, &session).await);
        let content = self.examine_content(&url, &session).await;
        let is_usable = !content.iter().any(Finding::is_broken);
        findings.extend(content);
        if is_usable {
            findings.extend(self.speed(&url, &session).await);
            findings.push(self.readable_in_whole(&url, &session, lookup).await);
        }
        findings
    }

    /// TCP and, where it is configured, TLS.
    async fn reach(&self, server: &Server, findings: &mut Vec<Finding>) -> bool {
        let started = Instant::now();
        let url = &server.url;
        let tcp = match timeout(STEP, dial::connect(url)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => {
                findings.push(failed(server, &error));
                return false;
            }
            Err(_) => {
                let advice = "a firewall may be dropping packets, or the address is wrong";
                findings.push(Finding::broken(url, "no answer within 5 s", advice));
                return false;
            }
        };
        let took = started.elapsed();
        findings.push(Finding::good(url, format!("reached in {took:.1?}")));
        let local = tcp
            .peer_addr()
            .is_ok_and(|address| address.ip().is_loopback());
        if !url.tls_from_the_start() && !server.dialer.start_tls {
            if !local {
                let advice = "use ldaps:// or start_tls = true";
                let fact = "passwords travel in the clear";
                findings.push(Finding::unwise(url, fact, advice));
            }
            return true;
        }
        match timeout(STEP, server.dialer.secure(url, tcp)).await {
            Ok(Ok(tls)) => {
                findings.extend(certificate(url, &tls, &*self.clock));
                true
            }
            Ok(Err(error)) => {
                findings.push(failed(server, &error));
                false
            }
            Err(_) => {
                let advice = "is it an LDAP server, and ldaps:// or start_tls the right choice?";
                findings.push(Finding::broken(url, "no TLS within 5 s", advice));
                false
            }
        }
    }

    /// Active Directory tells the time.
    async fn clock_of(&self, url: &str, session: &Session) -> Option<Finding> {
        let question = Question::about_the_server();
        let answer = session.ask(&question, Deadline::within(STEP)).await.ok()?;
        let theirs = answer
            .entries
            .first()?
            .texts("currentTime")
            .next()?
            .get(..14)?
            .to_owned();
        let theirs = DateTime::strptime("%Y%m%d%H%M%S", theirs).ok()?;
        let theirs = TimeZone::UTC.to_timestamp(theirs).ok()?.as_second();
        let ours = i64::try_from(self.clock.now().as_millis() / 1000).ok()?;
        let apart = Duration::from_secs(theirs.abs_diff(ours));
        let fact = format!("its clock and ours are {} s apart", apart.as_secs());
        Some(match apart > CLOCKS_APART {
            true => Finding::unwise(url, fact, "keep both with NTP"),
            false => Finding::good(url, fact),
        })
    }

    /// Are base, filter and attributes what the configuration says?
    pub(super) async fn examine_content(&self, url: &str, session: &Session) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut question = self.question(Filter::And(Vec::new()), Arc::new(|_| true));
        question.scope = Scope::Base;
        question.filter = Filter::Present(known("objectClass")).to_string().into();
        match one(session, question).await {
            Ok(Some(_)) => {}
            Ok(None) => findings.push(Finding::broken(
                url,
                format!("base {:?} cannot be seen", self.schema.base),
                "give the service user the right to read it",
            )),
            Err(fault) => {
                let fact = format!("base {:?}: {fault}", self.schema.base);
                findings.push(Finding::broken(
                    url,
                    fact,
                    "correct base, or the service user's rights",
                ));
                return findings;
            }
        }
        match one(
            session,
            self.question(Filter::And(Vec::new()), Arc::new(|_| true)),
        )
        .await
        {
            Ok(Some(_)) => findings.push(Finding::good(url, "base and user_filter find users")),
            Ok(None) => {
                let fact = format!(
                    "user_filter {} finds nobody below base",
                    self.terms.user_filter
                );
                let advice = "correct the filter, or give the service user the right to read users";
                findings.push(Finding::broken(url, fact, advice));
                return findings;
            }
            Err(fault) => {
                findings.push(Finding::broken(
                    url,
                    fault.to_string(),
                    "correct user_filter",
                ));
                return findings;
            }
        }
        let dialect = Dialect::of(session, &self.schema, Deadline::within(STEP))
            .await
            .ok();
        let single = [
            ("username_attribute", &self.terms.username),
            ("user_id_attribute", &self.terms.user_id),
        ];
        for (key, attribute) in single {
            findings.push(self.readable(url, session, key, attribute, None).await);
        }
        let mut is_readable = false;
        for attribute in &self.terms.phones {
            let described = dialect
                .as_ref()
                .and_then(|dialect| dialect.about(attribute.as_str()));
            let known = described.and_then(|attribute| attribute.known);
            let key = "phone_attributes";
            let found = self.readable(url, session, key, attribute, known).await;
            is_readable |= found.severity == Severity::Good;
            findings.push(found);
            let Some(indexed) = described.and_then(|attribute| attribute.indexed) else {
                continue;
            };
            findings.push(match indexed {
                true => Finding::good(url, format!("{attribute} is indexed")),
                false => Finding::unwise(
                    url,
                    format!("{attribute} is not indexed: every call reads every entry"),
                    "use lookup = \"index\", or have the attribute indexed",
                ),
            });
        }
        if !is_readable {
            findings.push(Finding::broken(
                url,
                "no number of any user can be read: no call finds anybody",
                "give the service user the right to read phone_attributes, or correct them",
            ));
        }
        findings
    }

    /// Has a user the attribute, and may the service user read it?
    async fn readable(
        &self,
        url: &str,
        session: &Session,
        key: &str,
        attribute: &Attribute,
        known: Option<bool>,
    ) -> Finding {
        let question = self.question(Filter::Present(attribute.clone()), Arc::new(|_| true));
        let found = one(session, question).await;
        let is_there = |entry: &Entry| entry.values(attribute.as_str()).next().is_some();
        match (found, known) {
            (Ok(Some(entry)), _) if is_there(&entry) => {
                Finding::good(url, format!("{key}: {attribute} can be read"))
            }
            (Err(fault), _) => Finding::broken(url, format!("{key}: {attribute}: {fault}"), ""),
            (_, Some(false)) => Finding::broken(
                url,
                format!("{key}: the directory does not know {attribute}"),
                "correct its spelling",
            ),
            (_, _) if key == "phone_attributes" => Finding::unwise(
                url,
                format!("{key}: no user has {attribute}, or it may not be read"),
                "correct its spelling or the service user's rights, or leave it out",
            ),
            (_, _) => Finding::broken(
                url,
                format!("{key}: no user has {attribute}, or it may not be read"),
                "correct its spelling or the service user's rights",
            ),
        }
    }

    /// How long a number that nobody has takes: a directory that has no index shows it here.
    async fn speed(&self, url: &str, session: &Session) -> Vec<Finding> {
        let mut findings = Vec::new();
        for attribute in &self.terms.phones {
            let nobody = Filter::equal(attribute, "+0000000000");
            let question = self.question(nobody, Arc::new(|_| true));
            let mut quickest = STEP;
            for _ in 0..3 {
                let started = Instant::now();
                if one(session, question.clone()).await.is_err() {
                    return findings;
                }
                quickest = quickest.min(started.elapsed());
            }
            let fact = format!("a number nobody has takes {quickest:.1?} in {attribute}");
            findings.push(match quickest > UNINDEXED {
                true => Finding::unwise(url, fact, "have the attribute indexed for equality"),
                false => Finding::good(url, fact),
            });
        }
        findings
    }

    /// An index of all numbers needs the right to read all entries, and so does the list of
    /// unusual spellings that goes with looking up by search.
    async fn readable_in_whole(&self, url: &str, session: &Session, lookup: Lookup) -> Finding {
        const PAGE: i32 = 500;
        const ADVICE: &str =
            "lift the size limit for the service user (slapd: limits ... size=unlimited)";
        let phones = self.terms.phones.iter().cloned().map(Filter::Present);
        let mut question = self.question(Filter::Or(phones.collect()), Arc::new(|_| true));
        question.enough = usize::MAX;
        let (mut cookie, mut seen) = (Vec::new(), 0);
        for _ in 0..4 {
            question.page = Some(Page { size: PAGE, cookie });
            match session.ask(&question, Deadline::within(STEP)).await {
                Ok(answer) => {
                    seen += answer.entries.len();
                    cookie = answer.cookie;
                }
                Err(fault) if lookup == Lookup::Search => {
                    let fact = format!(
                        "numbers in unusual spellings cannot be listed: after {seen} entries: \
                         {fault}; every call from an unknown number reads every entry"
                    );
                    return Finding::unwise(url, fact, ADVICE);
                }
                Err(fault) => {
                    let fact = format!("lookup = \"index\": after {seen} entries: {fault}");
                    return Finding::broken(url, fact, ADVICE);
                }
            }
            if cookie.is_empty() {
                break;
            }
        }
        Finding::good(url, format!("{seen} entries with numbers read in pages"))
    }
}

/// Says in the log what an operator has to correct.
pub(super) fn log(base: &str, findings: &[Finding]) {
    for finding in findings {
        let Finding {
            subject,
            fact,
            advice,
            ..
        } = finding;
        match finding.severity {
            Severity::Good => tracing::debug!(server = %subject, %base, "{fact}"),
            Severity::Unwise => tracing::warn!(server = %subject, %base, %advice, "{fact}"),
            Severity::Broken => tracing::error!(server = %subject, %base, %advice, "{fact}"),
        }
    }
}

fn failed(server: &Server, error: &DialError) -> Finding {
    Finding::broken(&server.url, error.to_string(), error.advice())
}

/// The first entry, if there is one.
async fn one(session: &Session, mut question: Question) -> Result<Option<Entry>, DirectoryFault> {
    question.enough = 1;
    let mut answer = session.ask(&question, Deadline::within(STEP)).await?;
    Ok(answer.entries.pop())
}

fn certificate(
    url: &super::ServerUrl,
    tls: &TlsStream<tokio::net::TcpStream>,
    clock: &dyn Clock,
) -> Option<Finding> {
    let session = tls.get_ref().1;
    let version = session.protocol_version()?;
    let leaf = session.peer_certificates()?.first()?;
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let until = leaf.validity().not_after.timestamp();
    let now = i64::try_from(clock.now().as_millis() / 1000).ok()?;
    let date = Moment::from_second(until)
        .ok()?
        .strftime("%Y-%m-%d")
        .to_string();
    let fact = format!("{version:?}, certificate good until {date}");
    Some(match until - now < CERTIFICATE_LEFT {
        true => Finding::unwise(url, fact, "have it renewed"),
        false => Finding::good(url, fact),
    })
}
