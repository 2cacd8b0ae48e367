//! The server in a world of random people, calls and faults, with time moved by hand.
//!
//! A law is held against a plain model: who has which number, which OTPs are live, who is
//! locked. One server and one directory live through all cases of a law; a day passes between
//! two cases, so that nothing of the one is left in the other. A case that fails shrinks, and
//! is kept in `world.regressions` beside this file.

use std::{cell::RefCell, time::Duration};

use callotp::clock::{Clock as _, Timestamp};
use callotp_mock::{
    ldap::{Directory, DirectoryFault, Effect, Flavour, Operation, Strikes, fault::result_named},
    people::{
        Fiction, Spelling, Status,
        strategy::{self, Event, Inhabitant},
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use crate::stage::{Answer, HASH, Stage};

/// Cases per law and flavour.
const CASES: u32 = 100;

const LIFETIME: Duration = Duration::from_secs(5 * 60);
const ATTEMPTS: u32 = 3;
const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(30 * 60);
const LOCKED_FOR: Duration = Duration::from_secs(60 * 60);

const FLAVOURS: [Flavour; 2] = [Flavour::OpenLdap, Flavour::Ad];

/// Who lives in the world of one case, and what happens in it.
#[derive(Clone, Debug)]
struct Case {
    people: Vec<Inhabitant>,
    events: Vec<Event>,
}

fn case(event: impl Strategy<Value = Event>) -> impl Strategy<Value = Case> {
    let events = vec(event, 0..24);
    (inhabitants(5), events).prop_map(|(people, events)| Case { people, events })
}

/// People whose shared numbers are written in ways that a look-up by search asks for. In other
/// ways it finds a number only if nobody has it in these, so that it may take the first of two
/// owners for the only one; a look-up by index sees them all.
fn inhabitants(most: usize) -> impl Strategy<Value = Vec<Inhabitant>> {
    strategy::inhabitants(most).prop_map(|mut people| {
        let all: Vec<Fiction> = people.iter().flat_map(|one| one.numbers.clone()).collect();
        let is_shared = |number| all.iter().filter(|other| **other == number).count() > 1;
        for Inhabitant { person, numbers } in &mut people {
            for (text, number) in person.numbers.iter_mut().zip(numbers) {
                if is_shared(*number) {
                    *text = number.spelt(Spelling::National);
                }
            }
        }
        people
    })
}

fn without_faults() -> impl Strategy<Value = Event> {
    strategy::event().prop_filter("no fault", |event| !matches!(event, Event::Directory(_)))
}

/// Faults that have to be told as outages, or overlooked; most of them meet a login that has
/// come as far as its password. A search that the directory says it cannot do is none: the
/// server then leaves searches for unusual spellings out for a while, and takes a number that
/// is written in one for nobody's.
fn with_outages() -> impl Strategy<Value = Event> {
    let outages = ["busy", "unavailable"];
    let results = outages
        .iter()
        .filter_map(|name| result_named(name))
        .map(Effect::Result);
    let effects = results
        .chain([Effect::Reset, Effect::AnsweredTwice])
        .collect::<Vec<_>>();
    let operation = select(vec![
        Operation::Bind,
        Operation::Bind,
        Operation::Search,
        Operation::Any,
    ]);
    let strikes = prop_oneof![
        3 => Just(Strikes::Always),
        1 => (1_u64..4).prop_map(|nth| Strikes::Nth(nth..=nth)),
        1 => (0.1..=0.9).prop_map(Strikes::Probability),
    ];
    let fault = (operation, strikes, select(effects)).prop_map(|(operation, strikes, effect)| {
        DirectoryFault {
            operation,
            strikes,
            effect,
        }
    });
    prop_oneof![
        12 => without_faults(),
        3 => fault.prop_map(|fault| Event::Directory(Some(fault))),
        1 => Just(Event::Directory(None)),
    ]
}

#[test]
fn an_otp_reaches_its_user_alone_and_lets_that_user_in_once_in_time_with_the_password() {
    for flavour in FLAVOURS {
        hold(flavour, "", &case(without_faults()), async |world, case| {
            for event in &case.events {
                world.happens(event).await?;
            }
            Ok(())
        });
    }
}

#[test]
fn no_fault_counts_as_a_failure_or_lets_anybody_in() {
    for flavour in FLAVOURS {
        hold(
            flavour,
            "refusals = \"http\"",
            &case(with_outages()),
            async |world, case| {
                for event in &case.events {
                    world.happens(event).await?;
                }
                world.convalesces().await;
                world.counts_alike().await?;
                world.stage.clock.advance(LOCKED_FOR);
                world.serves_everybody().await
            },
        );
    }
}

#[test]
fn no_sequence_of_calls_makes_more_guesses_possible_than_the_limits_say() {
    // The worst case: the guesser knows the password, and somebody calls in all the time.
    let event = prop_oneof![
        (strategy::number(), strategy::spelling())
            .prop_map(|(number, spelling)| Event::Call { number, spelling }),
        (0_u8..3, 0_u32..1_000_000).prop_map(|(who, otp)| Event::Guess { who, otp }),
        (1_u64..20).prop_map(|seconds| Event::Wait(Duration::from_secs(seconds))),
    ];
    let crowded =
        (inhabitants(3), vec(event, 20..60)).prop_map(|(people, events)| Case { people, events });
    hold(Flavour::OpenLdap, "", &crowded, async |world, case| {
        let before = world.asked;
        for event in &case.events {
            world.happens(event).await?;
        }
        // All of it fits into one window, so nobody's OTPs were compared with more wrong codes.
        let log = world.logged(world.asked).await;
        for at in 0..case.people.len() {
            let user = format!("\"u{at}\"");
            let lines = log.lines().skip(before).filter(|line| line.contains(&user));
            let compared = lines.filter(|line| line.contains("otp_wrong")).count();
            prop_assert!(compared <= FAILURES, "u{at}: {compared} guesses");
            let counted = world.guesses_compared[at];
            prop_assert_eq!(compared, counted, "u{}", at);
        }
        Ok(())
    });
}

#[test]
fn of_many_who_log_in_at_once_with_one_otp_exactly_one_gets_in() {
    let at_once =
        (inhabitants(2), 2_usize..8).prop_filter("somebody has a number", |(people, _)| {
            people[0].person.status == Status::Active
                && people[0]
                    .numbers
                    .iter()
                    .any(|number| owner(people, *number) == Some(0))
        });
    for flavour in FLAVOURS {
        hold_any(
            flavour,
            "",
            &at_once,
            |(people, _)| people,
            async |world, (people, many)| {
                let mine = people[0]
                    .numbers
                    .iter()
                    .find(|number| owner(people, **number) == Some(0));
                let number = mine.expect("filtered for").e164();
                let otp = world.stage.otp(&number).await;
                let one = || world.stage.validate("u0", &people[0].person.password, &otp);
                let answers = futures_util::future::join_all((0..*many).map(|_| one())).await;
                let let_in = answers.iter().filter(|answer| answer.status == 200).count();
                prop_assert_eq!(let_in, 1);
                prop_assert!(
                    answers
                        .iter()
                        .all(|answer| matches!(answer.status, 200 | 403))
                );
                Ok(())
            },
        );
    }
}

#[test]
fn every_answer_is_one_the_contract_allows_and_in_time() {
    let fault = proptest::option::of(prop_oneof![
        9 => strategy::prompt_fault(),
        1 => Just(DirectoryFault::nth(Operation::Any, 1, Effect::Silent)),
        1 => Just(DirectoryFault::nth(Operation::Search, 1, Effect::Silent)),
    ]);
    let text = prop_oneof![
        (strategy::number(), strategy::spelling()).prop_map(|(number, how)| number.spelt(how)),
        "\\PC{0,30}",
        "[*()\\\\+0-9a-f\u{0}]{0,12}",
    ];
    let question = (any::<bool>(), text, fault);
    let case = (inhabitants(4), vec(question, 1..8));
    for flavour in FLAVOURS {
        let quick = "request_timeout = \"400ms\"";
        hold_any(
            flavour,
            quick,
            &case,
            |(people, _)| people,
            async |world, (_, questions)| {
                for &(calls, ref text, ref fault) in questions {
                    world.directory.set_faults(fault.clone());
                    let asked = tokio::time::Instant::now();
                    let answer = match calls {
                        true => world.stage.get_otp(text).await,
                        false => world.stage.validate(text, text, "000000").await,
                    };
                    prop_assert!(asked.elapsed() < Duration::from_secs(3), "{answer:?}");
                    allowed(calls, &answer)?;
                }
                Ok(())
            },
        );
    }
}

/// The documented refusals: 403 for a call whatever the reason; an outage may show in a login.
fn allowed(calls: bool, answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        answer.header("cache-control"),
        Some("no-store"),
        "{:?}",
        answer
    );
    match answer.status {
        200 if calls => {
            let otp = answer.otp().unwrap_or_default();
            let shaped = otp.len() == 6 && otp.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert!(shaped, "{answer:?}");
        }
        403 => {}
        503 if !calls => {}
        _ => prop_assert!(false, "{answer:?}"),
    }
    prop_assert!(answer.status == 200 || answer.otp().is_none(), "{answer:?}");
    let refused = answer.status != 200;
    let problem = answer.header("content-type") == Some("application/problem+json");
    prop_assert_eq!(refused, problem, "{:?}", answer);
    Ok(())
}

/// Holds a law for every case of a strategy.
fn hold(
    flavour: Flavour,
    server: &str,
    cases: &impl Strategy<Value = Case>,
    law: impl AsyncFn(&mut World, &Case) -> Result<(), TestCaseError>,
) {
    hold_any(flavour, server, cases, |case| &case.people, law);
}

fn hold_any<C: std::fmt::Debug>(
    flavour: Flavour,
    server: &str,
    cases: &impl Strategy<Value = C>,
    people: impl Fn(&C) -> &Vec<Inhabitant>,
    law: impl AsyncFn(&mut World, &C) -> Result<(), TestCaseError>,
) {
    let runtime = Runtime::new().expect("a runtime");
    let world = RefCell::new(runtime.block_on(World::new(flavour, server)));
    let config = Config {
        cases: CASES,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(cases, |case| {
        let mut world = world.borrow_mut();
        runtime.block_on(async {
            world.dawns(people(&case)).await;
            law(&mut world, &case).await
        })
    });
    if let Err(error) = outcome {
        let log = world.borrow().stage.log();
        let tail: Vec<&str> = log.lines().rev().take(6).collect();
        panic!(
            "{flavour:?}: {error}\nlogged, the latest first:\n{}",
            tail.join("\n")
        );
    }
}

/// A server, its directory, and what has to be true of them.
struct World {
    directory: Directory,
    stage: Stage,
    people: Vec<Inhabitant>,
    /// The OTPs heard today, the latest last.
    heard: Vec<Heard>,
    records: Vec<Standing>,
    guesses_compared: Vec<usize>,
    /// A fault has been set today; outages may outlast it.
    ill: bool,
    /// Requests made since the first day.
    asked: usize,
}

/// An OTP that was heard.
#[derive(Clone, Debug)]
struct Heard {
    whose: usize,
    otp: String,
    at: Timestamp,
    wrong: u32,
    gone: bool,
}

/// How a user stands.
#[derive(Clone, Debug, Default)]
struct Standing {
    failures: Vec<Timestamp>,
    locked_at: Option<Timestamp>,
}

impl World {
    async fn new(flavour: Flavour, server: &str) -> Self {
        let suffix = "dc=lab,dc=test";
        let directory = Directory::builder()
            .flavour(flavour)
            .suffix(suffix)
            .service("callotp", "service secret")
            .anonymous_search(false)
            .start()
            .await
            .expect("a free port on loopback");
        let (service, filter, name, id, phones) = match flavour {
            Flavour::OpenLdap => (
                "cn=callotp,dc=lab,dc=test",
                "(&(objectClass=inetOrgPerson)(!(pwdAccountLockedTime=*)))",
                "uid",
                "entryUUID",
                "\"mobile\", \"telephoneNumber\", \"otherMobile\"",
            ),
            Flavour::Ad => (
                "callotp@lab.test",
                "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
                "sAMAccountName",
                "objectGUID",
                "\"mobile\", \"telephoneNumber\", \"otherMobile\"",
            ),
        };
        let (url, base) = (directory.url(), directory.people_base());
        let toml = format!(
            r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
{server}
[store]
kind = "memory"
[[tenant]]
id = "t1"
display_name = "Tenant 1"
operations = ["getOTP", "validate"]
[tenant.otp]
digits = 6
lifetime = "5m"
attempts = {ATTEMPTS}
[tenant.lockout]
failures = {FAILURES}
window = "30m"
duration = "60m"
[tenant.throttle]
mean_interval = "1ms"
[tenant.phone]
region = "SE"
[tenant.directory]
kind = "ldap"
urls = ["{url}"]
bind_dn = "{service}"
bind_password_file = "service.password"
base = "{base}"
user_filter = "{filter}"
username_attribute = "{name}"
user_id_attribute = "{id}"
phone_attributes = [{phones}]
[[tenant.client]]
name = "pbx"
operations = ["getOTP", "validate"]
basic = {{ username = "pbx", password_hash = "{HASH}" }}
"#
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let password = folder.path().join("service.password");
        std::fs::write(&password, "service secret").expect("a written file");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&password, private).expect("a file of our own");
        Self {
            stage: Stage::in_folder(folder, &toml).await,
            directory,
            people: Vec::new(),
            heard: Vec::new(),
            records: Vec::new(),
            guesses_compared: Vec::new(),
            ill: false,
            asked: 0,
        }
    }

    /// A new day: other people, and whatever was is over.
    async fn dawns(&mut self, people: &[Inhabitant]) {
        self.directory.set_faults([]);
        for gone in &self.people {
            assert!(
                self.directory.remove(&gone.person.username),
                "{gone:?} was there"
            );
        }
        for new in people {
            self.directory
                .add(&new.person)
                .expect("user names are unique");
        }
        self.stage.clock.advance(Duration::from_secs(24 * 60 * 60));
        self.people = people.to_vec();
        self.heard.clear();
        self.records = vec![Standing::default(); people.len()];
        self.guesses_compared = vec![0; people.len()];
        if self.ill {
            self.convalesces().await;
        }
    }

    /// The directory is well, and the server need not find out by itself, which takes a second:
    /// a reload opens new connections and forgets nothing else.
    async fn convalesces(&mut self) {
        self.directory.set_faults([]);
        self.stage.reload().await;
        self.ill = false;
    }

    fn now(&self) -> Timestamp {
        self.stage.clock.now()
    }

    async fn happens(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Call { number, spelling } => self.call(*number, *spelling).await,
            Event::Withheld(text) => {
                self.asked += 1;
                let answer = self.stage.get_otp(text).await;
                prop_assert!(
                    answer.status != 200 && answer.otp().is_none(),
                    "{text:?} {answer:?}"
                );
                Ok(())
            }
            Event::LogIn {
                who,
                otp,
                right_password,
            } => {
                let Some(heard) = self.heard.iter().rev().nth(usize::from(*otp)).cloned() else {
                    return Ok(());
                };
                let who = who.map_or(heard.whose, usize::from);
                self.log_in(who, &heard.otp, *right_password).await
            }
            Event::Guess { who, otp } => {
                self.log_in(usize::from(*who), &format!("{otp:06}"), true)
                    .await
            }
            Event::Wait(time) => {
                self.stage.clock.advance(*time);
                Ok(())
            }
            Event::Directory(fault) => {
                self.ill |= fault.is_some();
                self.directory.set_faults(fault.clone());
                Ok(())
            }
        }
    }

    async fn call(&mut self, number: Fiction, spelling: Spelling) -> Result<(), TestCaseError> {
        let owner = owner(&self.people, number);
        self.asked += 1;
        let answer = self.stage.get_otp(&number.spelt(spelling)).await;
        if self.is_outage(&answer) {
            return Ok(());
        }
        let due = owner.filter(|&owner| !self.is_locked(owner));
        let expected = if due.is_some() { 200 } else { 403 };
        prop_assert_eq!(answer.status, expected, "{:?} {:?}", owner, &answer);
        let Some(whose) = due else {
            prop_assert!(answer.otp().is_none());
            return Ok(());
        };
        let otp = answer.otp().expect("a 200 carries one");
        for older in self.heard.iter_mut().filter(|older| older.whose == whose) {
            older.gone = true;
        }
        let at = self.now();
        self.heard.push(Heard {
            whose,
            otp,
            at,
            wrong: 0,
            gone: false,
        });
        Ok(())
    }

    async fn log_in(
        &mut self,
        who: usize,
        otp: &str,
        right_password: bool,
    ) -> Result<(), TestCaseError> {
        let who = who % self.people.len();
        let person = self.people[who].person.clone();
        let password = if right_password {
            person.password.as_str()
        } else {
            "wrong"
        };
        self.asked += 1;
        let answer = self.stage.validate(&person.username, password, otp).await;
        if self.is_outage(&answer) {
            return Ok(());
        }
        let let_in = self.judge(who, otp, right_password);
        let expected = if let_in { 200 } else { 403 };
        prop_assert_eq!(
            answer.status,
            expected,
            "{} {} {:?}",
            person.username,
            otp,
            &answer
        );
        if let_in {
            prop_assert!(
                answer.body.contains(&format!("\"{}\"", person.username)),
                "{answer:?}"
            );
        }
        Ok(())
    }

    /// What the contract says of a login, and what it leaves behind.
    fn judge(&mut self, who: usize, otp: &str, right_password: bool) -> bool {
        let now = self.now();
        let active = self.people[who].person.status == Status::Active;
        if !active || self.is_locked(who) {
            return false;
        }
        let mut live = self
            .heard
            .iter_mut()
            .filter(|heard| heard.whose == who && !heard.gone && now.since(heard.at) < LIFETIME);
        let Some(heard) = live.next() else {
            return false;
        };
        if heard.otp != otp {
            heard.wrong += 1;
            heard.gone = heard.wrong >= ATTEMPTS;
            self.guesses_compared[who] += 1;
            self.fails(who);
            return false;
        }
        if !right_password {
            self.fails(who);
            return false;
        }
        heard.gone = true;
        self.records[who].failures.clear();
        true
    }

    fn fails(&mut self, who: usize) {
        let now = self.now();
        let record = &mut self.records[who];
        record.failures.retain(|at| now.since(*at) < WINDOW);
        record.failures.push(now);
        if record.failures.len() >= FAILURES {
            record.failures.clear();
            record.locked_at = Some(now);
        }
    }

    fn is_locked(&self, who: usize) -> bool {
        let locked_at = self.records[who].locked_at;
        locked_at.is_some_and(|at| self.now().since(at) < LOCKED_FOR)
    }

    /// An answer that says that the directory did not answer; only possible if it was ill.
    fn is_outage(&self, answer: &Answer) -> bool {
        self.ill && answer.status == 503
    }

    /// Everybody who is not locked can call and log in.
    async fn serves_everybody(&mut self) -> Result<(), TestCaseError> {
        for who in 0..self.people.len() {
            let mut numbers = self.people[who].numbers.clone();
            numbers.retain(|number| owner(&self.people, *number) == Some(who));
            let Some(number) = numbers.first().filter(|_| !self.is_locked(who)) else {
                continue;
            };
            self.call(*number, Spelling::E164).await?;
            let otp = self
                .heard
                .last()
                .expect("the call was answered")
                .otp
                .clone();
            self.log_in(who, &otp, true).await?;
            prop_assert!(self.heard.last().is_some_and(|heard| heard.gone), "u{who}");
        }
        Ok(())
    }

    /// A failure more or less on the server's side would lock a user sooner or later than here.
    async fn counts_alike(&mut self) -> Result<(), TestCaseError> {
        for who in 0..self.people.len() {
            let mut numbers = self.people[who].numbers.clone();
            numbers.retain(|number| owner(&self.people, *number) == Some(who));
            let Some(number) = numbers.first() else {
                continue;
            };
            for _ in 0..=FAILURES {
                self.call(*number, Spelling::E164).await?;
                self.log_in(who, "no OTP", true).await?;
            }
        }
        Ok(())
    }

    /// The log once it has this many lines.
    async fn logged(&self, lines: usize) -> String {
        loop {
            let log = self.stage.log();
            if log.lines().count() >= lines {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Whose number it is, if it is exactly one active user's.
fn owner(people: &[Inhabitant], number: Fiction) -> Option<usize> {
    let has = |inhabitant: &Inhabitant| {
        inhabitant.person.status == Status::Active && inhabitant.numbers.contains(&number)
    };
    let mut owners = (0..people.len()).filter(|&at| has(&people[at]));
    owners.next().filter(|_| owners.next().is_none())
}
