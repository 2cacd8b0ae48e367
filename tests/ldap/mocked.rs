//! The LDAP adapter on the mock's directory, in both of its flavours: what a real server
//! cannot be made to do on demand.

use std::{sync::Arc, time::Duration};

use callotp::{
    directory::{
        DirectoryFault, PasswordCheck, Schema, WrongPassword,
        ldap::{LdapConfig, LdapDirectory, Lookup},
    },
    secret::Secret,
};
use callotp_mock::{
    authority::Certificate,
    ldap::{self as mock, Directory, Effect, Flavour, Kind, Operation, fault::result_named},
    people::{Fiction, Person, Spelling, Status},
};

use super::adapter::{DEADLINE, INDEX, check, eventually, name_of, password, start, user, wrong};

const SUFFIX: &str = "dc=lab,dc=test";
const SECRET: &str = "correct horse";
const SERVICE: &str = "service secret";
const FLAVOURS: [Flavour; 2] = [Flavour::OpenLdap, Flavour::Ad];
const LOOKUPS: [Lookup; 2] = [Lookup::Search, INDEX];

/// A directory of these people, which takes questions from its service account only.
async fn directory(flavour: Flavour, people: impl IntoIterator<Item = Person>) -> Directory {
    Directory::builder()
        .flavour(flavour)
        .suffix(SUFFIX)
        .people(people)
        .service("callotp", SERVICE)
        .anonymous_search(false)
        .ldaps(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .expect("free ports on loopback")
}

fn config(url: String, flavour: Flavour) -> LdapConfig {
    let service = match flavour {
        Flavour::OpenLdap => format!("cn=callotp,{SUFFIX}"),
        Flavour::Ad => "callotp@lab.test".to_owned(),
    };
    LdapConfig {
        urls: vec![url],
        start_tls: false,
        ca: None,
        bind_dn: Some(service.into()),
        bind_password: Some(Secret::new(SERVICE.to_owned())),
    }
}

fn schema(flavour: Flavour) -> Schema {
    let (base, filter, name, id, phones) = match flavour {
        Flavour::OpenLdap => (
            "ou=people,dc=lab,dc=test",
            "(&(objectClass=inetOrgPerson)(!(pwdAccountLockedTime=000001010000Z)))",
            "uid",
            "entryUUID",
            ["mobile", "telephoneNumber", "otherMobile"].as_slice(),
        ),
        Flavour::Ad => (
            "OU=People,DC=lab,DC=test",
            "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
            "sAMAccountName",
            "objectGUID",
            ["mobile", "telephoneNumber", "otherMobile"].as_slice(),
        ),
    };
    Schema {
        base: base.into(),
        user_filter: filter.into(),
        username_attribute: name.into(),
        user_id_attribute: id.into(),
        phone_attributes: phones.iter().map(|&phone| phone.into()).collect(),
    }
}

fn adapter(directory: &Directory, flavour: Flavour, lookup: Lookup) -> Arc<LdapDirectory> {
    start(config(directory.url(), flavour), lookup, schema(flavour))
}

fn fiction(digits: u8) -> Fiction {
    Fiction::ending(digits).expect("reserved for fiction")
}

fn person(username: &str, numbers: &[&str]) -> Person {
    Person::new(username, username, SECRET, numbers)
}

fn found(name: &str) -> Result<Option<String>, DirectoryFault> {
    Ok(Some(name.to_owned()))
}

#[tokio::test]
async fn a_number_finds_its_user_however_the_directory_and_the_caller_write_it() {
    for flavour in FLAVOURS {
        let numbered = || Spelling::ALL.into_iter().zip(5..);
        let people = numbered().map(|(spelling, digits)| {
            person(&format!("u{digits}"), &[&fiction(digits).spelt(spelling)])
        });
        let directory = directory(flavour, people).await;
        for lookup in LOOKUPS {
            let adapter = adapter(&directory, flavour, lookup);
            eventually(found("u5"), || name_of(&adapter, "+46701740605")).await;
            for (held, digits) in numbered() {
                for sent in Spelling::ALL {
                    let number = fiction(digits).spelt(sent);
                    let name = name_of(&adapter, &number).await;
                    let expected = found(&format!("u{digits}"));
                    assert_eq!(name, expected, "{flavour:?} {lookup:?} {held:?} {sent:?}");
                }
            }
            assert_eq!(name_of(&adapter, "+46701740699").await, Ok(None));
        }
    }
}

#[tokio::test]
async fn a_shared_number_is_several_peoples_and_a_disabled_user_has_none() {
    for flavour in FLAVOURS {
        let people = [
            person("ada", &["+46701740605", "070-174 06 05"]),
            person("bo", &["+46701740606", "08-465 004 10", "+46701740608"]),
            person("cy", &["070-174 06 06"]),
            person("off", &["+46701740607"]).with_status(Status::Disabled),
        ];
        let directory = directory(flavour, people).await;
        for lookup in LOOKUPS {
            let adapter = adapter(&directory, flavour, lookup);
            eventually(found("ada"), || name_of(&adapter, "+46701740605")).await;
            assert_eq!(name_of(&adapter, "+46701740606").await, found("several"));
            assert_eq!(name_of(&adapter, "+46701740608").await, found("bo"));
            assert_eq!(name_of(&adapter, "+46701740607").await, Ok(None));
            assert_eq!(user(&adapter, "off").await, Ok(None));
            let ada = user(&adapter, "ADA")
                .await
                .expect("an answer")
                .expect("a user");
            assert_eq!(
                (&*ada.name, Some(&*ada.dn)),
                ("ada", directory.name_of("ada").as_deref())
            );
        }
    }
}

#[tokio::test]
async fn every_refused_bind_is_read_for_what_it_says() {
    use WrongPassword::{Expired, Locked, Mismatch, MustChange, Restricted};
    for (flavour, status, reason) in [
        (Flavour::Ad, Status::Locked, Locked),
        (Flavour::Ad, Status::PasswordExpired, Expired),
        (Flavour::Ad, Status::AccountExpired, Expired),
        (Flavour::Ad, Status::MustChangePassword, MustChange),
        (Flavour::Ad, Status::OutsideHours, Restricted),
        (Flavour::Ad, Status::OtherWorkstation, Restricted),
        (Flavour::OpenLdap, Status::Locked, Locked),
        (Flavour::OpenLdap, Status::PasswordExpired, Expired),
        // The bind succeeds; only the control says that it must not count.
        (Flavour::OpenLdap, Status::MustChangePassword, MustChange),
    ] {
        let people = [person("ada", &[]), person("odd", &[]).with_status(status)];
        let directory = directory(flavour, people).await;
        let adapter = adapter(&directory, flavour, Lookup::Search);
        assert_eq!(
            password(&adapter, "odd", SECRET).await,
            wrong(reason),
            "{flavour:?} {status:?}"
        );
        assert_eq!(
            password(&adapter, "ada", SECRET).await,
            Ok(PasswordCheck::Right)
        );
        assert_eq!(password(&adapter, "ada", "wrong").await, wrong(Mismatch));
        assert_eq!(check(&adapter, None, SECRET).await, wrong(Mismatch));
    }
}

#[tokio::test]
async fn an_empty_password_reaches_no_directory_that_would_welcome_it() {
    for flavour in FLAVOURS {
        let directory = Directory::builder()
            .flavour(flavour)
            .suffix(SUFFIX)
            .people([person("ada", &[])])
            .service("callotp", SERVICE)
            .unauthenticated_bind(true)
            .start()
            .await
            .expect("a free port on loopback");
        let adapter = adapter(&directory, flavour, Lookup::Search);
        let refused = password(&adapter, "ada", "").await;
        assert_eq!(refused, wrong(WrongPassword::Mismatch));
        let ada = directory.name_of("ada");
        let binds = directory.journal().records();
        let mut binds = binds.iter().filter(|record| record.kind == Kind::Bind);
        assert!(
            binds.all(|bind| Some(&bind.name) != ada.as_ref()),
            "no bind as the user"
        );
    }
}

#[tokio::test]
async fn no_fault_of_a_search_reads_as_nobody_or_as_somebody_else() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        for effect in [
            Effect::Result(result_named("busy").expect("a result")),
            Effect::Result(result_named("unavailable").expect("a result")),
            Effect::Result(result_named("operationsError").expect("a result")),
            Effect::Result(result_named("unwillingToPerform").expect("a result")),
            Effect::Result(result_named("timeLimitExceeded").expect("a result")),
            Effect::Result(result_named("adminLimitExceeded").expect("a result")),
            Effect::Result(result_named("insufficientAccessRights").expect("a result")),
            Effect::Result(result_named("noSuchObject").expect("a result")),
            Effect::Reset,
        ] {
            directory.set_faults([]);
            // Every effect meets an adapter whose connections work.
            let adapter = adapter(&directory, flavour, Lookup::Search);
            assert_eq!(name_of(&adapter, "+46701740605").await, found("ada"));
            directory.set_faults([mock::DirectoryFault::always(
                Operation::Search,
                effect.clone(),
            )]);
            let answer = name_of(&adapter, "+46701740605").await;
            assert!(answer.is_err(), "{flavour:?} {effect}: {answer:?}");
            let answer = user(&adapter, "ada").await;
            assert!(answer.is_err(), "{flavour:?} {effect}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn two_entries_for_one_number_are_several_people() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let adapter = adapter(&directory, flavour, Lookup::Search);
        assert_eq!(name_of(&adapter, "+46701740605").await, found("ada"));
        directory.set_faults([mock::DirectoryFault::always(
            Operation::Search,
            Effect::SecondEntry,
        )]);
        assert_eq!(
            name_of(&adapter, "+46701740605").await,
            found("several"),
            "{flavour:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_comes_twice_is_taken_once() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let adapter = adapter(&directory, flavour, Lookup::Search);
        let twice = mock::DirectoryFault::always(Operation::Any, Effect::AnsweredTwice);
        directory.set_faults([twice]);
        for _ in 0..10 {
            assert_eq!(name_of(&adapter, "+46701740605").await, found("ada"));
            assert_eq!(
                password(&adapter, "ada", SECRET).await,
                Ok(PasswordCheck::Right)
            );
            let refused = password(&adapter, "ada", "wrong").await;
            assert_eq!(refused, wrong(WrongPassword::Mismatch));
        }
    }
}

#[tokio::test]
async fn no_fault_of_a_bind_reads_as_a_wrong_password() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let ada = {
            let adapter = adapter(&directory, flavour, Lookup::Search);
            user(&adapter, "ada")
                .await
                .expect("an answer")
                .expect("a user")
        };
        for effect in [
            Effect::Result(result_named("busy").expect("a result")),
            Effect::Result(result_named("unavailable").expect("a result")),
            Effect::Result(result_named("operationsError").expect("a result")),
            Effect::Result(result_named("protocolError").expect("a result")),
            Effect::Result(result_named("strongerAuthRequired").expect("a result")),
            Effect::Result(result_named("referral").expect("a result")),
            Effect::Result(result_named("other").expect("a result")),
            Effect::Reset,
        ] {
            directory.set_faults([]);
            let adapter = adapter(&directory, flavour, Lookup::Search);
            assert_eq!(
                check(&adapter, Some(&ada), SECRET).await,
                Ok(PasswordCheck::Right)
            );
            directory.set_faults([mock::DirectoryFault::always(
                Operation::Bind,
                effect.clone(),
            )]);
            for word in [SECRET, "wrong"] {
                let answer = check(&adapter, Some(&ada), word).await;
                assert!(answer.is_err(), "{flavour:?} {effect} {word}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_half_dead_directory_is_given_up_in_time_and_taken_back() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let adapter = adapter(&directory, flavour, Lookup::Search);
        assert_eq!(name_of(&adapter, "+46701740605").await, found("ada"));
        directory.set_faults([
            mock::DirectoryFault::always(Operation::Any, Effect::Silent),
            mock::DirectoryFault::always(Operation::Search, Effect::Silent),
            mock::DirectoryFault::always(Operation::Bind, Effect::Silent),
            mock::DirectoryFault::always(Operation::Connect, Effect::Silent),
        ]);
        let asked = tokio::time::timeout(DEADLINE + Duration::from_millis(500), async {
            name_of(&adapter, "+46701740605").await
        });
        let answer = asked.await.expect("within the deadline");
        assert!(answer.is_err(), "{answer:?}");
        directory.set_faults([]);
        eventually(found("ada"), || name_of(&adapter, "+46701740605")).await;
    }
}

#[tokio::test]
async fn a_directory_that_was_switched_off_is_taken_back() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let adapter = adapter(&directory, flavour, Lookup::Search);
        assert_eq!(name_of(&adapter, "+46701740605").await, found("ada"));
        directory.go_down().await;
        let answer = name_of(&adapter, "+46701740605").await;
        assert!(
            matches!(answer, Err(DirectoryFault::Unavailable(_))),
            "{answer:?}"
        );
        directory.come_up().await.expect("the same port");
        eventually(found("ada"), || name_of(&adapter, "+46701740605")).await;
    }
}

#[tokio::test]
async fn an_index_follows_what_is_added_changed_and_removed() {
    for flavour in FLAVOURS {
        let people = (0..30).map(|n| person(&format!("p{n}"), &[]));
        let directory = directory(flavour, people.chain([person("ada", &["+46701740605"])])).await;
        let adapter = adapter(&directory, flavour, INDEX);
        eventually(found("ada"), || name_of(&adapter, "+46701740605")).await;
        directory
            .add(&person("bo", &["070-174 06 06"]))
            .expect("a new name");
        eventually(found("bo"), || name_of(&adapter, "+46701740606")).await;
        assert!(directory.change(&person("ada", &["+46701740607"])));
        eventually(found("ada"), || name_of(&adapter, "+46701740607")).await;
        eventually(Ok(None), || name_of(&adapter, "+46701740605")).await;
        assert!(directory.change(&person("ada", &["+46701740607", "+46701740606"])));
        eventually(found("several"), || name_of(&adapter, "+46701740606")).await;
        // The index may not know of a deletion yet; the live entry decides.
        assert!(directory.remove("bo"));
        let answer = name_of(&adapter, "+46701740606").await;
        assert_ne!(answer, found("bo"), "{flavour:?}");
        let disabled = person("ada", &["+46701740607"]).with_status(Status::Disabled);
        assert!(directory.change(&disabled));
        assert_eq!(
            name_of(&adapter, "+46701740607").await,
            Ok(None),
            "{flavour:?}"
        );
    }
}

#[tokio::test]
async fn starttls_and_ldaps_work_with_the_right_certificate_and_with_no_other() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, directory.ca_pem()).expect("a file");
        let ldaps = directory.ldaps_url().expect("it speaks LDAPS");
        let ways = [(directory.url(), true), (ldaps, false)];
        let tls = |(url, start_tls): (String, bool)| {
            let mut config = config(url, flavour);
            (config.start_tls, config.ca) = (start_tls, Some(ca.clone()));
            start(config, Lookup::Search, schema(flavour))
        };
        for way in ways.clone() {
            let adapter = tls(way);
            assert_eq!(name_of(&adapter, "+46701740605").await, found("ada"));
            assert_eq!(
                password(&adapter, "ada", SECRET).await,
                Ok(PasswordCheck::Right)
            );
        }
        for bad in [
            Certificate::WrongName,
            Certificate::Expired,
            Certificate::Untrusted,
        ] {
            let effect = Effect::Certificate(bad);
            directory.set_faults([mock::DirectoryFault::always(Operation::Connect, effect)]);
            for way in ways.clone() {
                let seen = directory
                    .journal()
                    .records()
                    .last()
                    .map_or(0, |record| record.id);
                let answer = name_of(&tls(way), "+46701740605").await;
                assert!(
                    matches!(answer, Err(DirectoryFault::Unavailable(_))),
                    "{bad:?} {answer:?}"
                );
                let asked = directory.journal().since(seen);
                let told = |kind| asked.iter().any(|record| record.kind == kind);
                assert!(
                    !told(Kind::Bind) && !told(Kind::Search),
                    "nothing is told to a stranger"
                );
            }
        }
    }
}

#[tokio::test]
async fn names_that_would_change_a_filter_find_nobody() {
    for flavour in FLAVOURS {
        let directory = directory(flavour, [person("ada", &["+46701740605"])]).await;
        let adapter = adapter(&directory, flavour, Lookup::Search);
        for name in [
            "*",
            "ad*",
            "*)(uid=*",
            "ada)(|(uid=*",
            "\\61da",
            "ada\u{0}",
            "ada,ou=people",
        ] {
            assert_eq!(user(&adapter, name).await, Ok(None), "{name:?}");
        }
        assert!(user(&adapter, "ada").await.is_ok_and(|ada| ada.is_some()));
    }
}
