//! How fast the mock is, so that it is never the bottleneck of a load test: the time to its
//! first line, calls judged a second, searches a second, and its memory afterwards. The mock
//! has one core to itself, this program another. Fails when a promise is not kept.

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured here is the machine's own clock"
)]

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const CALLS: usize = 200_000;
const SEARCHES: usize = 200_000;
const CONNECTIONS: usize = 32;
const STARTS: usize = 15;

/// What is promised.
const START: Duration = Duration::from_millis(50);
const CALLS_A_SECOND: f64 = 20_000.0;
const MEMORY_MIB: f64 = 64.0;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The mock on the first core; ended when dropped.
struct Mock {
    child: Child,
    http: SocketAddr,
    ldap: SocketAddr,
    began: Duration,
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mock {
    fn start(program: &str) -> Outcome<Self> {
        let begun = Instant::now();
        let mut child = Command::new("taskset")
            .args(["-c", "0", program, "serve", "--http", "127.0.0.1:0"])
            .args(["--ldap", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let began = begun.elapsed();
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let address = |name: &str| ready[name].as_str().unwrap_or_default().parse();
        Ok(Self {
            child,
            http: address("http")?,
            ldap: address("ldap")?,
            began,
        })
    }

    /// Processor time so far.
    fn busy(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.split_whitespace().collect();
        // utime and stime in hundredths of a second (proc(5)).
        let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// The most memory it ever had, in MiB.
    fn memory(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.unwrap_or_default().parse::<f64>()? / 1024.0)
    }
}

fn main() -> ExitCode {
    match measured() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("it cannot be measured: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn measured() -> Outcome<bool> {
    let program = std::env::args().nth(1).ok_or("name the mock's program")?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Mock::start(&program)?.began);
    }
    starts.sort();
    let start = starts[STARTS / 2];
    say(&format!(
        "to the first line    {} ms, median of {STARTS}",
        start.as_millis()
    ));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mock = Mock::start(&program)?;
    let calls = runtime.block_on(rate(&mock, mock.http, CALLS, &call(), answered))?;
    say(&format!("calls judged         {calls}"));
    let memory = mock.memory()?;
    say(&format!("memory after them    {memory:.0} MiB"));
    let searches = runtime.block_on(rate(&mock, mock.ldap, SEARCHES, &search(), found))?;
    say(&format!("searches             {searches}"));
    Ok(start < START && calls.a_second >= CALLS_A_SECOND && memory < MEMORY_MIB)
}

struct Rate {
    a_second: f64,
    busy: Duration,
    count: usize,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = self.busy.as_secs_f64() * 1e6 / self.count as f64;
        write!(
            f,
            "{:.0} a second, {each:.1} µs of processor each",
            self.a_second
        )
    }
}

/// Sends `request` over and over on 32 connections, each waiting for its answers.
async fn rate(
    mock: &Mock,
    address: SocketAddr,
    count: usize,
    request: &[u8],
    whole: fn(&[u8]) -> Option<bool>,
) -> Outcome<Rate> {
    let (before, begun) = (mock.busy()?, Instant::now());
    let each = count / CONNECTIONS;
    let talks = (0..CONNECTIONS).map(|_| talk(address, each, request, whole));
    futures_util::future::try_join_all(talks).await?;
    let took = begun.elapsed();
    Ok(Rate {
        a_second: count as f64 / took.as_secs_f64(),
        busy: mock.busy()? - before,
        count,
    })
}

async fn talk(
    address: SocketAddr,
    count: usize,
    request: &[u8],
    whole: fn(&[u8]) -> Option<bool>,
) -> Outcome<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(4096);
    for _ in 0..count {
        stream.write_all(request).await?;
        bytes.clear();
        let right = loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err("the mock closed the connection".into());
            }
            if let Some(right) = whole(&bytes) {
                break right;
            }
        };
        if !right {
            return Err(String::from_utf8_lossy(&bytes).into_owned().into());
        }
    }
    Ok(())
}

fn call() -> Vec<u8> {
    let body = r#"{"phonenumber":"+46701740605"}"#;
    let head = format!(
        "PUT /api/authentication/getOTP HTTP/1.1\r\nHost: mock\r\ntenant: t1\r\nContent-Type: application/json\r\nAuthorization: Basic cGJ4OnNlY3JldA==\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + body).into_bytes()
}

/// Is an answer whole, in whichever legal form it came, and is it an OTP for a caller that
/// keeps every clause?
fn answered(bytes: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let whole = match head.split("content-length:").nth(1) {
        Some(rest) => {
            let length = rest.lines().next().unwrap_or_default().trim();
            Some(body.len()) == length.parse().ok()
        }
        None => body.ends_with("0\r\n\r\n"),
    };
    let verdict = head.split("callotp-verdict:").nth(1).unwrap_or_default();
    whole.then(|| head.starts_with("http/1.1 200") && verdict.trim_start().starts_with("pass"))
}

/// A search below dc=example,dc=org for (mobile=+46701740605), one attribute asked for, in
/// BER (RFC 4511 section 4.5.1).
fn search() -> Vec<u8> {
    let string = |tag: u8, text: &str| wrapped(tag, text.as_bytes());
    let filter = [string(4, "mobile"), string(4, "+46701740605")].concat();
    let body = [
        string(4, "dc=example,dc=org"),
        vec![10, 1, 2],
        vec![10, 1, 0],
        vec![2, 1, 0],
        vec![2, 1, 0],
        vec![1, 1, 0],
        wrapped(0xa3, &filter),
        wrapped(0x30, &string(4, "uid")),
    ]
    .concat();
    wrapped(0x30, &[vec![2, 1, 7], wrapped(0x63, &body)].concat())
}

/// With a tag and a length below 128 in front.
fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag, u8::try_from(content.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(content);
    bytes
}

/// Is there one entry and then a search that is done, with success?
fn found(bytes: &[u8]) -> Option<bool> {
    // An entry is application 4, the end of a search application 5.
    let length = |at: usize| bytes.get(at + 1).map(|length| usize::from(*length) + 2);
    let first = length(0)?;
    if bytes.get(5) == Some(&0x65) {
        return Some(false);
    }
    let last = bytes.get(first..)?;
    let whole = last.len() >= 2 && last.len() >= usize::from(last[1]) + 2;
    whole.then(|| {
        bytes.get(5) == Some(&0x64) && last.get(5) == Some(&0x65) && last.get(9) == Some(&0)
    })
}

#[expect(clippy::print_stdout, reason = "this is a program that a person reads")]
fn say(line: &str) {
    println!("{line}");
}
