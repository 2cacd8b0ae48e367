//! Connections that come to nothing, told apart: for the metrics each time, for the log once
//! per source and hour.

use std::{fmt::Display, io, net::IpAddr, sync::Arc};

use rustls::{AlertDescription, CertificateError};

use crate::{client_auth::OncePerSource, clock::Clock};

/// Why a connection, or the last request on it, never came to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The handshake was not finished in time.
    HandshakeTimedOut,
    /// The other side went away in the middle of the handshake.
    HandshakeCutOff,
    /// What came is no TLS: plain HTTP, as a rule.
    NotTls,
    /// No version, cipher suite or the like that both sides have.
    TlsIncompatible,
    /// The other side gave up; it does not trust our certificate, as a rule.
    TlsRefusedByClient,
    /// A client certificate is required, and there is none.
    CertificateMissing,
    /// The client certificate is outside its time.
    CertificateExpired,
    /// The client certificate is on a revocation list.
    CertificateRevoked,
    /// The client certificate is from an authority that is not ours.
    CertificateUntrusted,
    /// The client certificate is wrong in another way.
    CertificateWrong,
    /// The handshake went against the protocol.
    HandshakeBroken,
    /// The request's head did not arrive in time.
    HeadTimedOut,
    /// The request's head is longer than 16 KiB, or has more than 100 fields.
    HeadTooLarge,
    /// What came is not HTTP.
    NotHttp,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::HandshakeTimedOut,
        Self::HandshakeCutOff,
        Self::NotTls,
        Self::TlsIncompatible,
        Self::TlsRefusedByClient,
        Self::CertificateMissing,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::CertificateUntrusted,
        Self::CertificateWrong,
        Self::HandshakeBroken,
        Self::HeadTimedOut,
        Self::HeadTooLarge,
        Self::NotHttp,
    ];

    /// The word for it in log and metrics. An interface: `docs/log.md` lists them.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::HandshakeTimedOut => "handshake_timed_out",
            Self::HandshakeCutOff => "handshake_cut_off",
            Self::NotTls => "not_tls",
            Self::TlsIncompatible => "tls_incompatible",
            Self::TlsRefusedByClient => "tls_refused_by_client",
            Self::CertificateMissing => "client_certificate_missing",
            Self::CertificateExpired => "client_certificate_expired",
            Self::CertificateRevoked => "client_certificate_revoked",
            Self::CertificateUntrusted => "client_certificate_untrusted",
            Self::CertificateWrong => "client_certificate_wrong",
            Self::HandshakeBroken => "handshake_broken",
            Self::HeadTimedOut => "head_timed_out",
            Self::HeadTooLarge => "head_too_large",
            Self::NotHttp => "not_http",
        }
    }

    /// Why a handshake ended with `error`.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        let cause = error.get_ref();
        match cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
            None => Self::HandshakeCutOff,
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls,
            Some(rustls::Error::PeerIncompatible(_)) => Self::TlsIncompatible,
            // A client has these two alerts for a server that is too new or too old for it.
            Some(rustls::Error::AlertReceived(
                AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
            )) => Self::TlsIncompatible,
            Some(rustls::Error::AlertReceived(_)) => Self::TlsRefusedByClient,
            Some(rustls::Error::NoCertificatesPresented) => Self::CertificateMissing,
            Some(rustls::Error::InvalidCertificate(why)) => Self::of_certificate(why),
            Some(rustls::Error::InvalidCertRevocationList(_)) => Self::CertificateWrong,
            Some(_) => Self::HandshakeBroken,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        match why {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::CertificateExpired,
            CertificateError::Revoked => Self::CertificateRevoked,
            CertificateError::UnknownIssuer => Self::CertificateUntrusted,
            _ => Self::CertificateWrong,
        }
    }

    /// Why an HTTP connection ended with `error`; `None` if its client just went away.
    pub(super) fn of_http(error: &hyper::Error) -> Option<Self> {
        match error {
            _ if error.is_parse_too_large() => Some(Self::HeadTooLarge),
            _ if error.is_parse() => Some(Self::NotHttp),
            _ => None,
        }
    }

    /// Scanners and health checks come and go by the thousand, and it is no news.
    const fn is_common(self) -> bool {
        matches!(
            self,
            Self::HandshakeTimedOut | Self::HandshakeCutOff | Self::HeadTimedOut
        )
    }
}

/// Counts failures.
pub trait Failures: Send + Sync {
    /// One more.
    fn count(&self, failure: Failure);
}

/// Counts a listener's failures, and says what they are.
pub(super) struct Complaints {
    failures: Arc<dyn Failures>,
    said: OncePerSource,
}

impl Complaints {
    pub(super) fn new(failures: Arc<dyn Failures>, clock: Arc<dyn Clock>) -> Self {
        Self {
            failures,
            said: OncePerSource::new(clock),
        }
    }

    pub(super) fn note(&self, failure: Failure, from: IpAddr, error: &dyn Display) {
        self.failures.count(failure);
        let reason = failure.reason();
        if failure.is_common() || !self.said.is_first(from, reason) {
            tracing::debug!(%from, reason, %error, "a connection came to nothing");
        } else {
            tracing::warn!(%from, reason, %error, "a connection came to nothing (said once an hour)");
        }
    }
}
