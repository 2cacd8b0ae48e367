//! What holds on Active Directory, here Samba's.

use callotp::directory::{PasswordCheck, UserDirectory as _, WrongPassword, ldap::Lookup};

use super::{
    adapter::{
        INDEX, active_directory, active_directory_schema, check, eventually, finds,
        finds_every_spelling, name_of, password, start, user, wrong,
    },
    people::PASSWORD,
    samba::{self, Samba},
};

async fn every_spelling_finds_its_user(lookup: Lookup) {
    let samba = Samba::shared();
    let config = active_directory(samba.url(), &samba.files.ca);
    let directory = start(config, lookup, active_directory_schema());
    finds_every_spelling(&directory).await;
    let others = [
        ("+46701740605", Some("anna")),
        ("+46701740606", Some("bo")),
        ("+46701740680", Some("bo")),
        ("+46701740681", Some("bo")),
        ("+46701740607", Some("several")),
        ("+46701740690", None),
        ("+46701740699", None),
    ];
    finds(&directory, &others).await;
}

#[tokio::test]
async fn a_number_finds_its_user_by_search_however_the_directory_writes_it() {
    every_spelling_finds_its_user(Lookup::Search).await;
}

#[tokio::test]
async fn a_number_finds_its_user_by_index_however_the_directory_writes_it() {
    every_spelling_finds_its_user(INDEX).await;
}

#[tokio::test]
async fn users_are_known_by_either_of_their_names_and_by_their_guid() {
    let samba = Samba::shared();
    let mut schema = active_directory_schema();
    let config = || active_directory(samba.url(), &samba.files.ca);
    let directory = start(config(), Lookup::Search, schema.clone());
    let by_account = user(&directory, "ANNA")
        .await
        .expect("an answer")
        .expect("a user");
    assert_eq!(&*by_account.name, "anna");
    assert_eq!(&*by_account.dn, format!("CN=anna,{}", samba::PEOPLE));
    let parts: Vec<usize> = by_account.id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{}", by_account.id);
    schema.username_attribute = "userPrincipalName".into();
    let directory = start(config(), Lookup::Search, schema);
    let by_principal = user(&directory, "anna@callotp.test").await;
    let by_principal = by_principal.expect("an answer").expect("a user");
    assert_eq!(&*by_principal.name, "anna@callotp.test");
    assert_eq!(by_principal.id, by_account.id);
    assert_eq!(user(&directory, "anna").await, Ok(None));
}

#[tokio::test]
async fn each_password_is_refused_for_its_own_reason_after_one_bind() {
    let samba = Samba::shared();
    let config = active_directory(samba.url(), &samba.files.ca);
    let mut schema = active_directory_schema();
    schema.user_filter = "(objectClass=user)".into();
    let directory = start(config, Lookup::Search, schema);
    let tries = || samba.attribute("locked", "badPwdCount");
    for bad in 1..=3 {
        let refused = password(&directory, "locked", "wrong").await;
        assert_eq!(refused, wrong(WrongPassword::Mismatch));
        assert_eq!(tries(), [bad.to_string()], "one bind counts once");
    }
    for (name, text, expected) in [
        ("anna", PASSWORD, Ok(PasswordCheck::Right)),
        ("bo", "wrong", wrong(WrongPassword::Mismatch)),
        ("locked", PASSWORD, wrong(WrongPassword::Locked)),
        ("disabled", PASSWORD, wrong(WrongPassword::Disabled)),
        ("expired", PASSWORD, wrong(WrongPassword::Expired)),
        ("over", PASSWORD, wrong(WrongPassword::Expired)),
        ("mustchange", PASSWORD, wrong(WrongPassword::MustChange)),
        ("elsewhere", PASSWORD, wrong(WrongPassword::Restricted)),
    ] {
        assert_eq!(password(&directory, name, text).await, expected, "{name}");
    }
    let stranger = check(&directory, None, PASSWORD).await;
    assert_eq!(stranger, wrong(WrongPassword::Mismatch));
}

#[tokio::test]
async fn an_index_follows_changes_of_active_directory() {
    let samba = Samba::shared();
    let config = active_directory(samba.url(), &samba.files.ca);
    let directory = start(config, INDEX, active_directory_schema());
    eventually(true, async || directory.health().ready).await;
    let change = |how: &str| {
        samba.modify(&format!(
            "dn: CN=moving,{}\nchangetype: modify\n{how}\n",
            samba::PEOPLE
        ));
    };
    let moving = || Ok(Some("moving".to_owned()));
    change("add: mobile\nmobile: 070-174 06 95");
    eventually(moving(), async || name_of(&directory, "+46701740695").await).await;
    change("replace: mobile\nmobile: 070-174 06 96");
    eventually(moving(), async || name_of(&directory, "+46701740696").await).await;
    assert_eq!(name_of(&directory, "+46701740695").await, Ok(None));
    change("replace: userAccountControl\nuserAccountControl: 514");
    assert_eq!(
        name_of(&directory, "+46701740696").await,
        Ok(None),
        "at once"
    );
    change("replace: userAccountControl\nuserAccountControl: 512");
    assert_eq!(
        name_of(&directory, "+46701740696").await,
        moving(),
        "at once"
    );
    change("delete: mobile");
    assert_eq!(
        name_of(&directory, "+46701740696").await,
        Ok(None),
        "at once"
    );
}
