//! `lint`: is a scenario right?

use std::path::Path;

use super::{DONE, FAILED, USAGE, complain, say};
use crate::scenario::{Scenario, ScenarioError};

pub(super) fn run(path: &Path) -> u8 {
    let name = path.display();
    let scenario = match Scenario::load(path) {
        Ok(scenario) => scenario,
        Err(error) => {
            complain(&error);
            return match error {
                ScenarioError::Unreadable { .. } => FAILED,
                ScenarioError::Wrong(_) => USAGE,
            };
        }
    };
    if let Some(ldif) = scenario
        .directory
        .ldif
        .as_deref()
        .filter(|ldif| !ldif.is_file())
    {
        complain(format!(
            "{name}: directory: there is no file {}",
            ldif.display()
        ));
        return USAGE;
    }
    let warnings = scenario.warnings();
    for warning in &warnings {
        say(&format!("{name}: warning: {warning}"));
    }
    match warnings.len() {
        0 => say(&format!("{name}: right")),
        1 => say(&format!("{name}: right, with 1 warning")),
        count => say(&format!("{name}: right, with {count} warnings")),
    }
    DONE
}
