//! A caller that sends exactly the bytes it is told to.

use std::{net::SocketAddr, time::Duration};

use callotp_mock::Mock;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) const ADA: &str = "+46701740605";

/// A request, golden until it is changed.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) close: bool,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Everything that arrived.
    pub(crate) raw: Vec<u8>,
    /// The error in which the connection ended, when it did not end in order.
    pub(crate) broken: Option<std::io::ErrorKind>,
}

impl Ask {
    /// The documented request.
    pub(crate) fn golden(number: &str) -> Self {
        let headers = [
            ("Host", "mock"),
            ("tenant", "t1"),
            ("Content-Type", "application/json"),
            // pbx:secret
            ("Authorization", "Basic cGJ4OnNlY3JldA=="),
        ];
        Self {
            method: "PUT",
            path: "/api/authentication/getOTP".to_owned(),
            headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
            body: json!({"phonenumber": number}).to_string(),
            close: true,
        }
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    /// Without this header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// With a further header line.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this value instead.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.close {
            text.push_str("Connection: close\r\n");
        }
        text.push_str(&format!(
            "Content-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        ));
        text.into_bytes()
    }

    pub(crate) async fn to(&self, mock: &Mock) -> Reply {
        send(mock.http_address(), &self.bytes()).await
    }
}

/// Sends bytes and reads until the end.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut tcp = TcpStream::connect(address).await.expect("a listener");
    tcp.write_all(bytes).await.expect("sent");
    read_reply(&mut tcp).await
}

pub(crate) async fn read_reply<S: AsyncReadExt + AsyncWrite + Unpin>(stream: &mut S) -> Reply {
    let mut raw = Vec::new();
    let read = stream.read_to_end(&mut raw);
    let read = tokio::time::timeout(Duration::from_secs(20), read).await;
    let broken = read
        .expect("an end within 20 s")
        .err()
        .map(|error| error.kind());
    understood(raw, broken)
}

fn understood(raw: Vec<u8>, broken: Option<std::io::ErrorKind>) -> Reply {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n");
    let (head, body) = match end {
        Some(end) => (
            String::from_utf8_lossy(&raw[..end]).into_owned(),
            &raw[end + 4..],
        ),
        None => (String::new(), &raw[..0]),
    };
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let chunked = headers.iter().any(|(n, _)| n == "transfer-encoding");
    let body = match chunked {
        true => unchunked(body),
        false => String::from_utf8_lossy(body).into_owned(),
    };
    Reply {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        headers,
        body,
        broken,
        raw,
    }
}

fn unchunked(mut rest: &[u8]) -> String {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else {
            break;
        };
        rest = &rest[end + 2..];
        if size == 0 || rest.len() < size + 2 {
            break;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
    String::from_utf8_lossy(&body).into_owned()
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map_or("", |(_, value)| value)
    }

    /// The clauses that the verdict names.
    pub(crate) fn broken_clauses(&self) -> Vec<String> {
        let verdict = self.header("callotp-verdict");
        verdict.split(' ').skip(1).map(str::to_owned).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn otp(&self) -> String {
        self.json()["otp"].as_str().unwrap_or_default().to_owned()
    }
}

/// A call of the administration; the status and the body.
pub(crate) async fn administer(
    mock: &Mock,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = send(mock.admin_address(), request.as_bytes()).await;
    let value = serde_json::from_str(&reply.body).unwrap_or(Value::String(reply.body));
    (reply.status, value)
}

/// The clauses found in the newest call.
pub(crate) fn newest_clauses(mock: &Mock) -> Vec<&'static str> {
    let calls = mock.journal().calls();
    let newest = calls.last().expect("a call");
    newest
        .findings
        .iter()
        .map(|found| found.clause.id)
        .collect()
}

pub(crate) async fn mock() -> Mock {
    Mock::builder()
        .seed(7)
        .plain()
        .start()
        .await
        .expect("a mock")
}

/// A mock of a scenario in TOML.
pub(crate) async fn mock_of(scenario: &str) -> Mock {
    let scenario = callotp_mock::scenario::Scenario::read(scenario, "s.toml").expect("a scenario");
    let builder = Mock::builder().seed(7).plain().scenario(scenario);
    builder.start().await.expect("a mock")
}
