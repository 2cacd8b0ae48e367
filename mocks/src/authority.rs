//! The mock's own certificate authority, and the certificates it hands to its servers:
//! a good one, and the three bad ones that a client has to refuse.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;

/// An authority that is forgotten at the end; trust it in a test, nowhere else. Its key is made
/// when it is first needed: the first random number of the cryptographic library costs tens of
/// milliseconds, and a mock that is only spoken to in the clear shall start without them.
#[derive(Debug)]
pub struct Authority {
    issuer: LazyLock<CertifiedIssuer<'static, KeyPair>>,
}

/// Which certificate a server shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Signed by the authority, for `localhost`, the loopback addresses and the address listened on.
    #[default]
    Good,
    /// Good but for its name.
    WrongName,
    /// Good but for its time.
    Expired,
    /// Good but for its authority, which nobody has heard of.
    Untrusted,
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Refused by the certificate library.
    #[error("the mock's certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// Refused by the TLS library.
    #[error("the mock's certificate could not be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl Authority {
    /// An authority that nobody knows yet.
    pub fn new() -> Self {
        Self {
            issuer: LazyLock::new(|| named("callotp-mock: not-for-production").expect(SIGNS)),
        }
    }

    /// The authority's certificate, which a client is told to trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A TLS server at `address` that shows `certificate`.
    pub fn server(
        &self,
        certificate: Certificate,
        address: IpAddr,
    ) -> Result<Arc<ServerConfig>, AuthorityError> {
        let key = KeyPair::generate()?;
        let params = leaf(certificate, address)?;
        let signed = match certificate {
            Certificate::Untrusted => {
                let stranger = named("nobody's authority")?;
                params.signed_by(&key, &stranger)?
            }
            _ => params.signed_by(&key, &self.issuer)?,
        };
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], key)?;
        Ok(Arc::new(config))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Why the authority's own certificate can always be made.
const SIGNS: &str = "fixed parameters are signed with a fresh key";

fn named(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(certificate: Certificate, address: IpAddr) -> Result<CertificateParams, rcgen::Error> {
    let mut params = match certificate {
        Certificate::WrongName => CertificateParams::new(["elsewhere.invalid".to_owned()])?,
        _ => {
            let mut params = CertificateParams::new(["localhost".to_owned()])?;
            let loopback = [
                [127, 0, 0, 1].into(),
                IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1]),
            ];
            params
                .subject_alt_names
                .extend(loopback.map(SanType::IpAddress));
            if !loopback.contains(&address) && !address.is_unspecified() {
                params.subject_alt_names.push(SanType::IpAddress(address));
            }
            params
        }
    };
    params
        .distinguished_name
        .push(DnType::CommonName, "callotp-mock");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if certificate == Certificate::Expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    Ok(params)
}
