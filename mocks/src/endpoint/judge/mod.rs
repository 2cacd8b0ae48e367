//! The judge: what is wrong with a request, by the clauses that bind the caller.

mod body;
mod credentials;
mod number;

use callotp_conformance::{
    catalogue::{Clause, Level, caller},
    contract,
};

pub(crate) use self::{body::percent_decoded, number::Calling};
use super::{
    request::Request,
    system::{self, System},
};
use crate::{journal::Finding, scenario::nearest::nearest, world::World};

/// Which operation a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// getOTP, or what was meant as it.
    GetOtp,
    /// validate, with a password.
    Validate,
    /// `otp_token_auth`, without one.
    TokenAuth,
    /// None that the API has.
    None,
}

/// A request with everything that can be seen in it alone.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) operation: Operation,
    /// The tenant it is answered under.
    pub(crate) tenant: usize,
    /// The tenant it is journalled under.
    pub(crate) tenant_name: String,
    pub(crate) calling: Calling,
    pub(crate) system: &'static System,
    pub(crate) found: Findings,
}

impl Judged {
    /// The calling number by which calls are compared with those before; a withheld one may be
    /// anybody.
    pub(crate) fn sequenced(&self) -> Option<&str> {
        match &self.calling {
            Calling::Number(calling) | Calling::Template(calling) => Some(calling),
            Calling::None | Calling::Withheld(_) => None,
        }
    }

    /// Would a real server refuse it for how it was asked?
    pub(crate) fn is_refused_by_a_server(&self) -> bool {
        self.found.refused
    }
}

/// Collects what is found, with the remedy for the system that was recognised.
#[derive(Debug)]
pub(crate) struct Findings {
    system: &'static System,
    findings: Vec<Finding>,
    refused: bool,
}

impl Findings {
    pub(crate) fn new(system: &'static System) -> Self {
        Self {
            system,
            findings: Vec::new(),
            refused: false,
        }
    }

    /// The caller broke `clause`, and a real server refuses what breaks a must;
    /// one finding per clause, the first one counts.
    pub(crate) fn add(&mut self, clause: &'static Clause, says: impl Into<String>) {
        self.refused |= clause.level == Level::Must;
        self.add_tolerated(clause, says);
    }

    /// The caller broke `clause` in a way that real servers bear with.
    pub(crate) fn add_tolerated(&mut self, clause: &'static Clause, says: impl Into<String>) {
        if self
            .findings
            .iter()
            .any(|found| found.clause.id == clause.id)
        {
            return;
        }
        self.findings.push(finding(clause, says, self.system));
    }

    /// The names of the clauses that were broken.
    pub(crate) fn clauses(&self) -> Vec<&'static str> {
        self.findings.iter().map(|found| found.clause.id).collect()
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

/// A finding with the remedy for this system.
pub(crate) fn finding(
    clause: &'static Clause,
    says: impl Into<String>,
    system: &System,
) -> Finding {
    Finding {
        clause,
        says: says.into(),
        remedy: system.remedy(clause),
    }
}

/// Judges a request by itself; what follows from the calls before is `sequence`'s.
pub(crate) fn judge(request: &Request, world: &World) -> Judged {
    let read = body::read(request);
    let system = system::recognise(request, read.number.as_deref());
    let mut found = Findings::new(system);
    method(request, &mut found);
    let operation = operation(request, read.number.is_some(), &mut found);
    let (tenant, tenant_name) = tenant(request, world, read.number.as_deref(), &mut found);
    content_type(request, &mut found);
    credentials::judge(request, &world.tenant(tenant).auth, &mut found);
    let calling = match operation {
        Operation::GetOtp => {
            body::judge(request, &read, &mut found);
            number::judge(read.number.as_deref(), world.tenant(tenant), &mut found)
        }
        Operation::Validate | Operation::TokenAuth => {
            body::judge_validate(request, &mut found);
            Calling::None
        }
        Operation::None => Calling::None,
    };
    doubled_headers(request, &mut found);
    Judged {
        operation,
        tenant,
        tenant_name,
        calling,
        system,
        found,
    }
}

fn method(request: &Request, found: &mut Findings) {
    if request.method != contract::METHOD {
        let method = &request.method;
        found.add(&caller::PUT, format!("the method is {method}, not PUT"));
    }
}

fn operation(request: &Request, has_number: bool, found: &mut Findings) -> Operation {
    let (path, query) = request.path_and_query();
    let exact = path.strip_suffix('/').unwrap_or(path);
    let exact = match exact.strip_prefix(contract::PATH_PREFIX) {
        Some(contract::GET_OTP) => Some(Operation::GetOtp),
        Some(contract::VALIDATE) => Some(Operation::Validate),
        Some(contract::OTP_TOKEN_AUTH) => Some(Operation::TokenAuth),
        _ => None,
    };
    if let Some(operation) = exact {
        if query.is_some() {
            let says = "the path carries a query, which the API does not know";
            found.add(&caller::PATH, says);
        }
        return operation;
    }
    let expected = contract::GET_OTP_PATH;
    found.add(&caller::PATH, format!("the path is {path}, not {expected}"));
    let meant = path.to_ascii_lowercase();
    match meant.contains("getotp") || meant.starts_with("/api/auth") || has_number {
        true => Operation::GetOtp,
        false => Operation::None,
    }
}

/// The tenant to answer under, and the name to journal under.
fn tenant(
    request: &Request,
    world: &World,
    number: Option<&str>,
    found: &mut Findings,
) -> (usize, String) {
    let values: Vec<&str> = request.values(contract::TENANT_HEADER).collect();
    let value = values.first().copied().unwrap_or_default();
    if values.iter().any(|other| *other != value) {
        let values = values.join("\" and \"");
        found.add(
            &caller::TENANT,
            format!("two different tenants: \"{values}\""),
        );
    } else if values.is_empty() {
        found.add(&caller::TENANT, missing_tenant(request));
    } else if value.is_empty() {
        found.add(&caller::TENANT, "the tenant header is empty");
    }
    if let Some(index) = world.tenant_named(value) {
        return (index, value.to_owned());
    }
    if !value.is_empty() {
        found.add(&caller::TENANT, unknown_tenant(value, world));
    }
    let index = world.tenant_for(number);
    // Where there is only one tenant it must have been meant; otherwise nobody's journal is disturbed.
    let name = match world.tenants().len() {
        1 => world.tenant(index).name.clone(),
        _ => value.to_owned(),
    };
    (index, name)
}

fn missing_tenant(request: &Request) -> String {
    let like = request
        .headers
        .iter()
        .find(|(name, _)| name.to_ascii_lowercase().contains(contract::TENANT_HEADER));
    match like {
        Some((name, _)) => format!("no tenant header; {name} is another one"),
        None => "no tenant header".to_owned(),
    }
}

fn unknown_tenant(value: &str, world: &World) -> String {
    if value
        .split(',')
        .map(str::trim)
        .any(|one| world.tenant_named(one).is_some())
    {
        return format!("the tenant \"{value}\" is several values joined into one");
    }
    let names = world.tenants().iter().map(|tenant| tenant.name.as_str());
    match nearest(value, names) {
        Some(known) => format!("the tenant \"{value}\" is not configured here, \"{known}\" is"),
        None => format!("the tenant \"{value}\" is not configured here"),
    }
}

/// RFC 9110 section 8.3.1: type and subtype without regard to case, parameters allowed.
fn content_type(request: &Request, found: &mut Findings) {
    let is_json = |value: &str| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(contract::JSON)
    };
    let values: Vec<&str> = request.values("content-type").collect();
    if values.is_empty() {
        found.add(&caller::TYPE, "no Content-Type");
    } else if let Some(other) = values.iter().find(|value| !is_json(value)) {
        found.add(&caller::TYPE, format!("the Content-Type is \"{other}\""));
    }
}

fn doubled_headers(request: &Request, found: &mut Findings) {
    for (index, (name, value)) in request.headers.iter().enumerate() {
        let again = request.headers[..index]
            .iter()
            .any(|(n, v)| n.eq_ignore_ascii_case(name) && v == value);
        if again {
            let says = format!("the header {name} stands there twice with the same value");
            found.add(&caller::ONCE, says);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
