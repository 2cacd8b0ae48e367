//! An issuer's keys: fetched, kept, fetched again when they get old or when a token names
//! one that is not there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    issuers::{KeySource, fetch},
    outgoing::Outgoing,
};
use crate::{
    client_auth::NotAuthenticated,
    clock::{Clock, Deadline, Timestamp},
};

/// Keys older than this are fetched again when one of them is used; until that is done, and
/// while the issuer is down, the old ones count.
const FRESH: Duration = Duration::from_secs(300);
/// How soon to try again what has failed.
const RETRY: Duration = Duration::from_secs(30);

/// Tokens with unknown keys make us ask the issuer no more often than this; they wait for
/// their turn, so that a key that is really new is never missed.
const BETWEEN_DEMANDS: Duration = Duration::from_secs(1);

/// A token without a `kid` is tried with so many keys at most.
const CANDIDATES: usize = 4;

/// The keys of one issuer, shared by everybody who trusts it. Outlives reloads.
pub(super) struct IssuerKeys {
    source: KeySource,
    outgoing: Arc<Outgoing>,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Keys>,
    /// When the present keys are to be fetched again, in milliseconds since the Unix epoch.
    due: AtomicU64,
    /// Fetches so far, successful or not.
    fetches: AtomicU64,
    /// Held while fetching: when that was last done because of an unknown key.
    turn: Mutex<Option<Instant>>,
}

/// What was fetched last.
#[derive(Default)]
struct Keys {
    list: Vec<Arc<Key>>,
    /// Counts up when the keys change.
    generation: u64,
    /// What they were made of.
    text: Vec<u8>,
    /// Why there are none, or no newer ones.
    fault: Option<String>,
}

/// A public key that may have signed a token.
pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
}

/// Keys that may have signed a token, and the generation that they are of.
pub(super) struct Candidates {
    pub(super) generation: u64,
    pub(super) keys: Vec<Arc<Key>>,
}

impl Key {
    pub(super) fn public(&self) -> &DecodingKey {
        &self.public
    }
}

impl IssuerKeys {
    pub(super) fn new(source: KeySource, outgoing: Arc<Outgoing>, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            outgoing,
            clock,
            current: ArcSwap::default(),
            due: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
            turn: Mutex::default(),
        }
    }

    /// Fetches the keys in the background if that is due.
    pub(super) fn prepare(self: &Arc<Self>) {
        self.generation(self.clock.now());
    }

    /// Which keys these are. Fetches newer ones in the background when it is time.
    pub(super) fn generation(self: &Arc<Self>, now: Timestamp) -> u64 {
        let due = self.due.load(Ordering::Relaxed);
        if due <= now.as_millis() {
            let next = now.after(RETRY).as_millis();
            let swapped =
                self.due
                    .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
            if swapped.is_ok() {
                let keys = Arc::clone(self);
                tokio::spawn(async move {
                    let _turn = keys.turn.lock().await;
                    keys.fetch().await;
                });
            }
        }
        self.current.load().generation
    }

    /// The keys that a token with this header may be signed by. Asks the issuer if there
    /// are none, and fails if it does not answer.
    pub(super) async fn candidates(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
        deadline: Deadline,
    ) -> Result<Candidates, NotAuthenticated> {
        self.prepare();
        let seen = self.fetches.load(Ordering::Acquire);
        let known = self.known(id, algorithm);
        if !known.keys.is_empty() {
            return Ok(known);
        }
        // In a task of its own: what one caller has no time for, the next one needs.
        let keys = Arc::clone(self);
        let demand = tokio::spawn(async move { keys.demand(seen).await });
        let late = || NotAuthenticated::Issuer(format!("{}: no answer in time", self.source));
        tokio::time::timeout_at(deadline.instant(), demand)
            .await
            .map_err(|_| late())?
            .map_err(|_| late())?;
        let known = self.known(id, algorithm);
        match &self.current.load().fault {
            Some(fault) if known.keys.is_empty() => Err(NotAuthenticated::Issuer(fault.clone())),
            _ => Ok(known),
        }
    }

    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Candidates {
        let current = self.current.load();
        let fits = |key: &&Arc<Key>| {
            key.algorithms.contains(&algorithm) && (id.is_none() || key.id.as_deref() == id)
        };
        let fitting = current.list.iter().filter(fits);
        Candidates {
            generation: current.generation,
            keys: fitting.take(CANDIDATES).cloned().collect(),
        }
    }

    /// Fetches the keys because somebody misses one, unless that has been done since the
    /// fetch number `seen`.
    async fn demand(&self, seen: u64) {
        let mut last = self.turn.lock().await;
        if self.fetches.load(Ordering::Acquire) != seen {
            return;
        }
        if let Some(last) = *last {
            tokio::time::sleep_until(last + BETWEEN_DEMANDS).await;
        }
        *last = Some(Instant::now());
        self.fetch().await;
    }

    /// With the turn in hand.
    async fn fetch(&self) {
        let fetched = fetch(&self.outgoing, &self.source).await;
        let older = self.current.load();
        let read = fetched.and_then(|answer| match read(&answer.body) {
            list if list.is_empty() => Err(format!("{}: no key that can be used", self.source)),
            list => Ok((list, answer.body)),
        });
        let (newer, wait) = match read {
            Ok((_, text)) if text == older.text => (
                Keys {
                    list: older.list.clone(),
                    generation: older.generation,
                    text,
                    fault: None,
                },
                FRESH,
            ),
            Ok((list, text)) => (
                Keys {
                    list,
                    generation: older.generation + 1,
                    text,
                    fault: None,
                },
                FRESH,
            ),
            Err(fault) => {
                let kept = older.list.len();
                tracing::warn!(kept, "an issuer's keys cannot be fetched: {fault}");
                (
                    Keys {
                        list: older.list.clone(),
                        generation: older.generation,
                        text: older.text.clone(),
                        fault: Some(fault),
                    },
                    RETRY,
                )
            }
        };
        self.current.store(Arc::new(newer));
        let due = self.clock.now().after(wait).as_millis();
        self.due.store(due, Ordering::Relaxed);
        self.fetches.fetch_add(1, Ordering::Release);
    }
}

/// RFC 7517 §5. Keys that we cannot use do not keep us from the others.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// The keys in a set that can be used.
pub(super) fn read(text: &[u8]) -> Vec<Arc<Key>> {
    let Ok(set) = serde_json::from_slice::<KeySet>(text) else {
        return Vec::new();
    };
    let keys = set.keys.into_iter().filter_map(|key| {
        let key = serde_json::from_value::<Jwk>(key).ok()?;
        usable(&key)
    });
    keys.map(Arc::new).collect()
}

/// A key for signatures by an algorithm that we allow.
fn usable(key: &Jwk) -> Option<Key> {
    let common = &key.common;
    let for_signatures = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let may_verify = common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if !for_signatures || !may_verify {
        return None;
    }
    let of_kind: &[(KeyAlgorithm, Algorithm)] = match &key.algorithm {
        AlgorithmParameters::RSA(_) => &[
            (KeyAlgorithm::RS256, Algorithm::RS256),
            (KeyAlgorithm::PS256, Algorithm::PS256),
        ],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            &[(KeyAlgorithm::ES256, Algorithm::ES256)]
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            &[(KeyAlgorithm::EdDSA, Algorithm::EdDSA)]
        }
        _ => return None,
    };
    let algorithms: Vec<Algorithm> = of_kind
        .iter()
        .filter(|(name, _)| common.key_algorithm.is_none_or(|only| only == *name))
        .map(|(_, algorithm)| *algorithm)
        .collect();
    (!algorithms.is_empty()).then_some(())?;
    Some(Key {
        id: common.key_id.clone(),
        algorithms,
        public: DecodingKey::from_jwk(key).ok()?,
    })
}
