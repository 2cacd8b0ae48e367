//! Calls: planned from the arguments, begun when they are due, and read when they are answered.

use std::{env, fmt, fs, io, path::PathBuf, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use reqwest::{
    Certificate, Client, Url,
    header::{CONTENT_TYPE, USER_AGENT},
    redirect::Policy,
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    PbxArgs,
    dialect::{Dialect, Reading},
    report::Report,
    speech::spoken,
};
use crate::people::Fiction;

/// How much of a body is read; FreeSWITCH's own limit.
const MAX_BODY: usize = 64_000;

/// The arguments, checked.
pub struct Plan {
    url: Url,
    tenant: String,
    calls: u64,
    interval: Duration,
    numbers: Vec<String>,
    as_written: bool,
    dialect: Dialect,
    basic: Option<(String, String)>,
    client: Client,
}

/// Why the arguments make no sense.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The target is no address.
    #[error("--target {0:?} is not an http or https URL")]
    Target(String),
    /// The tenant cannot be put into a header.
    #[error("--tenant {0:?} cannot be sent in a header")]
    Tenant(String),
    /// The rate is none.
    #[error("--rate {0:?} is not a rate like 5/s, 30/m or 100/h")]
    Rate(String),
    /// A file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The credentials are not spelt as they should be.
    #[error(
        "--basic is spelt USER:env:NAME, where the environment variable NAME holds the password"
    )]
    Basic,
    /// The environment variable with the password is not there.
    #[error("--basic names the environment variable {0}, which is not set")]
    NoPassword(String),
    /// The client cannot be built, as when the authority is not PEM.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which one, from 1.
    pub nth: u64,
    /// The calling number as it was sent.
    pub number: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// What was made of it.
    pub reading: Reading,
    /// From the moment the call was due.
    pub took: Duration,
}

impl Plan {
    /// Checks the arguments, and reads the files and the variable they name.
    pub fn from_args(args: PbxArgs) -> Result<Self, UsageError> {
        let url = url(&args.target).ok_or_else(|| UsageError::Target(args.target.clone()))?;
        if reqwest::header::HeaderValue::from_str(&args.tenant).is_err() || args.tenant.is_empty() {
            return Err(UsageError::Tenant(args.tenant));
        }
        Ok(Self {
            url,
            interval: interval(&args.rate).ok_or(UsageError::Rate(args.rate))?,
            numbers: numbers(args.numbers)?,
            basic: args.basic.as_deref().map(basic).transpose()?,
            client: client(args.dialect, args.ca)?,
            tenant: args.tenant,
            calls: args.calls,
            as_written: args.as_written,
            dialect: args.dialect,
        })
    }

    fn number(&self, nth: u64) -> String {
        let count = self.numbers.len() as u64;
        let turn = nth - 1;
        let number = usize::try_from(turn % count)
            .ok()
            .and_then(|at| self.numbers.get(at));
        let number = number.cloned().unwrap_or_default();
        if self.as_written {
            return number;
        }
        // Every number is sent as it is first, and in the next spelling each time it comes again.
        let deliveries = self.dialect.deliveries();
        let again = usize::try_from(turn / count).unwrap_or(usize::MAX);
        deliveries[again % deliveries.len()].write(&number)
    }

    async fn call(&self, nth: u64, due: Instant) -> Call {
        let number = self.number(nth);
        let (status, reading) = match self.ask(&number).await {
            Ok((status, body)) => (Some(status), self.dialect.read(status, &body)),
            Err(error) => (None, Reading::Unusable(why(&error))),
        };
        Call {
            nth,
            number,
            status,
            reading,
            took: due.elapsed(),
        }
    }

    async fn ask(&self, number: &str) -> reqwest::Result<(u16, Vec<u8>)> {
        let mut request = self
            .client
            .put(self.url.clone())
            .header("tenant", &self.tenant)
            .header(CONTENT_TYPE, self.dialect.content_type())
            .body(json!({ "phonenumber": number }).to_string());
        if let Some(agent) = self.dialect.user_agent() {
            request = request.header(USER_AGENT, agent);
        }
        if let Some((user, password)) = &self.basic {
            request = request.basic_auth(user, Some(password));
        }
        let mut response = request.send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let room = MAX_BODY - body.len();
            body.extend(&chunk[..chunk.len().min(room)]);
            if body.len() == MAX_BODY {
                break;
            }
        }
        Ok((response.status().as_u16(), body))
    }
}

/// Places all calls of a plan, each at its time, whatever became of those before it, and shows
/// every one when it is over.
pub async fn place(
    plan: &Plan,
    mut show: impl FnMut(&Call) -> io::Result<()>,
) -> io::Result<Report> {
    let mut report = Report::default();
    if plan.numbers.is_empty() {
        return Ok(report);
    }
    let start = Instant::now();
    let due = |nth: u64| {
        start
            + plan
                .interval
                .saturating_mul(u32::try_from(nth - 1).unwrap_or(u32::MAX))
    };
    let mut ahead = (1..=plan.calls).map(|nth| plan.call(nth, due(nth)));
    let mut under_way = FuturesUnordered::new();
    let mut placed = 0;
    loop {
        // A call is begun when it is due, not before, so that there are never more timers than calls.
        let next = sleep_until(due(placed + 1));
        tokio::select! {
            biased;
            () = next, if placed < plan.calls => {
                under_way.extend(ahead.next());
                placed += 1;
            }
            Some(call) = under_way.next() => {
                show(&call)?;
                report.add(&call);
            }
            else => return Ok(report),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self
            .status
            .map_or("---".to_owned(), |status| status.to_string());
        let heard = match &self.reading {
            Reading::Otp(otp) => spoken(otp),
            Reading::Refused => "sorry".to_owned(),
            Reading::Unusable(why) => format!("sorry ({why})"),
        };
        let took = self.took.as_millis();
        // A number is whatever a file says it is, and may hold what moves a terminal's cursor.
        let number = self.number.escape_debug();
        write!(
            f,
            "{:>5}  {number:<24}  {status}  {took:>6} ms  {heard}",
            self.nth
        )
    }
}

fn url(target: &str) -> Option<Url> {
    let mut url = Url::parse(target).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/getOTP") {
        let rest = if path.ends_with("/api/authentication") {
            ""
        } else {
            "/api/authentication"
        };
        url.set_path(&format!("{path}{rest}/getOTP"));
    }
    Some(url)
}

/// The time between two calls.
fn interval(rate: &str) -> Option<Duration> {
    let (count, unit) = rate.split_once('/')?;
    let count: f64 = count.trim().parse().ok()?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    let sensible = count.is_finite() && count > 0.0 && count <= 1e6;
    sensible.then(|| Duration::try_from_secs_f64(seconds / count).ok())?
}

fn numbers(file: Option<PathBuf>) -> Result<Vec<String>, UsageError> {
    let Some(path) = file else {
        return Ok(Fiction::ending(5).map(Fiction::e164).into_iter().collect());
    };
    let text = fs::read_to_string(&path).map_err(|reason| UsageError::File { path, reason })?;
    let lines = text.lines().map(str::trim);
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect())
}

fn basic(written: &str) -> Result<(String, String), UsageError> {
    let (user, variable) = written.rsplit_once(":env:").ok_or(UsageError::Basic)?;
    if user.is_empty() || variable.is_empty() || user.contains(':') {
        return Err(UsageError::Basic);
    }
    let password = env::var(variable).map_err(|_| UsageError::NoPassword(variable.to_owned()))?;
    Ok((user.to_owned(), password))
}

fn client(dialect: Dialect, ca: Option<PathBuf>) -> Result<Client, UsageError> {
    let (connecting, altogether) = dialect.patience();
    let mut client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .http1_only()
        .connect_timeout(connecting)
        .timeout(altogether)
        .pool_max_idle_per_host(if dialect.keeps_connections() {
            usize::MAX
        } else {
            0
        });
    if let Some(path) = ca {
        let pem = fs::read(&path).map_err(|reason| UsageError::File { path, reason })?;
        for certificate in Certificate::from_pem_bundle(&pem)? {
            client = client.add_root_certificate(certificate);
        }
    }
    Ok(client.build()?)
}

/// The innermost reason, without the address, which the operator knows.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string()
}
