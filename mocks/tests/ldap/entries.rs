//! What an entry shows, what the root says, and how many come at once.

use callotp_mock::{
    ldap::{Directory, Flavour, Kind},
    people::Person,
};

use super::{Client, FLAVOURS, PASSWORD, directory};

#[tokio::test]
async fn compare_answers_true_false_or_what_is_missing() {
    for flavour in FLAVOURS {
        let directory = directory(flavour).await;
        let client = Client::of(&directory);
        let ada = directory.name_of("ada").unwrap();
        for (name, assertion, code) in [
            (ada.as_str(), "sn:EK", 6),
            (&ada, "sn:Berg", 5),
            (&ada, "pager:1", 16),
            ("cn=nobody,dc=lab,dc=test", "sn:Ek", 32),
        ] {
            let (got, says) = client.run("ldapcompare", &[name, assertion]).await;
            assert_eq!(got, code, "{assertion}: {says}");
        }
    }
}

#[tokio::test]
async fn attributes_are_shown_as_they_are_asked_for() {
    let directory = directory(Flavour::OpenLdap).await;
    let client = Client::of(&directory);
    let plain = client.search("(uid=ada)", &[]).await;
    assert!(
        plain.contains("mobile: +46 70-174 06 05") && !plain.contains("entryUUID"),
        "{plain}"
    );
    let operational = client.search("(uid=ada)", &["+"]).await;
    assert!(operational.contains("entryUUID: ") && operational.contains("entryCSN: "));
    assert!(!operational.contains("mobile"), "{operational}");
    let both = client.search("(uid=ada)", &["*", "+"]).await;
    assert!(
        both.contains("mobile: ") && both.contains("modifyTimestamp: "),
        "{both}"
    );
    let nothing = client.search("(uid=ada)", &["1.1"]).await;
    assert_eq!(nothing.trim(), "dn: uid=ada,ou=people,dc=lab,dc=test");
    let named = client.search("(uid=ada)", &["ENTRYUUID", "surname"]).await;
    assert!(
        named.contains("entryUUID: ") && named.contains("sn: Ek"),
        "{named}"
    );
    assert!(!named.contains("cn: "), "{named}");
    let types = client.search("(uid=ada)", &["-A", "mobile"]).await;
    let base = directory.people_base();
    let asked = ["-A", "-LLL", "-b", &base, "(uid=ada)", "mobile"];
    let (_, types_only) = client.run("ldapsearch", &asked).await;
    assert!(types_only.contains("mobile:\n"), "{types_only} {types}");
    let secret = client
        .search("(userPassword=*)", &["*", "+", "userPassword"])
        .await;
    assert_eq!(secret.trim(), "");
}

#[tokio::test]
async fn an_object_guid_is_bytes_and_is_found_by_its_bytes() {
    let directory = directory(Flavour::Ad).await;
    let guid = directory.value_of("ada", "objectGUID").unwrap();
    assert_eq!(guid.len(), 16);
    let escaped: String = guid.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let client = Client::of(&directory);
    assert_eq!(
        client.found(&format!("(objectGUID={escaped})")).await,
        ["Ada Ek"]
    );
    let searched = directory
        .journal()
        .wait_for(|record| record.kind == Kind::Search)
        .await;
    assert!(searched.filter.unwrap().starts_with("(objectGUID="));
}

#[tokio::test]
async fn scopes_reach_as_far_as_they_say() {
    let directory = directory(Flavour::OpenLdap).await;
    let client = Client::of(&directory);
    for (base, scope, hits) in [
        ("dc=lab,dc=test", "base", 1),
        ("dc=lab,dc=test", "one", 2),
        ("dc=lab,dc=test", "sub", 11),
        ("ou=people,dc=lab,dc=test", "one", 8),
        ("ou=people,dc=lab,dc=test", "children", 8),
        ("uid=ada,ou=people,dc=lab,dc=test", "sub", 1),
        ("uid=ada,ou=people,dc=lab,dc=test", "one", 0),
    ] {
        let (_, answer) = client
            .run("ldapsearch", &["-LLL", "-b", base, "-s", scope, "1.1"])
            .await;
        assert_eq!(
            answer.matches("dn:").count(),
            hits,
            "{base} {scope}: {answer}"
        );
    }
    let asked = ["-b", "ou=x,ou=people,dc=lab,dc=test", "-s", "sub"];
    let (code, says) = client.run("ldapsearch", &asked).await;
    assert!(
        code == 32 && says.contains("matchedDN: ou=people,dc=lab,dc=test"),
        "{says}"
    );
    let (code, _) = client
        .run("ldapsearch", &["-b", "nonsense", "-s", "sub"])
        .await;
    assert_eq!(code, 34);
}

#[tokio::test]
async fn the_root_says_what_it_is() {
    for (flavour, marks) in [
        (
            Flavour::OpenLdap,
            ["1.2.840.113556.1.4.319", "1.3.6.1.4.1.1466.20037"],
        ),
        (
            Flavour::Ad,
            [
                "highestCommittedUSN: ",
                "defaultNamingContext: dc=lab,dc=test",
            ],
        ),
    ] {
        let directory = directory(flavour).await;
        let client = Client::of(&directory);
        let asked = ["-LLL", "-b", "", "-s", "base", "*", "+"];
        let (_, answer) = client.run("ldapsearch", &asked).await;
        for mark in marks
            .into_iter()
            .chain(["callotp-mock: not-for-production"])
        {
            assert!(answer.contains(mark), "{mark} is missing: {answer}");
        }
    }
}

#[tokio::test]
async fn the_schema_says_how_numbers_are_compared_and_stays_out_of_other_searches() {
    let openldap = directory(Flavour::OpenLdap).await;
    let client = Client::of(&openldap);
    let asked = [
        "-LLL",
        "-o",
        "ldif_wrap=no",
        "-b",
        "cn=Subschema",
        "-s",
        "base",
        "attributeTypes",
    ];
    let (_, answer) = client.run("ldapsearch", &asked).await;
    let mobile = answer.lines().find(|line| line.contains("'mobile'"));
    assert!(
        mobile.is_some_and(|line| line.contains("EQUALITY telephoneNumberMatch")),
        "{answer}"
    );

    let ad = directory(Flavour::Ad).await;
    let client = Client::of(&ad);
    let flags = [
        "-LLL",
        "-b",
        "CN=Schema,CN=Configuration,DC=lab,DC=test",
        "(lDAPDisplayName=mobile)",
    ];
    let (_, answer) = client.run("ldapsearch", &flags).await;
    assert!(answer.contains("searchFlags: 0"), "{answer}");
    let domain = ["-LLL", "-b", "DC=lab,DC=test", "(lDAPDisplayName=mobile)"];
    let (_, answer) = client.run("ldapsearch", &domain).await;
    assert!(!answer.contains("searchFlags"), "{answer}");
    assert!(
        answer.contains("CN=Configuration,dc=lab,dc=test"),
        "referred on: {answer}"
    );
}

#[tokio::test]
async fn ten_thousand_people_come_in_pages() {
    for flavour in FLAVOURS {
        let many = (0..10_000).map(|n| {
            let number = format!("+4670174{n:05}");
            Person::new(
                &format!("Person {n}"),
                &format!("p{n}"),
                PASSWORD,
                &[&number],
            )
        });
        let directory = Directory::builder()
            .flavour(flavour)
            .people(many)
            .start()
            .await
            .unwrap();
        let client = Client::of(&directory);
        let base = directory.people_base();
        let asked = [
            "-LLL",
            "-b",
            &base,
            "-E",
            "pr=500/noprompt",
            "(mobile=*)",
            "1.1",
        ];
        let (code, answer) = client.run("ldapsearch", &asked).await;
        assert_eq!(
            (code, answer.matches("dn:").count()),
            (0, 10_000),
            "{flavour:?}"
        );
        let pages = directory.journal().records();
        let sizes: Vec<_> = pages.iter().filter_map(|record| record.entries).collect();
        assert_eq!(sizes, [500; 20]);

        let (code, answer) = client
            .run("ldapsearch", &["-LLL", "-b", &base, "(mobile=*)", "1.1"])
            .await;
        let (expected, hits) = if flavour == Flavour::Ad {
            (4, 1_000)
        } else {
            (0, 10_000)
        };
        assert_eq!(
            (code, answer.matches("dn:").count()),
            (expected, hits),
            "{flavour:?}"
        );
        let limited = ["-LLL", "-z", "7", "-b", &base, "(mobile=*)", "1.1"];
        let (code, answer) = client.run("ldapsearch", &limited).await;
        assert_eq!((code, answer.matches("dn:").count()), (4, 7), "{flavour:?}");
    }
}
