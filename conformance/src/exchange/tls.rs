//! TLS as a client: whom to trust, which certificate to show, and what went wrong.

use std::{io, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use super::{Trouble, verifier::Verifier};
use crate::target::{Auth, Target};

/// Which client certificate goes with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientSide {
    /// The target's own, when it has one.
    Own,
    /// None.
    Nothing,
    /// One that nobody knows.
    Stranger,
}

/// The configurations of a run, one for each certificate that may be shown.
pub(super) struct Configurations {
    own: Arc<ClientConfig>,
    nothing: Arc<ClientConfig>,
    stranger: Option<Arc<ClientConfig>>,
}

impl Configurations {
    pub(super) fn new(target: &Target, alpn: &[&[u8]]) -> Result<Self, Trouble> {
        let roots = Arc::new(roots(target)?);
        let build = |certificate| configuration(&roots, &target.ca, certificate, alpn);
        let nothing = build(None)?;
        let (own, stranger) = match &target.auth {
            Auth::Certificate(own) => {
                let own = build(Some((own.chain.clone(), own.key.clone_key())))?;
                (own, Some(build(Some(self_made()?))?))
            }
            _ => (nothing.clone(), None),
        };
        Ok(Self {
            own,
            nothing,
            stranger,
        })
    }

    pub(super) fn of(&self, side: ClientSide) -> Arc<ClientConfig> {
        match (side, &self.stranger) {
            (ClientSide::Own, _) => self.own.clone(),
            (ClientSide::Stranger, Some(stranger)) => stranger.clone(),
            _ => self.nothing.clone(),
        }
    }
}

fn roots(target: &Target) -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    if target.ca.is_empty() {
        // One unreadable certificate of the system must not cost us the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for authority in &target.ca {
        roots
            .add(authority.clone())
            .map_err(|error| Trouble::Tls(format!("the CA given cannot be used: {error}")))?;
    }
    Ok(roots)
}

fn configuration(
    roots: &Arc<RootCertStore>,
    given: &[CertificateDer<'static>],
    certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Verifier::new(roots.clone(), given, provider.clone())?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match certificate {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| {
            Trouble::Tls(format!("the client certificate cannot be used: {error}"))
        })?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// A certificate that no authority has signed.
fn self_made() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Trouble> {
    let made = rcgen::generate_simple_self_signed(["callotp-conformance-stranger".to_owned()])
        .map_err(|error| Trouble::Tls(error.to_string()))?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    Ok((vec![made.cert.der().clone()], key))
}

/// Days until a certificate ends, negative when it has ended.
pub(crate) fn certificate_days_left(der: &[u8], now: jiff::Timestamp) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let left = certificate.validity().not_after.timestamp() - now.as_second();
    Some(left.div_euclid(86_400))
}

/// The TLS error inside an error of the stream, said in words that help.
pub(super) fn trouble(error: &io::Error) -> Option<Trouble> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(Trouble::Tls(match inner {
        Error::InvalidCertificate(why) => certificate_trouble(why),
        Error::AlertReceived(alert) => format!("the server ended it: {}", alert_trouble(*alert)),
        Error::InvalidMessage(_) => "what came is no TLS; is this a plain http port?".to_owned(),
        Error::PeerIncompatible(why) => format!("no common version or cipher suite ({why:?})"),
        other => other.to_string(),
    }))
}

fn certificate_trouble(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is a clock wrong?".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "its certificate comes from an authority that is not known here, or an intermediate certificate is missing"
                .to_owned()
        }
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's own; give that very certificate with --ca to trust it"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        other => format!("its certificate is refused ({other:?})"),
    }
}

fn alert_trouble(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "it wants a client certificate",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => "it does not accept the client certificate",
        AlertDescription::NoApplicationProtocol => "it does not speak HTTP/1.1",
        AlertDescription::ProtocolVersion => "it speaks no TLS version that is safe",
        AlertDescription::UnrecognisedName => "it does not know this host name",
        _ => "a TLS alert",
    }
}
