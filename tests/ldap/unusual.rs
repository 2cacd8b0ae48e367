//! Looking up by search where numbers are written as nobody would ask for them.

use callotp::directory::{UserDirectory as _, ldap::Lookup};

use super::{
    adapter::{eventually, name_of, openldap, openldap_schema, start},
    relay::Relay,
    slapd::{PEOPLE, Setup, Slapd},
};

fn several() -> Result<Option<String>, callotp::directory::DirectoryFault> {
    Ok(Some("several".to_owned()))
}

/// Somebody who has Anna's number too, and writes it in another way.
fn add(slapd: &Slapd, uid: &str, mobile: &str) {
    slapd.modify(&format!(
        "dn: uid={uid},{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: x\nsn: x\n\
         mobile: {mobile}\n"
    ));
}

#[tokio::test]
async fn a_number_that_two_users_write_differently_is_several_peoples_from_the_first_call_on() {
    for mobile in ["070.174.06.05", "tel:+46701740605", "+46(0)70/1740605"] {
        let slapd = Slapd::own();
        add(&slapd, "other", mobile);
        let directory = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
        for _ in 0..3 {
            assert_eq!(
                name_of(&directory, "+46701740605").await,
                several(),
                "{mobile}"
            );
        }
        slapd.modify(&format!("dn: uid=other,{PEOPLE}\nchangetype: delete\n"));
        let anna = name_of(&directory, "+46701740605").await;
        assert_eq!(anna, Ok(Some("anna".to_owned())), "gone at once");
    }
}

#[tokio::test]
async fn one_user_with_one_number_in_two_spellings_is_one_user() {
    let slapd = Slapd::own();
    slapd.modify(&format!(
        "dn: uid=anna,{PEOPLE}\nchangetype: modify\nadd: mobile\nmobile: 070.174.06.05\n"
    ));
    let directory = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
    let anna = name_of(&directory, "+46701740605").await;
    assert_eq!(anna, Ok(Some("anna".to_owned())));
}

#[tokio::test]
async fn an_unknown_number_costs_the_directory_two_questions() {
    let slapd = Slapd::with(1000);
    let relay = Relay::to(slapd.plain).await;
    let directory = start(openldap(&[relay.url()]), Lookup::Search, openldap_schema());
    eventually(true, async || {
        directory.health().detail.contains("unusual spellings is")
    })
    .await;
    relay.settled().await;
    let before = relay.searches();
    for _ in 0..10 {
        assert_eq!(name_of(&directory, "+46701740699").await, Ok(None));
    }
    // The spellings worth asking for, and what may have been written since the list was made;
    // a probe of a server that is slow for once may come in between.
    let asked = relay.searches() - before;
    assert!((20..25).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_service_user_who_may_not_list_all_entries_still_finds_every_spelling() {
    let slapd = Slapd::start_as(&Setup {
        crowd: 1000,
        limits: "size=100 size.prtotal=200",
        ..Setup::default()
    });
    let directory = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
    let detail = || directory.health().detail;
    eventually(true, async || detail().contains("cannot be listed")).await;
    assert!(directory.health().ready, "{}", detail());
    let spelt = name_of(&directory, &super::people::number(14)).await;
    assert_eq!(spelt, Ok(Some("spelt14".to_owned())));
    assert_eq!(name_of(&directory, "+46701740699").await, Ok(None));
}
