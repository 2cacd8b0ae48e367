//! Basic authentication of clients (RFC 7617).

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwapOption;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    NotAuthenticated,
    limits::Limits,
    scheme,
    verifier::{REMEMBERED, Verified, Verifier},
};
use crate::{
    clock::{Deadline, Timestamp},
    secret::Secret,
};

/// Clients leave the padding out now and then; nothing else is forgiven.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// All Basic credentials of one tenant.
pub(super) struct Basic {
    secrets: Vec<BasicSecret>,
    /// As many hashes are looked at for any name as the name with the most has.
    rounds: usize,
    verifier: Arc<Verifier>,
    limits: Arc<Limits>,
}

/// One name with one password. A client that changes its password has two for a while.
pub(super) struct BasicSecret {
    client: usize,
    username: Box<str>,
    hash: Arc<str>,
    remembered: ArcSwapOption<Remembered>,
}

/// A header that was right.
struct Remembered {
    digest: [u8; 32],
    until: Timestamp,
}

impl BasicSecret {
    pub(super) fn new(client: usize, username: &str, hash: &str) -> Self {
        Self {
            client,
            username: username.into(),
            hash: hash.into(),
            remembered: ArcSwapOption::empty(),
        }
    }
}

impl Basic {
    pub(super) fn new(
        secrets: Vec<BasicSecret>,
        verifier: Arc<Verifier>,
        limits: Arc<Limits>,
    ) -> Self {
        let of_name = |name: &str| {
            secrets
                .iter()
                .filter(|known| *known.username == *name)
                .count()
        };
        let rounds = secrets
            .iter()
            .map(|secret| of_name(&secret.username))
            .max()
            .unwrap_or(0);
        Self {
            secrets,
            rounds,
            verifier,
            limits,
        }
    }

    /// The client whose name and password `header` carries. A header that was right a
    /// moment ago costs a digest; any other costs the same whether the name is known or not.
    pub(super) async fn authenticate(
        &self,
        header: &[u8],
        source: IpAddr,
        deadline: Deadline,
    ) -> Result<usize, NotAuthenticated> {
        let digest = self.verifier.digest(header);
        if let Some(client) = self.remembered(&digest) {
            return Ok(client);
        }
        // Boxed: almost no call comes here, and every call would carry the room for it.
        Box::pin(self.verify(header, digest, source, deadline)).await
    }

    /// Looks at the hashes.
    async fn verify(
        &self,
        header: &[u8],
        digest: [u8; 32],
        source: IpAddr,
        deadline: Deadline,
    ) -> Result<usize, NotAuthenticated> {
        let Some((name, password)) = parse(header) else {
            let claimant = self.limits.claimant(source, None);
            let why = NotAuthenticated::Malformed;
            return Err(self.limits.punish(&claimant, why, deadline).await);
        };
        let claimant = self.limits.claimant(source, Some(&name));
        // Nobody guesses what has been right before: whoever sends it is let through, whatever
        // an attacker at the same address has done.
        let was_right = self.was_right(&digest);
        let place = match was_right {
            true => None,
            false => {
                self.limits.check(&claimant)?;
                Some(self.verifier.place(claimant.source(), deadline).await?)
            }
        };
        let mut attempt = None;
        let gate = || {
            let known = self.remembered(&digest);
            if known.is_none() && !was_right {
                attempt = Some(self.limits.attempt(&claimant)?);
            }
            Ok(known)
        };
        let candidates = self.candidates(&name);
        let hashes = candidates
            .iter()
            .map(|(secret, _)| Arc::clone(&secret.hash))
            .collect();
        let verified = self
            .verifier
            .first_match(password, hashes, deadline, gate)
            .await?;
        drop(place);
        match verified {
            Verified::Already(client) => return Ok(client),
            Verified::Hash(index) => {
                if let Some((secret, true)) = candidates.get(index) {
                    let until = self.verifier.now().after(REMEMBERED);
                    secret
                        .remembered
                        .store(Some(Arc::new(Remembered { digest, until })));
                    return Ok(secret.client);
                }
            }
            Verified::None => {}
        }
        let why = NotAuthenticated::Wrong;
        Err(match attempt {
            Some(attempt) => attempt.was_wrong(why, deadline).await,
            None => self.limits.punish(&claimant, why, deadline).await,
        })
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<usize> {
        let now = self.verifier.now();
        self.find(digest, |known| now < known.until)
    }

    /// True if the header has been right since the configuration was loaded.
    fn was_right(&self, digest: &[u8; 32]) -> bool {
        self.find(digest, |_| true).is_some()
    }

    fn find(&self, digest: &[u8; 32], counts: impl Fn(&Remembered) -> bool) -> Option<usize> {
        let right = self.secrets.iter().find(|secret| {
            let remembered = secret.remembered.load();
            remembered
                .as_ref()
                .is_some_and(|known| counts(known) && known.digest.ct_eq(digest).into())
        });
        right.map(|secret| secret.client)
    }

    /// The secrets of `name`, marked as such, filled up with others' to `rounds`, so that
    /// the work does not tell whether the name exists.
    fn candidates(&self, name: &str) -> Vec<(&BasicSecret, bool)> {
        let (own, others): (Vec<_>, Vec<_>) = self
            .secrets
            .iter()
            .partition(|secret| *secret.username == *name);
        let own = own.into_iter().map(|secret| (secret, true));
        let others = others.into_iter().map(|secret| (secret, false));
        own.chain(others).take(self.rounds).collect()
    }
}

/// True if the header holds a name and a password.
pub(super) fn is_readable(header: &[u8]) -> bool {
    parse(header).is_some()
}

/// Name and password of a Basic header in UTF-8; the name has no colon (RFC 7617 §2).
fn parse(header: &[u8]) -> Option<(Zeroizing<String>, Secret)> {
    let (_, encoded) = scheme(header)?;
    let decoded = Zeroizing::new(BASE64.decode(encoded).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (name, password) = text.split_once(':')?;
    let is_plain = !text.chars().any(char::is_control);
    (is_plain && !name.is_empty()).then(|| {
        (
            Zeroizing::new(name.to_owned()),
            Secret::new(password.to_owned()),
        )
    })
}
