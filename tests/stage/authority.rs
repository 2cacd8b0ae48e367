//! A certificate authority for tests, and programs' and libraries' ways to use what it issues.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// A certificate with its key.
pub struct Issued {
    pub pem: String,
    pub key: String,
    pub der: Vec<u8>,
}

impl Issued {
    /// The fingerprint as it is configured.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.der)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    pub fn thumbprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// For a client of ours.
    pub fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(format!("{}{}", self.pem, self.key).as_bytes())
            .expect("an identity")
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.pem")), &self.pem).expect("written");
        fs::write(folder.join(format!("{name}.key")), &self.key).expect("written");
    }
}

/// What a certificate says.
pub struct Wish {
    pub name: &'static str,
    pub dns: &'static [&'static str],
    pub usage: ExtendedKeyUsagePurpose,
    /// Years.
    pub valid: (i32, i32),
    pub serial: u64,
}

impl Wish {
    /// A client's certificate, good for the time of the tests and of the stage's clock.
    pub fn client(name: &'static str) -> Self {
        Self {
            name,
            dns: &[],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            valid: (2024, 2040),
            serial: 7,
        }
    }

    /// Signed by itself and by nobody else.
    pub fn self_signed(&self) -> Issued {
        let (params, key) = self.params(|_| {});
        let certificate = params.self_signed(&key).expect("a certificate");
        Issued {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    fn params(&self, change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
        let names: Vec<String> = self.dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::CountryName, "SE");
        name.push(DnType::OrganizationName, "Läb, Inc");
        name.push(DnType::CommonName, self.name);
        params.extended_key_usages = vec![self.usage.clone()];
        params.serial_number = Some(SerialNumber::from(self.serial));
        let (from, to) = self.valid;
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        change(&mut params);
        (params, KeyPair::generate().expect("a key"))
    }

    /// The server's.
    pub fn server() -> Self {
        Self {
            dns: &["localhost"],
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            ..Self::client("localhost")
        }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = Self::params(name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// One that this one answers for, unless `change` keeps it from that.
    pub fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = Self::params(name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2040, 1, 1);
        params
    }

    pub fn issue(&self, wish: &Wish) -> Issued {
        self.issue_as(wish, |_| {})
    }

    /// A certificate that says what `wish` and then `change` want.
    pub fn issue_as(&self, wish: &Wish, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let (params, key) = wish.params(change);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    pub fn client(&self, name: &'static str) -> Issued {
        self.issue(&Wish::client(name))
    }

    /// A list that revokes `serials`.
    pub fn revoke(&self, serials: &[u64]) -> String {
        let this_update = date_time_ymd(2024, 1, 1);
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: this_update,
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update,
            next_update: date_time_ymd(2040, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer)
            .expect("a list")
            .pem()
            .expect("PEM")
    }
}
