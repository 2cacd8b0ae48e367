//! All users of a directory, one after the other, and how one number is looked up, for
//! reports.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use super::{
    LdapConfig, LdapSetupError, Lookup, dialect::Dialect, entry::Entry, lookup::Directory, pattern,
    question::Page, trust,
};
use crate::{
    clock::{Clock, Deadline},
    directory::{DirectoryFault, Listed, Schema, Written, filter::Filter},
    phone_number::{NumberPlan, PhoneNumber},
};

/// Active Directory gives no more at once.
const PAGE: i32 = 1000;

/// For one page, and for reaching a server at all.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Candidates that are shown to a person.
const SHOWN: usize = 10;

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// The configuration cannot work.
    #[error(transparent)]
    Setup(#[from] LdapSetupError),
    /// The directory does not answer.
    #[error(transparent)]
    Fault(#[from] DirectoryFault),
}

/// A directory that is asked for a report and not for logins: no index, nothing in the
/// background.
pub struct Reports {
    directory: Directory,
}

impl Reports {
    /// On the directory of this configuration.
    pub fn on(
        config: LdapConfig,
        schema: Schema,
        plan: Arc<NumberPlan>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LdapSetupError> {
        let trusted = trust::anchors(config.ca.as_deref())?;
        let directory = Directory::new(config, &trusted, Lookup::Search, schema, plan, clock)?;
        Ok(Self { directory })
    }

    /// Shows `visit` everybody who matches the user filter, and returns the phone
    /// attributes of which the directory is known to have no index.
    pub async fn list(&self, visit: &mut dyn FnMut(Listed)) -> Result<Vec<Box<str>>, ListingError> {
        let Directory {
            servers, schema, ..
        } = &self.directory;
        let session = servers.session(Deadline::within(PAGE_TIME)).await?;
        let dialect = Dialect::of(&session, schema, Deadline::within(PAGE_TIME)).await?;
        let everybody = Filter::And(Vec::new());
        let mut question = self.directory.question(everybody, Arc::new(|_| true));
        question.enough = usize::MAX;
        let mut cookie = Vec::new();
        loop {
            question.page = Some(Page { size: PAGE, cookie });
            let answer = session.ask(&question, Deadline::within(PAGE_TIME)).await?;
            for entry in &answer.entries {
                visit(listed(entry, schema));
            }
            cookie = answer.cookie;
            if cookie.is_empty() {
                break;
            }
        }
        let unindexed = dialect
            .attributes
            .iter()
            .filter(|a| a.indexed == Some(false));
        Ok(unindexed.map(|attribute| attribute.name.clone()).collect())
    }

    /// Looks `number` up and tells each step: what is asked, whom, and who comes into
    /// question. What the filter for users hides is shown too, and said to be hidden.
    pub async fn steps(&self, number: &PhoneNumber) -> Result<Vec<(String, String)>, ListingError> {
        let Directory {
            servers,
            schema,
            plan,
            terms,
            ..
        } = &self.directory;
        let deadline = Deadline::within(PAGE_TIME);
        let session = servers.session(deadline).await?;
        let dialect = Dialect::of(&session, schema, deadline).await?;
        let mut steps = Vec::new();
        let mut step = |what: &str, found: String| steps.push((what.to_owned(), found));
        step("server", servers.0[session.server].url.to_string());
        step("kind", dialect.kind.name().to_owned());
        let spellings = plan.spellings(number, None);
        step("spellings", format!("{spellings:?}"));
        let spelt = pattern::spelt(&terms.phones, &spellings, Some(&dialect));
        let filter = Filter::And(vec![terms.user_filter.clone(), spelt.clone()]);
        step("filter", filter.to_string());
        let mut wider = vec![spelt];
        if let Some(any) =
            pattern::in_any_spelling(&terms.phones, &spellings, number, Some(&dialect))
        {
            step("filter for other spellings", any.to_string());
            wider.push(any);
        }
        let mut question = self
            .directory
            .question(Filter::And(Vec::new()), Arc::new(|_| true));
        question.filter = Filter::Or(wider).to_string().into();
        question.enough = SHOWN;
        let found = session.ask(&question, deadline).await?.entries;
        if found.is_empty() {
            step("candidates", "none".to_owned());
        }
        for entry in &found {
            let mut own = self
                .directory
                .question(Filter::And(Vec::new()), Arc::new(|_| true));
            own.base = entry.dn.clone();
            own.scope = ldap3::Scope::Base;
            own.may_be_gone = true;
            let is_user = !session.ask(&own, deadline).await?.entries.is_empty();
            step("candidate", self.candidate(entry, number, is_user));
        }
        Ok(steps)
    }

    fn candidate(&self, entry: &Entry, number: &PhoneNumber, is_user: bool) -> String {
        let Directory { schema, plan, .. } = &self.directory;
        let mut text = format!("{}:", entry.dn);
        for Written {
            attribute,
            text: written,
        } in listed(entry, schema).numbers
        {
            let reads = match plan.read(&written) {
                Ok(read) if read == *number => "is the number".to_owned(),
                Ok(read) => format!("is another number, {}", read.as_str()),
                Err(refusal) => refusal.to_string(),
            };
            let _ = write!(text, " {attribute} {written:?} {reads};");
        }
        text.push_str(match is_user {
            true => " user_filter takes it for a user",
            false => " user_filter does not take it for a user",
        });
        text
    }
}

fn listed(entry: &Entry, schema: &Schema) -> Listed {
    let numbers = schema.phone_attributes.iter().flat_map(|attribute| {
        entry.values(attribute).map(move |value| Written {
            attribute: attribute.clone(),
            text: String::from_utf8_lossy(value).into(),
        })
    });
    Listed {
        name: entry
            .texts(&schema.username_attribute)
            .next()
            .map(Into::into),
        dn: entry.dn.clone(),
        numbers: numbers.collect(),
    }
}
