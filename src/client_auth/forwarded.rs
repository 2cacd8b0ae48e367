//! The client's certificate in a header of the reverse proxy that ended TLS.
//!
//! The proxy has checked the certificate; the header is believed from the proxy's own
//! addresses and from nobody else. Exactly the configured header counts: `_` is never
//! taken for `-`, because proxies let one of them pass when they set the other.

use std::{net::IpAddr, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use hyper::{HeaderMap, header::HeaderName};
use ipnet::IpNet;

use super::{
    NotAuthenticated, ProxyConfig, certificate::ClientCertificate, once::OncePerSource, single,
};
use crate::clock::Clock;

/// Whose header is believed, and which.
pub struct Forwarded {
    trusted: Vec<IpNet>,
    header: HeaderName,
    complaints: OncePerSource,
}

impl Forwarded {
    /// As configured; `None` if certificates are not taken from a proxy.
    pub fn new(proxy: &ProxyConfig, clock: Arc<dyn Clock>) -> Option<Self> {
        let header = proxy.client_certificate_header.as_deref()?;
        Some(Self {
            trusted: proxy.trusted.clone(),
            header: HeaderName::try_from(header).ok()?,
            complaints: OncePerSource::new(clock),
        })
    }

    /// The certificate that the proxy at `peer` passes on, if it does.
    pub(super) fn certificate(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Option<ClientCertificate>, NotAuthenticated> {
        if !headers.contains_key(&self.header) {
            return Ok(None);
        }
        if !self.trusted.iter().any(|range| range.contains(&peer)) {
            if self.complaints.is_first(peer, "header") {
                let header = self.header.as_str();
                tracing::warn!(from = %peer, header, "a client certificate's header is ignored: \
                    its sender is not among server.proxy.trusted");
            }
            return Ok(None);
        }
        let value = single(headers, &self.header).ok_or(NotAuthenticated::Malformed)?;
        read(value.as_bytes()).map_err(|Unreadable| NotAuthenticated::Malformed)
    }
}

/// A header that holds no certificate, nor says that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Reads the header's value; `None` where the proxy says that the client has none.
///
/// - RFC 9440 `Client-Cert`: base64 between colons;
/// - nginx `$ssl_client_escaped_cert`: percent-encoded PEM;
/// - haproxy `%[ssl_c_der,base64]`: base64; empty for none;
/// - apache `%{SSL_CLIENT_CERT}s`: PEM with blanks for newlines; `(null)` for none.
pub fn read(value: &[u8]) -> Result<Option<ClientCertificate>, Unreadable> {
    let text = std::str::from_utf8(value).map_err(|_| Unreadable)?.trim();
    if matches!(text, "" | "(null)") {
        return Ok(None);
    }
    let der = match text.strip_prefix(':') {
        Some(rest) => decode(rest.strip_suffix(':').ok_or(Unreadable)?)?,
        None => {
            let text = match text.contains('%') {
                true => unescape(text).ok_or(Unreadable)?,
                false => text.to_owned(),
            };
            let text = match text.contains("-----") {
                true => pem(&text).ok_or(Unreadable)?,
                false => text,
            };
            decode(&text)?
        }
    };
    let certificate = ClientCertificate::from_der(&der).map_err(|_| Unreadable)?;
    Ok(Some(certificate))
}

fn decode(base64: &str) -> Result<Vec<u8>, Unreadable> {
    let decoded = STANDARD.decode(base64);
    decoded
        .or_else(|_| STANDARD_NO_PAD.decode(base64))
        .map_err(|_| Unreadable)
}

/// The base64 between the lines of a PEM with exactly one certificate (RFC 7468 §2).
fn pem(text: &str) -> Option<String> {
    let inner = text
        .trim()
        .strip_prefix("-----BEGIN CERTIFICATE-----")?
        .strip_suffix("-----END CERTIFICATE-----")?;
    Some(inner.split_ascii_whitespace().collect())
}

/// RFC 3986 §2.1.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'%' => {
                let (digits, after) = after.split_at_checked(2)?;
                let digit = |index: usize| char::from(digits[index]).to_digit(16);
                bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
                after
            }
            byte => {
                bytes.push(*byte);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reading_never_panics(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&value);
        }

        #[test]
        fn what_looks_like_a_certificate_never_panics(
            before in "(:|-----BEGIN CERTIFICATE-----|%2D|)",
            der in proptest::collection::vec(any::<u8>(), 0..200),
            after in "(:|-----END CERTIFICATE-----|%|)",
        ) {
            let _ = read(format!("{before}{}{after}", STANDARD.encode(der)).as_bytes());
        }

        #[test]
        fn unescaping_undoes_escaping(text in "\\PC{0,60}") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(unescape(&escaped), Some(text));
        }
    }
}
