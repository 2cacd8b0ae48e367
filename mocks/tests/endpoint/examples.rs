//! The examples of the documentation work as they stand there.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use callotp_mock::{Mock, journal::Call};

use crate::ask::mock;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mock.md");

/// The fenced block that begins like this, pointed at the mock.
fn example(start: &str, mock: &Mock) -> String {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let blocks = page.split("\n```").skip(1).step_by(2);
    let mut bodies = blocks.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
    let body = bodies
        .find(|body| body.starts_with(start))
        .expect("the example");
    body.replace("http://127.0.0.1:8080", &mock.url())
        .replace("http://127.0.0.1:8081", &mock.admin_url())
        .replace("localhost:8081", &mock.admin_address().to_string())
}

fn shell(script: &str, input: &str) -> String {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut to = child.stdin.take().expect("its input");
    // A script that is done may not read to the end.
    let _ = to.write_all(input.as_bytes());
    drop(to);
    let output = child.wait_with_output().expect("an end");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn newest(mock: &Mock) -> std::sync::Arc<Call> {
    mock.journal().calls().last().expect("a call").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_with_curl_passes() {
    let mock = mock().await;
    let said = shell(&example("curl -sS --max-time 5 -X PUT", &mock), "");
    assert!(
        said.starts_with("{\"otp\":\"") && said.ends_with("} 200\n"),
        "{said}"
    );
    assert!(newest(&mock).passed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_for_asterisk_speaks_the_digits_and_nothing_else() {
    // Answers in every legal form.
    let mock = Mock::builder().seed(3).start().await.expect("a mock");
    let script = example("#!/bin/sh\n# Speaks the code", &mock);
    let agi = |number: &str| {
        let input = format!(
            "agi_request: callotp\nagi_callerid: {number}\nagi_rdnis: unknown\n\n200 result=0\n"
        );
        shell(&script, &input)
    };
    for _ in 0..12 {
        let said = agi("+46701740606");
        let call = newest(&mock);
        assert!(call.passed(), "{:?}", call.findings);
        let otp = call
            .answer
            .body
            .split('"')
            .nth(3)
            .expect("an otp")
            .to_owned();
        assert_eq!(said, format!("SAY DIGITS {otp} \"\"\n"));
    }
    for number in [
        "+46701740699",
        "+46701740611",
        "+46701740620",
        "+46701740622",
        "+46701740650",
    ] {
        assert_eq!(agi(number), "STREAM FILE im-sorry \"\"\n", "{number}");
        assert!(newest(&mock).passed(), "{number}");
    }
    let before = mock.journal().calls().len();
    for number in ["unknown", "anonymous", "", "$(id)"] {
        assert_eq!(agi(number), "STREAM FILE im-sorry \"\"\n", "{number}");
    }
    assert_eq!(
        mock.journal().calls().len(),
        before,
        "a withheld caller is not asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_the_administration_are_answered() {
    let mock = mock().await;
    shell(&example("curl -sS --max-time 5 -X PUT", &mock), "");
    let lines = example("curl -s localhost:8081/calls?verdict=fail", &mock);
    let lines = lines.lines().filter(|line| !line.contains("/events"));
    for line in lines {
        let said = shell(
            &format!(
                "{} -o /dev/null -w '%{{http_code}}'",
                line.split(" #").next().unwrap_or(line)
            ),
            "",
        );
        // The next call has been asked to fail; the one that was made is there.
        assert_eq!(said, "200", "{line}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let evidence = example("curl -s http://127.0.0.1:8081/evidence/t1.html", &mock);
    shell(
        &format!("cd '{}' && {evidence}", folder.path().display()),
        "",
    );
    let page = std::fs::read_to_string(folder.path().join("evidence.html")).expect("a page");
    assert!(page.contains("Evidence for tenant t1"));
}

#[test]
fn the_scenario_of_the_page_is_right() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let toml = page.split("```toml\n").nth(1).expect("a scenario");
    let toml = toml.split("\n```").next().expect("its end");
    let scenario = callotp_mock::scenario::Scenario::read(toml, "docs/mock.md").expect("right");
    assert!(scenario.warnings().is_empty());
}
