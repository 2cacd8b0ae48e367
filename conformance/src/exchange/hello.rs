//! The first message of a handshake in a version of TLS that no library offers any
//! more (RFC 2246, RFC 4346), to see whether a server would still speak it.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{Trouble, Wire};

/// Cipher suites that servers of that time have, RSA and elliptic curves both.
const SUITES: [u16; 10] = [
    0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035, 0x000a, 0x0033, 0x0039, 0x0005,
];
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

/// Does the target answer a hello of TLS 1.`minor` with that very version?
pub(crate) async fn accepts_version(wire: &Wire, host: &str, minor: u8) -> Result<bool, Trouble> {
    let mut tcp = wire.tcp().await?;
    let version = [3, minor + 1];
    let said = async {
        tcp.write_all(&hello(host, version)).await?;
        let mut start = [0_u8; 11];
        tcp.read_exact(&mut start).await?;
        Ok::<_, std::io::Error>(start)
    };
    match timeout(wire.timeout(), said).await {
        Ok(Ok(start)) => {
            Ok(start[0] == HANDSHAKE && start[5] == SERVER_HELLO && start[9..] == version)
        }
        // Closed, reset or silent: it does not speak that version.
        Ok(Err(_)) | Err(_) => Ok(false),
    }
}

fn hello(host: &str, version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    // The client's random: its value is of no consequence, no handshake is finished.
    body.extend_from_slice(&[0x5a; 32]);
    body.push(0);
    let suites: Vec<u8> = SUITES
        .iter()
        .flat_map(|suite| suite.to_be_bytes())
        .collect();
    block16(&mut body, &suites);
    body.extend_from_slice(&[1, 0]);
    block16(&mut body, &extensions(host));
    let mut message = vec![1, 0];
    block16(&mut message, &body);
    let mut record = vec![HANDSHAKE, 3, 1];
    block16(&mut record, &message);
    record
}

fn extensions(host: &str) -> Vec<u8> {
    let mut all = Vec::new();
    // A server name is no address (RFC 6066 section 3).
    if host.parse::<std::net::IpAddr>().is_err() {
        let mut name = vec![0];
        block16(&mut name, host.as_bytes());
        let mut list = Vec::new();
        block16(&mut list, &name);
        extension(&mut all, 0, &list);
    }
    extension(&mut all, 10, &[0, 4, 0, 23, 0, 24]);
    extension(&mut all, 11, &[1, 0]);
    all
}

fn extension(into: &mut Vec<u8>, kind: u16, content: &[u8]) {
    into.extend_from_slice(&kind.to_be_bytes());
    block16(into, content);
}

/// A length of two bytes, then the content; what is written here is never longer.
fn block16(into: &mut Vec<u8>, content: &[u8]) {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(content);
}
