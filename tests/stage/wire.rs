//! Requests that no client library sends, byte by byte.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Sends `bytes` and gives everything that comes back until the server closes the connection
/// or has said nothing for `quiet`.
pub async fn exchange(address: SocketAddr, bytes: &[u8], quiet: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The server may refuse and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read(&mut stream, quiet).await
}

/// Reads until the end, an error, or silence.
pub async fn read(stream: &mut TcpStream, quiet: Duration) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(n @ 1..)) = timeout(quiet, stream.read(&mut buffer)).await {
        all.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The document's example request, byte for byte, with `head` lines and a length added.
pub fn example(head: &str, body: &str) -> Vec<u8> {
    format!(
        "PUT /api/authentication/getOTP HTTP/1.1\r\nHost: integration.phenixid.se\r\ntenant: t1\r\n\
         Content-Type: application/json\r\ncache-control: no-cache\r\n{head}\r\n{body}"
    )
    .into_bytes()
}
