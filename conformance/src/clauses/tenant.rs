//! The tenant.

use crate::{
    contract,
    exchange::Request,
    runner::{Rule, Session, accepted, refused},
    text::Text,
    verdict::{Finding, Found},
};

/// A tenant nobody has.
const NO_TENANT: &str = "callotp-conformance-no-such-tenant";

pub(super) async fn required(session: &mut Session<'_>) -> Finding {
    let request = session.golden().without(contract::TENANT_HEADER);
    let rule = Rule::no_otp("the server falls back to a default tenant");
    refused(session, vec![request], rule).await
}

pub(super) async fn unknown(session: &mut Session<'_>) -> Finding {
    let mut requests = vec![under(session, NO_TENANT)];
    requests.extend(other_case(session).map(|name| under(session, &name)));
    let longer = format!("{}-callotp-conformance", session.target.tenant);
    requests.push(under(session, &longer));
    let rule = Rule::no_otp("the tenant is not looked at, or in part, or its case is folded");
    refused(session, requests, rule).await
}

/// The tenant with its letters in the other case, where it has letters and no other
/// tenant is known to have that name.
fn other_case(session: &Session<'_>) -> Option<String> {
    let tenant = &session.target.tenant;
    let swapped: String = tenant
        .chars()
        .map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect();
    let taken = session
        .target
        .other_tenant
        .as_ref()
        .is_some_and(|other| other.id == swapped);
    (swapped != *tenant && !taken).then_some(swapped)
}

pub(super) async fn empty(session: &mut Session<'_>) -> Finding {
    let request = under(session, "");
    let rule = Rule::no_otp("an empty value is taken for the default tenant");
    refused(session, vec![request], rule).await
}

pub(super) async fn isolated(session: &mut Session<'_>) -> Finding {
    let Some(other) = session.target.other_tenant.clone() else {
        return Finding::untested("the target names no other tenant");
    };
    let requests = vec![session.asking(&other.known), under(session, &other.id)];
    let rule = Rule::no_otp("the directory is searched for every tenant alike");
    let finding = refused(session, requests, rule).await;
    if finding.found != Found::Held {
        return finding;
    }
    let id = Text::new(other.id.clone());
    let elsewhere = |request: Request| request.with(contract::TENANT_HEADER, id);
    let likely = "validate finds the OTP, and its user, under every tenant";
    super::validate::got_in(session, elsewhere, likely)
        .await
        .unwrap_or(finding)
}

pub(super) async fn duplicate(session: &mut Session<'_>) -> Finding {
    if session.wire.is_http2() {
        return Finding::not_applicable("judged over HTTP/1.1 only");
    }
    let tenant = Text::new(session.target.tenant.clone());
    let twice = session.golden().doubled(contract::TENANT_HEADER, tenant);
    let finding = accepted(
        session,
        vec![twice],
        "the two lines are joined with a comma before they are looked up",
    )
    .await;
    if finding.found != Found::Held {
        return finding;
    }
    let stranger = Text::new(NO_TENANT);
    let known_first = session
        .golden()
        .doubled(contract::TENANT_HEADER, stranger.clone());
    let known_last = under(session, NO_TENANT).doubled(
        contract::TENANT_HEADER,
        Text::new(session.target.tenant.clone()),
    );
    let rule = Rule::no_otp("one of two different tenants is picked");
    refused(session, vec![known_first, known_last], rule).await
}

fn under(session: &Session<'_>, tenant: &str) -> Request {
    session
        .golden()
        .with(contract::TENANT_HEADER, Text::new(tenant))
}
