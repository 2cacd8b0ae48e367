//! `callotp explain` and `callotp phones`

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
};

use clap::{Args, ValueEnum};

use super::{ConfigFile, Outcome, complain, load, say};
use crate::{
    clock::SystemClock,
    config::TenantConfig,
    explain::{Verdict, explain},
    phones,
};

#[derive(Args)]
pub(super) struct ExplainCommand {
    #[command(flatten)]
    file: ConfigFile,
    /// The tenant's id.
    #[arg(long)]
    tenant: String,
    /// The calling number, as a phone system would send it.
    #[arg(allow_hyphen_values = true)]
    number: String,
}

#[derive(Args)]
pub(super) struct PhonesCommand {
    #[command(flatten)]
    file: ConfigFile,
    /// The tenant's id.
    #[arg(long)]
    tenant: String,
    /// How the report looks.
    #[arg(long, value_enum, default_value = "csv")]
    format: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Csv,
    Json,
}

impl ExplainCommand {
    pub(super) async fn run(self) -> Outcome {
        let tenant = match tenant(&self.file, &self.tenant) {
            Ok(tenant) => tenant,
            Err(outcome) => return outcome,
        };
        match explain(&tenant, Arc::new(SystemClock::start()), &self.number).await {
            Ok(explanation) => {
                for step in &explanation.steps {
                    say(&format!("{}: {}", step.what, step.found));
                }
                match explanation.verdict {
                    Verdict::Served { user, dn } => say(&format!(
                        "verdict: an OTP for {user} ({dn}), unless the user is locked or the \
                         number in quarantine"
                    )),
                    Verdict::Refused { reason } => say(&format!("verdict: refused: {reason}")),
                }
            }
            Err(error) => {
                complain(&error.to_string());
                Outcome::Failed
            }
        }
    }
}

impl PhonesCommand {
    pub(super) async fn run(self) -> Outcome {
        let tenant = match tenant(&self.file, &self.tenant) {
            Ok(tenant) => tenant,
            Err(outcome) => return outcome,
        };
        let shows_progress = io::stderr().is_terminal();
        let mut progress = |read: usize| {
            if shows_progress {
                // Nobody is left to be told if this fails.
                let _ = write!(io::stderr(), "\r{read} users read");
            }
        };
        let report = phones::report(&tenant, Arc::new(SystemClock::start()), &mut progress).await;
        if shows_progress {
            complain("");
        }
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                complain(&error.to_string());
                return Outcome::Failed;
            }
        };
        let mut out = io::stdout().lock();
        let written = match self.format {
            Form::Csv => report.write_csv(&mut out),
            Form::Json => report.write_json(&mut out),
        };
        match written.and_then(|()| out.flush()) {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::Failed,
        }
    }
}

/// The tenant called `id` in the configuration, or a word about those there are.
fn tenant(file: &ConfigFile, id: &str) -> Result<TenantConfig, Outcome> {
    let tenants = load(&file.config)?.tenants;
    let ids: Vec<_> = tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    let others = ids.join(", ");
    let found = tenants.into_iter().find(|tenant| tenant.id.as_str() == id);
    found.ok_or_else(|| {
        complain(&format!(
            "--tenant: there is no tenant {id:?} (there is: {others})"
        ));
        Outcome::Misused
    })
}
