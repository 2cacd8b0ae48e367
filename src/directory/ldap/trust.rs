//! Whom we believe to be a directory server: the operator's own authorities or the system's.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, TrustAnchor, pem::PemObject as _};

/// Why nobody could be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTrust {
    /// The file cannot be read.
    #[error("ca: {0} cannot be read: {1}")]
    Unreadable(String, String),
    /// The file holds something else.
    #[error("ca: {0} holds no usable certificate: {1}")]
    File(String, String),
    /// The machine has no authorities.
    #[error("no certificate authorities are installed on this machine; name one with ca")]
    System,
}

/// The authorities that are believed.
pub(super) type Trusted = Vec<TrustAnchor<'static>>;

/// Those in the operator's file, or the system's.
pub(super) fn anchors(ca: Option<&Path>) -> Result<Trusted, NoTrust> {
    let roots = match ca {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    Ok(roots.roots)
}

/// TLS 1.2 and newer, certificates and names verified; there is no way to switch that off.
pub(super) fn client_config(trusted: &Trusted) -> Arc<ClientConfig> {
    let roots: RootCertStore = trusted.iter().cloned().collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn from_file(path: &Path) -> Result<RootCertStore, NoTrust> {
    let unusable = |reason: String| NoTrust::File(path.display().to_string(), reason);
    let pem = std::fs::read(path)
        .map_err(|error| NoTrust::Unreadable(path.display().to_string(), error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(unusable("there is no CERTIFICATE block in it".into())),
        false => Ok(roots),
    }
}

/// One unreadable certificate of the system must not cost all others.
fn from_system() -> Result<RootCertStore, NoTrust> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(NoTrust::System),
        false => Ok(roots),
    }
}
