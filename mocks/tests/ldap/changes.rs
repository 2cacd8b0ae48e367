//! How the directory's content comes in, changes, and who may not change it.

use callotp_mock::{
    ldap::{Directory, Flavour},
    people::Person,
};

use super::{Client, PASSWORD, directory};

#[tokio::test]
async fn a_change_leaves_its_mark_for_those_who_poll() {
    let openldap = directory(Flavour::OpenLdap).await;
    let client = Client::of(&openldap);
    let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
    let before = text(openldap.value_of("bo", "entryCSN"));
    let id = openldap.value_of("ada", "entryUUID");
    let moved = Person::new("Ada Ek", "ada", PASSWORD, &["+46701740699"]);
    assert!(openldap.change(&moved));
    assert_eq!(openldap.value_of("ada", "entryUUID"), id);
    assert!(text(openldap.value_of("ada", "entryCSN")) > before);
    assert_eq!(client.found("(mobile=+46701740699)").await, ["Ada Ek"]);
    assert!(client.found("(mobile=+46701740605)").await.is_empty());
    let newer = client
        .search(
            &format!("(&(objectClass=person)(entryCSN>={before})(!(entryCSN={before})))"),
            &["cn"],
        )
        .await;
    assert!(
        newer.contains("cn: Ada Ek") && !newer.contains("cn: Bo"),
        "{newer}"
    );
    openldap
        .add(&Person::new("Cy", "cy", PASSWORD, &["+46701740611"]))
        .unwrap();
    assert_eq!(client.found("(mobile=+46701740611)").await, ["Cy"]);
    assert!(
        openldap
            .add(&Person::new("Cy", "CY", PASSWORD, &[]))
            .is_err()
    );
    assert!(openldap.remove("cy") && !openldap.remove("cy"));
    assert!(client.found("(mobile=+46701740611)").await.is_empty());

    let ad = directory(Flavour::Ad).await;
    let client = Client::of(&ad);
    let asked = ["-LLL", "-b", "", "-s", "base", "highestCommittedUSN"];
    let usn = |answer: &str| -> u64 {
        let line = answer
            .lines()
            .find_map(|line| line.strip_prefix("highestCommittedUSN: "));
        line.unwrap().parse().unwrap()
    };
    let before = usn(&client.run("ldapsearch", &asked).await.1);
    assert!(ad.change(&moved));
    let namesake = Person::new("Another Ada", "ADA", PASSWORD, &[]);
    assert!(ad.add(&namesake).is_err(), "user names are unique");
    ad.remove("bo");
    let after = usn(&client.run("ldapsearch", &asked).await.1);
    assert!(after > before);
    assert_eq!(
        client.found(&format!("(uSNChanged>={})", before + 1)).await,
        ["Ada Ek"]
    );
    let deleted = [
        "-LLL",
        "-o",
        "ldif_wrap=no",
        "-b",
        "dc=lab,dc=test",
        "-E",
        "!1.2.840.113556.1.4.417",
        "(isDeleted=TRUE)",
        "sAMAccountName",
    ];
    let (_, graves) = client.run("ldapsearch", &deleted).await;
    assert!(graves.contains("sAMAccountName: bo"), "{graves}");
    // A wrong password is a change too.
    client.bind("ada@lab.test", "wrong").await;
    assert!(usn(&client.run("ldapsearch", &asked).await.1) > after);
}

#[tokio::test]
async fn ldif_is_loaded_with_hashed_passwords_and_its_mistakes_have_a_line() {
    let ldif = "dn: dc=lab,dc=test\nobjectClass: domain\ndc: lab\n\n\
        dn: uid=eva,dc=lab,dc=test\nobjectClass: person\nuid: eva\ncn: Eva\n\
        entryUUID: 6e8bc430-9c3a-11d9-9669-0800200c9a66\n\
        userPassword: {SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==\n\n\
        dn: uid=off,dc=lab,dc=test\nobjectClass: person\nuid: off\nuserPassword: secret\n\
        pwdAccountLockedTime: 000001010000Z\n";
    let built = |text: &str| {
        Directory::builder()
            .suffix("dc=lab,dc=test")
            .ldif(text)
            .start()
    };
    let directory = built(ldif).await.unwrap();
    let client = Client::of(&directory);
    assert_eq!(client.bind("uid=eva,dc=lab,dc=test", "secret").await.0, 0);
    assert_eq!(client.bind("uid=eva,dc=lab,dc=test", "Secret").await.0, 49);
    assert_eq!(client.bind("uid=off,dc=lab,dc=test", "secret").await.0, 49);
    assert_eq!(
        directory.value_of("eva", "entryUUID").unwrap(),
        b"6e8bc430-9c3a-11d9-9669-0800200c9a66"
    );
    for (text, line) in [
        ("dn: uid=a,dc=lab,dc=test\nuid a", "line 2"),
        (
            "dn: uid=a,dc=lab,dc=test\nuid: a\n\ndn: uid=A,dc=lab,dc=test\nuid: a",
            "line 4",
        ),
        ("dn: nonsense\nuid: a", "line 1"),
        (
            "dn: uid=a,dc=lab,dc=test\nuid: a\nmobile:: w6U=",
            "mobile holds ASCII only",
        ),
        ("dn: uid=a,dc=lab,dc=test\nuserPassword: {ROT13}x", "line 1"),
    ] {
        let error = built(text).await.unwrap_err().to_string();
        assert!(error.contains(line), "{error}");
    }
}

#[tokio::test]
async fn a_client_cannot_change_the_directory() {
    let directory = directory(Flavour::OpenLdap).await;
    let client = Client::of(&directory);
    let ada = directory.name_of("ada").unwrap();
    let (code, says) = client
        .run("ldapdelete", &["-D", &ada, "-w", PASSWORD, &ada])
        .await;
    assert!(
        code == 53 && says.contains("through its library"),
        "{code} {says}"
    );
    assert_eq!(client.found("(cn=Ada Ek)").await, ["Ada Ek"]);
}
