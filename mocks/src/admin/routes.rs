//! Which question is answered how.

use hyper::{
    Method, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Answer, Shared, events, evidence, full, json, ok, openapi, problem};
use crate::{
    clock::rfc3339,
    dashboard, heard,
    journal::{Found, Outcome, Question, Since, number_in},
    mock,
    readiness::{self, readiness},
    scenario::{
        ExpectationAsWritten, Fault, Rule,
        fault::FaultAsWritten,
        nearest::{explained, nearest},
        rule::RuleAsWritten,
    },
    world::Tenant,
};

/// Either an answer, or why there is none.
type Answered = Result<Answer, Refusal>;

/// Why a question is not answered.
struct Refusal {
    status: StatusCode,
    says: String,
    /// The method that would do.
    allow: Option<&'static str>,
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = problem(refusal.status, &refusal.says);
        if let Some(allow) = refusal.allow {
            let headers = answer.headers_mut();
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}

pub(super) fn route(
    shared: &Shared,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (get, post, put) = ("GET", "POST", "PUT");
    let answered = match (method.as_str(), &segments[..]) {
        ("GET", [""]) => Ok(dashboard::page()),
        ("GET", ["dashboard.css"]) => Ok(dashboard::style()),
        ("GET", ["dashboard.js"]) => Ok(dashboard::script()),
        ("GET", ["openapi.json"]) => Ok(ok(&openapi::document())),
        ("GET", ["ca.pem"]) => ca(shared),
        ("GET", ["world"]) => Ok(ok(&world(shared))),
        ("GET", ["calls"]) => calls(shared, query),
        ("GET", ["calls", id]) => call(shared, id),
        ("POST", ["calls", id, "heard"]) => report_heard(shared, id, body),
        ("GET", ["events"]) => Ok(events::stream(shared, headers)),
        ("GET", ["directory", "operations"]) => Ok(operations(shared, query)),
        ("POST", ["verify"]) => verify(shared, body),
        ("GET", ["tenants", name, "rules"]) => {
            tenant(shared, name).map(|tenant| ok(&rules(tenant)))
        }
        ("PUT", ["tenants", name, "rules"]) => set_rules(shared, name, body),
        ("POST", ["tenants", name, "next"]) => set_next(shared, name, body),
        ("POST", ["tenants", name, "reset"]) => reset(shared, name),
        ("GET", ["readiness", name]) => tenant(shared, name).map(|tenant| {
            let list = readiness(&calls_of(shared, tenant));
            ok(&readiness::to_json(&tenant.name, &list))
        }),
        ("GET", ["evidence", file]) => evidence_of(shared, file),
        (
            _,
            [
                "" | "dashboard.css" | "dashboard.js" | "openapi.json" | "ca.pem" | "world"
                | "events",
            ],
        )
        | (
            _,
            ["calls"] | ["calls", _] | ["directory", "operations"] | ["readiness" | "evidence", _],
        ) => Err(not_allowed(get, method)),
        (_, ["verify"] | ["calls", _, "heard"] | ["tenants", _, "next" | "reset"]) => {
            Err(not_allowed(post, method))
        }
        (_, ["tenants", _, "rules"]) => Err(not_allowed(put, method)),
        _ => Err(refusal(
            StatusCode::NOT_FOUND,
            &format!("there is no {path} here; GET /openapi.json lists what there is"),
        )),
    };
    answered.unwrap_or_else(Answer::from)
}

fn ca(shared: &Shared) -> Answered {
    let Some(authority) = &shared.authority else {
        return Err(refusal(
            StatusCode::NOT_FOUND,
            "a relay has no CA of its own",
        ));
    };
    Ok(full(
        StatusCode::OK,
        "application/x-pem-file",
        authority.pem(),
    ))
}

/// What the dashboard has to know at its start.
fn world(shared: &Shared) -> Value {
    let world = &shared.world;
    let tenants: Vec<&str> = world
        .tenants()
        .iter()
        .map(|tenant| tenant.name.as_str())
        .collect();
    json!({
        "url": shared.url,
        "try": shared.try_line,
        "seed": world.seed,
        "mode": format!("{:?}", world.mode).to_lowercase(),
        "plain": world.plain,
        "tenants": tenants,
        "dropped": world.journal.dropped(),
        "now": rfc3339(world.now()),
    })
}

fn calls(shared: &Shared, query: &str) -> Answered {
    let mut question = Question::default();
    for (name, value) in pairs(query) {
        if value.is_empty() {
            continue;
        }
        match name.as_str() {
            "tenant" => question.tenant = Some(value),
            "since" => question.since = Some(since(&value)?),
            "verdict" => {
                question.passed = Some(match value.as_str() {
                    "pass" => true,
                    "fail" => false,
                    _ => return Err(bad(format!("`verdict` {value:?} is neither pass nor fail"))),
                })
            }
            other => return Err(unknown_parameter(other, &["tenant", "since", "verdict"])),
        }
    }
    let page = shared.world.journal.ask(&question);
    if question.since.is_some() && !page.complete {
        return Err(gone("unknown: the journal no longer reaches back that far"));
    }
    let calls: Vec<Value> = page.calls.iter().map(|call| call.to_json()).collect();
    let mut answer = ok(&Value::Array(calls));
    let dropped = HeaderValue::from(shared.world.journal.dropped());
    answer.headers_mut().insert("callotp-dropped", dropped);
    Ok(answer)
}

/// A call's id, a moment (RFC 3339), or milliseconds since the Unix epoch.
fn since(value: &str) -> Result<Since, Refusal> {
    if let Some(number) = number_in(value) {
        return Ok(Since::Call(number));
    }
    if let Ok(ms) = value.parse() {
        return Ok(Since::Moment(ms));
    }
    // A plus in a query is a space.
    let moment: Result<jiff::Timestamp, _> = value.replace(' ', "+").parse();
    let moment = moment
        .ok()
        .and_then(|at| u64::try_from(at.as_millisecond()).ok());
    moment.map(Since::Moment).ok_or_else(|| {
        bad(format!(
            "`since` {value:?} is neither a call's id nor a moment like 2026-11-24T12:00:00Z"
        ))
    })
}

fn call(shared: &Shared, id: &str) -> Answered {
    let found = number_in(id).map(|number| shared.world.journal.call(number));
    match found {
        Some(Found::Call(call)) => Ok(ok(&call.to_json())),
        Some(missing) => Err(is_missing(id, &missing)),
        None => Err(is_missing(id, &Found::Never)),
    }
}

fn is_missing(id: &str, missing: &Found) -> Refusal {
    match missing {
        Found::Dropped => gone(&format!("unknown: the journal no longer has call {id}")),
        _ => refusal(StatusCode::NOT_FOUND, &format!("there is no call {id}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    digits: String,
}

fn report_heard(shared: &Shared, id: &str, body: &[u8]) -> Answered {
    let Heard { digits } = read(
        body,
        "{\"digits\": \"053219\"}, as text, because a number loses its zeros",
    )?;
    let number = number_in(id).ok_or_else(|| is_missing(id, &Found::Never))?;
    let call = heard::report(&shared.world.journal, number, &digits)
        .map_err(|missing| is_missing(id, &missing))?;
    Ok(ok(&call.to_json()))
}

fn operations(shared: &Shared, query: &str) -> Answer {
    let Some(directory) = &shared.directory else {
        return ok(&json!([]));
    };
    let since = pairs(query).find(|(name, _)| name == "since");
    let since = since
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_default();
    let mut answer = ok(&json!(directory.journal().since(since)));
    let dropped = HeaderValue::from(directory.journal().dropped());
    answer.headers_mut().insert("callotp-dropped", dropped);
    answer
}

/// Verifies what is asked, or what the scenario expects when nothing is.
fn verify(shared: &Shared, body: &[u8]) -> Answered {
    let world = &shared.world;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(verify_scenario(shared));
    }
    let written: ExpectationAsWritten = read(
        body,
        "{\"number\": \"+46701740605\", \"exactly\": 1, \"within\": \"10s\"}",
    )?;
    let expected = written.meant().map_err(bad)?;
    if let Some(name) = &expected.tenant {
        tenant(shared, name)?;
    }
    let (status, value) = world.journal.verify(&expected, world.now()).to_json();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(json(status, &value))
}

fn verify_scenario(shared: &Shared) -> Answer {
    let world = &shared.world;
    let now = world.now();
    let outcomes = shared.expected.iter();
    let outcomes: Vec<(&_, Outcome)> = outcomes
        .map(|one| (one, world.journal.verify(one, now)))
        .collect();
    let unheld = outcomes.iter().find(|(_, outcome)| !outcome.held());
    match unheld {
        Some((expected, outcome)) => {
            let (status, mut value) = outcome.to_json();
            value["says"] = json!(mock::unmet(expected, outcome));
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json(status, &value)
        }
        None => ok(&json!({"verdict": "held", "expectations": outcomes.len()})),
    }
}

fn rules(tenant: &Tenant) -> Value {
    let state = tenant.state();
    let rules: Vec<Value> = state
        .rules
        .iter()
        .map(|active| {
            json!({
                "when": active.rule.describe_when(),
                "fault": active.rule.fault.describe(),
                "hits": active.hits,
            })
        })
        .collect();
    let next: Vec<String> = state.next.iter().map(Fault::describe).collect();
    json!({"tenant": tenant.name, "rules": rules, "next": next})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    rules: Vec<RuleAsWritten>,
}

fn set_rules(shared: &Shared, name: &str, body: &[u8]) -> Answered {
    let tenant = tenant(shared, name)?;
    let written: Rules = read(
        body,
        "{\"rules\": [{\"when\": {\"nth\": 1}, \"fault\": {\"kind\": \"empty\"}}]}",
    )?;
    let meant = written.rules.into_iter().enumerate().map(|(index, rule)| {
        let place = index + 1;
        rule.meant()
            .map_err(|error| bad(format!("rule {place}: {error}")))
    });
    let meant: Vec<Rule> = meant.collect::<Result<_, _>>()?;
    let warnings: Vec<String> = meant
        .iter()
        .enumerate()
        .filter_map(|(index, rule)| {
            let why = rule.never_matches(&meant[..index])?;
            Some(format!("rule {} can never match: {why}", index + 1))
        })
        .collect();
    tenant.state().rules = crate::endpoint::rules::ActiveRules::new(meant);
    let mut told = rules(tenant);
    told["warnings"] = json!(warnings);
    Ok(ok(&told))
}

/// A fault, bare or wrapped as in a rule.
fn set_next(shared: &Shared, name: &str, body: &[u8]) -> Answered {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        fault: FaultAsWritten,
    }
    let tenant = tenant(shared, name)?;
    let example = "{\"kind\": \"status\", \"status\": 503}";
    let value: Value = read(body, example)?;
    let written = match value.get("fault") {
        Some(_) => read::<Wrapped>(body, example)?.fault,
        None => read::<FaultAsWritten>(body, example)?,
    };
    let fault = written.meant().map_err(bad)?;
    let told = fault.describe();
    let idle = matches!(fault, Fault::Tls(_)) && !shared.url.starts_with("https:");
    shared.world.set_next(tenant, fault);
    let mut answer = json!({"tenant": tenant.name, "fault": told, "next": rules(tenant)["next"]});
    if idle {
        answer["warning"] = json!("the endpoint does not speak TLS: serve with --tls");
    }
    Ok(ok(&answer))
}

fn reset(shared: &Shared, name: &str) -> Answered {
    let tenant = tenant(shared, name)?;
    shared.world.reset(tenant);
    Ok(ok(&json!({"tenant": tenant.name, "reset": true})))
}

fn evidence_of(shared: &Shared, file: &str) -> Answered {
    if let Some(name) = file.strip_suffix(".json") {
        let tenant = tenant(shared, name)?;
        return Ok(ok(&evidence::evidence(shared, tenant)));
    }
    if let Some(name) = file.strip_suffix(".html") {
        let tenant = tenant(shared, name)?;
        let page = evidence::page(&evidence::evidence(shared, tenant));
        let mut answer = full(StatusCode::OK, "text/html; charset=utf-8", page);
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
        answer
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
        return Ok(answer);
    }
    Err(refusal(
        StatusCode::NOT_FOUND,
        "evidence is TENANT.html or TENANT.json",
    ))
}

pub(super) fn calls_of(
    shared: &Shared,
    tenant: &Tenant,
) -> Vec<std::sync::Arc<crate::journal::Call>> {
    let question = Question {
        tenant: Some(tenant.name.clone()),
        ..Question::default()
    };
    shared.world.journal.ask(&question).calls
}

fn tenant<'a>(shared: &'a Shared, name: &str) -> Result<&'a Tenant, Refusal> {
    let world = &shared.world;
    let decoded = pairs(&format!("t={name}")).next().map(|(_, name)| name);
    let name = decoded.as_deref().unwrap_or(name);
    if let Some(index) = world.tenant_named(name) {
        return Ok(world.tenant(index));
    }
    let names = world.tenants().iter().map(|tenant| tenant.name.as_str());
    let hint = match nearest(name, names) {
        Some(known) => format!("; did you mean {known:?}?"),
        None => String::new(),
    };
    Err(refusal(
        StatusCode::NOT_FOUND,
        &format!("there is no tenant {name:?}{hint}"),
    ))
}

/// Reads JSON; the error says where it is wrong, and what was wanted.
fn read<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let says = explained(&error.to_string());
        bad(format!("{says}; wanted is for instance {example}"))
    })
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                crate::endpoint::judge::percent_decoded(&text.replace('+', " ")).into_owned()
            };
            (decode(name), decode(value))
        })
}

fn unknown_parameter(name: &str, known: &[&str]) -> Refusal {
    let hint = nearest(name, known.iter().copied()).unwrap_or_default();
    bad(format!(
        "there is no parameter `{name}`; did you mean `{hint}`?"
    ))
}

fn bad(says: impl AsRef<str>) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, says.as_ref())
}

fn gone(says: &str) -> Refusal {
    refusal(StatusCode::GONE, says)
}

fn not_allowed(allowed: &'static str, method: &Method) -> Refusal {
    Refusal {
        status: StatusCode::METHOD_NOT_ALLOWED,
        says: format!("{method} is not possible here, {allowed} is"),
        allow: Some(allowed),
    }
}

fn refusal(status: StatusCode, says: &str) -> Refusal {
    Refusal {
        status,
        says: says.to_owned(),
        allow: None,
    }
}
