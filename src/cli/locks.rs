//! `callotp locks`

use std::{
    io::{self, Read as _},
    sync::Arc,
};

use clap::{Args, Subcommand};

use super::{ConfigFile, Outcome, complain, load, say};
use crate::{
    clock::{SystemClock, Timestamp},
    locks::{Locks, LocksError},
    otp::store::Lock,
};

#[derive(Args)]
pub(super) struct LocksCommand {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Show every lock in force (the default).
    List,
    /// End the locks of a user, and forget the failures.
    Unlock {
        /// The user's name, in any case.
        user: String,
        /// In this tenant only.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Write all locks to standard output, for another store under the same key.
    Export,
    /// Put the locks on standard input in force.
    Import,
}

impl LocksCommand {
    pub(super) async fn run(self) -> Outcome {
        let config = match load(&self.file.config) {
            Ok(config) => config,
            Err(outcome) => return outcome,
        };
        let locks = Locks::of(&config, Arc::new(SystemClock::start())).await;
        let done = match locks {
            Ok(locks) => act(&locks, self.action.unwrap_or(Action::List)).await,
            Err(error) => Err(error),
        };
        done.unwrap_or_else(|error| {
            complain(&error.to_string());
            Outcome::Failed
        })
    }
}

async fn act(locks: &Locks, action: Action) -> Result<Outcome, LocksError> {
    Ok(match action {
        Action::List => list(&locks.list().await?),
        Action::Export => say(locks.export().await?.trim_end()),
        Action::Unlock { user, tenant } => match locks.unlock(tenant.as_deref(), &user).await? {
            0 => {
                complain(&format!("{user} is not locked"));
                Outcome::Failed
            }
            ended => say(&format!("{user}: {ended} unlocked")),
        },
        Action::Import => {
            let mut text = String::new();
            if let Err(error) = io::stdin().lock().read_to_string(&mut text) {
                complain(&format!("standard input cannot be read: {error}"));
                return Ok(Outcome::Failed);
            }
            say(&format!(
                "{} locked that were not",
                locks.import(&text).await?
            ))
        }
    })
}

/// Columns with tabs between them, for people and for `cut`.
fn list(locks: &[Lock]) -> Outcome {
    if locks.is_empty() {
        return say("nobody is locked");
    }
    for lock in locks {
        let until = match lock.until {
            Some(until) => moment(until),
            None => "an administrator ends it".to_owned(),
        };
        let (tenant, name, since) = (&lock.tenant, &lock.name, moment(lock.since));
        if say(&format!("{tenant}\t{name}\t{since}\t{until}")) != Outcome::Done {
            return Outcome::Failed;
        }
    }
    Outcome::Done
}

fn moment(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(moment) => format!("{moment:.0}"),
        Err(_) => "the end of time".to_owned(),
    }
}
