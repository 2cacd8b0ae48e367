//! Whom the adapter believes to be a directory server.

use std::net::{Ipv4Addr, SocketAddr};

use callotp::{
    directory::{
        DirectoryFault, PasswordCheck, UserDirectory as _,
        ldap::{BadUrl, LdapConfig, LdapDirectory, LdapSetupError, Lookup},
    },
    secret::Secret,
};

use super::{
    adapter::{eventually, name_of, openldap, openldap_schema, password, plan, start},
    authority::Authority,
    people::PASSWORD,
    relay::Relay,
    slapd::Slapd,
};

fn config(url: String, slapd: &Slapd) -> LdapConfig {
    LdapConfig {
        ca: Some(slapd.files.ca.clone()),
        ..openldap(&[url])
    }
}

async fn works(config: LdapConfig) {
    let directory = start(config, Lookup::Search, openldap_schema());
    let found = name_of(&directory, "+46701740605").await;
    assert_eq!(found, Ok(Some("anna".to_owned())));
    let right = password(&directory, "anna", PASSWORD).await;
    assert_eq!(right, Ok(PasswordCheck::Right));
}

/// The question is a fault, and the operator is told this word.
async fn fails_with(config: LdapConfig, word: &str) {
    let directory = start(config, Lookup::Search, openldap_schema());
    match name_of(&directory, "+46701740605").await {
        Err(DirectoryFault::Unavailable(said)) => assert!(said.contains(word), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ldaps_and_starttls_work_with_our_own_authority_by_name_and_by_address() {
    let slapd = Slapd::shared();
    works(config(format!("ldaps://{}", slapd.tls), slapd)).await;
    works(config(
        format!("ldaps://localhost:{}", slapd.tls.port()),
        slapd,
    ))
    .await;
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("ldap://{host}:{}", slapd.plain.port());
        let mut config = config(url, slapd);
        config.start_tls = true;
        works(config).await;
    }
}

#[tokio::test]
async fn an_ipv6_address_in_brackets_works() {
    let slapd = Slapd::shared();
    let listener = tokio::net::TcpListener::bind("[::1]:0")
        .await
        .expect("IPv6 on loopback");
    let port = listener.local_addr().expect("an address").port();
    let server = slapd.tls;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(server).await.expect("slapd");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    works(config(format!("ldaps://[::1]:{port}"), slapd)).await;
}

#[tokio::test]
async fn a_server_with_another_name_or_another_authority_is_not_believed() {
    let slapd = Slapd::shared();
    // 127.0.0.2 reaches the same slapd's relay, but is not in its certificate.
    let elsewhere = tokio::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).await;
    let elsewhere = elsewhere.expect("a loopback address");
    let address: SocketAddr = elsewhere.local_addr().expect("an address");
    let server = slapd.tls;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = elsewhere.accept().await {
            let mut server = tokio::net::TcpStream::connect(server).await.expect("slapd");
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    fails_with(
        config(format!("ldaps://{address}"), slapd),
        "not valid for name",
    )
    .await;

    let folder = tempfile::tempdir().expect("a folder");
    let stranger = Authority::new().certify(folder.path(), &["localhost"]);
    let mut config = config(format!("ldaps://{}", slapd.tls), slapd);
    config.ca = Some(stranger.ca);
    fails_with(config, "invalid peer certificate").await;
}

#[tokio::test]
async fn no_password_is_sent_before_tls_is_there() {
    let slapd = Slapd::shared();
    let relay = Relay::to(slapd.plain).await;
    let mut config = config(relay.url(), slapd);
    config.start_tls = true;
    works(config).await;
    assert_eq!(
        (relay.binds(), relay.searches()),
        (0, 0),
        "nothing in the clear"
    );
}

#[tokio::test]
async fn a_domain_controller_that_wants_tls_says_so() {
    let samba = super::samba::Samba::shared();
    let mut config = super::adapter::active_directory(samba.url(), &samba.files.ca);
    config.urls = vec![format!("ldap://{}", samba.address)];
    let directory = start(
        config,
        Lookup::Search,
        super::adapter::active_directory_schema(),
    );
    eventually(true, async || {
        directory.health().detail.contains("use ldaps or start_tls")
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_with_its_reason() {
    let refusal = |change: &dyn Fn(&mut LdapConfig), user_filter: &str| {
        let mut config = openldap(&["ldap://localhost".into()]);
        change(&mut config);
        let mut schema = openldap_schema();
        schema.user_filter = user_filter.into();
        let clock = std::sync::Arc::new(callotp::clock::SystemClock::start());
        LdapDirectory::start(config, Lookup::Search, schema, plan(), clock).err()
    };
    let good = "(objectClass=person)";
    assert_eq!(refusal(&|_| {}, good), None);
    assert_eq!(
        refusal(&|c| c.urls.clear(), good),
        Some(LdapSetupError::NoServer)
    );
    let bad = |c: &mut LdapConfig| c.urls.push("http://a".into());
    let expected = LdapSetupError::Url("http://a".into(), BadUrl::Scheme);
    assert_eq!(refusal(&bad, good), Some(expected));
    let no_password = |c: &mut LdapConfig| c.bind_password = Some(Secret::new(String::new()));
    assert_eq!(
        refusal(&no_password, good),
        Some(LdapSetupError::NoPassword)
    );
    let filter = refusal(&|_| {}, "(objectClass=person");
    assert!(
        matches!(filter, Some(LdapSetupError::Filter(_))),
        "{filter:?}"
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    let empty = |c: &mut LdapConfig| c.ca = Some(file.path().to_owned());
    assert!(matches!(
        refusal(&empty, good),
        Some(LdapSetupError::Trust(_))
    ));
    let gone = |c: &mut LdapConfig| c.ca = Some("/nowhere/ca.pem".into());
    let said = refusal(&gone, good)
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(said.contains("/nowhere/ca.pem"), "{said}");
}
