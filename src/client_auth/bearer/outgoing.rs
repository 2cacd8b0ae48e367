//! Questions to issuers: bounded in time and size, and never sent elsewhere.

use std::{sync::OnceLock, time::Duration};

use reqwest::{Client, RequestBuilder, Response, StatusCode, header::DATE, redirect::Policy};
use url::{Host, Url};

/// For the whole answer: less than a caller's time, so that the reason can still be told.
const TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(1);

/// Bytes of an answer. Key sets are some KiB.
const LONGEST: usize = 256 * 1024;

/// The HTTP client, made when it is first needed: it reads the system's certificates.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    client: OnceLock<Result<Client, String>>,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// What the issuer's clock said.
    pub(super) date: Option<String>,
}

impl Outgoing {
    pub(super) async fn get(&self, url: &str) -> Result<Answer, String> {
        let request = self.client()?.get(parse(url)?);
        finish(url, request.header("accept", "application/json")).await
    }

    /// Posts a form, as the client `id` (RFC 6749 §2.3.1).
    pub(super) async fn post(
        &self,
        url: &str,
        (id, secret): (&str, &str),
        form: String,
    ) -> Result<Answer, String> {
        let request = self
            .client()?
            .post(parse(url)?)
            .basic_auth(form_encoded(id), Some(form_encoded(secret)))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form);
        finish(url, request).await
    }

    fn client(&self) -> Result<&Client, String> {
        let client = self.client.get_or_init(|| {
            Client::builder()
                .user_agent(concat!("callotp/", env!("CARGO_PKG_VERSION")))
                // A token or a secret must not follow a redirect to somebody else.
                .redirect(Policy::none())
                .connect_timeout(CONNECT)
                .timeout(TIMEOUT)
                .build()
                .map_err(|error| format!("no HTTP client: {}", chain(&error)))
        });
        client.as_ref().map_err(Clone::clone)
    }
}

/// One field of a form, or the whole of it when joined with `&`.
pub(super) fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// An `https` URL, or `http` to loopback. What an issuer's metadata name must be as well.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("{text:?} is not a URL"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err(format!("{text:?} is not an https URL")),
    }
}

async fn finish(url: &str, request: RequestBuilder) -> Result<Answer, String> {
    let failed = |error: reqwest::Error| format!("{url}: {}", chain(&error.without_url()));
    let mut response: Response = request.send().await.map_err(failed)?;
    let status = response.status();
    let date = response.headers().get(DATE);
    let date = date.and_then(|date| date.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(format!("{url}: the answer is longer than 256 KiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body, date })
}

/// An error with its causes: reqwest's own text does not say why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
