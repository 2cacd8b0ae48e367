//! The program itself: exit codes, files, and what it says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use callotp_conformance::peers::{Defect, Manner, Peer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_callotp-conformance");

/// A folder of a test's own, and a peer that runs on a thread of its own.
struct Stage {
    folder: tempfile::TempDir,
    url: String,
    _runtime: tokio::runtime::Runtime,
    _peer: Peer,
}

impl Stage {
    fn new(defect: Option<Defect>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let peer = runtime
            .block_on(Peer::start(Manner::default(), defect))
            .expect("a peer");
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            url: peer.url(),
            _runtime: runtime,
            _peer: peer,
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// A target file; `more` is added to its head.
    fn target(&self, more: &str) -> PathBuf {
        self.write("password", "opensesame\n");
        self.write(
            "target.toml",
            &format!(
                "url = \"{}\"\ntenant = \"t1\"\nauth = {{ basic = {{ username = \"pbx\", password = \"file:password\" }} }}\n{more}\n[numbers]\nknown = \"+46701740605\"\n",
                self.url
            ),
        )
    }

    fn run(&self, more: &[&str]) -> Output {
        let target = self.target("");
        self.call(&[&["run", path(&target), "--rate", "0"], more].concat())
    }

    fn call(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .output()
            .expect("the program starts")
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[track_caller]
fn exits(output: &Output, code: i32) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn a_conformant_target_exits_0_and_a_broken_one_1() {
    exits(&Stage::new(None).run(&["--quiet"]), 0);
    let said = exits(&Stage::new(Some(Defect::DefaultTenant)).run(&[]), 1);
    assert!(
        said.contains("tenant.required") && said.contains("- tenant: t1"),
        "{said}"
    );
}

#[test]
fn one_line_works_without_a_file() {
    let stage = Stage::new(None);
    stage.write("password", "opensesame");
    let arguments = [
        "run",
        "--url",
        &stage.url,
        "--tenant",
        "t1",
        "--phone",
        "+46701740605",
        "--basic",
        "pbx:file:password",
        "--rate",
        "0",
        "--only",
        "golden,tenant",
    ];
    exits(&stage.call(&arguments), 0);
}

#[test]
fn wrong_flags_and_files_exit_2_with_the_place_named() {
    let stage = Stage::new(None);
    let target = stage.target("");
    let broken = stage.write("broken.toml", "url = \"http://x\"\ntennant = \"t1\"\n");
    let waivers = stage.write("waivers.toml", "[[waiver]]\nclause = \"golden.ok\"\n");
    let target = path(&target);
    for (arguments, named) in [
        (vec!["run", "--no-such-flag"], "--no-such-flag"),
        (vec!["run", target, "--profile", "deep"], "deep"),
        (vec!["run", target, "--rate", "fast"], "fast"),
        (vec!["run", target, "--report", "pdf=x"], "pdf"),
        (
            vec!["run", target, "--report", "json=/no/such/folder/r.json"],
            "/no/such/folder",
        ),
        (
            vec!["run", target, "--waivers", path(&waivers)],
            "waivers.toml",
        ),
        (vec!["run", target, "--waivers", "none.toml"], "none.toml"),
        (vec!["run", target, "--only", "golden,typo"], "typo"),
        (
            vec!["run", target, "--basic", "pbx:opensesame"],
            "auth.basic.password",
        ),
        (
            vec!["run", target, "--bearer", "env:CALLOTP_NOT_SET"],
            "CALLOTP_NOT_SET",
        ),
        (vec!["run", target, "--bearer", "file:none"], "none"),
        (vec!["run", path(&broken)], "line 2"),
        (vec!["run", "none.toml"], "none.toml"),
        (
            vec![
                "run",
                "ftp://x",
                "--tenant",
                "t1",
                "--phone",
                "+46701740605",
            ],
            "ftp",
        ),
        (vec!["run", &stage.url, "--phone", "+46701740605"], "tenant"),
        (vec!["run", &stage.url, "--tenant", "t1"], "--phone"),
        (vec!["explain", "tenant.requird"], "tenant.required"),
        (vec!["diff", "none.json", "none.json"], "none.json"),
        (vec!["frobnicate"], "frobnicate"),
    ] {
        let output = stage.call(&arguments);
        let said = exits(&output, 2);
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(!said.contains("opensesame"), "{arguments:?}: {said}");
    }
}

#[test]
fn no_verdict_exits_3_and_says_what_to_change() {
    let stage = Stage::new(None);
    let closed = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.local_addr().expect("an address").port()
    };
    stage.write("wrong", "wrong");
    for (more, named) in [
        (
            vec!["--url".to_owned(), format!("http://127.0.0.1:{closed}")],
            "port",
        ),
        (
            vec!["--url".to_owned(), "http://no-such-host.invalid".to_owned()],
            "address",
        ),
        (
            vec!["--url".to_owned(), stage.url.replace("http:", "https:")],
            "http://",
        ),
        (vec!["--tenant".to_owned(), "nobody".to_owned()], "tenant"),
        (
            vec!["--basic".to_owned(), "pbx:file:wrong".to_owned()],
            "credentials",
        ),
        (
            vec!["--phone".to_owned(), "+46701740677".to_owned()],
            "number",
        ),
        (
            vec!["--url".to_owned(), format!("{}/wrong", stage.url)],
            "golden",
        ),
        (
            vec!["--only".to_owned(), "no.such".to_owned()],
            "nothing was selected",
        ),
        (
            vec!["--only".to_owned(), "auth.wrong".to_owned()],
            "no must was judged",
        ),
        (vec!["--max-otp".to_owned(), "3".to_owned()], "untested"),
    ] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let said = exits(&stage.run(&more), 3);
        assert!(said.contains(named), "{more:?}: {said}");
    }
    exits(&Stage::new(Some(Defect::RefusesEverything)).run(&[]), 3);
    exits(&Stage::new(Some(Defect::ThrottlesAfterThree)).run(&[]), 3);
}

#[test]
fn a_production_target_is_not_touched_without_consent_or_budget() {
    let stage = Stage::new(None);
    let target = stage.target("production = true");
    let run = |more: &[&str]| stage.call(&[&["run", path(&target)], more].concat());
    exits(&run(&["--only", "auth.wrong"]), 4);
    exits(
        &run(&["--profile", "hardened", "--only", "number.injection"]),
        4,
    );
    exits(&run(&["--max-otp", "3"]), 4);
    exits(&run(&["--max-otp", "3", "--dry-run"]), 4);
    let said = exits(&run(&["--only", "golden.ok", "--report", "json=r.json"]), 0);
    assert!(said.contains("golden.ok"), "{said}");
}

#[test]
fn a_dry_run_says_what_it_would_cost_and_sends_nothing() {
    let stage = Stage::new(None);
    let target = stage.target("");
    // Nobody listens there: a request would be noticed.
    let arguments = [
        "run",
        path(&target),
        "--url",
        "http://127.0.0.1:9",
        "--dry-run",
    ];
    let said = exits(&stage.call(&arguments), 0);
    assert!(
        said.contains("OTPs would be issued") && said.contains("Nothing was sent"),
        "{said}"
    );
}

#[test]
fn every_report_is_written_and_none_is_left_half() {
    let stage = Stage::new(None);
    let reports = ["json", "junit", "html", "md", "ndjson"];
    let flags: Vec<String> = reports
        .iter()
        .map(|kind| format!("--report={kind}=r.{kind}"))
        .collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    exits(&stage.run(&flags), 0);
    let read =
        |kind: &str| fs::read_to_string(stage.folder.path().join(format!("r.{kind}"))).expect(kind);
    let json: serde_json::Value = serde_json::from_str(&read("json")).expect("JSON");
    assert_eq!(json["summary"]["exit"], 0);
    assert!(read("junit").starts_with("<?xml") && read("html").starts_with("<!doctype html>"));
    assert!(read("md").starts_with("## "));
    let lines: Vec<serde_json::Value> = read("ndjson")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let last = lines.last().expect("a summary");
    assert_eq!(last["type"], "summary");
    assert_eq!(
        lines.len() - 1,
        json["clauses"].as_array().expect("clauses").len()
    );
    let files = fs::read_dir(stage.folder.path()).expect("the folder");
    assert!(
        files
            .flatten()
            .all(|file| !file.file_name().to_string_lossy().ends_with(".part"))
    );
}

#[test]
fn a_report_on_the_standard_output_stands_there_alone() {
    let output = Stage::new(None).run(&["--report", "json=-", "--only", "golden"]);
    exits(&output, 0);
    serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON and nothing else");
}

#[test]
fn a_waiver_excuses_its_failure_and_a_stale_one_fails_the_run() {
    let stage = Stage::new(Some(Defect::DefaultTenant));
    let waiver = |clause: &str, until: &str| {
        stage.write(
            "waivers.toml",
            &format!("[[waiver]]\nclause = \"{clause}\"\nverdict = \"fail\"\ngot = \"200\"\nreason = \"until the upgrade\"\nuntil = \"{until}\"\n"),
        );
    };
    waiver("tenant.required", "2099-01-01");
    let said = exits(&stage.run(&["--waivers", "waivers.toml"]), 0);
    assert!(said.contains("until the upgrade"), "{said}");
    waiver("tenant.required", "2020-01-01");
    let said = exits(&stage.run(&["--waivers", "waivers.toml"]), 1);
    assert!(said.contains("ended on 2020-01-01"), "{said}");
    waiver("tenant.empty", "2099-01-01");
    let said = exits(
        &stage.run(&["--waivers", "waivers.toml", "--skip", "tenant.required"]),
        1,
    );
    assert!(said.contains("no longer applies"), "{said}");
}

#[test]
fn an_interrupted_run_leaves_whole_reports() {
    let stage = Stage::new(None);
    let target = stage.target("");
    let mut child = Command::new(PROGRAM)
        .args([
            "run",
            path(&target),
            "--rate",
            "2/s",
            "--report",
            "json=r.json",
            "--report",
            "ndjson=r.ndjson",
        ])
        .current_dir(stage.folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    // As soon as one clause is judged, the run is under way.
    let lines = stage.folder.path().join("r.ndjson");
    while fs::read_to_string(&lines).map_or(true, |text| text.is_empty()) {
        std::thread::yield_now();
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(kill.success());
    assert_eq!(child.wait().expect("an end").code(), Some(3));
    let text = fs::read_to_string(stage.folder.path().join("r.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(report["summary"]["pass"].as_u64() > Some(0));
    assert!(report["summary"]["untested"].as_u64() > Some(0));
}

#[test]
fn the_catalogue_is_listed_and_explained() {
    let stage = Stage::new(None);
    let said = stage.call(&["list", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let list = list.as_array().expect("an array");
    for entry in list {
        for member in ["id", "level", "profile", "side", "says"] {
            assert!(entry[member].is_string(), "{entry}");
        }
        let id = entry["id"].as_str().expect("an id");
        assert!(exits(&stage.call(&["explain", id]), 0).contains(id));
    }
    assert!(list.iter().any(|entry| entry["side"] == "caller"));
    assert!(exits(&stage.call(&["list"]), 0).contains("tenant.required"));
}

#[test]
fn a_clause_is_replayed_and_two_reports_are_compared() {
    let broken = Stage::new(Some(Defect::DefaultTenant));
    exits(&broken.run(&["--report", "json=r.json"]), 1);
    let said = exits(
        &broken.call(&["replay", "r.json", "tenant.required", "--rate", "0"]),
        1,
    );
    assert!(said.contains("then ✗ fail: 200 with an OTP"), "{said}");
    assert!(said.contains("now  ✗ fail: 200 with an OTP"), "{said}");

    let sound = Stage::new(None);
    exits(&sound.run(&["--report", "json=r.json"]), 0);
    let other = sound.folder.path().join("r.json");
    let said = exits(&broken.call(&["diff", "r.json", path(&other)]), 1);
    assert!(said.contains("tenant.required"), "{said}");
    exits(&broken.call(&["diff", "r.json", "r.json"]), 0);
}

#[test]
fn init_writes_a_target_file_once() {
    let stage = Stage::new(None);
    exits(&stage.call(&["init", "new.toml"]), 0);
    exits(&stage.call(&["init", "new.toml"]), 1);
    assert!(
        fs::read_to_string(stage.folder.path().join("new.toml"))
            .expect("a file")
            .contains("[numbers]")
    );
}

#[test]
fn preflight_alone_has_its_own_exit_code() {
    let stage = Stage::new(None);
    let target = stage.target("");
    exits(&stage.call(&["preflight", path(&target)]), 0);
    exits(
        &stage.call(&["preflight", path(&target), "--tenant", "nobody"]),
        3,
    );
}

#[test]
fn colour_comes_only_when_it_is_asked_for_and_never_alone() {
    let stage = Stage::new(None);
    let plain = exits(&stage.run(&["--only", "golden"]), 0);
    assert!(!plain.contains('\u{1b}') && plain.contains("✓") && plain.contains("pass"));
    assert!(exits(&stage.run(&["--only", "golden", "--color", "always"]), 0).contains('\u{1b}'));
}
