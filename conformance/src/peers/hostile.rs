//! Endpoints that want to hold, confuse or exhaust whoever calls.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

use super::secure::Security;

/// What a hostile endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// Takes the connection and never answers.
    Silent,
    /// Resets the connection after so many bytes of its answer.
    ResetsAt(usize),
    /// Header lines without end.
    EndlessHeaders,
    /// One header line without end.
    EndlessLine,
    /// A body without end.
    EndlessBody,
    /// Chunks without end.
    EndlessChunks,
    /// Interim answers without end.
    EndlessInterim,
    /// A small body that unpacks to a large one.
    Bomb,
    /// A redirect to itself.
    RedirectLoop,
    /// Bytes that are no text.
    InvalidUtf8,
    /// A body shorter than its length says.
    WrongLength,
    /// A length that no machine can hold.
    HugeLength,
    /// A certificate that has expired.
    ExpiredCertificate,
    /// A byte a second.
    ByteASecond,
    /// Something that is no HTTP.
    Banner,
    /// Nesting without end.
    DeepJson,
}

/// All of them.
pub const HOSTILE: [Hostile; 18] = [
    Hostile::Silent,
    Hostile::ResetsAt(0),
    Hostile::ResetsAt(7),
    Hostile::ResetsAt(60),
    Hostile::EndlessHeaders,
    Hostile::EndlessLine,
    Hostile::EndlessBody,
    Hostile::EndlessChunks,
    Hostile::EndlessInterim,
    Hostile::Bomb,
    Hostile::RedirectLoop,
    Hostile::InvalidUtf8,
    Hostile::WrongLength,
    Hostile::HugeLength,
    Hostile::ExpiredCertificate,
    Hostile::ByteASecond,
    Hostile::Banner,
    Hostile::DeepJson,
];

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"otp\":\"532190\"}";

pub(super) async fn serve(listener: TcpListener, hostile: Hostile, security: Option<Security>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let security = security.clone();
        connections.spawn(async move {
            if let Hostile::ResetsAt(_) = hostile {
                // With nothing left to linger for, closing is a reset.
                let _ = tcp.set_zero_linger();
            }
            match security {
                None => drop(act(tcp, hostile).await),
                Some(security) => {
                    if let Ok(stream) = security.acceptor.accept(tcp).await {
                        drop(act(stream, hostile).await);
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn act(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    hostile: Hostile,
) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    match hostile {
        Hostile::Silent => tokio::time::sleep(Duration::from_secs(600)).await,
        Hostile::ResetsAt(count) => {
            stream.write_all(&GOOD[..count]).await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Hostile::EndlessHeaders => {
            forever(
                &mut stream,
                b"HTTP/1.1 200 OK\r\n",
                b"X-More: of the same\r\n",
            )
            .await?;
        }
        Hostile::EndlessLine => {
            forever(&mut stream, b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 999]).await?
        }
        Hostile::EndlessBody => {
            forever(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n", &[b' '; 999]).await?
        }
        Hostile::EndlessChunks => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            forever(&mut stream, head, b"8\r\n{\"otp\": \r\n").await?;
        }
        Hostile::EndlessInterim => {
            forever(&mut stream, b"", b"HTTP/1.1 102 Processing\r\n\r\n").await?
        }
        Hostile::ByteASecond => {
            for byte in GOOD {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Hostile::Bomb => {
            // The start of a stream that unpacks to zeros for ever.
            let body = [
                0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xec, 0xc1, 1, 1, 0, 0, 0, 0x80,
            ];
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 18\r\n\r\n";
            whole(&mut stream, head.as_bytes(), &body).await?;
        }
        Hostile::RedirectLoop => {
            let head = b"HTTP/1.1 302 Found\r\nLocation: /api/authentication/getOTP\r\nContent-Length: 0\r\n\r\n";
            whole(&mut stream, head, b"").await?;
        }
        Hostile::InvalidUtf8 => {
            let head = b"HTTP/1.1 200 OK\r\nX-\xff: \xfe\r\nContent-Length: 9\r\n\r\n";
            whole(&mut stream, head, b"{\"\xff\xfe\":1}").await?;
        }
        Hostile::WrongLength => {
            whole(
                &mut stream,
                b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
                b"{\"otp\":",
            )
            .await?;
        }
        Hostile::HugeLength => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n";
            whole(&mut stream, head, b"{\"otp\":").await?;
        }
        Hostile::ExpiredCertificate => whole(&mut stream, GOOD, b"").await?,
        Hostile::Banner => whole(&mut stream, b"220 mail.example.org ESMTP\r\n", b"").await?,
        Hostile::DeepJson => {
            let body = "[".repeat(100_000);
            let head = format!("HTTP/1.1 403 No\r\nContent-Length: {}\r\n\r\n", body.len());
            whole(&mut stream, head.as_bytes(), body.as_bytes()).await?;
        }
    }
    stream.shutdown().await
}

async fn whole(
    stream: &mut (impl AsyncWrite + Unpin),
    head: &[u8],
    body: &[u8],
) -> std::io::Result<()> {
    stream.write_all(head).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

async fn forever(
    stream: &mut (impl AsyncWrite + Unpin),
    head: &[u8],
    again: &[u8],
) -> std::io::Result<()> {
    stream.write_all(head).await?;
    loop {
        stream.write_all(again).await?;
        // Lets the other side of a test on one thread have its turn.
        tokio::task::yield_now().await;
    }
}
