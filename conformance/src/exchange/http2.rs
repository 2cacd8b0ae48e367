//! Requests to a target that speaks HTTP/2 alone.

use std::time::Duration;

use super::{Answer, Framing, Request, Trouble, tls::ClientSide, tls::Configurations};
use crate::target::BaseUrl;

/// The largest body that is read, in bytes.
const BODY: usize = 256 * 1024;

pub(super) struct Http2 {
    own: reqwest::Client,
    nothing: reqwest::Client,
    stranger: reqwest::Client,
    base: String,
    timeout: Duration,
}

impl Http2 {
    pub(super) fn new(
        url: &BaseUrl,
        configurations: Configurations,
        timeout: Duration,
    ) -> Result<Self, Trouble> {
        let client = |side: ClientSide| {
            reqwest::Client::builder()
                .tls_backend_preconfigured((*configurations.of(side)).clone())
                .http2_prior_knowledge()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(timeout)
                .build()
                .map_err(|error| Trouble::Tls(error.to_string()))
        };
        Ok(Self {
            own: client(ClientSide::Own)?,
            nothing: client(ClientSide::Nothing)?,
            stranger: client(ClientSide::Stranger)?,
            base: format!("https://{}", url.authority()),
            timeout,
        })
    }

    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Trouble> {
        let begun = tokio::time::Instant::now();
        let answer = self.request(request)?.send().await;
        let mut answer = answer.map_err(|error| self.trouble(&error))?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.trouble(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY {
                return Err(Trouble::Endless(BODY / 1024));
            }
        }
        Ok(Answer {
            version: 2,
            status,
            reason: String::new(),
            headers,
            body,
            took: begun.elapsed(),
            reusable: true,
        })
    }

    fn request(&self, request: &Request) -> Result<reqwest::RequestBuilder, Trouble> {
        let client = match request.certificate {
            ClientSide::Own => &self.own,
            ClientSide::Nothing => &self.nothing,
            ClientSide::Stranger => &self.stranger,
        };
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Trouble::Malformed("a method HTTP/2 cannot carry"))?;
        let mut builder = client.request(method, format!("{}{}", self.base, request.path));
        for (name, value) in &request.headers {
            if !name.eq_ignore_ascii_case("host") {
                builder = builder.header(name, value.wire());
            }
        }
        match request.framing {
            Framing::Length => Ok(builder.body(request.body.wire())),
            _ => Err(Trouble::Malformed("a framing HTTP/2 does not have")),
        }
    }

    fn trouble(&self, error: &reqwest::Error) -> Trouble {
        match error {
            _ if error.is_timeout() => Trouble::Timeout(self.timeout),
            _ if error.is_connect() => Trouble::Tls("no HTTP/2 connection comes about".to_owned()),
            _ => Trouble::Cut,
        }
    }
}
