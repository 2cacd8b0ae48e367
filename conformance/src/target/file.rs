//! `target.toml`, as written, and what its flags add to it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;

use super::{
    Auth, BaseUrl, ClientCertificate, OtherTenant, Reference, Target, TargetError, Validate,
};
use crate::{
    catalogue::Profile,
    contract,
    secret::{Number, Secret},
};

/// A commented `target.toml`, as `init` writes it.
pub const TEMPLATE: &str = include_str!("template.toml");

/// The longest lifetime an OTP may be said to have.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3_600);

/// A target as it is written in a file or on the command line.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where it listens.
    pub url: Option<String>,
    /// The value of the `tenant` header.
    pub tenant: Option<String>,
    /// How deep to look.
    pub profile: Option<Profile>,
    /// Is it in production?
    pub production: Option<bool>,
    /// How it knows its clients.
    pub auth: Option<WrittenAuth>,
    /// A file with the authorities of its certificate, in PEM.
    pub ca: Option<String>,
    /// An operation outside the tenant's list.
    pub other_operation: Option<String>,
    /// The numbers.
    #[serde(default)]
    pub numbers: WrittenNumbers,
    /// A second tenant.
    pub other_tenant: Option<WrittenOther>,
    /// What the validate clauses need.
    pub validate: Option<WrittenValidate>,
    /// The folder that relative paths start at.
    #[serde(skip)]
    pub base: PathBuf,
    /// The file it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// The `[numbers]` of a target.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenNumbers {
    /// A number of a test user.
    pub known: Option<String>,
    /// A number nobody has.
    pub unknown: Option<String>,
    /// Further spellings of the known number.
    #[serde(default)]
    pub spellings: Vec<String>,
}

/// `auth`, as written.
#[derive(Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "auth is \"network\", { basic = { username, password } }, { bearer = \"env:NAME\" } or { certificate = \"c.pem\", key = \"file:k.pem\" }"
)]
pub enum WrittenAuth {
    /// One word: `network`.
    Word(String),
    /// Basic.
    Basic {
        /// Username and password.
        basic: WrittenBasic,
    },
    /// Bearer.
    Bearer {
        /// Where the token is.
        bearer: String,
    },
    /// A client certificate.
    Certificate {
        /// The file with the certificate.
        certificate: String,
        /// Where the key is.
        key: String,
    },
}

/// `basic`, as written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenBasic {
    /// The username.
    pub username: String,
    /// Where the password is.
    pub password: String,
}

/// `[other_tenant]`, as written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOther {
    /// Its id.
    pub id: String,
    /// A number known there.
    pub known: String,
}

/// `[validate]`, as written.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenValidate {
    /// The operation's name; `none` when the target has none.
    pub operation: Option<String>,
    /// The user whose number is the known one.
    pub username: Option<String>,
    /// Where that user's password is.
    pub password: Option<String>,
    /// Another user of the tenant.
    pub other_username: Option<String>,
    /// Where the other user's password is.
    pub other_password: Option<String>,
    /// How long an OTP lives: `5s`, `2m`.
    pub lifetime: Option<String>,
}

impl Written {
    /// Reads a `target.toml`.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key nobody knows; with line and column.
    pub fn read(path: &Path) -> Result<Self, TargetError> {
        let name = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| TargetError(format!("{name} cannot be read: {error}")))?;
        let mut written: Self = toml::from_str(&text)
            .map_err(|error| TargetError(format!("{name}: {}", toml_error(&error, &text))))?;
        written.base = path.parent().map(Path::to_owned).unwrap_or_default();
        written.file = Some(path.to_owned());
        Ok(written)
    }

    /// Checks every part, and fetches the secrets.
    ///
    /// # Errors
    /// With the key or flag that is wrong or missing, and what to write.
    pub fn check(self) -> Result<Target, TargetError> {
        let missing = |key: &str, flag: &str| TargetError(format!("{key} is missing: {flag}"));
        let url = self
            .url
            .as_deref()
            .ok_or_else(|| missing("url", "write it in the target file, or use --url"))?;
        let tenant = self
            .tenant
            .clone()
            .ok_or_else(|| missing("tenant", "write it in the target file, or use --tenant"))?;
        let known = self.numbers.known.clone().ok_or_else(|| {
            missing(
                "numbers.known",
                "write it in the target file, or use --phone",
            )
        })?;
        header_value("tenant", &tenant)?;
        number("numbers.known", &known)?;
        let unknown = self.unknown(&known)?;
        let auth = self.auth()?;
        let url = BaseUrl::parse(url)?;
        if matches!(auth, Auth::Certificate(_)) && !url.tls {
            return Err(TargetError(
                "auth.certificate: a client certificate needs an https url".to_owned(),
            ));
        }
        Ok(Target {
            url,
            auth,
            known: Number::new(known),
            unknown: Number::new(unknown),
            spellings: self.numbers.spellings.iter().map(Number::new).collect(),
            other_tenant: self.other(&tenant)?,
            other_operation: self.other_operation.clone(),
            validate: self.validate()?,
            production: self.production.unwrap_or(false),
            profile: self.profile.unwrap_or_default(),
            ca: self.authorities()?,
            file: self.file.clone(),
            tenant,
        })
    }

    /// The number nobody has: as written, or one of those that nobody can have.
    fn unknown(&self, known: &str) -> Result<String, TargetError> {
        let fiction = match digits(known) == digits(contract::FICTION_NUMBERS.1) {
            true => "+46701740698",
            false => contract::FICTION_NUMBERS.1,
        };
        let unknown = self.numbers.unknown.as_deref().unwrap_or(fiction);
        number("numbers.unknown", unknown)?;
        if digits(unknown) == digits(known) {
            return Err(TargetError(
                "numbers.unknown: it is the known number".to_owned(),
            ));
        }
        Ok(unknown.to_owned())
    }

    fn auth(&self) -> Result<Auth, TargetError> {
        match &self.auth {
            None => Ok(Auth::Network),
            Some(WrittenAuth::Word(word)) if word == "network" => Ok(Auth::Network),
            Some(WrittenAuth::Word(_)) => Err(TargetError(
                "auth: the only word here is \"network\"; otherwise a table with basic, bearer or certificate"
                    .to_owned(),
            )),
            Some(WrittenAuth::Basic { basic }) => {
                let place = "auth.basic.password";
                if basic.username.contains(':') {
                    return Err(TargetError(
                        "auth.basic.username: a colon cannot stand in it (RFC 7617 section 2)".to_owned(),
                    ));
                }
                let reference = Reference::parse(&basic.password, place)?;
                let password = reference.fetch(&self.base, place)?;
                let username = Secret::new(basic.username.clone());
                Ok(Auth::Basic { username, password })
            }
            Some(WrittenAuth::Bearer { bearer }) => {
                let reference = Reference::parse(bearer, "auth.bearer")?;
                let token = reference.fetch(&self.base, "auth.bearer")?;
                header_value("auth.bearer", token.expose())?;
                Ok(Auth::Bearer(token))
            }
            Some(WrittenAuth::Certificate { certificate, key }) => {
                let reference = Reference::parse(key, "auth.key")?;
                let pem = reference.fetch(&self.base, "auth.key")?;
                let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| {
                    TargetError("auth.key: no private key in PEM is in it".to_owned())
                })?;
                let chain = certificates(&self.base.join(certificate), "auth.certificate")?;
                Ok(Auth::Certificate(ClientCertificate { chain, key }))
            }
        }
    }

    fn other(&self, tenant: &str) -> Result<Option<OtherTenant>, TargetError> {
        let Some(other) = &self.other_tenant else {
            return Ok(None);
        };
        header_value("other_tenant.id", &other.id)?;
        number("other_tenant.known", &other.known)?;
        match other.id == tenant {
            true => Err(TargetError(
                "other_tenant.id: it is the target's own tenant".to_owned(),
            )),
            false => Ok(Some(OtherTenant {
                id: other.id.clone(),
                known: Number::new(other.known.clone()),
            })),
        }
    }

    fn validate(&self) -> Result<Option<Validate>, TargetError> {
        let Some(written) = &self.validate else {
            return Ok(None);
        };
        let operation = written.operation.as_deref().unwrap_or(contract::VALIDATE);
        if operation == "none" {
            return Ok(None);
        }
        let Some(username) = &written.username else {
            return Err(TargetError(
                "validate.username is missing: write it in the target file, or use --username"
                    .to_owned(),
            ));
        };
        let fetch = |text: &Option<String>, place: &str| match text {
            Some(text) => Reference::parse(text, place)?
                .fetch(&self.base, place)
                .map(Some),
            None => Ok(None),
        };
        let lifetime = written.lifetime.as_deref().map(duration).transpose();
        Ok(Some(Validate {
            operation: operation.to_owned(),
            username: Secret::new(username.clone()),
            password: fetch(&written.password, "validate.password")?,
            other: match &written.other_username {
                Some(name) => Some((
                    Secret::new(name.clone()),
                    fetch(&written.other_password, "validate.other_password")?,
                )),
                None => None,
            },
            lifetime: lifetime.map_err(|why| TargetError(format!("validate.lifetime: {why}")))?,
        }))
    }

    fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, TargetError> {
        match &self.ca {
            Some(path) => certificates(&self.base.join(path), "ca"),
            None => Ok(Vec::new()),
        }
    }
}

fn certificates(path: &Path, place: &str) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let wrong = |why: String| TargetError(format!("{place}: {}: {why}", path.display()));
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| wrong(error.to_string()))?
        .collect();
    match all {
        Ok(all) if all.is_empty() => Err(wrong("no certificate in PEM is in it".to_owned())),
        Ok(all) => Ok(all),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn header_value(place: &str, text: &str) -> Result<(), TargetError> {
    let sound = !text.is_empty()
        && text.trim() == text
        && text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    match sound {
        true => Ok(()),
        false => Err(TargetError(format!(
            "{place}: visible ASCII characters are needed, with nothing before or after them"
        ))),
    }
}

fn number(place: &str, text: &str) -> Result<(), TargetError> {
    match digits(text).len() {
        0 => Err(TargetError(format!("{place}: it holds no digit"))),
        _ => Ok(()),
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `250ms`, `5s`, `2m`; nothing else.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration; write 500ms, 5s or 2m");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let count: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit = match text[at..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    match count.checked_mul(unit).map(Duration::from_millis) {
        Some(duration) if !duration.is_zero() && duration <= LONGEST_LIFETIME => Ok(duration),
        _ => Err(format!("{text:?} is outside of 1ms to 1h")),
    }
}

/// Line, column and message of an error in a TOML file, with the nearest known key;
/// never the line itself, which may hold a secret.
pub(crate) fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let message = error.message();
    let place = error.span().map_or(String::new(), |span| {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        format!("line {line}, column {column}: ")
    });
    let mut names = message.split('`').skip(1).step_by(2);
    let nearest = match message.starts_with("unknown field") {
        true => names.next().and_then(|unknown| {
            names
                .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
                .min()
                .filter(|(distance, _)| *distance <= 3)
        }),
        false => None,
    };
    match nearest {
        Some((_, known)) => format!("{place}{message}; did you mean `{known}`?"),
        None => format!("{place}{message}"),
    }
}
