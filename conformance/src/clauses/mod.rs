//! How each clause is judged, one file per section of the contract.

mod authentication;
mod backend;
mod body;
mod golden;
mod headers;
mod http;
mod limits;
mod number;
mod otp;
mod refusal;
mod tenant;
mod tls;
mod validate;

use crate::{
    catalogue::Clause,
    runner::Session,
    selection::Selection,
    target::{Auth, Target},
    verdict::Finding,
};

/// Judges one clause.
pub(crate) async fn judge(clause: &'static Clause, session: &mut Session<'_>) -> Finding {
    if let Some(why) = not_applicable(clause, session.target, session.selection) {
        return Finding::not_applicable(why);
    }
    match clause.id {
        "golden.ok" => golden::ok(session).await,
        "golden.body" => golden::body(session).await,
        "golden.type" => golden::media_type(session).await,
        "golden.example-headers" => golden::example_headers(session).await,
        "path.trailing-slash" => golden::trailing_slash(session).await,
        "method.put-only" => headers::put_only(session).await,
        "method.allow" => headers::allow(session).await,
        "headers.case" => headers::case(session).await,
        "type.required" => headers::type_required(session).await,
        "type.wrong" => headers::type_wrong(session).await,
        "type.charset" => headers::type_charset(session).await,
        "operation.other" => headers::operation_other(session).await,
        "tenant.required" => tenant::required(session).await,
        "tenant.unknown" => tenant::unknown(session).await,
        "tenant.empty" => tenant::empty(session).await,
        "tenant.isolated" => tenant::isolated(session).await,
        "tenant.duplicate" => tenant::duplicate(session).await,
        "auth.required" => authentication::required(session).await,
        "auth.wrong" => authentication::wrong(session).await,
        "auth.scheme-case" => authentication::scheme_case(session).await,
        "body.missing-number" => body::missing_number(session).await,
        "body.wrong-type" => body::wrong_type(session).await,
        "body.not-json" => body::not_json(session).await,
        "body.empty" => body::empty(session).await,
        "body.array" => body::array(session).await,
        "body.extra-members" => body::extra_members(session).await,
        "body.duplicate-member" => body::duplicate_member(session).await,
        "number.unknown" => number::unknown(session).await,
        "number.document-example" => number::document_example(session).await,
        "number.spellings" => number::spellings(session).await,
        "number.withheld" => number::withheld(session).await,
        "number.injection" => number::injection(session).await,
        "refuse.no-otp" => refusal::no_otp(session).await,
        "refuse.status" => refusal::status(session).await,
        "refuse.uniform" => refusal::uniform(session).await,
        "otp.shape" => otp::shape(session).await,
        "otp.fresh" => otp::fresh(session).await,
        "otp.predictable" => otp::predictable(session).await,
        "cache.no-store" => golden::no_store(session).await,
        "http.keep-alive" => http::keep_alive(session).await,
        "http.chunked-request" => http::chunked_request(session).await,
        "http.expect-continue" => http::expect_continue(session).await,
        "backend.down" => backend::down(session).await,
        "latency" => http::latency(session).await,
        "limits.big-body" => limits::big_body(session).await,
        "limits.slow-body" => limits::slow_body(session).await,
        "tls.version" => tls::version(session).await,
        "tls.chain" => tls::chain(session).await,
        "validate.ok" => validate::ok(session).await,
        "validate.once" => validate::once(session).await,
        "validate.other-user" => validate::other_user(session).await,
        "validate.wrong-otp" => validate::wrong_otp(session).await,
        "validate.wrong-password" => validate::wrong_password(session).await,
        "validate.replaced" => validate::replaced(session).await,
        "validate.expired" => validate::expired(session).await,
        "validate.race" => validate::race(session).await,
        other => Finding::error(format!("the suite does not know how to judge {other}")),
    }
}

/// Why a clause has nothing to judge on this target, when that can be told before anything
/// is sent: by the target's description, or for want of a consent.
pub(crate) fn not_applicable(
    clause: &Clause,
    target: &Target,
    selection: &Selection,
) -> Option<String> {
    if let Some(consent) = clause.consent
        && !selection.permits(consent, target)
    {
        return Some(format!("needs consent: --allow {consent}"));
    }
    let group = clause.id.split('.').next().unwrap_or_default();
    let why = match (group, clause.id) {
        ("backend", _) if selection.directory.is_none() => {
            "the suite does not control the directory; --directory-off and --directory-on let it"
        }
        ("tls", _) if !target.url.tls => "the target speaks plain HTTP",
        ("auth", _) if matches!(target.auth, Auth::Network) => {
            "the target knows its clients by their network"
        }
        (_, "auth.scheme-case") if matches!(target.auth, Auth::Certificate(_)) => {
            "no scheme is used"
        }
        (_, "tenant.isolated") if target.other_tenant.is_none() => {
            "the target names no other tenant"
        }
        ("validate", id) => return validate::not_applicable(id, target, selection),
        _ => return None,
    };
    Some(why.to_owned())
}

/// When a clause has its turn: what may lock somebody out or hold a server comes late,
/// and what looks at the whole run comes last.
pub(crate) fn turn(clause: &Clause) -> u8 {
    match clause.id {
        "validate.race" => 2,
        id if id.starts_with("validate.") => 1,
        id if id.starts_with("limits.") => 3,
        "auth.wrong" => 4,
        "latency" | "refuse.no-otp" | "refuse.status" => 5,
        id if id.starts_with("otp.") => 5,
        // Whatever comes after may find the directory still off.
        "backend.down" => 6,
        _ => 0,
    }
}
