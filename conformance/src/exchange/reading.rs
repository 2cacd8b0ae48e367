//! Reads one HTTP/1 answer from a stream, within bounds (RFC 9112).

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Trouble;

/// The largest head that is read, in bytes; servers commonly send below one KiB.
const HEAD: usize = 64 * 1024;
/// The most header lines that are read.
const LINES: usize = 128;
/// The largest body that is read, in bytes; an OTP needs twenty.
const BODY: usize = 256 * 1024;
/// The most interim answers before the real one.
const INTERIM: usize = 8;

/// An answer as it was read.
pub(super) struct Raw {
    pub(super) version: u8,
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) reusable: bool,
}

/// A stream with what was read from it and not yet used.
pub(super) struct Reader<'a, S> {
    pub(super) stream: S,
    pub(super) buffer: &'a mut Vec<u8>,
}

enum Body {
    None,
    Length(usize),
    Chunked,
    UntilClosed,
}

impl<S: AsyncRead + Unpin> Reader<'_, S> {
    /// The next answer; `interim` is called for each 1xx before it.
    pub(super) async fn answer(&mut self, mut interim: impl FnMut(u16)) -> Result<Raw, Trouble> {
        for _ in 0..INTERIM {
            let head = self.head().await?;
            match head.status {
                100..=199 => interim(head.status),
                _ => return self.rest(head).await,
            }
        }
        Err(Trouble::Malformed("interim answers without end"))
    }

    async fn head(&mut self) -> Result<Raw, Trouble> {
        loop {
            if let Some((head, used)) = parse(self.buffer)? {
                self.buffer.drain(..used);
                return Ok(head);
            }
            if self.buffer.len() > HEAD {
                return Err(Trouble::Endless(HEAD / 1024));
            }
            if !self.more().await? {
                return Err(match self.buffer.is_empty() {
                    true => Trouble::Closed,
                    false => Trouble::Cut,
                });
            }
        }
    }

    async fn rest(&mut self, mut head: Raw) -> Result<Raw, Trouble> {
        let close = head.lists("connection", "close");
        let keep = head.version == 1 || head.lists("connection", "keep-alive");
        head.reusable = keep && !close;
        match framing(&head)? {
            Body::None => {}
            Body::Length(count) => head.body = self.exactly(count).await?,
            Body::Chunked => head.body = self.chunks().await?,
            Body::UntilClosed => {
                head.reusable = false;
                while self.more().await? {
                    if self.buffer.len() > BODY {
                        return Err(Trouble::Endless(BODY / 1024));
                    }
                }
                head.body = std::mem::take(self.buffer);
            }
        }
        Ok(head)
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Trouble> {
        if count > BODY {
            return Err(Trouble::Endless(BODY / 1024));
        }
        while self.buffer.len() < count {
            if !self.more().await? {
                return Err(Trouble::Cut);
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| Trouble::Malformed("a chunk without a size"))?;
            if body.len().saturating_add(size) > BODY {
                return Err(Trouble::Endless(BODY / 1024));
            }
            if size == 0 {
                break;
            }
            body.extend(self.exactly(size).await?);
            if !self.line().await?.is_empty() {
                return Err(Trouble::Malformed("a chunk longer than it said"));
            }
        }
        // Trailers, up to the empty line.
        for _ in 0..LINES {
            if self.line().await?.is_empty() {
                return Ok(body);
            }
        }
        Err(Trouble::Malformed("trailers without end"))
    }

    async fn line(&mut self) -> Result<String, Trouble> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > HEAD {
                return Err(Trouble::Endless(HEAD / 1024));
            }
            if !self.more().await? {
                return Err(Trouble::Cut);
            }
        }
    }

    /// Reads what there is; false at the end of the stream.
    async fn more(&mut self) -> Result<bool, Trouble> {
        match self.stream.read_buf(self.buffer).await {
            Ok(0) => Ok(false),
            Ok(_) => Ok(true),
            // TLS without a farewell: an end like any other (many servers do it).
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(super::tls::trouble(&error).unwrap_or(
                match self.buffer.is_empty() {
                    true => Trouble::Closed,
                    false => Trouble::Cut,
                },
            )),
        }
    }
}

impl Raw {
    fn values(&self, name: &str) -> impl Iterator<Item = String> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
    }

    fn lists(&self, name: &str, word: &str) -> bool {
        self.values(name).any(|value| {
            value
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        })
    }
}

fn parse(buffer: &[u8]) -> Result<Option<(Raw, usize)>, Trouble> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut response = httparse::Response::new(&mut lines);
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    match config.parse_response(&mut response, buffer) {
        Ok(httparse::Status::Complete(used)) => Ok(Some((
            Raw {
                version: response.version.unwrap_or(1),
                status: response.code.unwrap_or_default(),
                reason: response.reason.unwrap_or_default().to_owned(),
                headers: response
                    .headers
                    .iter()
                    .map(|line| (line.name.to_owned(), line.value.to_vec()))
                    .collect(),
                body: Vec::new(),
                reusable: false,
            },
            used,
        ))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Trouble::Malformed("header lines without end")),
        Err(httparse::Error::Version) => Err(Trouble::Malformed("it does not begin with HTTP/1")),
        Err(_) => Err(Trouble::Malformed("its head cannot be read")),
    }
}

/// How long the body is (RFC 9112 section 6.3).
fn framing(head: &Raw) -> Result<Body, Trouble> {
    if matches!(head.status, 204 | 304) {
        return Ok(Body::None);
    }
    if head.lists("transfer-encoding", "chunked") {
        return Ok(Body::Chunked);
    }
    let lengths: Vec<String> = head
        .values("content-length")
        .flat_map(|value| {
            value
                .split(',')
                .map(|one| one.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    match lengths.split_first() {
        None => Ok(Body::UntilClosed),
        Some((first, rest)) if rest.iter().all(|other| other == first) => first
            .parse()
            .map(Body::Length)
            .map_err(|_| Trouble::Malformed("a Content-Length that is no number")),
        Some(_) => Err(Trouble::Malformed("two different lengths")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Raw, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let mut buffer = Vec::new();
        runtime.block_on(
            Reader {
                stream: bytes,
                buffer: &mut buffer,
            }
            .answer(|_| {}),
        )
    }

    #[test]
    fn each_way_to_end_a_body_is_understood() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.0 200\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
        ] {
            assert_eq!(read(text.as_bytes()).expect(text).body, b"{}", "{text}");
        }
    }

    #[test]
    fn broken_framing_is_named() {
        let wrong = |text: &str| read(text.as_bytes()).err().expect("an error");
        assert_eq!(wrong(""), Trouble::Closed);
        assert_eq!(
            wrong("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"),
            Trouble::Cut
        );
        assert!(matches!(wrong("SSH-2.0-x\r\n\r\n"), Trouble::Malformed(_)));
        assert!(matches!(
            wrong("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
            Trouble::Malformed(_)
        ));
        assert!(matches!(
            wrong("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            Trouble::Endless(_)
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_body_makes_it_panic(
            head in "(Content-Length: [0-9]{1,20}|Transfer-Encoding: chunked|X: y)\r\n",
            body in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes();
            bytes.extend(body);
            let _ = read(&bytes);
        }
    }
}
