//! What can be said of the server from the calls that pass by.

use callotp_conformance::{catalogue, contract};
use serde_json::Value;

use crate::journal::Finding;

/// The clauses of the server that show in an answer to anybody's call.
mod clauses {
    pub(super) const BODY: &str = "golden.body";
    pub(super) const TYPE: &str = "golden.type";
    pub(super) const NO_OTP: &str = "refuse.no-otp";
    pub(super) const STATUS: &str = "refuse.status";
    pub(super) const CACHE: &str = "cache.no-store";
    pub(super) const LATENCY: &str = "latency";
}

/// What is wrong with an answer to getOTP.
pub(super) fn judge(
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
    took: u64,
) -> Vec<Finding> {
    let otp = otp(body);
    let value = |name: &str| {
        let found = headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value).to_ascii_lowercase()
    };
    let mut found = Vec::new();
    match status {
        contract::ISSUED => {
            if !matches!(&otp, Some(Value::String(otp)) if !otp.is_empty()) {
                found.extend(finding(
                    clauses::BODY,
                    "the 200 carries no otp of text".to_owned(),
                ));
            }
            let content_type = value("content-type");
            if !content_type.starts_with(contract::JSON) {
                let says = format!("the Content-Type of the 200 is \"{content_type}\"");
                found.extend(finding(clauses::TYPE, says));
            }
            if !value("cache-control").contains("no-store") {
                let says = "the 200 may be stored: no Cache-Control: no-store";
                found.extend(finding(clauses::CACHE, says.to_owned()));
            }
        }
        _ => {
            if otp.is_some() {
                found.extend(finding(
                    clauses::NO_OTP,
                    format!("a {status} carries an otp"),
                ));
            }
            if status != contract::REFUSED {
                found.extend(finding(
                    clauses::STATUS,
                    format!("the refusal is a {status}"),
                ));
            }
        }
    }
    found.extend(judge_time(took));
    found
}

/// What is wrong with the time it took.
pub(super) fn judge_time(took: u64) -> Option<Finding> {
    let (_, ever) = contract::LATENCY_MS;
    let slow = took > ever;
    slow.then(|| finding(clauses::LATENCY, format!("the answer took {took} ms")))?
}

fn finding(id: &str, says: String) -> Option<Finding> {
    let clause = catalogue::clause(id)?;
    Some(Finding {
        clause,
        says,
        remedy: clause.remedy.to_owned(),
    })
}

fn otp(body: &[u8]) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get(contract::OTP_MEMBER).cloned()
}

/// The body without its code.
pub(super) fn masked(body: &[u8]) -> String {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        // What cannot be read may hold a code anywhere.
        let text = String::from_utf8_lossy(body);
        return text
            .chars()
            .map(|c| if c.is_ascii_digit() { '•' } else { c })
            .collect();
    };
    if let Some(otp) = value.get_mut(contract::OTP_MEMBER) {
        let length = otp.as_str().map_or(0, str::len);
        *otp = Value::String(format!("‹{length} digits›"));
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_named_here_is_in_the_catalogue() {
        for id in [
            clauses::BODY,
            clauses::TYPE,
            clauses::NO_OTP,
            clauses::STATUS,
            clauses::CACHE,
            clauses::LATENCY,
        ] {
            assert!(catalogue::clause(id).is_some(), "{id}");
        }
    }

    #[test]
    fn answers_are_held_to_what_shows_in_them() {
        let headers = [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("cache-control".to_owned(), "no-store".to_owned()),
        ];
        let ids = |status, headers: &[(String, String)], body: &str, took| {
            let found = judge(status, headers, body.as_bytes(), took);
            found
                .iter()
                .map(|found| found.clause.id)
                .collect::<Vec<_>>()
        };
        assert!(ids(200, &headers, r#"{"otp":"053219"}"#, 5).is_empty());
        assert!(ids(403, &[], "", 5).is_empty());
        assert_eq!(ids(200, &headers, r#"{"otp":53219}"#, 5), [clauses::BODY]);
        assert_eq!(
            ids(200, &[], r#"{"otp":"1"}"#, 5),
            [clauses::TYPE, clauses::CACHE]
        );
        assert_eq!(ids(403, &[], r#"{"otp":"1"}"#, 5), [clauses::NO_OTP]);
        assert_eq!(
            ids(500, &[], "", 3_001),
            [clauses::STATUS, clauses::LATENCY]
        );
    }

    #[test]
    fn codes_do_not_stay() {
        assert_eq!(masked(br#"{"otp":"053219"}"#), r#"{"otp":"‹6 digits›"}"#);
        assert_eq!(masked(b"otp=053219"), "otp=••••••");
    }
}
