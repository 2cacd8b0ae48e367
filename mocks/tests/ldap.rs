//! The directory, asked by OpenLDAP's own command line clients and byte by byte.

use std::{net::Ipv4Addr, process::Output, time::Duration};

use callotp_mock::{
    ldap::{Directory, DirectoryFault, Effect, Flavour, Kind, Operation},
    people::{Person, Status},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    time::timeout,
};

const PASSWORD: &str = "correct horse";
const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const FLAVOURS: [Flavour; 2] = [Flavour::OpenLdap, Flavour::Ad];

fn people() -> Vec<Person> {
    let status =
        |username: &str, status| Person::new(username, username, PASSWORD, &[]).with_status(status);
    vec![
        Person::new(
            "Ada Ek",
            "ada",
            PASSWORD,
            &["+46 70-174 06 05", "08-465 004 10"],
        ),
        Person::new("Åsa Öst, d.y.", "åsa", PASSWORD, &["+46701740606"]),
        Person::new("Bo", "bo", PASSWORD, &["+46701740607"]),
        status("disabled", Status::Disabled),
        status("locked", Status::Locked),
        status("pwexpired", Status::PasswordExpired),
        status("expired", Status::AccountExpired),
        status("mustchange", Status::MustChangePassword),
    ]
}

async fn directory(flavour: Flavour) -> Directory {
    Directory::builder()
        .flavour(flavour)
        .suffix("dc=lab,dc=test")
        .people(people())
        .service("callotp", "service secret")
        .ldaps(LOOPBACK.into())
        .start()
        .await
        .expect("a free port on loopback")
}

/// One of OpenLDAP's clients at work.
struct Client<'d> {
    directory: &'d Directory,
    ca: tempfile::NamedTempFile,
}

impl<'d> Client<'d> {
    fn of(directory: &'d Directory) -> Self {
        let ca = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(ca.path(), directory.ca_pem()).expect("a file just made");
        Self { directory, ca }
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> (i32, String) {
        let url = self.directory.url();
        self.run_at(&url, program, arguments).await
    }

    async fn run_at(&self, url: &str, program: &str, arguments: &[&str]) -> (i32, String) {
        let client = Command::new(program)
            .args(["-x", "-H", url])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.ca.path())
            .kill_on_drop(true)
            .output();
        let output = timeout(Duration::from_secs(20), client)
            .await
            .expect("the client ends");
        let Output {
            status,
            stdout,
            stderr,
        } = output.expect("ci/install-components installs ldap-utils");
        let text = [stdout, stderr].concat();
        (
            status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    async fn search(&self, filter: &str, attributes: &[&str]) -> String {
        let base = self.directory.people_base();
        let fixed = ["-LLL", "-o", "ldif_wrap=no", "-b", &base, filter];
        self.run("ldapsearch", &[&fixed, attributes].concat())
            .await
            .1
    }

    /// The common names found, sorted.
    async fn found(&self, filter: &str) -> Vec<String> {
        let answer = self.search(filter, &["cn"]).await;
        let names = answer.lines().filter_map(|line| line.strip_prefix("cn: "));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    async fn bind(&self, name: &str, password: &str) -> (i32, String) {
        let fixed = [
            "-LLL", "-D", name, "-w", password, "-b", "", "-s", "base", "1.1",
        ];
        self.run("ldapsearch", &fixed).await
    }
}

#[tokio::test]
async fn openldap_ignores_spaces_and_hyphens_in_numbers_and_active_directory_does_not() {
    let (openldap, ad) = (
        directory(Flavour::OpenLdap).await,
        directory(Flavour::Ad).await,
    );
    let (openldap, ad) = (Client::of(&openldap), Client::of(&ad));
    let ada = ["Ada Ek"];
    assert_eq!(openldap.found("(mobile=+46701740605)").await, ada);
    assert_eq!(openldap.found("(mobile=+467-01 740 605)").await, ada);
    assert_eq!(openldap.found("(mobile=*0605)").await, ada);
    assert_eq!(openldap.found("(telephoneNumber=0846500410)").await, ada);
    assert!(openldap.found("(mobile=46701740605)").await.is_empty());
    assert!(openldap.found("(mobile=0046701740605)").await.is_empty());

    assert!(ad.found("(mobile=+46701740605)").await.is_empty());
    assert_eq!(ad.found("(mobile=+46 70-174 06 05)").await, ada);
    assert_eq!(ad.found("(mobile=+46  70-174  06 05 )").await, ada);
    assert_eq!(ad.found("(mobile=*70*174*06*05)").await, ada);
    assert!(ad.found("(mobile=*0605)").await.is_empty());
    assert!(
        ad.found("(mobile:telephoneNumberMatch:=+46701740605)")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn filters_of_every_kind_are_answered() {
    for flavour in FLAVOURS {
        let directory = directory(flavour).await;
        let client = Client::of(&directory);
        for (filter, names) in [
            ("(cn=ada ek)", vec!["Ada Ek"]),
            ("(cn=A*k)", vec!["Ada Ek"]),
            ("(cn=*d*e*)", vec!["Ada Ek", "disabled"]),
            (
                "(&(objectClass=person)(|(cn=Bo)(cn=Ada Ek)))",
                vec!["Ada Ek", "Bo"],
            ),
            ("(&(mobile=*)(!(cn=Bo))(!(cn=Ada*)))", vec![]),
            ("(cn~=adaek)", vec!["Ada Ek"]),
            ("(&(cn>=bo)(cn<=c))", vec!["Bo"]),
            ("(nosuchattribute=x)", vec![]),
            ("(!(nosuchattribute=x))", vec![]),
            ("(|(nosuchattribute=x)(cn=Bo))", vec!["Bo"]),
            (
                "(cn=*)",
                vec![
                    "Ada Ek",
                    "Bo",
                    "disabled",
                    "expired",
                    "locked",
                    "mustchange",
                    "pwexpired",
                ],
            ),
        ] {
            let mut found = client.found(filter).await;
            // The one name outside ASCII is shown in base64, not as `cn: `.
            found.retain(|name| !name.is_empty());
            assert_eq!(found, names, "{filter} {flavour:?}");
        }
        let answer = client.search("(cn=ÅSA  öst, D.Y.)", &["cn"]).await;
        assert!(answer.contains("cn:: w4VzYSDDlnN0LCBkLnku"), "{answer}");
    }
}

#[tokio::test]
async fn bit_filters_tell_disabled_accounts_in_active_directory() {
    let directory = directory(Flavour::Ad).await;
    let client = Client::of(&directory);
    let rule = "userAccountControl:1.2.840.113556.1.4.80";
    assert_eq!(client.found(&format!("({rule}3:=2)")).await, ["disabled"]);
    assert_eq!(client.found(&format!("({rule}4:=2)")).await, ["disabled"]);
    assert_eq!(
        client.found(&format!("(&(cn=Bo)({rule}4:=514))")).await,
        ["Bo"]
    );
    assert!(
        client
            .found(&format!("(&(cn=Bo)({rule}3:=514))"))
            .await
            .is_empty()
    );
    assert_eq!(
        client.found(&format!("(&(cn=Bo)(!({rule}3:=2)))")).await,
        ["Bo"]
    );
    assert_eq!(client.found("(lockoutTime>=1)").await, ["locked"]);
}

#[tokio::test]
async fn chained_membership_is_followed_round_a_ring() {
    let group = |name: &str, of: &str| {
        format!(
            "dn: CN={name},DC=lab,DC=test\nobjectClass: group\ncn: {name}\nmemberOf: CN={of},DC=lab,DC=test\n\n"
        )
    };
    let ldif = [group("a", "b"), group("b", "c"), group("c", "a")].concat();
    let directory = Directory::builder()
        .flavour(Flavour::Ad)
        .suffix("DC=lab,DC=test")
        .ldif(&ldif)
        .start()
        .await
        .unwrap();
    let client = Client::of(&directory);
    let chain = "memberOf:1.2.840.113556.1.4.1941:";
    let base = ["-LLL", "-b", "DC=lab,DC=test"];
    for (filter, hits) in [
        (format!("({chain}=CN=c,DC=lab,DC=test)"), 3),
        (format!("(&(cn=a)({chain}=CN=a,DC=lab,DC=test))"), 1),
        (format!("({chain}=CN=d,DC=lab,DC=test)"), 0),
        ("(memberOf=cn=C, dc=lab, dc=test)".to_owned(), 1),
    ] {
        let (_, answer) = client
            .run("ldapsearch", &[&base[..], &[&filter, "cn"]].concat())
            .await;
        assert_eq!(answer.matches("dn:").count(), hits, "{filter}: {answer}");
    }
}

#[tokio::test]
async fn a_refused_bind_says_in_active_directory_why_and_in_openldap_nothing() {
    let (openldap, ad) = (
        directory(Flavour::OpenLdap).await,
        directory(Flavour::Ad).await,
    );
    let (openldap, ad) = (Client::of(&openldap), Client::of(&ad));
    for (user, password, data) in [
        ("ada", "wrong", "52e"),
        ("nobody", PASSWORD, "52e"),
        ("disabled", "wrong", "52e"),
        ("disabled", PASSWORD, "533"),
        ("locked", PASSWORD, "775"),
        ("locked", "wrong", "775"),
        ("pwexpired", PASSWORD, "532"),
        ("expired", PASSWORD, "701"),
        ("mustchange", PASSWORD, "773"),
    ] {
        let (code, says) = ad.bind(&format!("{user}@lab.test"), password).await;
        let reason = format!("data {data}, v1db1");
        assert!(
            code == 49 && says.contains(&reason),
            "{user} {password}: {code} {says}"
        );
    }
    for (user, password) in [
        ("ada", "wrong"),
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
        ("locked", PASSWORD),
        ("pwexpired", PASSWORD),
    ] {
        let name = format!("uid={user},ou=people,dc=lab,dc=test");
        let (code, says) = openldap.bind(&name, password).await;
        assert_eq!(
            (code, says.trim()),
            (49, "ldap_bind: Invalid credentials (49)"),
            "{user}"
        );
    }
}

#[tokio::test]
async fn openldap_tells_more_to_those_who_ask_with_the_password_policy_control() {
    let directory = directory(Flavour::OpenLdap).await;
    let client = Client::of(&directory);
    for (user, password, says) in [
        ("ada", "wrong", "ldap_bind: Invalid credentials (49)"),
        (
            "disabled",
            PASSWORD,
            "ldap_bind: Invalid credentials (49); Account locked",
        ),
        (
            "locked",
            "wrong",
            "ldap_bind: Invalid credentials (49); Account locked",
        ),
        (
            "pwexpired",
            PASSWORD,
            "ldap_bind: Invalid credentials (49); Password expired",
        ),
        (
            "mustchange",
            PASSWORD,
            "ldap_bind: Success (0); Password must be changed",
        ),
    ] {
        let name = format!("uid={user},ou=people,dc=lab,dc=test");
        let bind = ["-e", "ppolicy", "-D", &name, "-w", password];
        let (_, answer) = client.run("ldapwhoami", &bind).await;
        assert!(answer.lines().any(|line| line == says), "{user}: {answer}");
    }
}

#[tokio::test]
async fn active_directory_takes_a_user_by_three_names() {
    let directory = directory(Flavour::Ad).await;
    let client = Client::of(&directory);
    for (name, code) in [
        ("ada@lab.test", 0),
        ("ADA@LAB.TEST", 0),
        ("LAB\\ada", 0),
        ("lab\\ADA", 0),
        ("CN=Ada Ek,OU=People,DC=lab,DC=test", 0),
        ("cn=ada  ek, ou=people, dc=LAB, dc=test", 0),
        ("callotp@lab.test", 49),
        ("ada", 49),
        ("OTHER\\ada", 49),
        ("ada@other.test", 49),
    ] {
        assert_eq!(client.bind(name, PASSWORD).await.0, code, "{name}");
    }
    assert_eq!(client.bind("callotp@lab.test", "service secret").await.0, 0);
    assert_eq!(
        client
            .bind("CN=callotp,CN=Users,DC=lab,DC=test", "service secret")
            .await
            .0,
        0
    );
}

#[tokio::test]
async fn a_name_without_a_password_is_refused_unless_the_test_wants_it() {
    for (flavour, name, code) in [
        (Flavour::OpenLdap, "uid=ada,ou=people,dc=lab,dc=test", 53),
        (Flavour::Ad, "ada@lab.test", 49),
    ] {
        let strict = directory(flavour).await;
        assert_eq!(
            Client::of(&strict).bind(name, "").await.0,
            code,
            "{flavour:?}"
        );
        let old = Directory::builder()
            .flavour(flavour)
            .suffix("dc=lab,dc=test")
            .people(people())
            .unauthenticated_bind(true)
            .start()
            .await
            .unwrap();
        assert_eq!(Client::of(&old).bind(name, "").await.0, 0, "{flavour:?}");
    }
}

#[tokio::test]
async fn whoami_is_known_to_openldap_alone() {
    let openldap = directory(Flavour::OpenLdap).await;
    let client = Client::of(&openldap);
    let ada = ["-D", "uid=Ada,ou=people,dc=lab,dc=test", "-w", PASSWORD];
    let (code, says) = client.run("ldapwhoami", &ada).await;
    assert_eq!(
        (code, says.trim()),
        (0, "dn:uid=ada,ou=people,dc=lab,dc=test")
    );
    assert_eq!(
        client.run("ldapwhoami", &[]).await,
        (0, "anonymous\n".to_owned())
    );

    let ad = directory(Flavour::Ad).await;
    let (code, says) = Client::of(&ad)
        .run("ldapwhoami", &["-D", "LAB\\ada", "-w", PASSWORD])
        .await;
    assert!(code != 0 && says.contains("not supported"), "{code} {says}");
}

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
async fn starttls_and_ldaps_show_a_certificate_that_the_authority_vouches_for() {
    for flavour in FLAVOURS {
        let directory = directory(flavour).await;
        let client = Client::of(&directory);
        let name = directory.name_of("ada").unwrap();
        let bind = [
            "-LLL", "-D", &name, "-w", PASSWORD, "-b", "", "-s", "base", "1.1",
        ];
        let (code, says) = client
            .run("ldapsearch", &[&["-ZZ"], &bind[..]].concat())
            .await;
        assert_eq!(code, 0, "{says}");
        let url = directory.ldaps_url().unwrap();
        let (code, says) = client.run_at(&url, "ldapsearch", &bind).await;
        assert_eq!(code, 0, "{says}");
        let over_tls = directory.journal().records();
        let binds = over_tls.iter().filter(|record| record.kind == Kind::Bind);
        assert!(binds.map(|record| record.encrypted).eq([true, true]));
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_by_the_client() {
    use callotp_mock::authority::Certificate;
    for wrong in [
        Certificate::WrongName,
        Certificate::Expired,
        Certificate::Untrusted,
    ] {
        let directory = directory(Flavour::OpenLdap).await;
        let effect = Effect::Certificate(wrong);
        directory.set_faults([DirectoryFault::always(Operation::Connect, effect)]);
        let client = Client::of(&directory);
        let url = directory.ldaps_url().unwrap();
        let asked = ["-LLL", "-b", "", "-s", "base"];
        let (code, says) = client.run_at(&url, "ldapsearch", &asked).await;
        assert_ne!(code, 0, "{wrong:?}: {says}");
        let (code, says) = client
            .run("ldapsearch", &[&["-ZZ"], &asked[..]].concat())
            .await;
        assert_ne!(code, 0, "{wrong:?}: {says}");
    }
}

#[tokio::test]
async fn a_password_over_a_bare_connection_is_refused_where_tls_is_required() {
    for (flavour, name, code) in [
        (Flavour::OpenLdap, "uid=ada,ou=people,dc=lab,dc=test", 13),
        (Flavour::Ad, "ada@lab.test", 8),
    ] {
        let directory = Directory::builder()
            .flavour(flavour)
            .suffix("dc=lab,dc=test")
            .people(people())
            .require_tls(true)
            .start()
            .await
            .unwrap();
        let client = Client::of(&directory);
        assert_eq!(client.bind(name, PASSWORD).await.0, code);
        let bind = [
            "-ZZ", "-D", name, "-w", PASSWORD, "-b", "", "-s", "base", "1.1",
        ];
        assert_eq!(client.run("ldapsearch", &bind).await.0, 0);
    }
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

#[tokio::test]
async fn sixty_four_connections_are_served_at_once() {
    for flavour in FLAVOURS {
        let directory = directory(flavour).await;
        let mut connections = Vec::new();
        for _ in 0..64 {
            connections.push(TcpStream::connect(directory.ldap_address()).await.unwrap());
        }
        // Every connection is open before the first one is asked anything.
        for stream in &mut connections {
            stream.write_all(&ROOT_SEARCH).await.unwrap();
        }
        for stream in &mut connections {
            let mut answer = [0; 16];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[0], 0x30);
        }
        let client = Client::of(&directory);
        let name = directory.name_of("ada").unwrap();
        let searches = (0..64).map(|_| client.bind(&name, PASSWORD));
        for (code, says) in futures_util::future::join_all(searches).await {
            assert_eq!(code, 0, "{says}");
        }
    }
}

/// A base search of the root for `(objectClass=*)`, message 1.
const ROOT_SEARCH: [u8; 39] = [
    0x30, 0x25, 2, 1, 1, 0x63, 0x20, 4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0, 0x87, 11,
    b'o', b'b', b'j', b'e', b'c', b't', b'C', b'l', b'a', b's', b's', 0x30, 0,
];

#[tokio::test]
async fn garbage_is_journalled_and_ends_only_its_own_connection() {
    let directory = directory(Flavour::OpenLdap).await;
    let too_deep = {
        // A hundred negations, each inside the other.
        let mut filter = vec![0x87, 1, b'x'];
        for _ in 0..100 {
            let length = u16::try_from(filter.len()).unwrap().to_be_bytes();
            filter = [&[0xa2, 0x82, length[0], length[1]], &filter[..]].concat();
        }
        let mut body = ROOT_SEARCH[7..24].to_vec();
        body.extend(&filter);
        body.extend([0x30, 0]);
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let op = [&[2, 1, 1, 0x63, 0x82, length[0], length[1]], &body[..]].concat();
        let length = u16::try_from(op.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82, length[0], length[1]], &op[..]].concat()
    };
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        vec![0x30, 0x80, 0, 0],
        vec![0x30, 5, 2, 1, 1, 0x7f, 0],
        vec![0x30, 3, 2, 1, 1],
        too_deep,
    ] {
        let before = directory
            .journal()
            .records()
            .last()
            .map_or(0, |record| record.id);
        let mut stream = TcpStream::connect(directory.ldap_address()).await.unwrap();
        stream.write_all(&garbage).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        read.expect("the connection ends").unwrap();
        let notice = b"1.3.6.1.4.1.1466.20036";
        assert!(
            answer.windows(notice.len()).any(|window| window == notice),
            "{garbage:?}"
        );
        let noted = directory.journal().since(before);
        assert!(
            noted.iter().any(|record| record.kind == Kind::Garbage),
            "{garbage:?} {noted:?}"
        );
    }
    assert_eq!(Client::of(&directory).found("(cn=Bo)").await, ["Bo"]);
}

#[tokio::test]
async fn faults_strike_what_they_are_meant_for() {
    let directory = directory(Flavour::OpenLdap).await;
    let client = Client::of(&directory);
    let fault = |text: &str| -> DirectoryFault { toml::from_str(text).unwrap() };
    let ada = directory.name_of("ada").unwrap();
    for (text, bind, search) in [
        ("operation = \"search\"\nresult = \"busy\"", 0, 51),
        // `ldapsearch` binds as nobody first.
        ("operation = \"bind\"\nresult = \"unavailable\"", 52, 52),
        (
            "operation = \"any\"\nresult = \"unwillingToPerform\"",
            53,
            53,
        ),
        (
            "operation = \"search\"\nresult = \"size-limit-exceeded\"",
            0,
            4,
        ),
        ("operation = \"search\"\nnth = 2\nresult = \"busy\"", 0, 0),
        (
            "operation = \"search\"\nprobability = 0.0\nresult = \"busy\"",
            0,
            0,
        ),
        (
            "operation = \"search\"\nprobability = 1.0\nresult = \"busy\"",
            0,
            51,
        ),
        ("operation = \"search\"\nafter = \"30ms\"", 0, 0),
    ] {
        directory.set_faults([fault(text)]);
        let whoami = ["-D", &ada, "-w", PASSWORD];
        let bound = client.run("ldapwhoami", &whoami).await.0;
        if bind == 0 && bound != 0 {
            // `any` strikes the question after the bind as well.
            assert!(text.contains("any"), "{text}");
        } else {
            assert_eq!(bound, bind, "{text}");
        }
        let asked = ["-LLL", "-b", "dc=lab,dc=test", "(uid=ada)", "1.1"];
        assert_eq!(client.run("ldapsearch", &asked).await.0, search, "{text}");
    }
    directory.set_faults([fault(
        "operation = \"search\"\nnth = \"2..3\"\nresult = \"busy\"",
    )]);
    let asked = ["-LLL", "-b", "dc=lab,dc=test", "(uid=ada)", "1.1"];
    for code in [0, 51, 51, 0] {
        assert_eq!(client.run("ldapsearch", &asked).await.0, code);
    }
    assert_eq!(directory.faults_struck(), [2]);
}

#[tokio::test]
async fn a_fault_can_refer_double_delay_reset_or_say_nothing() {
    let directory = directory(Flavour::OpenLdap).await;
    let client = Client::of(&directory);
    let strike =
        |operation, effect| directory.set_faults([DirectoryFault::always(operation, effect)]);
    let asked = [
        "-LLL",
        "-b",
        "dc=lab,dc=test",
        "(uid=ada)",
        "uid",
        "entryUUID",
    ];

    strike(
        Operation::Search,
        Effect::Result(callotp_mock::ldap::fault::result_named("referral").unwrap()),
    );
    let (code, says) = client.run("ldapsearch", &asked).await;
    assert!(
        code == 10 && says.contains("ldap://elsewhere.invalid/dc=lab,dc=test"),
        "{code} {says}"
    );

    strike(Operation::Search, Effect::SecondEntry);
    let (_, answer) = client.run("ldapsearch", &asked).await;
    let ids: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("entryUUID"))
        .collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{answer}");

    strike(Operation::Search, Effect::After(Duration::from_secs(3_600)));
    let (code, _) = client
        .run("ldapsearch", &[&["-l", "1"], &asked[..]].concat())
        .await;
    assert_eq!(code, 3, "the client's own time limit counts");

    strike(Operation::Search, Effect::Reset);
    let mut stream = TcpStream::connect(directory.ldap_address()).await.unwrap();
    stream.write_all(&ROOT_SEARCH).await.unwrap();
    let error = stream.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    strike(Operation::Any, Effect::Silent);
    let mut stream = TcpStream::connect(directory.ldap_address()).await.unwrap();
    stream.write_all(&ROOT_SEARCH).await.unwrap();
    let struck = directory
        .journal()
        .wait_for(|r| r.fault.as_deref() == Some("silent"))
        .await;
    assert_eq!((struck.kind, struck.result), (Kind::Search, None));
    // Later questions on the same connection are answered.
    directory.set_faults([]);
    stream.write_all(&ROOT_SEARCH).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0x30);

    strike(Operation::Connect, Effect::Silent);
    let mut stream = TcpStream::connect(directory.ldap_address()).await.unwrap();
    stream.write_all(&ROOT_SEARCH).await.unwrap();
    let nothing = timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(nothing.is_err(), "half dead: {nothing:?}");
}

#[tokio::test]
async fn an_abandoned_search_is_not_answered_and_others_pass_a_slow_one() {
    let directory = directory(Flavour::OpenLdap).await;
    let slow = Effect::After(Duration::from_millis(200));
    directory.set_faults([DirectoryFault::nth(Operation::Search, 1, slow)]);
    let mut stream = TcpStream::connect(directory.ldap_address()).await.unwrap();
    let mut second = ROOT_SEARCH;
    second[4] = 2;
    let abandon = [0x30, 6, 2, 1, 3, 0x50, 1, 1];
    stream
        .write_all(&[&ROOT_SEARCH[..], &second, &abandon].concat())
        .await
        .unwrap();
    directory
        .journal()
        .wait_for(|record| record.kind == Kind::Abandon)
        .await;
    let mut answers = [0; 8];
    stream.read_exact(&mut answers).await.unwrap();
    let id_at = answers.windows(2).position(|w| w == [2, 1]).unwrap() + 2;
    assert_eq!(answers[id_at], 2, "the second search is answered first");
    drop(stream);
    directory
        .journal()
        .wait_for(|record| record.kind == Kind::Disconnect)
        .await;
    let searches = directory.journal().records();
    let searches = searches.iter().filter(|record| record.kind == Kind::Search);
    assert_eq!(searches.count(), 1, "the first was never answered");
}

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
async fn wrong_passwords_lock_an_account_where_the_directory_says_so() {
    for (flavour, name) in [
        (Flavour::OpenLdap, "uid=ada,ou=people,dc=lab,dc=test"),
        (Flavour::Ad, "ada@lab.test"),
    ] {
        let directory = Directory::builder()
            .flavour(flavour)
            .suffix("dc=lab,dc=test")
            .people(people())
            .lockout_after(3)
            .start()
            .await
            .unwrap();
        let client = Client::of(&directory);
        for password in ["wrong", "wrong", PASSWORD, "wrong", "wrong"] {
            let expected = if password == PASSWORD { 0 } else { 49 };
            assert_eq!(client.bind(name, password).await.0, expected);
        }
        assert_eq!(
            client.bind(name, PASSWORD).await.0,
            0,
            "a right one ends the count"
        );
        for _ in 0..3 {
            client.bind(name, "wrong").await;
        }
        let (code, says) = client.bind(name, PASSWORD).await;
        assert_eq!(code, 49);
        assert_eq!(says.contains("data 775"), flavour == Flavour::Ad, "{says}");
    }
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
async fn a_directory_that_went_down_refuses_until_it_comes_up_and_frees_its_port_when_dropped() {
    let directory = directory(Flavour::OpenLdap).await;
    let address = directory.ldap_address();
    let mut open = TcpStream::connect(address).await.unwrap();
    directory
        .journal()
        .wait_for(|record| record.kind == Kind::Connect)
        .await;
    directory.go_down().await;
    assert_eq!(
        open.read(&mut [0; 1]).await.unwrap_or(0),
        0,
        "connections are closed"
    );
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    directory.come_up().await.unwrap();
    assert_eq!(Client::of(&directory).found("(cn=Bo)").await, ["Bo"]);
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

#[tokio::test]
async fn anonymous_searches_are_refused_where_the_directory_says_so() {
    for (flavour, code) in [(Flavour::OpenLdap, 50), (Flavour::Ad, 1)] {
        let directory = Directory::builder()
            .flavour(flavour)
            .people(people())
            .anonymous_search(false)
            .start()
            .await
            .unwrap();
        let client = Client::of(&directory);
        let base = directory.people_base();
        let asked = ["-LLL", "-b", &base, "(cn=Bo)", "cn"];
        assert_eq!(client.run("ldapsearch", &asked).await.0, code);
        let name = directory.name_of("ada").unwrap();
        let bound = [&["-D", &name, "-w", PASSWORD], &asked[..]].concat();
        assert_eq!(client.run("ldapsearch", &bound).await.0, 0);
        let root = ["-LLL", "-b", "", "-s", "base", "namingContexts"];
        assert_eq!(client.run("ldapsearch", &root).await.0, 0);
    }
}
