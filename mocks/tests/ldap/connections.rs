//! TLS, many connections, garbage, and a directory that goes down and comes up.

use std::time::Duration;

use callotp_mock::ldap::{Directory, DirectoryFault, Effect, Flavour, Kind, Operation};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::{Client, FLAVOURS, PASSWORD, ROOT_SEARCH, directory, people};

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
