//! What `doctor` says of LDAP servers, healthy and otherwise.

use std::sync::Arc;

use callotp::{
    clock::SystemClock,
    directory::{
        Schema,
        ldap::{LdapConfig, Lookup, doctor},
    },
    finding::{Finding, Severity},
    secret::Secret,
};

use super::{
    adapter::{INDEX, active_directory, active_directory_schema, openldap, openldap_schema, plan},
    authority::Authority,
    relay::{Mode, Relay},
    samba::Samba,
    slapd::{Slapd, free_port},
};

async fn examine(config: LdapConfig, lookup: Lookup, schema: Schema) -> Vec<Finding> {
    let clock = Arc::new(SystemClock::start());
    let findings = doctor::examine(config, lookup, schema, plan(), clock).await;
    findings.expect("a usable configuration")
}

/// The findings at least as bad as this, as text.
fn at_least(severity: Severity, findings: &[Finding]) -> String {
    let bad = findings
        .iter()
        .filter(|finding| finding.severity >= severity);
    bad.map(|finding| format!("{finding}\n")).collect()
}

#[tokio::test]
async fn a_healthy_openldap_has_no_broken_findings() {
    let slapd = Slapd::shared();
    let mut config = openldap(&[format!("ldaps://{}", slapd.tls)]);
    config.ca = Some(slapd.files.ca.clone());
    let findings = examine(config, INDEX, openldap_schema()).await;
    assert_eq!(at_least(Severity::Broken, &findings), "", "{findings:#?}");
    let all = at_least(Severity::Good, &findings);
    for word in [
        "reached in",
        "TLSv1_3, certificate good until",
        "is let in",
        "in pages",
    ] {
        assert!(all.contains(word), "{word} in {all}");
    }
}

#[tokio::test]
async fn active_directory_says_which_phone_attributes_are_not_indexed() {
    let samba = Samba::shared();
    let config = active_directory(samba.url(), &samba.files.ca);
    let findings = examine(config, Lookup::Search, active_directory_schema()).await;
    assert_eq!(at_least(Severity::Broken, &findings), "", "{findings:#?}");
    let unwise = at_least(Severity::Unwise, &findings);
    assert!(unwise.contains("mobile is not indexed"), "{unwise}");
    let all = at_least(Severity::Good, &findings);
    assert!(all.contains("its clock and ours are"), "{all}");
}

#[tokio::test]
async fn each_mistake_is_named_with_what_to_do() {
    let slapd = Slapd::shared();
    type Change = fn(&mut LdapConfig, &mut Schema);
    let mistakes: [(Change, &str); 8] = [
        (
            |c, _| c.bind_password = Some(Secret::new("wrong".into())),
            "check bind_dn",
        ),
        (
            |_, s| s.base = "ou=nowhere,dc=example,dc=org".into(),
            "correct base",
        ),
        (
            |_, s| s.user_filter = "(objectClass=robot)".into(),
            "finds nobody below base",
        ),
        (
            |_, s| s.username_attribute = "uidd".into(),
            "username_attribute: no user has uidd",
        ),
        (
            |_, s| s.user_id_attribute = "objectGUID".into(),
            "user_id_attribute: no user has",
        ),
        (
            |_, s| s.phone_attributes = vec!["mobil".into()],
            "does not know mobil",
        ),
        (
            |_, s| s.phone_attributes = vec!["pager".into()],
            "no user has pager",
        ),
        (
            |c, _| c.start_tls = true,
            "name the PEM file of the authority",
        ),
    ];
    for (change, expected) in mistakes {
        let (mut config, mut schema) = (openldap(&[slapd.url()]), openldap_schema());
        change(&mut config, &mut schema);
        let folder = tempfile::tempdir().expect("a folder");
        if config.start_tls {
            config.ca = Some(Authority::new().certify(folder.path(), &["localhost"]).ca);
        }
        let findings = examine(config, Lookup::Search, schema).await;
        let said = at_least(Severity::Unwise, &findings);
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

#[tokio::test]
async fn every_server_is_examined() {
    let slapd = Slapd::shared();
    let relay = Relay::to(slapd.plain).await;
    relay.set(Mode::Silent);
    let nobody = format!("ldap://{}", free_port());
    let urls = [nobody, relay.url(), slapd.url()];
    let findings = examine(openldap(&urls), Lookup::Search, openldap_schema()).await;
    let of = |url: &str| {
        let of: Vec<_> = findings
            .iter()
            .filter(|f| f.subject == url)
            .cloned()
            .collect();
        at_least(Severity::Broken, &of)
    };
    assert!(of(&urls[0]).contains("cannot connect"), "{}", of(&urls[0]));
    assert!(of(&urls[1]).contains("no answer"), "{}", of(&urls[1]));
    assert_eq!(of(&urls[2]), "");
}
