//! Which entries a filter finds, in each flavour.

use callotp_mock::ldap::{Directory, Flavour};

use super::{Client, FLAVOURS, directory};

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
