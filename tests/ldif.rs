//! Laws of the embedded directory: an LDIF file and the people in it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use base64::prelude::*;
use callotp::{
    clock::{Deadline, SystemEntropy},
    directory::{
        Match, PasswordCheck, Schema, UserDirectory as _, WrongPassword,
        ldif::{LdifDirectory, LdifError},
    },
    password_hash,
    phone_number::{Matching, NumberPlan},
    secret::Secret,
    user::User,
};
use tempfile::TempDir;

mod laws;

const ANNA: &str = "dn: uid=anna,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: anna
entryUUID: 6b1c1f0e-0000-4000-8000-000000000001
mobile: 070-174 06 05
userPassword: sommar
";

const BO: &str = "dn: uid=bo,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bo
telephoneNumber: +46 70 174 06 06
mobile: 0701740607
";

struct File {
    folder: TempDir,
}

impl File {
    fn with(content: impl AsRef<[u8]>) -> Self {
        let file = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        file.replace(content);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("people.ldif")
    }

    fn replace(&self, content: impl AsRef<[u8]>) {
        let new = self.folder.path().join("new");
        fs::write(&new, content).expect("a file");
        fs::rename(new, self.path()).expect("a rename");
    }

    fn open_with(&self, schema: &Schema) -> Result<LdifDirectory, LdifError> {
        let plan = NumberPlan::new("SE", Matching::Normalised, []).expect("a plan");
        LdifDirectory::open(&self.path(), schema, Arc::new(plan))
    }

    fn open(&self) -> LdifDirectory {
        opened(self.open_with(&schema()))
    }

    fn refusal(&self) -> (u64, String) {
        let refusal = self.open_with(&schema()).err().expect("a refusal");
        let LdifError::Line { line, problem, .. } = refusal else {
            return (0, refusal.to_string());
        };
        (line, problem)
    }
}

fn opened(directory: Result<LdifDirectory, LdifError>) -> LdifDirectory {
    directory
        .map_err(|error| error.to_string())
        .expect("a file that is right")
}

fn schema() -> Schema {
    Schema {
        base: "dc=example,dc=org".into(),
        user_filter: "(objectClass=person)".into(),
        username_attribute: "uid".into(),
        user_id_attribute: "entryUUID".into(),
        phone_attributes: vec!["mobile".into(), "telephoneNumber".into()],
    }
}

fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(60))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn on_runtime<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

fn who_has(directory: &LdifDirectory, number: &str) -> Option<Match> {
    let plan = NumberPlan::new("SE", Matching::Normalised, []).expect("a plan");
    let number = plan.read(number).expect("a number");
    on_runtime(directory.find_by_number(&number, soon())).expect("an answer")
}

fn name_of(directory: &LdifDirectory, number: &str) -> Option<String> {
    match who_has(directory, number)? {
        Match::One(user) => Some(user.name.into()),
        Match::Several => Some("several".to_owned()),
    }
}

fn who_is(directory: &LdifDirectory, name: &str) -> Option<User> {
    on_runtime(directory.find_by_name(name, soon())).expect("an answer")
}

fn check(directory: &LdifDirectory, user: Option<&User>, password: &str) -> PasswordCheck {
    on_runtime(directory.check_password(user, &secret(password), soon())).expect("an answer")
}

#[test]
fn people_are_found_by_each_of_their_numbers_and_by_name() {
    let directory = File::with(format!("version: 1\n\n{ANNA}\n{BO}")).open();
    assert_eq!(directory.people(), 2);
    assert_eq!(name_of(&directory, "+46701740605").as_deref(), Some("anna"));
    assert_eq!(name_of(&directory, "+46701740606").as_deref(), Some("bo"));
    assert_eq!(name_of(&directory, "+46701740607").as_deref(), Some("bo"));
    assert_eq!(name_of(&directory, "+46701740608"), None);
    for name in ["anna", "ANNA", " Anna "] {
        let anna = who_is(&directory, name).expect("Anna");
        assert_eq!(&*anna.name, "anna");
        assert_eq!(&*anna.id, "6b1c1f0e-0000-4000-8000-000000000001");
        assert_eq!(&*anna.dn, "uid=anna,ou=people,dc=example,dc=org");
    }
    assert_eq!(who_is(&directory, "ann"), None);
    assert_eq!(who_is(&directory, ""), None);
}

#[test]
fn without_an_id_a_person_goes_by_the_name_of_the_entry() {
    let directory = File::with(BO.replace("dn: uid=bo,ou", "dn: UID=Bo, ou")).open();
    let bo = who_is(&directory, "bo").expect("Bo");
    assert_eq!(&*bo.id, "uid=bo,ou=people,dc=example,dc=org");
}

#[test]
fn an_id_of_octets_is_a_text_all_the_same() {
    let guid = BASE64_STANDARD.encode([0, 255, 16]);
    let directory = File::with(format!("{BO}entryUUID:: {guid}\n")).open();
    assert_eq!(&*who_is(&directory, "bo").expect("Bo").id, "0x00ff10");
}

#[test]
fn everything_the_format_allows_is_read() {
    let name = BASE64_STANDARD.encode("Åsa");
    let text = format!(
        "\u{feff}# people\r\n#\r\n # still a comment\r\nversion: 1\r\ndn:: {}\r\nchangetype: add\r\n\
         OBJECTCLASS:person\r\n# a comment within\r\n of two lines\r\nUid:: {name}\r\nuid: asa   \r\n\
         mobile;x-work:  +46 70\r\n  174 0\r\n 6 05\r\nmobile: unreadable\r\nMobile: 0701740606\r\n\
         description:\r\njpegPhoto:: /9j/4A==\r\n\r\n\r\n\r\n# the end",
        BASE64_STANDARD.encode("uid=Åsa,dc=example,dc=org")
    );
    let directory = File::with(text).open();
    assert_eq!(name_of(&directory, "+46701740605").as_deref(), Some("Åsa"));
    assert_eq!(name_of(&directory, "+46701740606").as_deref(), Some("Åsa"));
    assert_eq!(who_is(&directory, "åsa"), who_is(&directory, "ASA"));
    assert_eq!(
        &*who_is(&directory, "asa").expect("Åsa").dn,
        "uid=Åsa,dc=example,dc=org"
    );
}

#[test]
fn entries_elsewhere_or_left_out_by_the_filter_are_nobody() {
    let outside = BO.replace("dc=example,dc=org", "dc=example,dc=net");
    let beside = BO.replace("uid=bo,ou=people,dc=example", "uid=bo,xdc=example");
    let unit = "dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nuid: unit\n";
    let directory = File::with(format!("{ANNA}\n{outside}\n{beside}\n{unit}")).open();
    assert_eq!(directory.people(), 1);
    assert_eq!(name_of(&directory, "+46701740606"), None);

    let mut schema = schema();
    schema.user_filter = "(&(objectClass=inetOrgPerson)(!(employeeType=left)))".into();
    let file = File::with(format!("{ANNA}employeeType: Left\n\n{BO}"));
    let directory = opened(file.open_with(&schema));
    assert_eq!(name_of(&directory, "+46701740605"), None);
    assert_eq!(who_is(&directory, "anna"), None);
    assert_eq!(name_of(&directory, "+46701740606").as_deref(), Some("bo"));
}

#[test]
fn a_number_of_two_people_is_nobodys() {
    let directory = File::with(format!("{ANNA}\n{BO}mobile: +46701740605\n")).open();
    assert_eq!(
        name_of(&directory, "+46701740605").as_deref(),
        Some("several")
    );
    assert!(
        directory
            .warnings()
            .iter()
            .any(|warning| warning.contains("several people"))
    );
    // Twice with one person is once.
    let directory = File::with(format!("{ANNA}telephoneNumber: +46701740605\n")).open();
    assert_eq!(name_of(&directory, "+46701740605").as_deref(), Some("anna"));
}

#[test]
fn withheld_and_empty_numbers_in_the_file_are_nobodys() {
    let directory = File::with(format!(
        "{ANNA}mobile: anonymous\nmobile: 0000\nmobile: 266696687\nmobile:\n"
    ))
    .open();
    let warnings = directory.warnings();
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("4 values") && w.contains("line 7")),
        "{warnings:?}"
    );
}

#[test]
fn each_password_is_checked_by_its_scheme_and_an_unknown_user_is_wrong() {
    let argon2 = password_hash::hash(&secret("höst"), &SystemEntropy).expect("a hash");
    let text = format!("{ANNA}\n{BO}userPassword: {{ARGON2}}{argon2}\nuserPassword: {{CRYPT}}x\n");
    let directory = File::with(text).open();
    let (anna, bo) = (who_is(&directory, "anna"), who_is(&directory, "bo"));
    let wrong = PasswordCheck::Wrong(WrongPassword::Mismatch);
    assert_eq!(
        check(&directory, anna.as_ref(), "sommar"),
        PasswordCheck::Right
    );
    assert_eq!(check(&directory, bo.as_ref(), "höst"), PasswordCheck::Right);
    for (user, password) in [
        (anna.as_ref(), "höst"),
        (anna.as_ref(), "Sommar"),
        (anna.as_ref(), ""),
        (bo.as_ref(), "sommar"),
        (bo.as_ref(), "x"),
        (None, "sommar"),
        (None, ""),
    ] {
        assert_eq!(
            check(&directory, user, password),
            wrong,
            "{user:?} {password}"
        );
    }
    let renamed = anna.map(|anna| User {
        id: "another".into(),
        ..anna
    });
    assert_eq!(check(&directory, renamed.as_ref(), "sommar"), wrong);
    let warnings = directory.warnings().join("\n");
    assert!(
        warnings.contains("1 people") && warnings.contains("clear text"),
        "{warnings}"
    );
    assert!(
        warnings.contains("1 passwords cannot") && warnings.contains("line 14"),
        "{warnings}"
    );
    assert!(!warnings.contains("sommar"), "{warnings}");
}

#[test]
fn a_check_that_cannot_be_done_in_time_is_no_wrong_password() {
    let argon2 = password_hash::hash(&secret("höst"), &SystemEntropy).expect("a hash");
    let directory = File::with(format!("{BO}userPassword: {{ARGON2}}{argon2}\n")).open();
    let bo = who_is(&directory, "bo");
    let at_once = Deadline::within(Duration::ZERO);
    let answer = on_runtime(directory.check_password(bo.as_ref(), &secret("höst"), at_once));
    assert!(answer.is_err(), "{answer:?}");
}

#[test]
fn a_wrong_file_is_refused_with_its_line() {
    for (text, line, problem) in [
        (format!("{ANNA}\n{ANNA}"), 8, "line 1"),
        (
            format!("{ANNA}\n{}", ANNA.replace("uid=anna", "UID=Anna")),
            8,
            "line 1",
        ),
        (
            format!("{ANNA}\n{}", BO.replace("uid: bo", "uid: Anna")),
            8,
            "\"Anna\"",
        ),
        (
            format!("{ANNA}\n{BO}entryUUID: 6b1c1f0e-0000-4000-8000-000000000001\n"),
            8,
            "line 1",
        ),
        (format!("{ANNA}{BO}"), 7, "empty line"),
        (format!("{ANNA}\nuid: bo\n"), 8, "\"uid\""),
        (format!("{ANNA}\nsearch: 2\nresult: 0 Success\n"), 8, "-LLL"),
        (format!("{ANNA}a line\n"), 7, "name: value"),
        (format!("{ANNA}-\n"), 7, "name: value"),
        (format!("{ANNA}a b: c\n"), 7, "\"a b\""),
        (format!("{ANNA}cn:: ***\n"), 7, "base64"),
        (format!("{ANNA}cn:: QQ\n"), 7, "base64"),
        (format!("{ANNA}cn:: QQ=\n =\nsn:: *\n"), 9, "base64"),
        (format!("{ANNA}jpegPhoto:< file:///etc/passwd\n"), 7, "URL"),
        (format!("{ANNA}cn: a\0b\n"), 7, "NUL"),
        (
            format!("{ANNA}changetype: modify\nreplace: uid\n"),
            7,
            "modify",
        ),
        (format!("{ANNA}changetype: delete\n"), 7, "delete"),
        (format!("{ANNA}control: 1.2.3\n"), 7, "control"),
        (format!("{ANNA}\n continued\n"), 8, "continue"),
        ("version: 2\n".to_owned(), 1, "version"),
        (" dn: x\n".to_owned(), 1, "continue"),
        (
            format!("{ANNA}\ndn: anna\nobjectClass: person\n"),
            8,
            "distinguished name",
        ),
    ] {
        let (found, said) = File::with(&text).refusal();
        assert_eq!(
            (found, said.contains(problem)),
            (line, true),
            "{text}\n{said}"
        );
    }
    let latin1 = [ANNA.as_bytes(), b"cn: \xC5sa\n"].concat();
    let (line, said) = File::with(latin1).refusal();
    assert_eq!((line, said.contains("UTF-8")), (7, true), "{said}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let file = File::with(ANNA);
    let open = |change: &dyn Fn(&mut Schema)| {
        let mut schema = schema();
        change(&mut schema);
        file.open_with(&schema).err().expect("an error").to_string()
    };
    assert!(open(&|schema| schema.base = "example.org".into()).starts_with("base:"));
    assert!(open(&|schema| schema.user_filter = "uid=x".into()).starts_with("user_filter:"));
    let rule = "(cn:1.2.3:=x)";
    assert!(open(&|schema| schema.user_filter = rule.into()).contains(rule));
    fs::remove_file(file.path()).expect("a file");
    assert!(open(&|_| {}).contains("people.ldif"));
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_is_not_served() {
    let file = File::with(ANNA);
    let directory = file.open();
    assert_eq!(directory.reload_if_changed(), None);

    file.replace(format!("{ANNA}\n{BO}"));
    assert_eq!(directory.reload_if_changed(), Some(Ok(())));
    assert_eq!(name_of(&directory, "+46701740606").as_deref(), Some("bo"));

    file.replace(format!("{BO}\n{ANNA}broken\n"));
    let refusal = directory.reload_if_changed();
    assert!(
        matches!(refusal, Some(Err(LdifError::Line { line: 13, .. }))),
        "{refusal:?}"
    );
    assert_eq!(directory.reload_if_changed(), None);
    assert_eq!(directory.people(), 2);
    let health = directory.health();
    assert!(health.ready && health.detail.contains(":13:"), "{health:?}");
    assert!(health.detail.contains("2 people"), "{health:?}");

    fs::remove_file(file.path()).expect("a file");
    assert!(matches!(
        directory.reload_if_changed(),
        Some(Err(LdifError::Read { .. }))
    ));
    assert_eq!(directory.reload_if_changed(), None);
    assert_eq!(directory.people(), 2);

    file.replace(BO);
    assert_eq!(directory.reload_if_changed(), Some(Ok(())));
    assert_eq!(name_of(&directory, "+46701740605"), None);
    assert!(
        !directory.health().detail.contains("earlier"),
        "{:?}",
        directory.health()
    );
}

#[test]
fn a_watched_file_is_read_again_by_itself() {
    on_runtime(async {
        let file = File::with(ANNA);
        let directory = Arc::new(file.open());
        directory.watch();
        file.replace(format!("{ANNA}\n{BO}"));
        let reading = async {
            while directory.people() != 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reading)
            .await
            .expect("two people");
    });
}
