//! A scenario as it is written; [`ScenarioAsWritten::meant`] is the only way on.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{
    Auth, Count, DirectoryPlan, Expectation, Person, Scenario, ScenarioError, TenantPlan,
    duration::Span,
    rule::{RuleAsWritten, comparable},
    without,
};
use crate::ldap::{DirectoryFault, Flavour};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioAsWritten {
    seed: Option<u64>,
    #[serde(default)]
    tenant: BTreeMap<String, TenantAsWritten>,
    #[serde(default)]
    directory: DirectoryAsWritten,
    #[serde(default)]
    expect: ExpectAsWritten,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantAsWritten {
    auth: Option<AuthAsWritten>,
    #[serde(default)]
    otp: OtpAsWritten,
    people: Option<Vec<toml::Spanned<PersonAsWritten>>>,
    #[serde(default)]
    rule: Vec<toml::Spanned<RuleAsWritten>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum AuthAsWritten {
    None,
    Basic(BasicAsWritten),
    Bearer(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasicAsWritten {
    username: String,
    password: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtpAsWritten {
    digits: Option<toml::Spanned<usize>>,
    lifetime: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonAsWritten {
    name: String,
    username: Option<String>,
    password: Option<String>,
    #[serde(default)]
    numbers: Vec<String>,
    otp: Option<String>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryAsWritten {
    flavour: Option<Flavour>,
    ldif: Option<PathBuf>,
    #[serde(default)]
    faults: Vec<DirectoryFault>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectAsWritten {
    #[serde(default)]
    calls: OneOrMany,
}

#[derive(Default)]
struct OneOrMany(Vec<ExpectationAsWritten>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let many = match value {
            toml::Value::Array(many) => many,
            one => vec![one],
        };
        let read = many.into_iter().map(|one| one.try_into());
        let read: Result<Vec<_>, toml::de::Error> = read.collect();
        read.map(Self)
            .map_err(|error| serde::de::Error::custom(error.message()))
    }
}

/// An expectation as a scenario or `POST /verify` writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectationAsWritten {
    number: Option<String>,
    tenant: Option<String>,
    exactly: Option<usize>,
    at_least: Option<usize>,
    within: Option<Span>,
}

impl ExpectationAsWritten {
    /// What was meant.
    pub(crate) fn meant(self) -> Result<Expectation, String> {
        let count = match (self.exactly, self.at_least) {
            (Some(_), Some(_)) => return Err("`exactly` and `at_least` exclude each other".into()),
            (Some(exactly), None) => Count::Exactly(exactly),
            (None, Some(at_least)) => Count::AtLeast(at_least),
            (None, None) => return Err("`exactly` or `at_least` is missing".into()),
        };
        Ok(Expectation {
            number: self.number.as_deref().map(comparable),
            tenant: self.tenant,
            count,
            within: self.within.map(|within| within.0),
        })
    }
}

type Located<'a> = dyn Fn(usize, String) -> ScenarioError + 'a;

impl ScenarioAsWritten {
    pub(super) fn meant(self, wrong: &Located<'_>) -> Result<Scenario, ScenarioError> {
        let tenants = match self.tenant.is_empty() {
            true => Scenario::without_file().tenants,
            false => {
                let tenants = self.tenant.into_iter();
                let meant = tenants.map(|(id, tenant)| Ok((id, tenant.meant(wrong)?)));
                meant.collect::<Result<_, _>>()?
            }
        };
        let expect = self.expect.calls.0.into_iter();
        let expect = expect
            .map(ExpectationAsWritten::meant)
            .collect::<Result<_, _>>();
        Ok(Scenario {
            seed: self.seed,
            tenants,
            directory: DirectoryPlan {
                flavour: self.directory.flavour,
                ldif: self.directory.ldif,
                faults: self.directory.faults,
            },
            expect: expect.map_err(|error| ScenarioError::Wrong(format!("expect: {error}")))?,
        })
    }
}

impl TenantAsWritten {
    fn meant(self, wrong: &Located<'_>) -> Result<TenantPlan, ScenarioError> {
        let without = without::tenant();
        let digits = match self.otp.digits {
            None => without.digits,
            Some(digits) if (1..=12).contains(digits.as_ref()) => digits.into_inner(),
            Some(digits) => {
                let message = format!("`digits` {} is not between 1 and 12", digits.as_ref());
                return Err(wrong(digits.span().start, message));
            }
        };
        let people = match self.people {
            None => without.people,
            Some(people) => people
                .into_iter()
                .map(|person| {
                    let at = person.span().start;
                    person
                        .into_inner()
                        .meant()
                        .map_err(|error| wrong(at, error))
                })
                .collect::<Result<_, _>>()?,
        };
        let rules = self.rule.into_iter().map(|rule| {
            let at = rule.span().start;
            rule.into_inner().meant().map_err(|error| wrong(at, error))
        });
        Ok(TenantPlan {
            auth: self.auth.map_or(without.auth, Auth::from),
            digits,
            lifetime: self.otp.lifetime.map_or(without.lifetime, |span| span.0),
            people,
            rules: rules.collect::<Result<_, _>>()?,
        })
    }
}

impl PersonAsWritten {
    fn meant(self) -> Result<Person, String> {
        if let Some(otp) = &self.otp
            && (otp.is_empty() || !otp.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(format!("`otp` {otp:?} is not made of digits"));
        }
        if let Some(wrong) = self
            .numbers
            .iter()
            .find(|n| crate::number::normalise(n).is_none())
        {
            return Err(format!("`numbers`: {wrong:?} is not a telephone number"));
        }
        Ok(Person {
            username: self.username.unwrap_or_else(|| self.name.to_lowercase()),
            password: self.password.unwrap_or_else(|| "secret".to_owned()),
            name: self.name,
            numbers: self.numbers,
            otp: self.otp,
            disabled: self.disabled,
            magic: false,
        })
    }
}

impl From<AuthAsWritten> for Auth {
    fn from(written: AuthAsWritten) -> Self {
        match written {
            AuthAsWritten::None => Self::None,
            AuthAsWritten::Basic(basic) => Self::Basic {
                username: basic.username,
                password: basic.password,
            },
            AuthAsWritten::Bearer(token) => Self::Bearer(token),
        }
    }
}
