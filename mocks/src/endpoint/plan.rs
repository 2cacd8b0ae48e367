//! What a call is answered: by the fault that was asked for, the magic number, or
//! the person whose number it is.

use callotp_conformance::contract;
use serde_json::{Value, json};

use super::{
    judge::{Calling, Judged, Operation},
    otp,
    request::Request,
    rules::exceeds,
};
use crate::{
    clock::millis,
    journal::Spoken,
    magic::{self, Effect, Shape},
    number::fiction,
    scenario::Fault,
    world::{Mode, State, Tenant, World, magic_user},
};

/// An answer before it takes its form on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// Further header lines.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) spoken: Spoken,
    /// What goes wrong on the wire.
    pub(crate) fault: Option<Fault>,
    /// Refused because of how it was asked, not because of the number.
    pub(crate) enforced: bool,
}

/// A body before it takes its form.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Members whose order and white space are free.
    Json(Vec<(&'static str, Value)>),
    /// A refusal (RFC 9457).
    Problem(&'static str),
    /// Exactly this, of this type.
    Text(String, String),
}

impl Plan {
    fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            body,
            headers: Vec::new(),
            spoken: Spoken::Nothing,
            fault: None,
            enforced: false,
        }
    }

    fn refused() -> Self {
        Self::new(contract::REFUSED, Body::Problem("Forbidden"))
    }
}

/// Decides about one call; everything in it happens at once for its tenant.
pub(crate) fn decide(
    world: &World,
    state: &mut State,
    request: &Request,
    judged: &Judged,
    call: u64,
) -> Plan {
    let tenant = world.tenant(judged.tenant);
    if world.mode == Mode::Enforce && judged.is_refused_by_a_server() {
        let mut plan = match judged.operation {
            Operation::None => Plan::new(404, Body::Problem("Not Found")),
            _ => Plan::refused(),
        };
        plan.enforced = true;
        return plan;
    }
    match judged.operation {
        Operation::GetOtp => get_otp(world, tenant, state, &judged.calling, call),
        Operation::Validate => validate(world, tenant, state, request, true),
        Operation::TokenAuth => validate(world, tenant, state, request, false),
        Operation::None => Plan::new(404, Body::Problem("Not Found")),
    }
}

fn get_otp(
    world: &World,
    tenant: &Tenant,
    state: &mut State,
    calling: &Calling,
    call: u64,
) -> Plan {
    let now = world.now();
    let struck = state.rules.strike(calling.text(), now, &mut state.chance);
    let asked = state.next.pop_front().or(struck);
    let effect = effect(tenant, calling);
    let (effect, fault) = match (asked, effect) {
        // What is asked for takes the place of what the number does by itself.
        (Some(fault), Effect::Fault(_)) => (Effect::Issue(Shape::Ordinary), Some(fault)),
        (Some(fault), effect) => (effect, Some(fault)),
        (None, Effect::Fault(fault)) => (Effect::Issue(Shape::Ordinary), Some(fault)),
        (None, effect) => (effect, None),
    };
    if let Some(plan) = fault.as_ref().and_then(replaced) {
        return plan;
    }
    let mut plan = match effect {
        Effect::Issue(shape) => issue(tenant, state, calling, shape, now),
        Effect::Decoy => decoy(state, tenant, call),
        Effect::Limit(rate) => {
            match exceeds(&mut state.limited, now, rate.calls, millis(rate.within)) {
                true => unavailable(429, rate.within.as_secs()),
                false => issue(tenant, state, calling, Shape::Ordinary, now),
            }
        }
        Effect::SecondTry => {
            state.second_try += 1;
            match state.second_try % 2 {
                0 => issue(tenant, state, calling, Shape::Ordinary, now),
                _ => unavailable(503, 1),
            }
        }
        Effect::Unknown | Effect::Fault(_) => Plan::refused(),
    };
    plan.fault = fault;
    plan
}

/// What this number does when nothing was asked for.
fn effect(tenant: &Tenant, calling: &Calling) -> Effect {
    let Calling::Number(number) = calling else {
        return Effect::Unknown;
    };
    let magic = fiction(number).and_then(magic::effect);
    let mut owners = tenant.owners(number);
    match (owners.next(), owners.next()) {
        (Some(_), Some(_)) => Effect::Unknown,
        (Some(owner), None) if owner.disabled => Effect::Unknown,
        // A person of the scenario is an ordinary person, whatever the number does elsewhere.
        (Some(owner), None) if owner.magic => magic.unwrap_or(Effect::Issue(Shape::Ordinary)),
        (Some(_), None) => Effect::Issue(Shape::Ordinary),
        (None, _) => magic.unwrap_or(Effect::Unknown),
    }
}

fn issue(tenant: &Tenant, state: &mut State, calling: &Calling, shape: Shape, now: u64) -> Plan {
    let number = calling.text().unwrap_or_default();
    let owner = tenant.owners(number).next();
    let user = match (owner, fiction(number)) {
        (Some(owner), _) => owner.username.clone(),
        (None, Some(end)) if tenant.magic => magic_user(end),
        (None, _) => return Plan::refused(),
    };
    let fixed = owner.and_then(|owner| owner.otp.clone());
    let otp = fixed.unwrap_or_else(|| otp::draw(&mut state.chance, shape, tenant.digits));
    otp::bind(state, &user, &otp, now + millis(tenant.lifetime));
    let member = contract::OTP_MEMBER;
    let (value, spoken) = match shape {
        Shape::Number => {
            let number = otp.parse::<u64>().unwrap_or_default();
            (json!(number), Spoken::DigitsOrNothing(otp))
        }
        _ => (json!(otp), Spoken::Digits(otp)),
    };
    let mut members = vec![(member, value)];
    if shape == Shape::FurtherMembers {
        members.push(("expires_in", json!(tenant.lifetime.as_secs())));
        members.push(("message", json!("123456 is not the code")));
    }
    let mut plan = Plan::new(contract::ISSUED, Body::Json(members));
    plan.spoken = spoken;
    plan
}

fn decoy(state: &mut State, tenant: &Tenant, call: u64) -> Plan {
    let code = otp::draw(&mut state.chance, Shape::Ordinary, tenant.digits);
    otp::remember_decoy(state, code.clone(), call);
    let members = vec![(contract::OTP_MEMBER, json!(code))];
    let mut plan = Plan::new(contract::REFUSED, Body::Json(members));
    plan.spoken = Spoken::Decoy(code);
    plan
}

fn unavailable(status: u16, retry_after: u64) -> Plan {
    let mut plan = Plan::new(status, Body::Problem(reason(status)));
    plan.headers.push(("Retry-After", retry_after.to_string()));
    plan
}

/// The answer of a fault that leaves nothing of the ordinary one.
fn replaced(fault: &Fault) -> Option<Plan> {
    let mut plan = match fault {
        Fault::Status {
            status,
            body,
            retry_after,
        } => {
            let body = match body {
                Some(body) => Body::Text(body.clone(), type_of(body)),
                None => Body::Problem(reason(*status)),
            };
            let mut plan = Plan::new(*status, body);
            if let Some(seconds) = retry_after.or(matches!(status, 429 | 503).then_some(2)) {
                plan.headers.push(("Retry-After", seconds.to_string()));
            }
            match status {
                401 => plan.headers.push((
                    "WWW-Authenticate",
                    "Basic realm=\"callotp-mock\"".to_owned(),
                )),
                405 => plan.headers.push(("Allow", contract::METHOD.to_owned())),
                _ => {}
            }
            plan.spoken = spoken_in(*status, body_text(&plan.body));
            plan
        }
        Fault::Body {
            status,
            body,
            content_type,
        } => {
            let text = Body::Text(body.clone(), content_type.clone());
            let mut plan = Plan::new(*status, text);
            plan.spoken = spoken_in(*status, body);
            plan
        }
        Fault::Empty => Plan::new(200, Body::Text(String::new(), contract::JSON.to_owned())),
        Fault::Redirect { status, to } => {
            let mut plan = Plan::new(*status, Body::Text(String::new(), "text/plain".to_owned()));
            plan.headers.push(("Location", to.clone()));
            plan
        }
        Fault::Garbage => Plan::new(0, Body::Text(String::new(), String::new())),
        _ => return None,
    };
    plan.fault = Some(fault.clone());
    Some(plan)
}

fn body_text(body: &Body) -> &str {
    match body {
        Body::Text(text, _) => text,
        Body::Json(_) | Body::Problem(_) => "",
    }
}

/// What may be spoken after an answer that somebody wrote by hand.
fn spoken_in(status: u16, body: &str) -> Spoken {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let otp = value
        .as_ref()
        .and_then(|value| value.get(contract::OTP_MEMBER));
    match (otp, status) {
        (Some(Value::String(otp)), contract::ISSUED) if !otp.is_empty() => {
            Spoken::Digits(otp.clone())
        }
        (Some(Value::Number(otp)), contract::ISSUED) => Spoken::DigitsOrNothing(otp.to_string()),
        (Some(Value::String(otp)), _) if !otp.is_empty() => Spoken::Decoy(otp.clone()),
        _ => Spoken::Nothing,
    }
}

fn type_of(body: &str) -> String {
    match body.trim_start().bytes().next() {
        Some(b'{' | b'[') => contract::JSON.to_owned(),
        Some(b'<') => "text/html".to_owned(),
        _ => "text/plain".to_owned(),
    }
}

fn validate(
    world: &World,
    tenant: &Tenant,
    state: &mut State,
    request: &Request,
    with_password: bool,
) -> Plan {
    let body: Option<Value> = serde_json::from_slice(&request.body).ok();
    let member = |name: &str| body.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let (Some(user), Some(otp)) = (
        member(contract::USERNAME_MEMBER),
        member(contract::OTP_MEMBER),
    ) else {
        return Plan::refused();
    };
    if let Some(call) = otp::decoy_of(state, &otp) {
        otp::decoy_was_used(world, call);
    }
    let password = match with_password {
        true => Some(member(contract::PASSWORD_MEMBER).unwrap_or_default()),
        false => None,
    };
    match otp::validate(tenant, state, &user, password.as_deref(), &otp, world.now()) {
        Some(user) => {
            let members = vec![(contract::USERNAME_MEMBER, json!(user))];
            Plan::new(200, Body::Json(members))
        }
        None => Plan::refused(),
    }
}

/// The reason phrase of a status (RFC 9110 section 15).
pub(crate) fn reason(status: u16) -> &'static str {
    let status = hyper::StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason.unwrap_or("Unassigned")
}
