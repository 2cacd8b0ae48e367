//! A scenario: what the world holds and what goes wrong in it. Written twice, as
//! TOML and as meant; an unknown key is an error that names the nearest known one.

pub(crate) mod duration;
pub(crate) mod fault;
pub(crate) mod nearest;
pub(crate) mod rule;
mod without;
mod written;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use self::written::ExpectationAsWritten;
pub use self::{
    fault::{Fault, Place},
    rule::{Rate, Rule},
};
use self::{rule::comparable, written::ScenarioAsWritten};
use crate::ldap::{DirectoryFault, Flavour};

/// What the world holds, checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed of everything that is drawn; a fresh one when `None`.
    pub seed: Option<u64>,
    /// The tenants by their id.
    pub tenants: BTreeMap<String, TenantPlan>,
    /// The directory.
    pub directory: DirectoryPlan,
    /// What `judge` and the library hold the caller to.
    pub expect: Vec<Expectation>,
}

/// One tenant as planned.
#[derive(Clone, Debug)]
pub struct TenantPlan {
    /// What a caller has to show.
    pub auth: Auth,
    /// The digits of an OTP.
    pub digits: usize,
    /// How long an OTP lives.
    pub lifetime: Duration,
    /// Who is in it.
    pub people: Vec<Person>,
    /// When what goes wrong.
    pub rules: Vec<Rule>,
}

/// Whom a number belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name shown.
    pub name: String,
    /// The name to log in with.
    pub username: String,
    /// The password, in the clear: this is a mock.
    pub password: String,
    /// Numbers, each as the directory writes it.
    pub numbers: Vec<String>,
    /// An OTP that is always the same.
    pub otp: Option<String>,
    /// Is the account switched off? Then there is no OTP.
    pub disabled: bool,
    /// Does the number keep its magic? Only in the world without a scenario.
    pub magic: bool,
}

/// What a caller has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// A name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer(String),
}

/// The directory as planned.
#[derive(Clone, Debug, Default)]
pub struct DirectoryPlan {
    /// Whose habits it has; the command line decides when absent.
    pub flavour: Option<Flavour>,
    /// Where its entries come from, instead of the people.
    pub ldif: Option<PathBuf>,
    /// What goes wrong in it.
    pub faults: Vec<DirectoryFault>,
}

/// How often a number has to have called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The number, as rules compare it; every number when absent.
    pub number: Option<String>,
    /// The tenant; every tenant when absent.
    pub tenant: Option<String>,
    /// How often.
    pub count: Count,
    /// How far back counts.
    pub within: Option<Duration>,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So often and no more.
    Exactly(usize),
    /// So often or more.
    AtLeast(usize),
}

impl Expectation {
    /// That this number calls so often.
    pub fn number(number: &str, count: Count) -> Self {
        Self {
            number: Some(comparable(number)),
            tenant: None,
            count,
            within: None,
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        let number = self.number.as_deref().unwrap_or("any number");
        let mut words = match self.count {
            Count::Exactly(count) => format!("exactly {count} calls from {number}"),
            Count::AtLeast(count) => format!("at least {count} calls from {number}"),
        };
        if let Some(tenant) = &self.tenant {
            words.push_str(&format!(" under tenant {tenant}"));
        }
        if let Some(within) = self.within {
            words.push_str(&format!(" within {}", duration::write(within)));
        }
        words
    }
}

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It could not be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Something in it is wrong; the text names file, line and column.
    #[error("{0}")]
    Wrong(String),
}

impl Scenario {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ScenarioError::Unreadable {
            path: name.clone(),
            error,
        })?;
        let mut scenario = Self::read(&text, &name)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        scenario.directory.ldif = scenario.directory.ldif.map(|ldif| folder.join(ldif));
        Ok(scenario)
    }

    /// Reads TOML; `name` is what errors call it.
    pub fn read(text: &str, name: &str) -> Result<Self, ScenarioError> {
        let located = |at: Option<usize>, message: &str| {
            ScenarioError::Wrong(match at {
                Some(at) => {
                    let (line, column) = line_and_column(text, at);
                    format!("{name}:{line}:{column}: {}", nearest::explained(message))
                }
                None => format!("{name}: {}", nearest::explained(message)),
            })
        };
        let written: ScenarioAsWritten = toml::from_str(text)
            .map_err(|error| located(error.span().map(|span| span.start), error.message()))?;
        written.meant(&|at, message| located(Some(at), &message))
    }

    /// The world that needs no scenario: tenant `t1`, people on Sweden's fiction numbers.
    pub fn without_file() -> Self {
        Self {
            seed: None,
            tenants: BTreeMap::from([("t1".to_owned(), without::tenant())]),
            directory: DirectoryPlan::default(),
            expect: Vec::new(),
        }
    }

    /// Rules and expectations that can never matter, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (id, tenant) in &self.tenants {
            for (index, rule) in tenant.rules.iter().enumerate() {
                if let Some(why) = rule.never_matches(&tenant.rules[..index]) {
                    let place = format!("tenant {id}, rule {}", index + 1);
                    warnings.push(format!("{place} can never match: {why}"));
                }
            }
            warnings.extend(shared_numbers(id, &tenant.people));
        }
        for expectation in &self.expect {
            if let Some(tenant) = &expectation.tenant
                && !self.tenants.contains_key(tenant)
            {
                warnings.push(format!("expect: there is no tenant {tenant:?}"));
            }
        }
        warnings
    }
}

fn shared_numbers(tenant: &str, people: &[Person]) -> Vec<String> {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for person in people {
        for number in &person.numbers {
            let owners = owners.entry(comparable(number)).or_default();
            if !owners.contains(&person.username.as_str()) {
                owners.push(&person.username);
            }
        }
    }
    owners
        .into_iter()
        .filter(|(_, owners)| owners.len() > 1)
        .map(|(number, owners)| {
            let owners = owners.join(" and ");
            format!("tenant {tenant}: {number} belongs to {owners}, so it is always refused")
        })
        .collect()
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
