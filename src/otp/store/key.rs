//! The secret under which everything in the store is filed and kept.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{NumberKey, OtpMac, SubjectKey, folder::could_make};
use crate::{
    clock::{Entropy, NoEntropy},
    otp::Otp,
    phone_number::PhoneNumber,
    tenant::TenantId,
};

/// HMAC-SHA-256 (RFC 2104) under keys that live outside the store, so that the store
/// alone tells nothing.
///
/// One key files: what a user or a number is found under never changes. The others
/// make MACs of OTPs: the first is in force, the rest are older ones that are still
/// accepted, so that a key can be rotated while OTPs live.
#[derive(Clone)]
pub struct StoreKey {
    filing: Hmac<Sha256>,
    in_force: Hmac<Sha256>,
    accepted: Vec<Hmac<Sha256>>,
}

impl ZeroizeOnDrop for StoreKey {}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there, and may not be made.
    #[error(
        "key file {}: there is none; all nodes share one, made by `head -c 32 /dev/urandom`",
        .0.display()
    )]
    Absent(PathBuf),
    /// It is not there, and a store that is filed under it is.
    #[error(
        "key file {}: there is none, and the store {} is filed under one; put it back, or begin with a new store",
        path.display(),
        store.display()
    )]
    Lost {
        /// The key file.
        path: PathBuf,
        /// The store's.
        store: PathBuf,
    },
    /// It cannot be read or made.
    #[error("key file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "key file {}: {what}; it must hold 32 random bytes, or lines of 64 hexadecimal digits",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no randomness to make one of.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl StoreKey {
    /// One key for everything.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self::of(bytes, &[Zeroizing::new(*bytes)])
    }

    /// Reads the keys in the file at `path`, and what the operator should know about
    /// it. If there is none, one is made with mode 0600, from `entropy` if that is given.
    ///
    /// The file holds 32 bytes, or lines of 64 hexadecimal digits: the first is the key
    /// in force, the others are accepted for OTPs made under them, and the last also
    /// files. A line `filing` and 64 digits names the filing key by itself.
    /// Empty lines and lines that begin with `#` are skipped.
    pub fn load(
        path: &Path,
        entropy: Option<&dyn Entropy>,
    ) -> Result<(Self, Option<String>), KeyError> {
        let failed = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let entropy = entropy.ok_or_else(|| KeyError::Absent(path.to_owned()))?;
                let text = drawn(entropy)?;
                match write(path, text.as_bytes()) {
                    // Another process was quicker.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        read(path).map_err(failed)?
                    }
                    made => made
                        .map(|()| text.as_bytes().to_vec().into())
                        .map_err(failed)?,
                }
            }
            Err(error) => return Err(failed(error)),
        };
        let key = Self::parse(&bytes).map_err(|what| KeyError::Malformed {
            path: path.to_owned(),
            what,
        })?;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        let warning = (mode & 0o077 != 0).then(|| {
            format!(
                "key file {}: mode {mode:04o} lets others read it; 0600 is enough",
                path.display()
            )
        });
        Ok((key, warning))
    }

    /// Why no key file could be made at `path`. Nothing is made.
    pub fn could_be_made(path: &Path) -> Result<(), KeyError> {
        could_make(path).map_err(|source| KeyError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// The keys that `bytes` hold; see [`load`](Self::load).
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if let Ok(raw) = <&[u8; 32]>::try_from(bytes) {
            return Ok(Self::new(raw));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| format!("it holds {} bytes that are not text", bytes.len()))?;
        let (mut keys, mut filing) = (Vec::new(), None);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let no_key = || format!("line {} is not a key", number + 1);
            match line.strip_prefix("filing ") {
                Some(_) if filing.is_some() => {
                    return Err(format!("line {} is a second filing key", number + 1));
                }
                Some(digits) => filing = Some(unhex(digits.trim()).ok_or_else(no_key)?),
                None => keys.push(unhex(line).ok_or_else(no_key)?),
            }
        }
        let last = keys.last().ok_or("it holds no key")?;
        let filing = filing.unwrap_or_else(|| last.clone());
        Ok(Self::of(&filing, &keys))
    }

    fn of(filing: &[u8; 32], keys: &[Zeroizing<[u8; 32]>]) -> Self {
        let mut macs = keys.iter().map(|key| hmac(key));
        let in_force = macs.next().unwrap_or_else(|| hmac(filing));
        Self {
            filing: hmac(filing),
            in_force,
            accepted: macs.collect(),
        }
    }

    /// What the user with `user_id` in `tenant` is filed under.
    pub fn subject(&self, tenant: &TenantId, user_id: &str) -> SubjectKey {
        let parts = [tenant.as_str().as_bytes(), user_id.as_bytes()];
        SubjectKey(digest(&self.filing, b"user", &parts))
    }

    /// What somebody who is no user is filed under, where nothing ever is: a validate with
    /// an unknown name then does the same as one with a known name.
    pub fn nobody(&self, tenant: &TenantId, name: &str) -> SubjectKey {
        let parts = [tenant.as_str().as_bytes(), name.as_bytes()];
        SubjectKey(digest(&self.filing, b"nobody", &parts))
    }

    /// What whoever administers the running program shows it: only a reader of the key
    /// file can know it.
    pub fn administration(&self) -> [u8; 16] {
        digest(&self.filing, b"administration", &[])
    }

    /// What `number` in `tenant` is filed under.
    pub fn number(&self, tenant: &TenantId, number: &PhoneNumber) -> NumberKey {
        let parts = [tenant.as_str().as_bytes(), number.as_str().as_bytes()];
        NumberKey(digest(&self.filing, b"number", &parts))
    }

    /// `otp` as it is kept for the user filed under `subject`.
    pub fn otp(&self, subject: &SubjectKey, otp: &Otp) -> OtpMac {
        self.code(subject, otp.expose().as_bytes())
    }

    /// The code that somebody entered, as it would be kept if it were the user's OTP and
    /// made under the key in force.
    pub fn code(&self, subject: &SubjectKey, entered: &[u8]) -> OtpMac {
        OtpMac(digest(&self.in_force, b"otp", &[&subject.0, entered]))
    }

    /// The same under every key that is accepted, the one in force first: what to try.
    pub fn codes(&self, subject: &SubjectKey, entered: &[u8]) -> Vec<OtpMac> {
        std::iter::once(&self.in_force)
            .chain(&self.accepted)
            .map(|key| OtpMac(digest(key, b"otp", &[&subject.0, entered])))
            .collect()
    }

    /// Tells one filing key from another, and gives neither away. A store remembers it.
    pub fn filing_fingerprint(&self) -> [u8; 16] {
        digest(&self.filing, b"fingerprint", &[])
    }

    /// The same of the keys that make MACs, the one in force first.
    pub fn fingerprints(&self) -> Vec<[u8; 16]> {
        std::iter::once(&self.in_force)
            .chain(&self.accepted)
            .map(|key| digest(key, b"fingerprint of an otp key", &[]))
            .collect()
    }
}

fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes any length"))
}

/// A digest of `parts` for one `purpose`; the lengths go in as well, so that no two
/// lists of parts read the same.
fn digest(key: &Hmac<Sha256>, purpose: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = key.clone();
    for part in std::iter::once(&purpose).chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let whole = mac.finalize().into_bytes();
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

/// A key file is small; whatever is larger is none.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let file = fs::File::open(path)?;
    file.take(64 * 1024).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Written under another name first, so that nobody ever reads half a key.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    // Left behind by a process of the same number that was killed here.
    let _gone = fs::remove_file(&draft);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text)?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&draft, path));
    let _gone = fs::remove_file(&draft);
    written
}

fn drawn(entropy: &dyn Entropy) -> Result<Zeroizing<String>, NoEntropy> {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut())?;
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text.push('\n');
    Ok(text)
}

fn unhex(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let pairs = digits.as_bytes().chunks_exact(2);
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "key/tests.rs"]
mod tests;
