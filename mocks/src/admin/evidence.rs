//! Evidence: what a vendor hands over. Numbers, credentials and codes are masked as
//! they enter, so that no form of it can leak them.

use callotp_conformance::catalogue;
use serde_json::{Value, json};

use super::{Shared, routes::calls_of};
use crate::{
    clock::rfc3339,
    concealed,
    journal::{Call, Spoken},
    number::masked,
    readiness::{self, readiness},
    world::Tenant,
};

/// The evidence of a tenant.
pub(crate) fn evidence(shared: &Shared, tenant: &Tenant) -> Value {
    let world = &shared.world;
    let calls = calls_of(shared, tenant);
    let list = readiness(&calls);
    let told: Vec<Value> = calls.iter().map(|call| line(call)).collect();
    let failed = calls.iter().filter(|call| !call.passed()).count();
    let broken: Vec<&str> = catalogue::caller_clauses()
        .map(|clause| clause.id)
        .filter(|id| {
            calls
                .iter()
                .flat_map(|call| &call.findings)
                .any(|found| found.clause.id == *id)
        })
        .collect();
    json!({
        "schema": 1,
        "mock": env!("CARGO_PKG_VERSION"),
        "catalogue": catalogue::VERSION,
        "made": rfc3339(world.now()),
        "seed": world.seed,
        "mode": format!("{:?}", world.mode).to_lowercase(),
        "tenant": tenant.name,
        "calls_seen": calls.len(),
        "calls_failed": failed,
        "calls_dropped": world.journal.dropped(),
        "clauses_broken": broken,
        "readiness": cleaned(&readiness::to_json(&tenant.name, &list), &calls),
        "calls": told,
    })
}

fn line(call: &Call) -> Value {
    let (method, path) = call.request_line();
    let path = concealed::target(&path);
    let headers: Vec<String> = call
        .headers()
        .into_iter()
        .map(|(name, value)| format!("{name}: {}", concealed::header(&name, &value)))
        .collect();
    let findings: Vec<Value> = call
        .findings
        .iter()
        .map(|found| {
            json!({
                "clause": found.clause.id,
                "level": found.clause.level,
                "says": clean(&found.says, call),
                "remedy": found.remedy,
            })
        })
        .collect();
    json!({
        "id": call.id(),
        "at": rfc3339(call.at),
        "event": call.event.name(),
        "number": call.calling.as_deref().map(masked),
        "system": call.system,
        "method": method,
        "path": clean(&path, call),
        "headers": headers,
        "verdict": call.verdict(),
        "findings": findings,
        "status": call.answer.status,
        "fault": call.answer.fault,
        "heard": call.heard.as_deref().map(|heard| format!("‹{} digits›", heard.len())),
        "closed_by_client_after_ms": call.closed_by_client_after_ms,
        "duration_ms": call.duration_ms,
        "note": call.note,
    })
}

/// A text without the call's number and code.
fn clean(text: &str, call: &Call) -> String {
    let mut text = concealed::quoting(text, &String::from_utf8_lossy(&call.head));
    let secret = match &call.answer.spoken {
        Spoken::Digits(code) | Spoken::DigitsOrNothing(code) | Spoken::Decoy(code) => Some(code),
        Spoken::Nothing => None,
    };
    for code in secret
        .into_iter()
        .chain(&call.heard)
        .filter(|code| code.len() > 2)
    {
        text = text.replace(code.as_str(), "‹code›");
    }
    // Any other long run of digits is a number, however it is spelt.
    let mut cleaned = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars().chain(std::iter::once('\0')) {
        if character.is_ascii_digit() || (!run.is_empty() && matches!(character, '-' | ' ' | '.')) {
            run.push(character);
            continue;
        }
        let digits = run.chars().filter(char::is_ascii_digit).count();
        match digits {
            0..7 => cleaned.push_str(&run),
            _ => cleaned.push_str("‹number›"),
        }
        run.clear();
        if character != '\0' {
            cleaned.push(character);
        }
    }
    cleaned
}

/// The notes of the checklist quote findings.
fn cleaned(readiness: &Value, calls: &[std::sync::Arc<Call>]) -> Value {
    let mut readiness = readiness.clone();
    let behaviours = readiness["behaviours"].as_array_mut();
    for behaviour in behaviours.into_iter().flatten() {
        let call = behaviour["call"]
            .as_str()
            .and_then(crate::journal::number_in);
        let call = call.and_then(|number| calls.iter().find(|call| call.number == number));
        if let (Some(call), Some(note)) = (call, behaviour["note"].as_str()) {
            behaviour["note"] = json!(clean(note, call));
        }
    }
    readiness
}

/// The same as a page: one file, no script, nothing fetched.
pub(super) fn page(evidence: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => escaped(text),
        Value::Null => "–".to_owned(),
        other => escaped(&other.to_string()),
    };
    let empty = Vec::new();
    let behaviours = evidence["readiness"]["behaviours"]
        .as_array()
        .unwrap_or(&empty);
    let checklist: String = behaviours
        .iter()
        .map(|one| {
            format!(
                "<tr><td>{}</td><td class=\"{}\">{}</td><td>{}</td><td>{}</td></tr>\n",
                text(&one["title"]),
                text(&one["state"]).replace(' ', "-"),
                text(&one["state"]),
                text(&one["dial"]),
                text(&one["note"]),
            )
        })
        .collect();
    let calls = evidence["calls"].as_array().unwrap_or(&empty);
    let rows: String = calls
        .iter()
        .map(|call| {
            let findings = call["findings"].as_array().unwrap_or(&empty);
            let findings: String = findings
                .iter()
                .map(|found| {
                    format!("<li><code>{}</code> {}<br><small>{}</small></li>", text(&found["clause"]), text(&found["says"]), text(&found["remedy"]))
                })
                .collect();
            format!(
                "<tr id=\"{id}\"><td>{id}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{verdict}\">{verdict}<ul>{findings}</ul></td><td>{}</td></tr>\n",
                text(&call["at"]),
                text(&call["number"]),
                text(&call["system"]),
                text(&call["status"]),
                id = text(&call["id"]),
                verdict = text(&call["verdict"]),
            )
        })
        .collect();
    let summary = &evidence["readiness"]["summary"];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Evidence for tenant {tenant}</title>\n<style>{STYLE}</style></head><body>\n<h1>Evidence for tenant {tenant}</h1>\n<p>Made {made} by callotp-mock {mock}, catalogue {catalogue}, seed {seed}, mode {mode}. {seen} calls seen, {failed} of them failed a clause, {dropped} were dropped from the journal. Numbers, credentials and codes are masked.</p>\n<h2>Readiness: {right} seen and right, {wrong} seen and wrong, {not_yet} not yet</h2>\n<table><thead><tr><th>Behaviour</th><th>State</th><th>Number</th><th>Note</th></tr></thead><tbody>\n{checklist}</tbody></table>\n<h2>Calls</h2>\n<table><thead><tr><th>Call</th><th>Time</th><th>Number</th><th>System</th><th>Verdict</th><th>Status</th></tr></thead><tbody>\n{rows}</tbody></table>\n</body></html>\n",
        tenant = text(&evidence["tenant"]),
        made = text(&evidence["made"]),
        mock = text(&evidence["mock"]),
        catalogue = text(&evidence["catalogue"]),
        seed = text(&evidence["seed"]),
        mode = text(&evidence["mode"]),
        seen = text(&evidence["calls_seen"]),
        failed = text(&evidence["calls_failed"]),
        dropped = text(&evidence["calls_dropped"]),
        right = text(&summary["right"]),
        wrong = text(&summary["wrong"]),
        not_yet = text(&summary["not_yet"]),
    )
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}table{border-collapse:collapse;width:100%}th,td{border:1px solid #c5ccd3;padding:.35rem .6rem;text-align:left;vertical-align:top}ul{margin:.2rem 0 0 1rem;padding:0}.pass,.seen-and-right{color:#0a5c2b;font-weight:600}.fail,.seen-and-wrong{color:#a3121b;font-weight:600}@media (prefers-color-scheme:dark){body{color:#e6e9ec;background:#15181c}th,td{border-color:#444c56}.pass,.seen-and-right{color:#6fd68f}.fail,.seen-and-wrong{color:#ff9a9e}}";

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
