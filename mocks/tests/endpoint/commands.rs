//! The commands, as a person runs them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Output, Stdio},
};

use crate::ask::{ADA, Ask};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_callotp-mock"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server that ends with the test.
struct Served(Child, serde_json::Value);

impl Served {
    fn start(arguments: &[&str]) -> Self {
        let mut child = program()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let told = serde_json::from_str(&line).expect("one line of JSON");
        Self(child, told)
    }

    fn address(&self, part: &str) -> SocketAddr {
        let address = self.1[part].as_str().expect("an address");
        address.parse().expect("an address")
    }

    /// Ends it as an operator does; what it said on standard error.
    #[cfg(unix)]
    fn stop(mut self) -> (Option<i32>, String) {
        let id = self.0.id().to_string();
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("a signal");
        let mut said = String::new();
        let error = self.0.stderr.as_mut().expect("its errors");
        error.read_to_string(&mut said).expect("text");
        (self.0.wait().expect("an end").code(), said)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const FREE: [&str; 6] = [
    "--http",
    "127.0.0.1:0",
    "--ldap",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
];

#[test]
fn serve_tells_its_addresses_a_line_to_try_and_where_to_watch_and_stops_on_a_signal() {
    let served = Served::start(&[&["serve"][..], &FREE, &["--seed", "7"]].concat());
    let mut tcp = TcpStream::connect(served.address("http")).expect("a listener");
    tcp.write_all(&Ask::golden(ADA).bytes()).expect("sent");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("callotp-verdict: pass"), "{answer}");
    let watch = format!("http://{}/", served.address("admin"));
    let keys: Vec<&String> = served.1.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["admin", "http", "ldap"]);
    let (code, said) = served.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("curl -i -X PUT http://127.0.0.1:"), "{said}");
    assert!(said.contains(&watch), "{said}");
    assert!(said.contains("--seed 7"), "{said}");
}

#[test]
fn what_cannot_be_listened_on_is_one_and_what_makes_no_sense_is_two() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let output = run(&[&["serve"][..], &FREE[2..], &["--http", &taken]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(&taken),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(run(&["serve", "--nonsense"]).status.code(), Some(2));
    assert_eq!(
        run(&["serve", "--judge", "--enforce"]).status.code(),
        Some(2)
    );
    assert_eq!(run(&["serve", "nowhere.toml"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn lint_names_what_is_wrong_and_warns_of_what_can_never_match() {
    let folder = tempfile::tempdir().expect("a folder");
    let lint = |text: &str| {
        let path = folder.path().join("s.toml");
        std::fs::write(&path, text).expect("written");
        run(&["lint", path.to_str().expect("a path")])
    };
    let right = lint("[tenant.t1]\n");
    assert_eq!(
        (right.status.code(), text(&right.stderr)),
        (Some(0), String::new())
    );
    let wrong = lint("[tenant.t1]\npeople = [{ name = \"A\", numbrs = [] }]\n");
    assert_eq!(wrong.status.code(), Some(2));
    let says = text(&wrong.stderr);
    assert!(
        says.contains("s.toml:2:") && says.contains("did you mean `numbers`?"),
        "{says}"
    );
    let never = lint(
        "[[tenant.t1.rule]]\nfault = { kind = \"empty\" }\n[[tenant.t1.rule]]\nwhen = { nth = 1 }\nfault = { kind = \"garbage\" }\n",
    );
    assert_eq!(never.status.code(), Some(0));
    let says = text(&never.stdout);
    assert!(
        says.contains("warning") && says.contains("rule 2 can never match"),
        "{says}"
    );
    assert_eq!(run(&["lint", "nowhere.toml"]).status.code(), Some(1));
}

/// A phone system in the shell: the golden request over bash's own sockets.
const CALLER: &str = r#"
address=${CALLOTP_URL#http://}
call() {
  exec 3<>/dev/tcp/${address%:*}/${address#*:}
  body="{\"phonenumber\":\"$1\"}"
  printf '%s /api/authentication/getOTP HTTP/1.1\r\nHost: x\r\ntenant: %s\r\nContent-Type: application/json\r\nAuthorization: Basic cGJ4OnNlY3JldA==\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "${2:-PUT}" "$CALLOTP_TENANT" "${#body}" "$body" >&3
  cat <&3
  exec 3>&-
}
code() { call "$@" | tr -d '\r\n ' | sed 's/.*"otp":"\([0-9]*\)".*/\1/'; }
"#;

fn judged(flags: &[&str], script: &str) -> Output {
    let script = format!("{CALLER}\n{script}");
    let arguments = [&["judge"][..], flags, &["--", "bash", "-c", &script]].concat();
    run(&arguments)
}

#[test]
fn the_exit_code_of_judge_is_the_verdict() {
    let plain = ["--plain"];
    let pass = judged(&plain, "call +46701740605");
    assert_eq!(pass.status.code(), Some(0), "{}", text(&pass.stderr));
    assert!(
        text(&pass.stdout).contains("callotp-verdict: pass"),
        "the command's own output"
    );
    let fail = judged(&plain, "call +46701740605 POST");
    assert_eq!(fail.status.code(), Some(1));
    assert!(
        text(&fail.stderr).contains("caller.put"),
        "{}",
        text(&fail.stderr)
    );
    assert_eq!(judged(&plain, "true").status.code(), Some(3));
    let nothing = run(&["judge", "--", "no-such-command-anywhere"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(run(&["judge"]).status.code(), Some(2));
    let directory = judged(&plain, "test -n \"$CALLOTP_LDAP_URL\" && call +46701740605");
    assert_eq!(directory.status.code(), Some(0));
}

#[test]
fn judge_hears_what_the_command_speaks() {
    let plain = ["--plain"];
    let right = judged(&plain, "code +46701740606");
    assert_eq!(right.status.code(), Some(0), "{}", text(&right.stderr));
    let lost = judged(&plain, "code +46701740606 | sed 's/^0*//'; echo");
    assert_eq!(lost.status.code(), Some(1));
    assert!(
        text(&lost.stderr).contains("caller.speaks-digits"),
        "{}",
        text(&lost.stderr)
    );
    let decoy = judged(&plain, "code +46701740611; echo");
    assert_eq!(decoy.status.code(), Some(1));
    assert!(
        text(&decoy.stderr).contains("caller.checks-status"),
        "{}",
        text(&decoy.stderr)
    );
    let silent = judged(
        &plain,
        "call +46701740611 > /dev/null; echo refused; echo 403",
    );
    assert_eq!(silent.status.code(), Some(0), "{}", text(&silent.stderr));
}

#[test]
fn judge_holds_the_command_to_what_the_scenario_expects() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.toml");
    let scenario = "[tenant.acme]\n[expect]\ncalls = { number = \"+46701740605\", exactly = 1, within = \"10s\" }\n";
    std::fs::write(&path, scenario).expect("written");
    let path = path.to_str().expect("a path");
    let once = judged(&[path, "--plain"], "call +46701740605");
    assert_eq!(once.status.code(), Some(0), "{}", text(&once.stderr));
    let twice = judged(&[path, "--plain"], "call +46701740605; call +46701740605");
    assert_eq!(twice.status.code(), Some(1));
    let says = text(&twice.stderr);
    assert!(says.contains("exactly 1 calls from +46701740605"), "{says}");
}
