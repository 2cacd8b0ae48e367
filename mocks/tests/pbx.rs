//! The phone system, calling servers that answer well and badly.

use std::io::Write as _;

use callotp_mock::pbx::{self, Dialect, Outcome, PbxArgs};
use clap::{Parser, ValueEnum as _};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

const PATH: &str = "/api/authentication/getOTP";

/// The command line, without the program's other commands.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    pbx: PbxArgs,
}

fn arguments(target: &str, more: &[&str]) -> PbxArgs {
    let fixed = [
        "pbx", "--target", target, "--tenant", "t1", "--rate", "1000/s",
    ];
    Line::try_parse_from(fixed.iter().chain(more))
        .expect("a well-formed line")
        .pbx
}

async fn run(target: &str, more: &[&str]) -> (Outcome, String) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let outcome = pbx::run_to(arguments(target, more), &mut out, &mut errors).await;
    (
        outcome,
        String::from_utf8([out, errors].concat()).expect("text"),
    )
}

async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(path(PATH))
        .and(header("tenant", "t1"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

async fn numbers_asked(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap_or_default();
    let number = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        body["phonenumber"].as_str().unwrap_or_default().to_owned()
    };
    requests
        .iter()
        .map(|request| number(&request.body))
        .collect()
}

fn file(lines: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(lines.as_bytes()).expect("a file just made");
    file
}

#[tokio::test]
async fn every_digit_is_heard_and_the_run_is_done() {
    let server = server(ResponseTemplate::new(200).set_body_json(json!({"otp": "053219"}))).await;
    for dialect in Dialect::value_variants() {
        let name = dialect.to_possible_value().expect("none is hidden");
        let calls = ["--calls", "3", "--dialect", name.get_name()];
        let (outcome, says) = run(&server.uri(), &calls).await;
        assert_eq!(outcome, Outcome::Done, "{says}");
        assert_eq!(
            says.matches("zero five three two one nine").count(),
            3,
            "{says}"
        );
        assert!(
            says.contains("3 calls: 3 heard an OTP") && says.contains("p99"),
            "{says}"
        );
        assert!(!says.contains("053219"), "only as it is heard: {says}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_its_decoy_is_not_spoken() {
    let server = server(ResponseTemplate::new(403).set_body_json(json!({"otp": "111111"}))).await;
    let (outcome, says) = run(&server.uri(), &[]).await;
    assert_eq!((outcome, outcome.code()), (Outcome::Done, 0));
    assert!(
        says.contains("sorry") && !says.contains("one one"),
        "{says}"
    );
}

#[tokio::test]
async fn what_is_neither_otp_nor_refusal_fails_the_run() {
    for answer in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(401),
        ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
        ResponseTemplate::new(200),
        ResponseTemplate::new(200).set_body_json(json!({})),
        ResponseTemplate::new(200).set_body_string("<html>"),
    ] {
        let server = server(answer).await;
        let (outcome, says) = run(&server.uri(), &[]).await;
        assert_eq!((outcome, outcome.code()), (Outcome::Failed, 1), "{says}");
        assert!(says.contains("1 went wrong"), "{says}");
    }
    let gone = MockServer::start().await.uri();
    let (outcome, says) = run(&gone.replace("127.0.0.1", "127.0.0.2"), &[]).await;
    assert_eq!(outcome, Outcome::Failed, "{says}");
}

#[tokio::test]
async fn where_nothing_is_called_the_run_says_so() {
    let server = server(ResponseTemplate::new(200)).await;
    let empty = file("# nobody\n\n");
    let path = empty.path().to_str().expect("an ASCII path");
    for more in [["--calls", "0"], ["--numbers", path]] {
        let (outcome, _) = run(&server.uri(), &more).await;
        assert_eq!(
            (outcome, outcome.code()),
            (Outcome::NothingCalled, 3),
            "{more:?}"
        );
    }
    assert!(numbers_asked(&server).await.is_empty());
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_named() {
    for (target, more, named) in [
        ("ftp://localhost", vec![], "--target"),
        ("localhost:1", vec![], "--target"),
        (
            "http://127.0.0.1:1",
            vec!["--basic", "pbx:secret"],
            "--basic",
        ),
        (
            "http://127.0.0.1:1",
            vec!["--basic", "pbx:env:NO_SUCH_VARIABLE"],
            "NO_SUCH_VARIABLE",
        ),
        (
            "http://127.0.0.1:1",
            vec!["--numbers", "/no/such/file"],
            "/no/such/file",
        ),
        (
            "http://127.0.0.1:1",
            vec!["--ca", "/no/such/file"],
            "/no/such/file",
        ),
    ] {
        let (outcome, says) = run(target, &more).await;
        assert_eq!((outcome, outcome.code()), (Outcome::Usage, 2), "{says}");
        assert!(says.contains(named), "{says}");
    }
    for (flag, value) in [
        ("--rate", "5"),
        ("--rate", "0/s"),
        ("--rate", "-1/s"),
        ("--tenant", "a\nb"),
    ] {
        let mut args = arguments("http://127.0.0.1:1", &[]);
        if flag == "--rate" {
            args.rate = value.to_owned()
        } else {
            args.tenant = value.to_owned()
        }
        let mut says = Vec::new();
        let outcome = pbx::run_to(args, &mut Vec::new(), &mut says).await;
        assert_eq!(outcome, Outcome::Usage);
        assert!(String::from_utf8_lossy(&says).contains(flag), "{value}");
    }
}

#[tokio::test]
async fn numbers_take_turns_and_come_again_in_other_spellings() {
    let server = server(ResponseTemplate::new(403)).await;
    let list = file("+46701740605\n# a comment\n+46701740606\nanonymous\n");
    let path = list.path().to_str().expect("an ASCII path");
    let mut args = arguments(&server.uri(), &["--numbers", path, "--calls", "9"]);
    args.rate = "50/s".to_owned();
    args.dialect = Dialect::Freeswitch;
    let start = tokio::time::Instant::now();
    pbx::run_to(args, &mut Vec::new(), &mut Vec::new()).await;
    assert!(
        start.elapsed() >= 8 * std::time::Duration::from_millis(20),
        "the ninth call begins 160 ms after the first"
    );
    let expected = [
        "+46701740605",
        "+46701740606",
        "anonymous",
        "0701740605",
        "0701740606",
        "anonymous",
        "46701740605",
        "46701740606",
        "anonymous",
    ];
    assert_eq!(numbers_asked(&server).await, expected);

    let plain = self::server(ResponseTemplate::new(403)).await;
    run(&plain.uri(), &["--calls", "3", "--as-written"]).await;
    assert_eq!(numbers_asked(&plain).await, ["+46701740605"; 3]);
}

#[tokio::test]
async fn a_slow_answer_does_not_hold_the_next_call_up() {
    let delay = std::time::Duration::from_millis(300);
    let server = server(ResponseTemplate::new(403).set_delay(delay)).await;
    let start = tokio::time::Instant::now();
    let (outcome, says) = run(&server.uri(), &["--calls", "20"]).await;
    assert_eq!(outcome, Outcome::Done, "{says}");
    assert!(start.elapsed() < delay * 10, "{:?}", start.elapsed());
}

#[tokio::test]
async fn credentials_come_from_the_environment_and_are_shown_nowhere() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(wiremock::matchers::basic_auth(
            "pbx",
            env!("CARGO_MANIFEST_DIR"),
        ))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&server)
        .await;
    let (outcome, says) = run(&server.uri(), &["--basic", "pbx:env:CARGO_MANIFEST_DIR"]).await;
    assert_eq!(outcome, Outcome::Done, "{says}");
    assert!(!says.contains(env!("CARGO_MANIFEST_DIR")));
}

#[tokio::test]
async fn the_target_may_be_written_with_or_without_the_path() {
    let server = server(ResponseTemplate::new(403)).await;
    for end in ["", "/", "/api/authentication", "/api/authentication/", PATH] {
        let (outcome, says) = run(&format!("{}{end}", server.uri()), &[]).await;
        assert_eq!(outcome, Outcome::Done, "{end}: {says}");
    }
}
