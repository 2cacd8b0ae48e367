use std::time::Duration;

use ldap3::{LdapConnAsync, LdapConnSettings, StdStream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::*;
use crate::directory::ldap::message;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    [&[tag, length], content].concat()
}

/// Answers every search with three entries, and with an end to it unless it is for `endless`.
async fn serve(mut client: UnixStream) {
    let mut bytes = Vec::new();
    while client.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
        while let Ok(Some(length)) = message::length(&bytes)
            && length <= bytes.len()
        {
            let request: Vec<u8> = bytes.drain(..length).collect();
            let whole = Elements(&request).next().expect("BER").expect("a message");
            let mut parts = Elements(whole.content);
            let id = parts.next().expect("BER").expect("an id").content;
            let operation = parts.next().expect("BER").expect("an operation");
            if operation.tag != 0x63 {
                continue;
            }
            let message = |operation: Vec<u8>| element(0x30, &[element(2, id), operation].concat());
            let entry = [element(4, b"uid=a"), element(0x30, b"")].concat();
            let mut answer = message(element(0x64, &entry)).repeat(3);
            if !operation.content.windows(7).any(|some| some == b"endless") {
                let end = [element(0x0a, &[0]), element(4, b""), element(4, b"")].concat();
                answer.extend(message(element(0x65, &end)));
            }
            if client.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

async fn connection() -> Ldap {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    tokio::spawn(serve(ours));
    let theirs = StdStream::Unix(theirs.into_std().expect("a stream"));
    let settings = LdapConnSettings::new().set_std_stream(theirs);
    let connected = LdapConnAsync::with_settings(settings, "ldapi:///").await;
    let (driver, ldap) = connected.expect("a connection");
    tokio::spawn(async move { drop(driver.drive().await) });
    ldap
}

fn question(base: &str, enough: usize) -> Question {
    Question {
        base: base.into(),
        enough,
        ..Question::about_the_server()
    }
}

/// True once the library remembers no message id, as its `Debug` shows.
async fn remembers_none(ldap: &Ldap) -> bool {
    for _ in 0..200 {
        if format!("{ldap:?}").contains(", {})") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test]
async fn every_message_id_is_given_back_however_a_search_ends() {
    let ldap = connection().await;
    for _ in 0..300 {
        let whole = question("whole", usize::MAX).ask(ldap.clone()).await;
        assert_eq!(whole.map(|answer| answer.entries.len()), Ok(3));
        let enough = question("endless", 2).ask(ldap.clone()).await;
        assert_eq!(enough.map(|answer| answer.entries.len()), Ok(2));
        let endless = question("endless", usize::MAX);
        let given_up = timeout(Duration::from_millis(1), endless.ask(ldap.clone())).await;
        assert!(given_up.is_err());
    }
    assert!(remembers_none(&ldap).await, "{ldap:?}");
}

#[tokio::test]
async fn the_librarys_own_search_would_keep_its_message_id() {
    let mut ldap = connection().await;
    let found = ldap
        .search("whole", Scope::Base, "(a=*)", ["*"])
        .await
        .expect("an answer");
    assert_eq!(found.0.len(), 3);
    tokio::time::sleep(Duration::from_millis(50)).await;
    // If this fails the library has been mended, and the test above can no longer see a leak.
    assert!(!format!("{ldap:?}").contains(", {})"), "{ldap:?}");
}
