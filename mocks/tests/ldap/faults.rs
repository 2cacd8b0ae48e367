//! Faults on the wire.

use std::time::Duration;

use callotp_mock::ldap::{DirectoryFault, Effect, Flavour, Kind, Operation};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::{Client, PASSWORD, ROOT_SEARCH, directory};

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
