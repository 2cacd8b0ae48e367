//! A server, its directory, and a plain model of what has to be true of them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use callotp::clock::{Clock as _, Timestamp};
use callotp_mock::{
    ldap::{Directory, Flavour},
    people::{
        Fiction, Person, Spelling, Status,
        strategy::{Event, Inhabitant},
    },
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::stage::{Answer, HASH, Stage};

const LIFETIME: Duration = Duration::from_secs(5 * 60);
const ATTEMPTS: u32 = 3;
pub const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(30 * 60);
pub const LOCKED_FOR: Duration = Duration::from_secs(60 * 60);

/// Where the server looks its users up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a directory of this flavour, with a search for each call.
    Search(Flavour),
    /// In the same, with an index of its numbers.
    Index(Flavour),
    /// In an LDIF file.
    Ldif,
}

impl Source {
    fn flavour(self) -> Flavour {
        match self {
            Self::Search(flavour) | Self::Index(flavour) => flavour,
            Self::Ldif => Flavour::OpenLdap,
        }
    }
}

/// A server, its directory, and what has to be true of them.
pub struct World {
    source: Source,
    pub directory: Directory,
    pub stage: Stage,
    /// Somebody who is there on one day only, added last: who finds this person knows the day.
    herald: Option<Person>,
    people: Vec<Inhabitant>,
    /// The OTPs heard today, the latest last.
    heard: Vec<Heard>,
    records: Vec<Standing>,
    pub guesses_compared: Vec<usize>,
    /// A fault has been set today; outages may outlast it.
    ill: bool,
    /// Requests made since the first day.
    pub asked: usize,
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
    pub async fn new(source: Source, server: &str) -> Self {
        let flavour = source.flavour();
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
        let lookup = match source {
            Source::Index(_) => "lookup = \"index\"\nindex_refresh = \"1s\"",
            Source::Search(_) | Source::Ldif => "lookup = \"search\"",
        };
        let place = match source {
            Source::Ldif => "kind = \"ldif\"\npath = \"people.ldif\"".to_owned(),
            Source::Search(_) | Source::Index(_) => format!(
                "kind = \"ldap\"\nurls = [\"{url}\"]\nbind_dn = \"{service}\"\n\
                 bind_password_file = \"service.password\"\n{lookup}"
            ),
        };
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
{place}
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
        std::fs::write(folder.path().join("people.ldif"), "").expect("a written file");
        Self {
            source,
            herald: None,
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
    pub async fn dawns(&mut self, people: &[Inhabitant]) {
        self.directory.set_faults([]);
        let gone = self.people.iter().map(|one| &one.person);
        for gone in gone.chain(&self.herald) {
            assert!(self.directory.remove(&gone.username), "{gone:?} was there");
        }
        let yesterday = self.herald.as_ref().map(|herald| herald.username.as_str());
        let (name, digits) = match yesterday {
            Some("odd") => ("even", 98),
            _ => ("odd", 99),
        };
        let number = Fiction::ending(digits)
            .expect("reserved for fiction")
            .e164();
        let herald = Person::new(name, name, "secret", &[&number]);
        for new in people.iter().map(|one| &one.person).chain([&herald]) {
            self.directory.add(new).expect("user names are unique");
        }
        if self.source == Source::Ldif {
            let people = people.iter().map(|one| &one.person).chain([&herald]);
            let file = self.stage.folder.path().join("people.ldif");
            std::fs::write(file, people.map(entry).collect::<String>()).expect("a written file");
        }
        self.herald = Some(herald);
        self.stage.clock.advance(Duration::from_secs(24 * 60 * 60));
        self.people = people.to_vec();
        self.heard.clear();
        self.records = vec![Standing::default(); people.len()];
        self.guesses_compared = vec![0; people.len()];
        if self.ill {
            self.convalesces().await;
        }
        if self.source != Source::Search(self.source.flavour()) {
            // It is loaded again now, and not when it is due.
            self.reopens().await;
            self.heralded(&number).await;
        }
    }

    /// The server knows this day's people.
    async fn heralded(&mut self, number: &str) {
        loop {
            self.asked += 1;
            if self.stage.get_otp(number).await.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The directory is well, and the server need not find out by itself, which takes a second.
    pub async fn convalesces(&mut self) {
        self.directory.set_faults([]);
        self.reopens().await;
        self.ill = false;
    }

    /// The directory is opened anew and nothing else is forgotten: a reload with a filter that
    /// is another one in name only. With the same filter it would stay open.
    async fn reopens(&self) {
        let path = self.stage.folder.path().join("callotp.toml");
        let toml = std::fs::read_to_string(path).expect("a configuration");
        let (before, filter) = toml.split_once("user_filter = \"").expect("a filter");
        let (filter, after) = filter.split_once('"').expect("a filter's end");
        let other = match filter.strip_prefix("(|").and_then(|f| f.strip_suffix(')')) {
            Some(bare) => bare.to_owned(),
            None => format!("(|{filter})"),
        };
        let toml = format!("{before}user_filter = \"{other}\"{after}");
        let taken = self.stage.reload_as(&toml).await;
        taken.expect("a configuration that was good before");
    }

    fn now(&self) -> Timestamp {
        self.stage.clock.now()
    }

    pub async fn happens(&mut self, event: &Event) -> Result<(), TestCaseError> {
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
    pub async fn serves_everybody(&mut self) -> Result<(), TestCaseError> {
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
    pub async fn counts_alike(&mut self) -> Result<(), TestCaseError> {
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
    pub async fn logged(&self, lines: usize) -> String {
        loop {
            let log = self.stage.log();
            if log.lines().count() >= lines {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A person in an LDIF file, everything in base64.
fn entry(person: &Person) -> String {
    let encoded = |text: &str| STANDARD.encode(text);
    let name = &person.username;
    let mut entry = format!(
        "dn: uid={name},ou=people,dc=lab,dc=test\nobjectClass: inetOrgPerson\nuid: {name}\n\
         entryUUID: {}\nuserPassword:: {}\n",
        uuid_of(person),
        encoded(&person.password)
    );
    for number in &person.numbers {
        entry += &format!("mobile:: {}\n", encoded(number));
    }
    if person.status != Status::Active {
        entry += "pwdAccountLockedTime: 000001010000Z\n";
    }
    entry + "\n"
}

/// Another one for each name.
fn uuid_of(person: &Person) -> String {
    let digits: String = person
        .username
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("6b1c1f0e-0000-4000-8000-{digits:0>12}")
}

/// Whose number it is, if it is exactly one active user's.
pub fn owner(people: &[Inhabitant], number: Fiction) -> Option<usize> {
    let has = |inhabitant: &Inhabitant| {
        inhabitant.person.status == Status::Active && inhabitant.numbers.contains(&number)
    };
    let mut owners = (0..people.len()).filter(|&at| has(&people[at]));
    owners.next().filter(|_| owners.next().is_none())
}
