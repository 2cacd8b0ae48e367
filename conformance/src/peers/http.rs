//! HTTP/1 as the endpoints speak it, by hand: a defect of framing needs a hand on the bytes.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};

use super::{
    Defect,
    secure::Security,
    world::{Received, Reply, World},
};

/// The largest body that is read, in bytes.
const BODY: usize = 64 * 1024;
/// How long a whole request may take to arrive.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, world: Arc<World>, security: Option<Security>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let (world, security) = (world.clone(), security.clone());
        connections.spawn(async move {
            let _ = tcp.set_nodelay(true);
            match security {
                None => drop(connection(tcp, &world).await),
                Some(security) if security.http2 => {
                    if let Ok(stream) = security.acceptor.accept(tcp).await {
                        super::secure::http2(stream, world).await;
                    }
                }
                Some(security) => {
                    let Ok(tcp) = security.first_look(tcp).await else {
                        return;
                    };
                    if let Ok(stream) = security.acceptor.accept(tcp).await {
                        drop(connection(stream, &world).await);
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    world: &World,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let reading = read_request(&mut stream, &mut buffer, world);
        let limit = match world.defect {
            Some(Defect::WaitsForBody) => Duration::from_secs(600),
            Some(Defect::TakesAnyBody) => Duration::from_secs(10),
            _ => PATIENCE,
        };
        // The head may take its time on a connection that is kept; the body may not.
        let request = match timeout(limit, reading).await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) | Ok(Err(_)) => return Ok(()),
            Err(_) => return stream.shutdown().await,
        };
        let reply = match request {
            Ok(request) => {
                let mut reply = world.answer(&request).await;
                if request.method == "HEAD" {
                    reply.body.clear();
                }
                reply
            }
            Err(reply) => {
                write_reply(&mut stream, &reply, world, true).await?;
                return linger(&mut stream).await;
            }
        };
        if reply.dropped {
            return stream.shutdown().await;
        }
        let mut pause = world.manner.delay;
        if world.has(Defect::AnswersAfterFourSeconds) {
            pause = Duration::from_millis(3_500);
        }
        tokio::time::sleep(pause).await;
        write_reply(&mut stream, &reply, world, false).await?;
        if world.manner.close || world.manner.http10 {
            return stream.shutdown().await;
        }
    }
}

/// Reads on for a moment after a refusal that came early, so that the answer is not lost
/// to a reset (RFC 9112 section 9.6).
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    let mut sink = vec![0; 16 * 1024];
    let _ = timeout(Duration::from_millis(500), async {
        while matches!(stream.read(&mut sink).await, Ok(count) if count > 0) {}
    })
    .await;
    Ok(())
}

type Request = Result<Received, Reply>;

/// The next request; `None` at the end of the connection, a refusal when it is too large.
async fn read_request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut Vec<u8>,
    world: &World,
) -> io::Result<Option<Request>> {
    let (mut request, used) = loop {
        match parse(buffer)? {
            Some(parsed) => break parsed,
            None if stream.read_buf(buffer).await? == 0 => return Ok(None),
            None => {}
        }
    };
    buffer.drain(..used);
    let has = |name: &str, word: &str| {
        request
            .header(name)
            .is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    if has("expect", "100-continue") {
        if world.has(Defect::RefusesExpectation) {
            return Ok(Some(Err(too_much(417))));
        }
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if has("transfer-encoding", "chunked") {
        match world.has(Defect::IgnoresChunks) {
            true => buffer.clear(),
            false => request.body = read_chunks(stream, buffer).await?,
        }
        return Ok(Some(Ok(request)));
    }
    let length: usize = request
        .header("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or_default();
    if length > BODY && !world.has(Defect::TakesAnyBody) {
        return Ok(Some(Err(too_much(413))));
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    request.body = match world.has(Defect::LeavesBodyOnConnection) {
        true => buffer[..length].to_vec(),
        false => buffer.drain(..length).collect(),
    };
    Ok(Some(Ok(request)))
}

async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut body = Vec::new();
    loop {
        let line = read_line(stream, buffer).await?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| broken())?;
        if body.len() + size > BODY {
            return Err(broken());
        }
        while buffer.len() < size + 2 {
            if stream.read_buf(buffer).await? == 0 {
                return Err(broken());
            }
        }
        body.extend(buffer.drain(..size));
        buffer.drain(..2);
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_line(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<String> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn parse(buffer: &[u8]) -> io::Result<Option<(Received, usize)>> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(buffer) {
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
        Ok(httparse::Status::Complete(used)) => Ok(Some((
            Received {
                method: request.method.unwrap_or_default().to_owned(),
                path: request.path.unwrap_or_default().to_owned(),
                headers: request
                    .headers
                    .iter()
                    .map(|line| {
                        let value = String::from_utf8_lossy(line.value).into_owned();
                        (line.name.to_owned(), value)
                    })
                    .collect(),
                body: Vec::new(),
            },
            used,
        ))),
    }
}

fn too_much(status: u16) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body: String::new(),
        dropped: false,
    }
}

async fn write_reply(
    stream: &mut (impl AsyncWrite + Unpin),
    reply: &Reply,
    world: &World,
    closing: bool,
) -> io::Result<()> {
    let manner = &world.manner;
    let version = if manner.http10 { "1.0" } else { "1.1" };
    let mut lines = vec![];
    for (name, value) in &reply.headers {
        lines.push(format!("{name}: {value}"));
    }
    if manner.close || closing {
        lines.push("Connection: close".to_owned());
    }
    let chunked = manner.chunked && !manner.http10;
    match chunked {
        true => lines.push("Transfer-Encoding: chunked".to_owned()),
        false if manner.http10 => {}
        false => lines.push(format!("Content-Length: {}", reply.body.len())),
    }
    if manner.lower_case {
        for line in &mut lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            *line = format!("{}:{value}", name.to_ascii_lowercase());
        }
    }
    let mut text = format!("HTTP/{version} {} Answer\r\n", reply.status);
    for line in lines {
        text.push_str(&format!("{line}\r\n"));
    }
    text.push_str("\r\n");
    match chunked {
        false => text.push_str(&reply.body),
        true => {
            for piece in reply.body.as_bytes().chunks(3) {
                let piece = String::from_utf8_lossy(piece);
                text.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
            }
            text.push_str("0\r\n\r\n");
        }
    }
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}
