//! When certificates and lists end.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::TlsError;
use crate::clock::Timestamp;

/// When something in a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Which file.
    pub file: PathBuf,
    /// What it is, for people.
    pub what: &'static str,
    /// When.
    pub at: Timestamp,
}

/// How long before its end a certificate is spoken of.
const NEAR: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Expiry {
    /// That of `certificate`.
    pub(super) fn of(
        path: &Path,
        what: &'static str,
        certificate: &CertificateDer<'_>,
    ) -> Result<Expiry, TlsError> {
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|_| TlsError::new(path, "holds a certificate that cannot be read"))?;
        Ok(Expiry {
            file: path.to_owned(),
            what,
            at: timestamp(certificate.validity().not_after.timestamp()),
        })
    }

    /// True from the end on.
    pub fn has_passed(&self, now: Timestamp) -> bool {
        self.at <= now
    }

    /// True if there are less than 14 days left, or none.
    pub fn is_near(&self, now: Timestamp) -> bool {
        self.at <= now.after(NEAR)
    }

    pub(super) fn as_error(&self) -> TlsError {
        TlsError::new(
            &self.file,
            format!("{} has expired ({})", self.what, self.date()),
        )
    }

    /// As a date.
    pub fn date(&self) -> String {
        i64::try_from(self.at.as_millis())
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
            .map_or_else(|| "at no time".to_owned(), |at| at.to_string())
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "{file}: {} expires at {}", self.what, self.date())
    }
}

/// Of seconds since the Unix epoch.
pub(super) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}
