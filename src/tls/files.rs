//! The files of `[server.tls]`, and what rustls is given of them.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use x509_parser::{
    prelude::FromDer as _, revocation_list::CertificateRevocationList, x509::X509Version,
};
use zeroize::Zeroizing;

use super::{
    RustlsTime, TlsConfig,
    expiry::{Expiry, timestamp},
    finish,
};
use crate::clock::Clock;

/// Why a file of `[server.tls]` cannot be used. Shows nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", file.display())]
pub struct TlsError {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
    digest: [u8; 32],
}

impl TlsError {
    pub(super) fn new(file: &Path, what: impl Into<String>) -> Self {
        let what = what.into();
        Self {
            digest: Sha256::digest(&what).into(),
            file: file.to_owned(),
            what,
        }
    }

    /// Belongs to the files with this digest.
    pub(super) fn of(self, digest: [u8; 32]) -> Self {
        Self { digest, ..self }
    }

    /// Tells one occasion of it from another.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// The files' contents.
pub(super) struct Files {
    certificate: Zeroizing<Vec<u8>>,
    private_key: Zeroizing<Vec<u8>>,
    client_ca: Option<Zeroizing<Vec<u8>>>,
    client_crl: Vec<Zeroizing<Vec<u8>>>,
}

/// Bytes of a file; revocation lists can be long.
const LONGEST: u64 = 64 << 20;

impl Files {
    pub(super) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let one = |path: &PathBuf| read(path);
        Ok(Self {
            certificate: read(&config.certificate)?,
            private_key: read(&config.private_key)?,
            client_ca: config.client_ca.as_ref().map(one).transpose()?,
            client_crl: config
                .client_crl
                .iter()
                .map(one)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Changes when a file does.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let always = [&self.certificate, &self.private_key].into_iter();
        for file in always.chain(&self.client_ca).chain(&self.client_crl) {
            digest.update((file.len() as u64).to_be_bytes());
            digest.update(file);
        }
        digest.finalize().into()
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let cannot = |error: std::io::Error| TlsError::new(path, format!("cannot be read: {error}"));
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(cannot)?;
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    match bytes.len() as u64 > LONGEST {
        true => Err(TlsError::new(path, "is longer than 64 MiB")),
        false => Ok(bytes),
    }
}

/// Files that belong together, made ready for rustls.
pub struct Loaded {
    pub(super) config: TlsConfig,
    pub(super) server: Arc<ServerConfig>,
    digest: [u8; 32],
    /// Our own certificate's.
    pub(super) own: Expiry,
    others: Vec<Expiry>,
}

impl Loaded {
    /// Reads and checks the files that `config` names.
    pub fn read(config: &TlsConfig, clock: &Arc<dyn Clock>) -> Result<Self, TlsError> {
        Self::new(config, Files::read(config)?, clock)
    }

    pub(super) fn new(
        config: &TlsConfig,
        files: Files,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let digest = files.digest();
        let chain = certificates(&config.certificate, &files.certificate)?;
        let first = chain.first().ok_or_else(|| none(&config.certificate))?;
        let own = Expiry::of(&config.certificate, "the server's certificate", first)?;
        let key = private_key(&config.private_key, &files.private_key, &provider)?;
        let mut others = Vec::new();
        for above in chain.iter().skip(1) {
            let what = "a certificate above the server's";
            others.push(Expiry::of(&config.certificate, what, above)?);
        }
        let time = Arc::new(RustlsTime(Arc::clone(clock)));
        let server = ServerConfig::builder_with_details(Arc::clone(&provider), time)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(&config.certificate, error.to_string()))?;
        let server = match (&config.client_ca, &files.client_ca) {
            (Some(path), Some(bytes)) => {
                let roots = certificates(path, bytes)?;
                for root in &roots {
                    others.push(Expiry::of(path, "an authority's certificate", root)?);
                }
                let lists = lists(config, &files, &mut others)?;
                server.with_client_cert_verifier(verifier(config, path, roots, lists, &provider)?)
            }
            _ => server.with_no_client_auth(),
        };
        let server = server.with_single_cert(chain, key).map_err(|error| {
            let (file, what) = match error {
                rustls::Error::InconsistentKeys(_) => (
                    &config.private_key,
                    format!("is not the key of {}", config.certificate.display()),
                ),
                error => (&config.certificate, error.to_string()),
            };
            TlsError::new(file, what)
        })?;
        let server = finish(server)
            .map_err(|error| TlsError::new(&config.certificate, error.to_string()))?;
        Ok(Self {
            config: config.clone(),
            server: Arc::new(server),
            digest,
            own,
            others,
        })
    }

    /// True if it was made of just these.
    pub(super) fn is_of(&self, config: &TlsConfig, files: &Files) -> bool {
        self.config == *config && self.digest == files.digest()
    }

    /// When the certificates and lists in the files end, the server's own first.
    pub fn expiries(&self) -> impl Iterator<Item = &Expiry> {
        std::iter::once(&self.own).chain(&self.others)
    }
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let chain =
        chain.map_err(|error| TlsError::new(path, format!("is no PEM: {}", why(&error))))?;
    match chain.is_empty() {
        true => Err(none(path)),
        false => Ok(chain),
    }
}

fn none(path: &Path) -> TlsError {
    TlsError::new(path, "holds no certificate in PEM")
}

fn private_key(
    path: &Path,
    bytes: &[u8],
    provider: &CryptoProvider,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let is_encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
    let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        let what = match error {
            _ if is_encrypted => {
                "the key is encrypted; the server has nobody to ask for its passphrase".to_owned()
            }
            pem::Error::NoItemsFound => "holds no private key in PEM".to_owned(),
            error => format!("is no PEM: {}", why(&error)),
        };
        TlsError::new(path, what)
    })?;
    match provider.key_provider.load_private_key(key.clone_key()) {
        Ok(_) => Ok(key),
        Err(_) => Err(TlsError::new(
            path,
            "holds a key of no kind that is served (RSA from 2048 bits, P-256, P-384, P-521, Ed25519)",
        )),
    }
}

/// What is wrong with a PEM, without a word of what it holds: it may be a key.
fn why(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should",
        pem::Error::Base64Decode(_) => "a section is not base64",
        pem::Error::NoItemsFound => "nothing in it",
        _ => "it cannot be read",
    }
}

/// The revocation lists, in PEM or in DER.
fn lists(
    config: &TlsConfig,
    files: &Files,
    expiries: &mut Vec<Expiry>,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for (path, bytes) in config.client_crl.iter().zip(&files.client_crl) {
        let in_pem: Result<Vec<_>, _> =
            CertificateRevocationListDer::pem_slice_iter(bytes).collect();
        let lists = match in_pem {
            Ok(lists) if lists.is_empty() => {
                vec![CertificateRevocationListDer::from(bytes.to_vec())]
            }
            Ok(lists) => lists,
            Err(error) => {
                return Err(TlsError::new(path, format!("is no PEM: {}", why(&error))));
            }
        };
        for list in &lists {
            let (_, read) = CertificateRevocationList::from_der(list)
                .map_err(|_| TlsError::new(path, "is no revocation list"))?;
            // What `openssl ca` writes unless it is told `crl_extensions`.
            if read.version() != Some(X509Version::V2) {
                let what = "holds a revocation list of version 1; version 2 is needed, \
                            with a number (RFC 5280 section 5.1.2.1)";
                return Err(TlsError::new(path, what));
            }
            if let Some(next) = read.next_update() {
                expiries.push(Expiry {
                    file: path.clone(),
                    what: "a revocation list",
                    at: timestamp(next.timestamp()),
                });
            }
        }
        all.extend(lists);
    }
    Ok(all)
}

/// Checks clients' certificates. With revocation lists, a certificate whose authority has
/// none is refused; a list that is out of date still counts, and is spoken of.
fn verifier(
    config: &TlsConfig,
    path: &Path,
    roots: Vec<CertificateDer<'static>>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        let wrong = |error: rustls::Error| TlsError::new(path, error.to_string());
        store.add(root).map_err(wrong)?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .with_crls(lists);
    let verifier = match config.client_certificates_required {
        true => verifier,
        false => verifier.allow_unauthenticated(),
    };
    verifier.build().map_err(|error| {
        let file = match config.client_crl.first() {
            Some(list) if matches!(error, rustls::server::VerifierBuilderError::InvalidCrl(_)) => {
                list
            }
            _ => path,
        };
        TlsError::new(file, error.to_string())
    })
}
