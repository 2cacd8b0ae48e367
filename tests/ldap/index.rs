//! How the index follows OpenLDAP.

use callotp::directory::{UserDirectory as _, ldap::LdapDirectory};

use super::{
    adapter::{INDEX, eventually, name_of, openldap, openldap_schema, start},
    slapd::{PEOPLE, Setup, Slapd},
};

/// Content synchronisation with and without a log of what has been deleted, and a slapd that
/// only looks as if it did it.
const SYNCHRONISING: [Setup; 3] = [
    Setup {
        overlays: "overlay syncprov",
        ..SYNC
    },
    Setup {
        overlays: "overlay syncprov\nsyncprov-sessionlog 100",
        ..SYNC
    },
    SYNC,
];

const SYNC: Setup = Setup {
    crowd: 0,
    shared: false,
    modules: "moduleload syncprov",
    limits: "size=unlimited",
    overlays: "",
};

#[tokio::test]
async fn added_changed_moved_and_removed_numbers_are_seen() {
    changes_are_seen(&Slapd::own()).await;
}

#[tokio::test]
async fn added_changed_moved_and_removed_numbers_are_seen_by_synchronisation() {
    for setup in &SYNCHRONISING {
        changes_are_seen(&Slapd::start_as(setup)).await;
    }
}

/// The numbers that the index has.
fn numbers(directory: &LdapDirectory) -> usize {
    let detail = directory.health().detail;
    let (_, rest) = detail.split_once("the index of ").expect("an index");
    let (count, _) = rest.split_once(' ').expect("a count");
    count.parse().expect("a number")
}

#[tokio::test]
async fn what_was_deleted_is_out_of_the_index_within_the_interval_where_it_is_synchronised() {
    for setup in &SYNCHRONISING[..2] {
        let slapd = Slapd::start_as(setup);
        let directory = start(openldap(&[slapd.url()]), INDEX, openldap_schema());
        eventually(true, async || directory.health().ready).await;
        let before = numbers(&directory);
        let change = |how: &str| slapd.modify(&format!("dn: uid=bo,{PEOPLE}\nchangetype: {how}\n"));
        change("modify\nadd: mobile\nmobile: 070-174 06 95");
        eventually(before + 1, async || numbers(&directory)).await;
        change("modify\ndelete: mobile\nmobile: 070-174 06 95");
        eventually(before, async || numbers(&directory)).await;
        change("delete");
        eventually(before - 1, async || numbers(&directory)).await;
        slapd.modify(&format!("dn: uid=twin1,{PEOPLE}\nchangetype: delete\n"));
        let twin = || Ok(Some("twin2".to_owned()));
        eventually(twin(), async || name_of(&directory, "+46701740607").await).await;
        assert_eq!(numbers(&directory), before - 1, "the other twin has it");
    }
}

#[tokio::test]
async fn a_server_that_no_longer_knows_the_cookie_is_loaded_anew() {
    let mut slapd = Slapd::start_as(&SYNCHRONISING[1]);
    let directory = start(openldap(&[slapd.url()]), INDEX, openldap_schema());
    eventually(true, async || directory.health().ready).await;
    let before = numbers(&directory);
    slapd.modify(&format!(
        "dn: uid=bo,{PEOPLE}\nchangetype: modify\nreplace: sn\nsn: Bo\n"
    ));
    // Restored from a copy that is older than the cookie, and without bo.
    slapd.stop();
    slapd.restore(&["bo"]);
    slapd.start();
    eventually(before - 1, async || numbers(&directory)).await;
}

async fn changes_are_seen(slapd: &Slapd) {
    slapd.modify(&format!(
        "dn: ou=elsewhere,{PEOPLE}\nchangetype: add\nobjectClass: organizationalUnit\nou: elsewhere\n"
    ));
    let directory = start(openldap(&[slapd.url()]), INDEX, openldap_schema());
    eventually(true, async || directory.health().ready).await;
    let found = async |number: &str| name_of(&directory, number).await;
    let new = || Ok(Some("new".to_owned()));

    slapd.modify(&format!(
        "dn: uid=new,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: new\ncn: new\nsn: new\n\
         mobile: 070-174 06 95\n"
    ));
    eventually(new(), async || found("+46701740695").await).await;

    let change = |dn: &str, how: &str| {
        slapd.modify(&format!("dn: {dn}\nchangetype: modify\n{how}\n"));
    };
    change(
        &format!("uid=new,{PEOPLE}"),
        "replace: mobile\nmobile: +46 70 174 06 96",
    );
    eventually(new(), async || found("+46701740696").await).await;
    assert_eq!(found("+46701740695").await, Ok(None));

    // Moved to another place: found by its id, even before the index knows.
    slapd.modify(&format!(
        "dn: uid=new,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=new\ndeleteoldrdn: 0\nnewsuperior: ou=elsewhere,{PEOPLE}\n"
    ));
    assert_eq!(found("+46701740696").await, new());
    let moved = format!("uid=new,ou=elsewhere,{PEOPLE}");

    // No longer a user: nobody, at once.
    change(&moved, "add: employeeType\nemployeeType: left");
    assert_eq!(found("+46701740696").await, Ok(None));
    change(&moved, "delete: employeeType");
    assert_eq!(found("+46701740696").await, new());

    slapd.modify(&format!("dn: {moved}\nchangetype: delete\n"));
    assert_eq!(found("+46701740696").await, Ok(None), "at once");
}

#[tokio::test]
async fn a_number_that_gets_a_second_owner_is_nobodys() {
    let slapd = Slapd::own();
    let directory = start(openldap(&[slapd.url()]), INDEX, openldap_schema());
    let found = async || name_of(&directory, "+46701740605").await;
    eventually(Ok(Some("anna".to_owned())), &found).await;
    slapd.modify(&format!(
        "dn: uid=bo,{PEOPLE}\nchangetype: modify\nadd: mobile\nmobile: (070) 174 06 05\n"
    ));
    eventually(Ok(Some("several".to_owned())), &found).await;
}
