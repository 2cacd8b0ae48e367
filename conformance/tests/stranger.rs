//! Targets that answer whatever they like: no answer makes the suite panic, and no secret
//! that a target repeats comes into a report.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use callotp_conformance::{
    catalogue::Profile,
    clock::Origin,
    report::{Report, Sink, Style},
    run_watched,
    secret::{Number, Secret},
    selection::{Rate, Selection},
    target::{Auth, BaseUrl, Target, Validate},
};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const PASSWORD: &str = "pl4nted&Sekret<'\"/+";
const LOGIN: &str = "l0gin%sekret=22";
const NUMBER: &str = "+46701740605";
const OTP: &str = "904417";

pub(super) fn target(port: u16) -> Target {
    Target {
        url: BaseUrl {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port,
            prefix: String::new(),
        },
        tenant: "t1".to_owned(),
        auth: Auth::Basic {
            username: Secret::new("pbx"),
            password: Secret::new(PASSWORD),
        },
        known: Number::new(NUMBER),
        unknown: Number::new("+46701740699"),
        spellings: Vec::new(),
        other_tenant: None,
        other_operation: None,
        validate: Some(Validate {
            operation: "validate".to_owned(),
            username: Secret::new("ada"),
            password: Some(Secret::new(LOGIN)),
            other: None,
            lifetime: None,
        }),
        production: false,
        profile: Profile::Hardened,
        ca: Vec::new(),
        file: None,
    }
}

/// Runs the suite against a target that answers the golden request with the first text
/// and everything else with the second.
fn judged(golden: Vec<u8>, other: Vec<u8>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (golden, other) = (golden.clone(), other.clone());
                tokio::spawn(async move {
                    let mut request = vec![0; 2048];
                    let count = stream.read(&mut request).await.unwrap_or_default();
                    let text = String::from_utf8_lossy(&request[..count]).into_owned();
                    let is_golden = text.contains("{ \"phonenumber\":\"+46701740605\" }")
                        && text.contains("PUT /api/authentication/getOTP HTTP")
                        && text.contains("tenant: t1\r\nContent-Type: application/json\r\nUser")
                        && text.contains("Authorization: Basic ");
                    let answer = if is_golden { golden } else { other };
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        let selection = Selection {
            rate: Rate::UNLIMITED,
            timeout: Duration::from_millis(300),
            patience: Duration::from_millis(300),
            max_otp: 100,
            ..Selection::default()
        };
        let origin = Origin {
            started: "2026-11-23T18:00:00Z".parse().expect("a moment"),
            key: [9; 32],
        };
        let report = run_watched(
            &target(port),
            &selection,
            origin,
            &mut |_| {},
            std::future::pending(),
        )
        .await;
        server.abort();
        report
    })
}

fn forms(report: &Report) -> String {
    let style = Style {
        colour: false,
        quiet: false,
    };
    [
        report.json(),
        report.junit(),
        report.html(),
        report.markdown(),
        report.terminal(style),
        lines(report),
    ]
    .join("\n")
}

/// The report that grows a line at a time, as it stands in its file at the end.
fn lines(report: &Report) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.ndjson");
    let sink: Sink = format!("ndjson={}", path.display())
        .parse()
        .expect("a sink");
    sink.prepare().expect("an empty file");
    for clause in &report.clauses {
        sink.judged(clause).expect("a line");
    }
    sink.finish(report).expect("the last line");
    std::fs::read_to_string(path).expect("the lines")
}

fn good() -> Vec<u8> {
    let body = format!("{{\"otp\":\"{OTP}\"}}");
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A secret in the encodings a report could hold it in.
fn encodings(secret: &str) -> Vec<String> {
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let json = serde_json::to_string(secret).expect("a string");
    let percent = |upper: bool| -> String {
        let encode = |byte: u8| match (byte.is_ascii_alphanumeric(), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        secret.bytes().map(encode).collect()
    };
    let mut all = vec![
        secret.to_owned(),
        html.clone(),
        html.replace('\'', "&#39;"),
        html.replace('\'', "&apos;"),
        json[1..json.len() - 1].to_owned(),
        percent(false),
        percent(true),
        STANDARD.encode(secret),
        STANDARD.encode(format!("pbx:{secret}")),
    ];
    all.sort();
    all.dedup();
    all
}

#[test]
fn a_planted_secret_is_in_no_report_in_any_encoding() {
    std::thread::scope(|scope| {
        for secret in [PASSWORD, LOGIN, NUMBER, OTP] {
            scope.spawn(move || plant(secret));
        }
    });
}

fn plant(secret: &str) {
    for planted in encodings(secret) {
        for answer in [
            format!(
                "HTTP/1.1 403 {planted}\r\nX-Echo: {planted}\r\nContent-Length: {}\r\n\r\n{planted}",
                planted.len()
            ),
            {
                let body =
                    serde_json::json!({ "status": 403, "detail": planted, "sent": [planted] })
                        .to_string();
                format!(
                    "HTTP/1.1 403 No\r\nContent-Type: {planted}\r\nAllow: {planted}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            },
            format!(
                "HTTP/1.1 405 No\r\nAllow: {planted}\r\nLocation: /{planted}\r\nConnection: close\r\n\r\n<p>{planted}</p>"
            ),
        ] {
            // Once as the refusals of a target that works, once as its only answer.
            for golden in [good(), answer.clone().into_bytes()] {
                let written = forms(&judged(golden, answer.clone().into_bytes()));
                for needle in encodings(secret) {
                    let place = written.find(&needle);
                    assert!(
                        place.is_none(),
                        "{needle:?} in …{}…",
                        place.map_or("", |at| &written[at.saturating_sub(80)..at])
                    );
                }
            }
        }
    }
}

#[test]
fn masking_changes_no_status_no_id_and_no_count() {
    let refusal = |detail: &str| {
        let body = serde_json::json!({ "status": 403, "detail": detail }).to_string();
        format!(
            "HTTP/1.1 403 No\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let verdicts = |report: &Report| -> Vec<(String, String)> {
        let clauses = report.clauses.iter();
        clauses
            .map(|one| (one.id.clone(), one.verdict.to_string()))
            .collect()
    };
    let plain = judged(good(), refusal("nothing to see"));
    let echoing = judged(good(), refusal("403 tenant.required pass nothing else"));
    assert_eq!(verdicts(&plain), verdicts(&echoing));
    assert_eq!(plain.summary.counts, echoing.summary.counts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_answer_makes_judging_panic(
        status in 0_u16..1000,
        name in "[A-Za-z-]{1,12}",
        value in "\\PC{0,30}",
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "\\{\"(otp|OTP|x)\":(\"[0-9é]{0,8}\"|[0-9]{1,25}|null|\\[\\]|\\{\\})\\}".prop_map(String::into_bytes),
        ],
        works in any::<bool>(),
    ) {
        let mut answer = format!("HTTP/1.1 {status:03} X\r\n{name}: {value}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        let golden = if works { good() } else { answer.clone() };
        let report = judged(golden, answer);
        prop_assert_ne!(report.summary.exit, 70);
        forms(&report);
    }

    #[test]
    fn no_bytes_at_all_make_judging_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let report = judged(good(), bytes);
        prop_assert_ne!(report.summary.exit, 70);
        forms(&report);
    }
}
