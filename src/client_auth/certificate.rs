//! A client's certificate, as far as it says who the client is (RFC 8705 §2).

use std::{fmt, ops::RangeInclusive};

use sha2::{Digest as _, Sha256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::{CertificateName, distinguished_name::DistinguishedName};
use crate::clock::Timestamp;

/// A certificate whose holder somebody has already checked: TLS, or the proxy in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    sha256: [u8; 32],
    /// `None` if it cannot be written as text.
    subject: Option<DistinguishedName>,
    dns: Vec<Box<str>>,
    /// Milliseconds since the Unix epoch.
    valid: RangeInclusive<u64>,
}

/// Bytes that are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate in DER")]
pub struct NoCertificate;

impl ClientCertificate {
    /// Reads a certificate in DER, with nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Self, NoCertificate> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| NoCertificate)?;
        if !rest.is_empty() {
            return Err(NoCertificate);
        }
        let alternatives = certificate.subject_alternative_name();
        let names = alternatives
            .map_err(|_| NoCertificate)?
            .map_or(&[][..], |extension| &extension.value.general_names);
        let dns = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Box::from(*name)),
            _ => None,
        });
        let validity = certificate.validity();
        let millis = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
        Ok(Self {
            sha256: Sha256::digest(der).into(),
            subject: DistinguishedName::of(certificate.subject()),
            dns: dns.collect(),
            valid: millis(validity.not_before.timestamp())
                // The second named is the last good one (RFC 5280 §4.1.2.5).
                ..=millis(validity.not_after.timestamp()).saturating_add(999),
        })
    }

    /// True within its time. A connection may outlive the certificate it began with.
    pub(super) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid.contains(&now.as_millis())
    }

    /// The thumbprint that a token may be bound to (`x5t#S256`, RFC 8705 §3.1).
    pub(super) fn thumbprint(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// True if it is the one, or one of those, that `name` means. A wildcard in the
    /// certificate means nothing: no client is called that.
    pub(super) fn is_called(&self, name: &CertificateName) -> bool {
        match name {
            CertificateName::Sha256(sha256) => self.sha256 == *sha256,
            CertificateName::Subject(subject) => self.subject.as_ref() == Some(subject),
            CertificateName::Dns(dns) => {
                self.dns.iter().any(|known| known.eq_ignore_ascii_case(dns))
            }
        }
    }
}

/// What an operator needs to write it into the configuration.
impl fmt::Display for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256 ")?;
        for byte in self.sha256 {
            write!(f, "{byte:02x}")?;
        }
        if let Some(subject) = &self.subject {
            write!(f, ", subject {subject}")?;
        }
        for dns in &self.dns {
            write!(f, ", dns {dns}")?;
        }
        Ok(())
    }
}
