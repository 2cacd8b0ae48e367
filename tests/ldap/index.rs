//! How the index follows OpenLDAP.

use callotp::directory::UserDirectory as _;

use super::{
    adapter::{INDEX, eventually, name_of, openldap, openldap_schema, start},
    slapd::{PEOPLE, Slapd},
};

#[tokio::test]
async fn added_changed_moved_and_removed_numbers_are_seen() {
    let slapd = Slapd::own();
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
