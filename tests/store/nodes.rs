//! The same laws on the running program: what a caller has heard works at the login, once,
//! on whichever node, after a crash too.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{crash::scatter, server::Server};
use crate::stage::{self, BASIC};

const PEOPLE: usize = 40;

/// A folder with people, a key and a configuration whose `[store]` has these lines.
fn folder(store: &str) -> TempDir {
    folder_with_admin(0, store)
}

/// The same, with the private listener on this port.
fn folder_with_admin(admin: u16, store: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut people = "version: 1\n".to_owned();
    for person in 0..PEOPLE {
        write!(
            people,
            "\ndn: uid={name},dc=example,dc=org\nobjectClass: person\nuid: {name}\n\
             entryUUID: {name}\nmobile: {number}\nuserPassword: secret of {name}\n",
            name = name(person),
            number = number(person),
        )
        .expect("text");
    }
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:{admin}\"\n\
         [store]\nkey_file = \"callotp.key\"\n{store}\n{}",
        stage::tenant("t1", "people.ldif")
    );
    let write = |name: &str, content: &str| {
        fs::write(folder.path().join(name), content).expect("written");
    };
    write("people.ldif", &people);
    write("callotp.key", &"5a".repeat(32));
    write("callotp.toml", &config);
    folder
}

fn name(person: usize) -> String {
    format!("person{person:02}")
}

/// Of the numbers that Sweden keeps for fiction.
fn number(person: usize) -> String {
    format!("+467017406{:02}", 5 + person)
}

/// A serving program; killed when it is dropped.
struct Node {
    process: Child,
    address: String,
    http: reqwest::Client,
}

impl Node {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_callotp"))
            .args(["serve", "--config"])
            .arg(folder.join("callotp.toml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a started program");
        let mut line = String::new();
        let mut out = BufReader::new(process.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("a readiness line");
        Self {
            process,
            address: ready["listening"].as_str().expect("an address").to_owned(),
            http: reqwest::Client::new(),
        }
    }

    /// The status and the body; nothing if the program is gone.
    async fn ask(&self, operation: &str, body: Value) -> Option<(u16, Value)> {
        let url = format!("http://{}/api/authentication/{operation}", self.address);
        let request = self
            .http
            .put(url)
            .header("tenant", "t1")
            .header("content-type", "application/json")
            .header("authorization", BASIC)
            .body(body.to_string());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&body).ok()?))
    }

    /// The OTP that the caller hears.
    async fn call(&self, person: usize) -> Option<String> {
        let asked = self.ask("getOTP", json!({ "phonenumber": number(person) }));
        let (status, body) = asked.await?;
        assert_eq!(status, 200, "{body}");
        Some(body["otp"].as_str().expect("an OTP").to_owned())
    }

    /// The status of a login.
    async fn log_in(&self, person: usize, otp: &str) -> Option<u16> {
        let name = name(person);
        let password = format!("secret of {name}");
        let body = json!({ "username": name, "password": password, "otp": otp });
        Some(self.ask("validate", body).await?.0)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Not the one that it is.
fn another(otp: &str) -> String {
    let last = if otp.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &otp[..otp.len() - 1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_logins_at_once_over_two_nodes_one_succeeds() {
    let server = Server::start(&[]);
    let folder = folder(&format!("kind = \"redis\"\nurl = \"{}\"", server.url()));
    let nodes = Arc::new([Node::start(folder.path()), Node::start(folder.path())]);
    for race in 0..PEOPLE {
        let otp = nodes[race % 2].call(race).await.expect("an OTP");
        let logins = (0..16).map(|login| {
            let (nodes, otp) = (nodes.clone(), otp.clone());
            tokio::spawn(async move { nodes[login % 2].log_in(race, &otp).await })
        });
        let mut statuses = Vec::new();
        for login in logins.collect::<Vec<_>>() {
            statuses.push(login.await.expect("no panic").expect("an answer"));
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200, "{statuses:?}");
        assert_eq!(statuses[1..], [403; 15], "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_counted_over_all_nodes() {
    let server = Server::start(&[]);
    let folder = folder(&format!("kind = \"redis\"\nurl = \"{}\"", server.url()));
    let nodes = [Node::start(folder.path()), Node::start(folder.path())];
    // Five failures lock, three of them on one OTP burn it.
    for failure in 0..5 {
        let otp = nodes[failure % 2].call(0).await.expect("an OTP");
        let wrong = nodes[1 - failure % 2].log_in(0, &another(&otp)).await;
        assert_eq!(wrong, Some(403));
    }
    for node in &nodes {
        let body = json!({ "phonenumber": number(0) });
        let (status, _) = node.ask("getOTP", body).await.expect("an answer");
        assert_eq!(status, 403, "locked");
    }
}

/// What is known of a person's OTP when the program has been killed.
#[derive(Debug)]
enum Known {
    /// Heard, and not used.
    Live(String),
    /// Used, or never heard of.
    Gone(String),
    /// A call or a login was under way.
    Unknown(String),
}

/// Calls and logs in until the program is gone.
async fn live_on(node: Arc<Node>, person: usize, round: u64) -> Known {
    let mut last = String::from("000000");
    for n in 0.. {
        let Some(otp) = node.call(person).await else {
            return Known::Unknown(last);
        };
        last = otp;
        if scatter(round * 7919 + person as u64 * 104_729 + n).is_multiple_of(4) {
            // Some keep it for later.
            return Known::Live(last);
        }
        match node.log_in(person, &last).await {
            Some(status) => assert_eq!(status, 200),
            None => return Known::Unknown(last),
        }
        if scatter(round * 31 + person as u64 * 17 + n).is_multiple_of(2) {
            return Known::Gone(last);
        }
    }
    unreachable!("the program is killed some day")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_heard_before_kill_9_logs_in_once_after_it_and_what_was_used_does_not() {
    let folder = folder("kind = \"embedded\"\npath = \"callotp.redb\"");
    let (mut live, mut gone) = (0, 0);
    let mut node = Arc::new(Node::start(folder.path()));
    for round in 0..12 {
        let people = (0..PEOPLE).map(|person| tokio::spawn(live_on(node.clone(), person, round)));
        let people: Vec<_> = people.collect();
        tokio::time::sleep(Duration::from_millis(40 + scatter(round) % 100)).await;
        let pid = node.process.id().to_string();
        let killed = Command::new("kill").args(["-9", &pid]).status();
        assert!(killed.expect("kill").success());
        let mut known = Vec::new();
        for person in people {
            known.push(person.await.expect("no panic"));
        }
        node = Arc::new(Node::start(folder.path()));
        for (person, known) in known.iter().enumerate() {
            let once = |otp| node.log_in(person, otp);
            match known {
                Known::Live(otp) => {
                    assert_eq!(once(otp).await, Some(200), "round {round}: {known:?}");
                    live += 1;
                    assert_eq!(once(otp).await, Some(403), "round {round}: {known:?}");
                }
                Known::Gone(otp) => {
                    assert_eq!(once(otp).await, Some(403), "round {round}: {known:?}");
                    gone += 1;
                }
                // It may have been used, or replaced by one that nobody heard, in which
                // case this is a failure; whatever it was, it does not work twice.
                Known::Unknown(otp) => {
                    once(otp).await;
                    assert_eq!(once(otp).await, Some(403), "round {round}: {known:?}");
                }
            }
            // Nobody is locked out by what the rounds before have cost.
            let otp = node.call(person).await.expect("an OTP");
            assert_eq!(once(&otp).await, Some(200), "round {round}: {known:?}");
        }
    }
    assert!(live > 20 && gone > 20, "{live} live, {gone} used");
}

#[test]
fn a_second_program_on_one_file_says_so() {
    let folder = folder("kind = \"embedded\"\npath = \"callotp.redb\"");
    let first = Node::start(folder.path());
    let second = Command::new(env!("CARGO_BIN_EXE_callotp"))
        .args(["serve", "--config"])
        .arg(folder.path().join("callotp.toml"))
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("a program that ends");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another process has it open"), "{said}");
    drop(first);
}

/// Runs `callotp locks` in `folder`: what it says, and its exit code.
fn locks(folder: &Path, action: &[&str], input: &str) -> (String, Option<i32>) {
    let text = folder.join("standard-input");
    fs::write(&text, input).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_callotp"))
        .args(["locks", "--config"])
        .arg(folder.join("callotp.toml"))
        .args(action)
        .env_clear()
        .stdin(fs::File::open(&text).expect("readable"))
        .output()
        .expect("a program that ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    (said, output.status.code())
}

async fn lock_out(node: &Node, person: usize) {
    for _ in 0..5 {
        let otp = node.call(person).await.expect("an OTP");
        assert_eq!(node.log_in(person, &another(&otp)).await, Some(403));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_are_listed_ended_and_moved_from_a_file_to_redis() {
    let admin = super::server::free_port();
    let file = folder_with_admin(admin, "kind = \"embedded\"\npath = \"callotp.redb\"");
    let file = file.path();
    let node = Node::start(file);
    assert_eq!(
        locks(file, &[], ""),
        ("nobody is locked\n".to_owned(), Some(0))
    );
    lock_out(&node, 3).await;
    lock_out(&node, 4).await;

    // While the server runs, it is asked.
    let (listed, code) = locks(file, &["list"], "");
    assert_eq!((listed.lines().count(), code), (2, Some(0)), "{listed}");
    assert!(listed.contains("t1\tperson03\t20"), "{listed}");
    let unlocked = locks(file, &["unlock", "PERSON03"], "");
    assert_eq!(unlocked, ("PERSON03: 1 unlocked\n".to_owned(), Some(0)));
    let otp = node.call(3).await.expect("an OTP");
    assert_eq!(node.log_in(3, &otp).await, Some(200));
    let again = locks(file, &["unlock", "person03"], "");
    assert_eq!(again, ("person03 is not locked\n".to_owned(), Some(1)));
    let (exported, _) = locks(file, &["export"], "");
    let taken = |locked| (format!("{locked} locked that were not\n"), Some(0));
    assert_eq!(locks(file, &["import"], &exported), taken(0));

    // And when it does not, its file.
    drop(node);
    assert_eq!(locks(file, &["export"], ""), (exported.clone(), Some(0)));
    assert_eq!(locks(file, &["unlock", "person04"], "").1, Some(0));
    assert_eq!(locks(file, &["import"], &exported), taken(1));

    let server = Server::start(&[]);
    let redis = folder(&format!("kind = \"redis\"\nurl = \"{}\"", server.url()));
    let redis = redis.path();
    assert_eq!(locks(redis, &["import"], &exported), taken(1));
    let node = Node::start(redis);
    let body = json!({ "phonenumber": number(4) });
    let (status, _) = node.ask("getOTP", body).await.expect("an answer");
    assert_eq!(status, 403, "locked here too");
    assert_eq!(locks(redis, &["unlock", "person04"], "").1, Some(0));
    assert!(node.call(4).await.is_some());

    let (refused, code) = locks(redis, &["import"], "{}");
    assert_eq!(code, Some(1));
    assert!(refused.contains("line 1"), "{refused}");
}
