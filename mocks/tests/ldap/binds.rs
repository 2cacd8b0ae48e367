//! Who may come in under which name, and what is told of a refusal.

use callotp_mock::ldap::{Directory, Flavour};

use super::{Client, PASSWORD, directory, people};

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
