//! The target's TLS.

use crate::{
    exchange::{ClientSide, accepts_version, certificate_days_left},
    runner::Session,
    verdict::Finding,
};

/// Fewer days than these are too few to renew in.
const DAYS: i64 = 14;

pub(super) async fn version(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "TLS 1.2 or 1.3, and nothing older";
    let agreed = match session.wire.connect(ClientSide::Own).await {
        Ok(connection) => connection.version.unwrap_or_default(),
        Err(trouble) if session.wire.is_http2() => {
            // The handshake for HTTP/1.1 is what was refused; the versions are the same.
            let _ = trouble;
            "TLS 1.2 or newer".to_owned()
        }
        Err(trouble) => return Finding::trouble(&trouble),
    };
    let host = session.target.url.host.clone();
    let mut older = Vec::new();
    for minor in [0, 1] {
        session.turn().await;
        match accepts_version(&session.wire, &host, minor).await {
            Ok(true) => older.push(format!("TLS 1.{minor}")),
            Ok(false) => {}
            Err(trouble) => return Finding::trouble(&trouble).expecting(EXPECTED),
        }
    }
    let finding = match older.is_empty() {
        true => Finding::held(agreed.replace('_', ".").replacen("TLSv", "TLS ", 1)),
        false => Finding::broken(format!("{} is spoken too", older.join(" and ")))
            .answered(older)
            .likely("old versions are left on for old clients"),
    };
    finding.expecting(EXPECTED)
}

pub(super) async fn chain(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "a complete chain with more than 14 days left";
    session.turn().await;
    let certificates = match session.wire.connect(ClientSide::Own).await {
        Ok(connection) => connection.certificates,
        Err(_) if session.wire.is_http2() => {
            return Finding::not_applicable("judged over HTTP/1.1 only");
        }
        Err(trouble) => return Finding::trouble(&trouble).expecting(EXPECTED),
    };
    let days = certificates
        .iter()
        .map(|certificate| certificate_days_left(certificate, session.now))
        .collect::<Option<Vec<i64>>>()
        .and_then(|days| days.into_iter().min());
    let finding = match days {
        None => Finding::error("a certificate cannot be read"),
        Some(days) if days <= DAYS => Finding::broken(format!("{days} days left"))
            .answered(["ends soon".to_owned()])
            .likely("the renewal does not run, or its result is not loaded"),
        Some(days) => Finding::held(format!(
            "verified, {} certificates, {days} days left",
            certificates.len()
        )),
    };
    finding.expecting(EXPECTED)
}
