//! Our certificate, and whose client certificates we take.

use std::path::PathBuf;

/// `[server.tls]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM, the chain.
    pub certificate: PathBuf,
    /// PEM.
    pub private_key: PathBuf,
    /// PEM; client certificates are asked for if present.
    pub client_ca: Option<PathBuf>,
    /// PEM or DER revocation lists for `client_ca`.
    pub client_crl: Vec<PathBuf>,
    /// Refuse a handshake without a client certificate.
    pub client_certificates_required: bool,
}
