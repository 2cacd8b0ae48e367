//! What holds against a server that means harm, or is broken: a fault of the directory,
//! in time, and nothing else.

use std::{net::Ipv4Addr, sync::Arc};

use callotp::directory::{DirectoryFault, PasswordCheck, UserDirectory as _, ldap::Lookup};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{
    adapter::{DEADLINE, check, name_of, openldap, openldap_schema, start},
    people::PASSWORD,
    slapd::Slapd,
};

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("short");
    let mut bytes = vec![tag, 0x84];
    bytes.extend(length.to_be_bytes());
    bytes.extend(content);
    bytes
}

fn message(id: &[u8], operation: Vec<u8>) -> Vec<u8> {
    element(0x30, &[element(0x02, id), operation].concat())
}

fn result(tag: u8, code: u8) -> Vec<u8> {
    let parts = [element(0x0a, &[code]), element(4, b""), element(4, b"")];
    element(tag, &parts.concat())
}

/// What a server answers to a request of this kind (its tag) and message id.
type Script = dyn Fn(u8, &[u8]) -> Vec<u8> + Send + Sync;

/// A server that follows a script; its URL.
async fn server(script: impl Fn(u8, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let url = format!("ldap://{}", listener.local_addr().expect("an address"));
    let script: Arc<Script> = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, script.clone()));
        }
    });
    url
}

/// Requests of the client library are short enough for one-byte or `81`/`82` lengths.
async fn serve(mut client: TcpStream, script: Arc<Script>) {
    let mut bytes = Vec::new();
    loop {
        while let Some((head, length)) = whole(&bytes) {
            let request: Vec<u8> = bytes.drain(..head + length).skip(head).collect();
            let id = usize::from(request[1]);
            let answer = script(request[2 + id], &request[2..2 + id]);
            if client.write_all(&answer).await.is_err() {
                return;
            }
        }
        match client.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}

fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, length) = match *bytes.get(1)? {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let octets = bytes.get(2..2 + usize::from(long & 0x7f))?;
            let length = octets
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (2 + octets.len(), length)
        }
    };
    (bytes.len() >= head + length).then_some((head, length))
}

const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const EXTENDED: u8 = 0x77;

/// A search on a server that answers every search with `answer` is a fault, in time.
async fn search_is_a_fault(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) {
    let url = server(move |request, id| match request {
        BIND => message(id, result(0x61, 0)),
        SEARCH => answer(id),
        _ => Vec::new(),
    })
    .await;
    let directory = start(openldap(&[url]), Lookup::Search, openldap_schema());
    let started = Instant::now();
    let fault = name_of(&directory, "+46701740605").await;
    assert!(
        matches!(fault, Err(DirectoryFault::Unavailable(_))),
        "{fault:?}"
    );
    assert!(started.elapsed() < DEADLINE);
}

#[tokio::test]
async fn an_answer_nested_ten_thousand_deep_ends_its_connection_and_nothing_else() {
    search_is_a_fault(|id| {
        let deep = (0..10_000).fold(Vec::new(), |inner, _| element(0x30, &inner));
        message(id, element(0x65, &deep))
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_four_gigabytes_is_not_waited_for() {
    search_is_a_fault(|_| vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).await;
}

#[tokio::test]
async fn an_answer_that_lacks_its_parts_is_a_fault() {
    search_is_a_fault(|id| message(id, element(0x65, b""))).await;
    search_is_a_fault(|id| message(id, element(0x64, b"\x04\x00"))).await;
    search_is_a_fault(|_| element(0x30, b"")).await;
    search_is_a_fault(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
}

#[tokio::test]
async fn an_answer_to_a_question_that_was_not_asked_is_a_fault() {
    search_is_a_fault(|id| message(id, result(0x61, 0))).await;
    search_is_a_fault(|id| message(id, result(0x69, 0))).await;
}

#[tokio::test]
async fn a_notice_of_disconnection_is_a_fault() {
    search_is_a_fault(|_| message(&[0], result(0x78, 52))).await;
}

#[tokio::test]
async fn an_entry_in_answer_to_a_bind_lets_nobody_in() {
    let slapd = Slapd::own();
    let real = start(openldap(&[slapd.url()]), Lookup::Search, openldap_schema());
    let anna = super::adapter::user(&real, "anna")
        .await
        .expect("an answer");
    let entry = || {
        element(
            0x64,
            &[element(4, b"uid=anna"), element(0x30, b"")].concat(),
        )
    };
    let url = server(move |_, id| message(id, entry())).await;
    let mut config = openldap(&[url]);
    config.bind_dn = None;
    config.bind_password = None;
    let hostile = start(config, Lookup::Search, openldap_schema());
    let fault = check(&hostile, anna.as_ref(), PASSWORD).await;
    assert!(fault.is_err(), "{fault:?}");
}

#[tokio::test]
async fn words_in_the_clear_behind_the_answer_to_starttls_are_not_taken_for_answers() {
    // With them, somebody on the way could answer the bind that follows under TLS.
    let url = server(|request, id| match request {
        EXTENDED => [message(id, result(0x78, 0)), message(&[2], result(0x61, 0))].concat(),
        _ => message(id, result(0x61, 0)),
    })
    .await;
    let mut config = openldap(&[url]);
    config.start_tls = true;
    let directory = start(config, Lookup::Search, openldap_schema());
    let fault = name_of(&directory, "+46701740605").await;
    assert!(fault.is_err(), "{fault:?}");
    let detail = directory.health().detail;
    assert!(detail.contains("StartTLS"), "{detail}");
}

#[tokio::test]
async fn a_server_that_refuses_starttls_gets_no_password() {
    let url = server(|request, id| match request {
        EXTENDED => message(id, result(0x78, 2)),
        _ => message(id, result(0x61, 0)),
    })
    .await;
    let mut config = openldap(&[url]);
    config.start_tls = true;
    let directory = start(config, Lookup::Search, openldap_schema());
    assert!(name_of(&directory, "+46701740605").await.is_err());
    let password = check(&directory, None, PASSWORD).await;
    assert!(password.is_err(), "{password:?}");
}

#[tokio::test]
async fn search_references_are_left_alone_and_a_referral_is_not_nobody() {
    for (code, nobody) in [(0, true), (10, false)] {
        let url = server(move |request, id| match request {
            BIND => message(id, result(0x61, 0)),
            _ => {
                let uri = element(4, b"ldap://127.0.0.1:1/dc=elsewhere");
                let end = [
                    element(0x0a, &[code]),
                    element(4, b""),
                    element(4, b""),
                    element(0xa3, &uri),
                ];
                let reference = message(id, element(0x73, &uri));
                [reference, message(id, element(0x65, &end.concat()))].concat()
            }
        })
        .await;
        let directory = start(openldap(&[url]), Lookup::Search, openldap_schema());
        match name_of(&directory, "+46701740605").await {
            Ok(None) => assert!(nobody, "{code}"),
            Err(DirectoryFault::Unusable(_)) => assert!(!nobody, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn busy_unavailable_and_limits_are_told_apart_from_nobody() {
    for (code, unavailable) in [
        (51, true),
        (52, true),
        (11, false),
        (50, false),
        (32, false),
    ] {
        let url = server(move |request, id| match request {
            BIND => message(id, result(0x61, 0)),
            _ => message(id, result(0x65, code)),
        })
        .await;
        let directory = start(openldap(&[url]), Lookup::Search, openldap_schema());
        let fault = name_of(&directory, "+46701740605").await;
        match fault {
            Err(DirectoryFault::Unavailable(_)) => assert!(unavailable, "{code}"),
            Err(DirectoryFault::Unusable(_)) => assert!(!unavailable, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_for_a_while_is_taken_back_promptly() {
    use std::sync::atomic::{AtomicBool, Ordering};
    // Operations error, stronger authentication, confidentiality, insufficient rights,
    // unwilling, other.
    for code in [1, 8, 13, 50, 53, 80] {
        let open = Arc::new(AtomicBool::new(false));
        let url = server({
            let open = open.clone();
            move |request, id| match request {
                BIND if open.load(Ordering::SeqCst) => message(id, result(0x61, 0)),
                BIND => message(id, result(0x61, code)),
                _ => message(id, result(0x65, 0)),
            }
        })
        .await;
        let directory = start(openldap(&[url]), Lookup::Search, openldap_schema());
        let fault = name_of(&directory, "+46701740605").await;
        assert!(fault.is_err(), "{code}: {fault:?}");
        let detail = directory.health().detail;
        assert!(detail.contains("service user"), "{code}: {detail}");
        open.store(true, Ordering::SeqCst);
        let started = Instant::now();
        while name_of(&directory, "+46701740605").await != Ok(None) {
            assert!(started.elapsed() < DEADLINE, "{code}: not taken back");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_service_user_who_is_not_let_in_is_not_tried_every_second() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let binds = Arc::new(AtomicUsize::new(0));
    let url = server({
        let binds = binds.clone();
        move |request, id| {
            binds.fetch_add(usize::from(request == BIND), Ordering::SeqCst);
            message(id, result(0x61, 49))
        }
    })
    .await;
    let directory = start(openldap(&[url]), Lookup::Search, openldap_schema());
    let fault = name_of(&directory, "+46701740605").await;
    assert!(fault.is_err(), "{fault:?}");
    for _ in 0..20 {
        assert!(name_of(&directory, "+46701740605").await.is_err());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let detail = directory.health().detail;
    assert!(detail.contains("service user is not let in"), "{detail}");
    let tried = binds.load(Ordering::SeqCst);
    assert_eq!(tried, 1, "a directory would lock the user");
    assert_eq!(
        check(&directory, None, "").await,
        Ok(PasswordCheck::Wrong(
            callotp::directory::WrongPassword::Mismatch
        ))
    );
}
