//! What `explain` and `phones` say of users in LDAP, and of those in an LDIF file.

use std::{path::Path, sync::Arc};

use callotp::{
    clock::SystemClock,
    config::{self, Environment, TenantConfig},
    explain::{ExplainError, Verdict, explain},
    phones::{self, Kind},
};

use super::{
    samba::Samba,
    slapd::{self, Slapd, free_port},
    written::{active_directory, furnish, openldap, toml},
};
use crate::stage::Setting;

/// The first tenant of a configuration in `folder`, with these keys for its directory, or
/// with an LDIF file.
fn tenant(folder: &Path, directory: Option<&str>) -> TenantConfig {
    furnish(folder);
    let toml = directory.map_or_else(|| Setting::default().toml(), |keys| toml(keys, ""));
    std::fs::write(folder.join("callotp.toml"), toml).expect("a file");
    let nothing = Environment::of(Vec::<(String, String)>::new());
    let config = config::load(&folder.join("callotp.toml"), &nothing);
    let mut config = config.unwrap_or_else(|problems| panic!("{problems}"));
    config.tenants.remove(0)
}

fn clock() -> Arc<SystemClock> {
    Arc::new(SystemClock::start())
}

/// The verdict on a number, and the whole explanation as text.
async fn verdict(tenant: &TenantConfig, number: &str) -> (Verdict, String) {
    let explanation = explain(tenant, clock(), number)
        .await
        .expect("an explanation");
    let text = explanation.to_string();
    (explanation.verdict, text)
}

fn refused(reason: &str) -> Verdict {
    Verdict::Refused {
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn explain_tells_each_step_and_the_verdict_on_openldap() {
    let folder = tempfile::tempdir().expect("a folder");
    let slapd = Slapd::own();
    let tenant = tenant(folder.path(), Some(&openldap(&[slapd.url()])));
    let (served, text) = verdict(&tenant, "070-174 06 05").await;
    let dn = format!("uid=anna,{}", slapd::PEOPLE);
    let user = "anna".to_owned();
    assert_eq!(served, Verdict::Served { user, dn });
    for part in [
        "reads as +46701740605",
        "OpenLDAP",
        "(mobile=+46701740605)",
        "is the number",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for (number, expected, part) in [
        (
            "anonymous",
            "the caller withholds the number",
            "before any look-up",
        ),
        (
            "+46701740699",
            "no user has this number",
            "candidates: none",
        ),
        (
            "+46701740607",
            "several users have this number",
            "uid=twin2",
        ),
        (
            "+46701740608",
            "no user has this number",
            "does not take it for a user",
        ),
    ] {
        let (verdict, text) = verdict(&tenant, number).await;
        assert_eq!(verdict, refused(expected), "{text}");
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn explain_works_on_an_ldif_file_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = tenant(folder.path(), None);
    let (served, _) = verdict(&tenant, "0701740605").await;
    assert!(matches!(served, Verdict::Served { user, .. } if user == "ada"));
    let (several, _) = verdict(&tenant, "+46701740608").await;
    assert_eq!(several, refused("several users have this number"));
}

#[tokio::test]
async fn explain_says_that_it_cannot_reach_the_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("ldap://{}", free_port());
    let tenant = tenant(folder.path(), Some(&openldap(std::slice::from_ref(&url))));
    match explain(&tenant, clock(), "+46701740605").await {
        Err(ExplainError::Fault(fault)) => {
            assert!(fault.to_string().contains(&url), "{fault}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn phones_names_every_user_of_openldap_who_cannot_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let slapd = Slapd::own();
    let person = |uid: &str, more: &str| {
        format!(
            "dn: uid={uid},{}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: x\nsn: x\n{more}\n",
            slapd::PEOPLE
        )
    };
    slapd.modify(&format!(
        "{}\n{}\n",
        person("none", ""),
        person("word", "mobile: ask")
    ));
    let tenant = tenant(folder.path(), Some(&openldap(&[slapd.url()])));
    let mut heard = 0;
    let report = phones::report(&tenant, clock(), &mut |users| heard = users).await;
    let report = report.expect("a report");
    assert_eq!(heard, report.users);
    let of = |kind: Kind| -> Vec<String> {
        let mut users: Vec<_> = report
            .problems
            .iter()
            .filter(|problem| problem.problem == kind)
            .map(|problem| problem.user.clone())
            .collect();
        users.sort();
        users
    };
    assert_eq!(of(Kind::NoNumber), ["none"]);
    assert_eq!(of(Kind::Unreadable), ["word"]);
    assert_eq!(of(Kind::Ambiguous), ["twin1", "twin2"]);
    assert_eq!(report.served, report.users - 4);
    let mut json = Vec::new();
    report.write_json(&mut json).expect("memory");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["users"], report.users);
    assert_eq!(
        json["problems"][0]["problem"].as_str().map(str::is_empty),
        Some(false)
    );
}

#[tokio::test]
async fn phones_knows_what_active_directory_has_no_index_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let samba = Samba::shared();
    let keys = active_directory(samba);
    let tenant = tenant(folder.path(), Some(&keys));
    let report = phones::report(&tenant, clock(), &mut |_| {})
        .await
        .expect("a report");
    let unindexed = report
        .problems
        .iter()
        .filter(|p| p.problem == Kind::Unindexed);
    assert!(
        unindexed
            .map(|p| p.user.as_str())
            .any(|user| user == "anna"),
        "{report:?}"
    );
}

#[tokio::test]
async fn phones_works_on_an_ldif_file_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let tenant = tenant(folder.path(), None);
    let report = phones::report(&tenant, clock(), &mut |_| {})
        .await
        .expect("a report");
    let problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.problem, problem.user.as_str()))
        .collect();
    assert_eq!(
        problems,
        [(Kind::Ambiguous, "eve"), (Kind::Ambiguous, "frej")]
    );
    assert_eq!((report.users, report.served), (5, 3));
}
