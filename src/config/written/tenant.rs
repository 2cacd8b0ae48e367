//! `[[tenant]]`

use std::sync::Arc;

use super::{
    all,
    client::{self, Setting},
    directory,
};
use crate::{
    config::{TenantConfig, problem::quoted, reader::Section},
    otp::{
        OtpPolicy,
        lockout::{LockKind, LockoutPolicy},
        throttle::ThrottlePolicy,
        validate::{PasswordRule, ValidateOrder, ValidatePolicy},
    },
    phone_number::{Matching, NumberPlan, PlanError},
    tenant::{Operation, Operations, TenantId},
};

/// One tenant; `certificates_arrive` if clients' certificates can reach the server at all.
pub(super) fn tenant(section: &Section<'_>, certificates_arrive: bool) -> Option<TenantConfig> {
    let section = match section.peek("id") {
        Some(id) => section.clone().called(format!("tenant {}", quoted(id))),
        None => section.clone(),
    };
    let id = section.checked("id", header_value);
    let display_name = section.text("display_name");
    let operations = operations(&section, "operations");
    let otp = otp(&section.table_or_empty("otp"));
    let validate = validate(&section.table_or_empty("validate"));
    let lockout = lockout(&section.table_or_empty("lockout"));
    let throttle = throttle(&section.table_or_empty("throttle"));
    let phone = phone(&section.table_or_empty("phone"));
    let directory = match section.table("directory") {
        Some(directory) => directory::directory(&directory),
        None => {
            if !section.has("directory") {
                section.problem("directory", "missing (write [tenant.directory])");
            }
            None
        }
    };
    let setting = Setting {
        operations,
        certificates_arrive,
    };
    let clients = client::clients(&section, &setting);
    let id = id?;
    Some(TenantConfig {
        display_name: display_name.unwrap_or_else(|| id.clone()),
        id: TenantId::new(&id),
        operations: operations?,
        otp,
        validate: validate?,
        lockout: lockout?,
        throttle,
        phone: phone?,
        directory: directory?,
        clients: clients?,
    })
}

/// A text that a header can carry unchanged.
fn header_value(text: &str) -> Result<Box<str>, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.into()),
        false => Err("cannot stand in a header (visible ASCII only, without spaces)".to_owned()),
    }
}

/// The operations that `name` lists; `None` if it is absent or wrong.
pub(super) fn operations(section: &Section<'_>, name: &str) -> Option<Operations> {
    let words = section.words(name)?;
    Some(words.into_iter().filter_map(Operation::named).collect())
}

fn otp(section: &Section<'_>) -> OtpPolicy {
    OtpPolicy {
        digits: section.small("digits"),
        lifetime: section.duration("lifetime"),
        attempts: section.small("attempts"),
    }
}

fn validate(section: &Section<'_>) -> Option<ValidatePolicy> {
    let password = section.word("password");
    let order = section.word("order");
    Some(ValidatePolicy {
        password: match password? {
            "ignored" => PasswordRule::Ignored,
            "optional" => PasswordRule::Optional,
            _ => PasswordRule::Required,
        },
        order: match order? {
            "password-first" => ValidateOrder::PasswordFirst,
            _ => ValidateOrder::OtpFirst,
        },
    })
}

fn lockout(section: &Section<'_>) -> Option<LockoutPolicy> {
    let kind = section.word("kind");
    Some(LockoutPolicy {
        failures: section.small("failures"),
        window: section.duration("window"),
        duration: section.duration("duration"),
        kind: match kind? {
            "hard" => LockKind::Hard,
            _ => LockKind::Soft,
        },
    })
}

fn throttle(section: &Section<'_>) -> ThrottlePolicy {
    ThrottlePolicy {
        mean_interval: section.duration("mean_interval"),
        lookback: section.small("lookback"),
        quarantine: section.duration("quarantine"),
    }
}

fn phone(section: &Section<'_>) -> Option<Arc<NumberPlan>> {
    let region = section.text("region");
    let matching = section.word("matching");
    if !section.has("region") && matching != Some("exact") {
        section.warning(
            "region",
            "not set: numbers without a country code are read as Swedish",
        );
    }
    let rules = section.tables("rewrite");
    let read = all(rules.iter().map(rewrite).collect());
    let matching = match matching? {
        "exact" => Matching::Exact,
        _ => Matching::Normalised,
    };
    match NumberPlan::new(&region?, matching, read?) {
        Ok(plan) => Some(Arc::new(plan)),
        Err(error) => {
            tell(section, &rules, &error);
            None
        }
    }
}

/// Says why there is no plan, without showing what was written.
fn tell(section: &Section<'_>, rules: &[Section<'_>], error: &PlanError) {
    match error {
        PlanError::Region(_) => {
            section.problem(
                "region",
                "no such region (two letters of ISO 3166-1: \"SE\")",
            );
        }
        PlanError::Pattern { rule, reason, .. } => {
            // The reason draws the pattern over several lines; its last says why.
            let why = reason.lines().last().unwrap_or_default();
            let why = why.trim_start_matches("error: ");
            rules[*rule].problem("from", format!("not a regular expression: {why}"));
        }
        PlanError::Group { rule, group, .. } => {
            rules[*rule].problem("to", format!("refers to group {group}, which `from` lacks"));
        }
    }
}

fn rewrite(rule: &Section<'_>) -> Option<(String, String)> {
    let from = rule.text("from");
    let to = rule.any_text("to");
    Some((from?.into(), to?.into()))
}
