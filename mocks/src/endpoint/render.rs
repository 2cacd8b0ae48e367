//! The form of an answer on the wire. Unless it is to be plain, it varies in the
//! ways that HTTP and JSON leave open, so that no caller is fitted to one server.

use std::time::Duration;

use callotp_conformance::contract;

use super::plan::{Body, Plan, reason};
use crate::clock::Chance;

/// What every answer of the mock says.
pub(crate) const WARNING: (&str, &str) = ("callotp-mock", "not-for-production");

/// An answer in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    pub(crate) head: Vec<u8>,
    /// The body in its framing.
    pub(crate) body: Vec<u8>,
    /// The body without it, for the journal.
    pub(crate) text: String,
    /// A little latency.
    pub(crate) latency: Duration,
}

/// The choices that are left open.
#[derive(Clone, Copy, Debug, Default)]
struct Variation {
    spaces: u64,
    case: u64,
    chunked: bool,
    turned: usize,
}

/// What surrounds the plan.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) call: &'a str,
    pub(crate) verdict: &'a str,
    pub(crate) keep_alive: bool,
    /// Not where a fault counts the bytes of the body.
    pub(crate) may_chunk: bool,
    /// The caller speaks HTTP/1.0, which has no chunks.
    pub(crate) http10: bool,
    /// The caller asked with HEAD, which gets no body.
    pub(crate) head_only: bool,
}

/// Gives an answer its form; `chance` is `None` when it is to be plain.
pub(crate) fn render(plan: &Plan, frame: &Frame<'_>, chance: Option<&mut Chance>) -> Rendered {
    let mut variation = Variation::default();
    let mut latency = Duration::ZERO;
    if let Some(chance) = chance {
        variation = Variation {
            spaces: chance.below(4),
            case: chance.below(4),
            chunked: frame.may_chunk && chance.one_in(4),
            turned: usize::try_from(chance.below(8)).unwrap_or_default(),
        };
        // Seldom, so that the mock is no bottleneck of a load test.
        if chance.one_in(64) {
            latency = Duration::from_millis(1 + chance.below(15));
        }
    }
    let (text, content_type) = written(&plan.body, variation);
    let mut head = format!("HTTP/1.1 {} {}\r\n", plan.status, reason(plan.status)).into_bytes();
    let mut line = |name: &str, value: &str| {
        head.extend_from_slice(cased(name, variation.case).as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    };
    if !content_type.is_empty() {
        line("Content-Type", &content_type);
    }
    line("Cache-Control", "no-store");
    match variation.chunked {
        true => line("Transfer-Encoding", "chunked"),
        false if plan.status == 204 || plan.status == 304 => {}
        false => line("Content-Length", &text.len().to_string()),
    }
    for (name, value) in &plan.headers {
        line(name, value);
    }
    match (frame.keep_alive, frame.http10) {
        (false, _) => line("Connection", "close"),
        (true, true) => line("Connection", "keep-alive"),
        (true, false) => {}
    }
    let own = [
        WARNING,
        ("callotp-call", frame.call),
        ("callotp-verdict", frame.verdict),
    ];
    for (name, value) in own {
        head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    let body = match (
        frame.head_only || matches!(plan.status, 204 | 304),
        variation.chunked,
    ) {
        (true, _) => Vec::new(),
        (false, true) => chunked(text.as_bytes(), variation.turned),
        (false, false) => text.clone().into_bytes(),
    };
    Rendered {
        head,
        body,
        text,
        latency,
    }
}

fn written(body: &Body, variation: Variation) -> (String, String) {
    match body {
        Body::Text(text, content_type) => (text.clone(), content_type.clone()),
        Body::Problem(title) => {
            let text = format!("{{\"type\":\"about:blank\",\"title\":\"{title}\"}}");
            (text, "application/problem+json".to_owned())
        }
        Body::Json(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| match variation.spaces {
                    0 => format!("\"{name}\":{value}"),
                    1 => format!("\"{name}\" : {value}"),
                    _ => format!("\"{name}\": {value}"),
                })
                .collect();
            let turn = variation.turned % members.len().max(1);
            members.rotate_left(turn);
            let text = match variation.spaces {
                0 => format!("{{{}}}", members.join(",")),
                1 => format!("{{ {} }}", members.join(" , ")),
                2 => format!("{{\n    {}\n}}\n", members.join(",\n    ")),
                _ => format!("{{{}}}\n", members.join(", ")),
            };
            (text, contract::JSON.to_owned())
        }
    }
}

/// Header names are the same in every case (RFC 9110 section 5.1).
fn cased(name: &str, case: u64) -> String {
    match case {
        1 => name.to_ascii_lowercase(),
        2 => name.to_ascii_uppercase(),
        _ => name.to_owned(),
    }
}

/// One chunk or two (RFC 9112 section 7.1).
pub(crate) fn chunked(body: &[u8], turned: usize) -> Vec<u8> {
    let cut = match body.len() {
        0 | 1 => body.len(),
        length if turned.is_multiple_of(2) => length / 2,
        length => length,
    };
    let mut framed = Vec::with_capacity(body.len() + 24);
    for chunk in [&body[..cut], &body[cut..]] {
        if !chunk.is_empty() {
            framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
        }
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Spoken;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn plan(otp: &str) -> Plan {
        Plan {
            status: 200,
            body: Body::Json(vec![("otp", json!(otp)), ("more", json!(1))]),
            headers: Vec::new(),
            spoken: Spoken::Nothing,
            fault: None,
            enforced: false,
        }
    }

    fn frame() -> Frame<'static> {
        Frame {
            call: "c1",
            verdict: "pass",
            keep_alive: true,
            may_chunk: true,
            http10: false,
            head_only: false,
        }
    }

    /// Takes an answer apart as a client would.
    fn understood(rendered: &Rendered) -> (u16, Value) {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Response::new(&mut headers);
        assert!(parsed.parse(&rendered.head).expect("a head").is_complete());
        let status = parsed.code.expect("a status");
        let is_chunked = parsed
            .headers
            .iter()
            .any(|h| h.name.eq_ignore_ascii_case("transfer-encoding"));
        let mut body = Vec::new();
        let mut rest = &rendered.body[..];
        loop {
            if !is_chunked {
                body.extend_from_slice(rest);
                break;
            }
            let (at, size) = match httparse::parse_chunk_size(rest).expect("a size") {
                httparse::Status::Complete(found) => found,
                httparse::Status::Partial => panic!("cut"),
            };
            let size = size as usize;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&rest[at..at + size]);
            rest = &rest[at + size + 2..];
        }
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[test]
    fn a_plain_answer_is_always_the_same() {
        let one = render(&plan("053219"), &frame(), None);
        let again = render(&plan("053219"), &frame(), None);
        assert_eq!(one.head, again.head);
        assert_eq!(one.text, r#"{"otp":"053219","more":1}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_variation_means_the_same(seed in any::<u64>(), otp in "[0-9]{6,10}") {
            let mut chance = Chance::new(seed, "t1");
            let rendered = render(&plan(&otp), &frame(), Some(&mut chance));
            let (status, body) = understood(&rendered);
            prop_assert_eq!(status, 200);
            prop_assert_eq!(&body["otp"], &json!(otp));
            prop_assert_eq!(&body["more"], &json!(1));
        }
    }
}
