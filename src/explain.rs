//! Why would this number be refused? Looks it up as a call would, tells each step, and
//! issues nothing.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    clock::{Clock, Deadline},
    config::{DirectorySource, TenantConfig},
    directory::{
        DirectoryFault, Match, UserDirectory,
        ldap::{
            LdapDirectory, LdapSetupError, Lookup,
            listing::{ListingError, Reports},
        },
        ldif::{LdifDirectory, LdifError},
    },
};

/// For the look-up itself; longer than a call has, because here an answer is wanted.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens to a number, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// In their order.
    pub steps: Vec<Step>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is done.
    pub what: String,
    /// What comes of it.
    pub found: String,
}

/// What a call from the number would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// An OTP, unless the user is locked or the number in quarantine.
    Served {
        /// The user's name.
        user: String,
        /// The user's entry.
        dn: String,
    },
    /// Nothing.
    Refused {
        /// Why.
        reason: String,
    },
}

/// Why nothing can be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The LDIF file cannot be used.
    #[error(transparent)]
    Ldif(#[from] LdifError),
    /// The LDAP servers cannot be asked.
    #[error(transparent)]
    Setup(#[from] LdapSetupError),
    /// They do not answer.
    #[error(transparent)]
    Fault(#[from] DirectoryFault),
}

impl From<ListingError> for ExplainError {
    fn from(error: ListingError) -> Self {
        match error {
            ListingError::Setup(error) => error.into(),
            ListingError::Fault(fault) => fault.into(),
        }
    }
}

/// Explains what a call from `text` would come to. Needs a runtime.
pub async fn explain(
    tenant: &TenantConfig,
    clock: Arc<dyn Clock>,
    text: &str,
) -> Result<Explanation, ExplainError> {
    let mut steps = Vec::new();
    let mut step = |what: &str, found: String| {
        steps.push(Step {
            what: what.to_owned(),
            found,
        });
    };
    let number = match tenant.phone.read(text) {
        Ok(number) => number,
        Err(refusal) => {
            step(
                "number",
                format!("{text:?} is refused before any look-up: {refusal}"),
            );
            let reason = refusal.to_string();
            let verdict = Verdict::Refused { reason };
            return Ok(Explanation { steps, verdict });
        }
    };
    let plausible = match number.is_plausible() {
        true => "",
        false => " (no numbering plan has it; that is no reason to refuse it)",
    };
    step(
        "number",
        format!("{text:?} reads as {}{plausible}", number.as_str()),
    );
    let schema = &tenant.directory.schema;
    let plan = Arc::clone(&tenant.phone);
    let directory: Arc<dyn UserDirectory> = match &tenant.directory.source {
        DirectorySource::Ldif { path } => {
            step("directory", path.display().to_string());
            Arc::new(LdifDirectory::open(path, schema, plan)?)
        }
        DirectorySource::Ldap(config, _) => {
            let reports = Reports::on(
                config.clone(),
                schema.clone(),
                Arc::clone(&plan),
                Arc::clone(&clock),
            )?;
            for (what, found) in reports.steps(&number).await? {
                step(&what, found);
            }
            let schema = schema.clone();
            LdapDirectory::start(config.clone(), Lookup::Search, schema, plan, clock)?
        }
    };
    let found = directory
        .find_by_number(&number, Deadline::within(PATIENCE))
        .await?;
    let refused = |reason: &str| Verdict::Refused {
        reason: reason.to_owned(),
    };
    let verdict = match found {
        None => refused("no user has this number"),
        Some(Match::Several) => refused("several users have this number"),
        Some(Match::One(user)) => Verdict::Served {
            user: user.name.into(),
            dn: user.dn.into(),
        },
    };
    Ok(Explanation { steps, verdict })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { what, found } in &self.steps {
            writeln!(f, "{what}: {found}")?;
        }
        match &self.verdict {
            Verdict::Served { user, dn } => writeln!(f, "verdict: an OTP for {user} ({dn})"),
            Verdict::Refused { reason } => writeln!(f, "verdict: refused, {reason}"),
        }
    }
}
