//! The variants: other manners, all of them legal, that must pass untouched.

use std::time::Duration;

use super::{Credentials, Manner, Refusal, Tls};

/// A correct endpoint in another manner.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// What is different, in words.
    pub name: &'static str,
    /// The manner.
    pub manner: Manner,
    /// The shoulds that warn all the same, by the contract's own word.
    pub warns: &'static [&'static str],
    /// Only these clauses are run, by their prefixes; all when empty.
    pub only: &'static [&'static str],
}

/// All of them.
pub static VARIANTS: std::sync::LazyLock<Vec<Variant>> = std::sync::LazyLock::new(|| {
    let variant = |name, change: fn(&mut Manner)| {
        let mut manner = Manner::default();
        change(&mut manner);
        Variant {
            name,
            manner,
            warns: &[],
            only: &[],
        }
    };
    vec![
        variant("the reference", |_| {}),
        variant("pretty-printed JSON", |manner| manner.pretty = true),
        variant("further members", |manner| manner.further_members = true),
        variant("chunked answers", |manner| manner.chunked = true),
        variant("Connection: close", |manner| manner.close = true),
        variant("HTTP/1.0 answers", |manner| manner.http10 = true),
        variant("lower-case header names", |manner| manner.lower_case = true),
        variant("charset=UTF-8", |manner| manner.charset = true),
        variant("OTPs of 6 to 10 digits", |manner| manner.digits = (6, 10)),
        variant("OTPs of 12 digits", |manner| manner.digits = (12, 12)),
        variant("403 with an empty body", |manner| {
            manner.refusal = Refusal::Empty
        }),
        variant("403 with an HTML body", |manner| {
            manner.refusal = Refusal::Html
        }),
        Variant {
            warns: &["refuse.status"],
            ..variant("401 for credentials", |manner| manner.unauthorized = 401)
        },
        variant("Bearer", |manner| manner.credentials = Credentials::Bearer),
        variant("no credentials", |manner| {
            manner.credentials = Credentials::None
        }),
        variant("TLS", |manner| manner.tls = Some(Tls::Sound)),
        variant("a client certificate", |manner| {
            manner.credentials = Credentials::None;
            manner.tls = Some(Tls::ClientCertificate);
        }),
        variant("HTTP/2 alone", |manner| manner.tls = Some(Tls::Http2)),
        Variant {
            // Enough of them to see that slow is not wrong; all of them would take minutes.
            only: &["golden", "number.unknown", "latency", "validate.ok"],
            ..variant("1.5 s of latency", |manner| {
                manner.delay = Duration::from_millis(1_500)
            })
        },
    ]
});
