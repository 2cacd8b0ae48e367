//! The engine that several nodes share: Redis or Valkey.
//!
//! Every decision is one run of one script on the server, by the server's own clock; keys
//! of one user lie on one slot. What is broken or slow is a fault, quickly (see `link`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Script, ScriptInvocation, Value};

use self::link::{Link, Wait};
use super::{
    Bound, Claim, Counts, Failed, Lock, NumberKey, OtpMac, OtpStore, Requested, StoreError,
    StoreFault, StoreKey, Subject, SubjectKey, Tried,
};
use crate::{
    clock::{Clock, Entropy, Timestamp},
    otp::{
        lockout::{LockKind, LockoutPolicy},
        throttle::ThrottlePolicy,
    },
    secret::Secret,
    tenant::TenantId,
};

mod inspect;
mod link;

/// `[store]` with `kind = "redis"`.
#[derive(Clone)]
pub struct RedisConfig {
    /// One URL, or several for a cluster. May hold a password. With sentinels, the first
    /// one's user, password, database and scheme are for the master; its host is not used.
    pub urls: Vec<Secret>,
    /// The master's password, where no URL could hold it.
    pub password: Option<Secret>,
    /// The master's name and the sentinels' URLs.
    pub sentinel: Option<SentinelConfig>,
    /// PEM; the system's roots if absent.
    pub ca: Option<PathBuf>,
    /// Replicas that must have a write before it counts (`WAIT`); 0 asks for none.
    pub wait_replicas: u32,
    /// How long to wait for them.
    pub wait_timeout: Duration,
}

/// `sentinel = { master = "...", urls = [...] }`
#[derive(Clone)]
pub struct SentinelConfig {
    /// The name under which the sentinels know the group.
    pub master: String,
    /// The sentinels.
    pub urls: Vec<Secret>,
}

/// Keeps everything on a server that others keep theirs on too.
pub struct RedisStore {
    link: Link,
    script: Script,
    time: TimeSource,
    entropy: Arc<dyn Entropy>,
    in_force: [u8; 16],
    wait_replicas: u32,
    wait_timeout: Duration,
}

/// Whose clock decides.
pub enum TimeSource {
    /// The server's, so that all nodes agree.
    Server,
    /// One that is moved by hand, in tests. The server then keeps what has expired for a
    /// good while longer, since its own time goes on.
    Given(Arc<dyn Clock>),
}

/// What a key begins with.
const PREFIX: &str = "callotp:";

impl RedisStore {
    /// Connects, and looks whether the server is fit: its version, whether it may evict
    /// what it keeps, what the user is allowed, and whether the other nodes have our key.
    pub async fn open(
        config: &RedisConfig,
        key: &StoreKey,
        time: TimeSource,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        let link = Link::open(config.clone())
            .await
            .map_err(|error| inspect::unreachable(config, &error))?;
        inspect::server(config, &link).await?;
        inspect::keys(config, &link, key).await?;
        let store = Self {
            link,
            script: link::script(),
            time,
            entropy,
            in_force: key.fingerprints()[0],
            wait_replicas: config.wait_replicas,
            wait_timeout: config.wait_timeout,
        };
        inspect::rights(config, &store).await?;
        Ok(store)
    }

    /// A decision about one user.
    async fn decide(
        &self,
        op: &str,
        key: &SubjectKey,
        arguments: impl FnOnce(&mut ScriptInvocation<'_>),
        waits: impl FnOnce(i64) -> bool,
    ) -> Result<i64, StoreFault> {
        let [record, lock] = keys_of(key);
        let mut invocation = self.script.key(&record);
        invocation.key(&lock);
        self.begin(&mut invocation, op);
        arguments(&mut invocation);
        let (answer, connection) = self.link.invoke(&invocation).await?;
        let answer = number(answer)?;
        if self.wait_replicas > 0 && waits(answer) {
            let wait = Wait {
                replicas: self.wait_replicas,
                within: self.wait_timeout,
                tag: &key.to_string(),
            };
            wait.on(connection, &self.link).await?;
        }
        Ok(answer)
    }

    fn begin(&self, invocation: &mut ScriptInvocation<'_>, op: &str) {
        invocation.arg(op);
        match &self.time {
            TimeSource::Server => invocation.arg("").arg(1_000),
            TimeSource::Given(clock) => invocation.arg(clock.now().as_millis()).arg(3_600_000),
        };
        invocation.arg(self.link.deadline());
    }

    /// A number that nobody else has drawn: claims of several nodes must not be mistaken
    /// for one another.
    fn draw_claim(&self) -> Result<Claim, StoreFault> {
        let mut bytes = [0; 8];
        self.entropy
            .fill(&mut bytes)
            .map_err(|error| StoreFault::Unavailable(error.to_string()))?;
        Ok(Claim(u64::from_le_bytes(bytes)))
    }
}

#[async_trait]
impl OtpStore for RedisStore {
    async fn request(
        &self,
        key: &NumberKey,
        policy: &ThrottlePolicy,
    ) -> Result<Requested, StoreFault> {
        let mut invocation = self.script.key(format!("{PREFIX}n:{key}"));
        self.begin(&mut invocation, "request");
        let lookback = policy.lookback.max(1);
        let span = policy.mean_interval.saturating_mul(policy.lookback.into());
        invocation
            .arg(millis(span))
            .arg(lookback)
            .arg(millis(policy.quarantine));
        let answer = number(self.link.invoke(&invocation).await?.0)?;
        Ok(match u64::try_from(answer) {
            Ok(left) => Requested::Quarantined {
                remaining: Duration::from_millis(left),
            },
            Err(_) => Requested::Allowed,
        })
    }

    async fn bind(
        &self,
        subject: &Subject<'_>,
        mac: &OtpMac,
        lifetime: Duration,
    ) -> Result<Bound, StoreFault> {
        let arguments = |invocation: &mut ScriptInvocation<'_>| {
            invocation.arg(&mac.0[..]).arg(millis(lifetime));
        };
        let bound = self
            .decide("bind", subject.key, arguments, |answer| answer == 1)
            .await?;
        match bound {
            1 => Ok(Bound::Bound),
            0 => Ok(Bound::Locked),
            other => Err(unheard_of(other)),
        }
    }

    async fn try_otp(
        &self,
        subject: &Subject<'_>,
        macs: &[OtpMac],
        attempts: u8,
        lockout: &LockoutPolicy,
        hold: Duration,
    ) -> Result<Tried, StoreFault> {
        let claim = self.draw_claim()?;
        let arguments = |invocation: &mut ScriptInvocation<'_>| {
            invocation.arg(claim.0).arg(millis(hold)).arg(attempts);
            failure(invocation, subject, lockout);
            for mac in macs {
                invocation.arg(&mac.0[..]);
            }
        };
        let tried = self
            .decide("try", subject.key, arguments, |answer| answer >= 8)
            .await?;
        Ok(match tried {
            1 => Tried::Right(claim),
            2 => Tried::NoOtp,
            3 => Tried::Claimed,
            4 => Tried::Locked,
            8..=11 => Tried::Wrong {
                burnt: tried & 1 != 0,
                locked: tried & 2 != 0,
            },
            other => return Err(unheard_of(other)),
        })
    }

    async fn consume(&self, subject: &Subject<'_>, claim: Claim) -> Result<bool, StoreFault> {
        let arguments = |invocation: &mut ScriptInvocation<'_>| {
            invocation.arg(claim.0);
        };
        let consumed = self.decide("consume", subject.key, arguments, |answer| answer == 1);
        Ok(consumed.await? == 1)
    }

    async fn fail(
        &self,
        subject: &Subject<'_>,
        claim: Claim,
        lockout: &LockoutPolicy,
    ) -> Result<Failed, StoreFault> {
        let arguments = |invocation: &mut ScriptInvocation<'_>| {
            invocation.arg(claim.0);
            failure(invocation, subject, lockout);
        };
        let failed = self.decide("fail", subject.key, arguments, |answer| answer > 0);
        Ok(Failed {
            locked: failed.await? == 2,
        })
    }

    async fn release(&self, subject: &Subject<'_>, claim: Claim) -> Result<(), StoreFault> {
        let arguments = |invocation: &mut ScriptInvocation<'_>| {
            invocation.arg(claim.0);
        };
        self.decide("release", subject.key, arguments, |_| false)
            .await?;
        Ok(())
    }

    async fn is_locked(&self, subject: &Subject<'_>) -> Result<bool, StoreFault> {
        let locked = self.decide("is_locked", subject.key, |_| {}, |_| false);
        Ok(locked.await? == 1)
    }

    async fn locks(&self) -> Result<Vec<Lock>, StoreFault> {
        let keys = inspect::keys_like(&self.link, &format!("{PREFIX}l:*")).await?;
        let looks = keys.iter().filter_map(|key| subject_of(key)).map(|key| {
            let [record, lock] = keys_of(&key);
            async move {
                let mut invocation = self.script.key(record);
                invocation.key(lock);
                self.begin(&mut invocation, "look");
                let (seen, _) = self.link.invoke(&invocation).await?;
                Ok::<_, StoreFault>(lock_of(key, seen))
            }
        });
        // A few at a time: an administrator has time, and callers have not.
        let looks: Vec<_> = looks.collect();
        let mut locks = Vec::new();
        let mut looks = looks.into_iter().peekable();
        while looks.peek().is_some() {
            let some: Vec<_> = looks.by_ref().take(256).collect();
            locks.extend(futures_util::future::try_join_all(some).await?);
        }
        Ok(locks.into_iter().flatten().collect())
    }

    async fn lock(&self, lock: &Lock) -> Result<bool, StoreFault> {
        let arguments = |invocation: &mut ScriptInvocation<'_>| {
            let until = lock.until.map(|until| until.as_millis().to_string());
            invocation
                .arg(lock.since.as_millis())
                .arg(until.unwrap_or_default())
                .arg(lock.tenant.as_str())
                .arg(&*lock.name);
        };
        let locked = self.decide("lock", &lock.key, arguments, |answer| answer == 1);
        Ok(locked.await? == 1)
    }

    async fn unlock(&self, tenant: Option<&TenantId>, user: &str) -> Result<usize, StoreFault> {
        let mut ended = 0;
        for lock in self.locks().await? {
            if lock.is_of(tenant, user) {
                let unlocked = self.decide("unlock", &lock.key, |_| {}, |answer| answer == 1);
                ended += usize::from(unlocked.await? == 1);
            }
        }
        Ok(ended)
    }

    /// The server drops what has expired. This node says that its key is still in use.
    async fn sweep(&self) -> Result<(), StoreFault> {
        inspect::announce(&self.link, self.in_force).await
    }

    async fn counts(&self) -> Result<Counts, StoreFault> {
        // Nothing of this is told without going through every key.
        Ok(Counts::default())
    }

    async fn check(&self) -> Result<(), StoreFault> {
        self.link.is_up()?;
        inspect::announce(&self.link, self.in_force).await
    }
}

/// The keys of a user: the record and the lock. Braces make one slot of both.
fn keys_of(key: &SubjectKey) -> [String; 2] {
    [
        format!("{PREFIX}u:{{{key}}}"),
        format!("{PREFIX}l:{{{key}}}"),
    ]
}

/// Whose lock the key called `name` is.
fn subject_of(name: &str) -> Option<SubjectKey> {
    let (_, digits) = name.split_once('{')?;
    let digits = digits.strip_suffix('}')?;
    let number = u128::from_str_radix(digits, 16).ok()?;
    (digits.len() == 32).then(|| SubjectKey(number.to_be_bytes()))
}

fn lock_of(key: SubjectKey, seen: Value) -> Option<Lock> {
    let parts: Vec<String> = redis::from_redis_value(seen).ok()?;
    let [since, till, tenant, name] = &parts[..] else {
        return None;
    };
    Some(Lock {
        tenant: TenantId::new(tenant),
        name: name.as_str().into(),
        key,
        since: Timestamp::from_millis(since.parse().ok()?),
        until: till.parse().ok().map(Timestamp::from_millis),
    })
}

fn failure(invocation: &mut ScriptInvocation<'_>, subject: &Subject<'_>, lockout: &LockoutPolicy) {
    let duration = match lockout.kind {
        LockKind::Soft => millis(lockout.duration).to_string(),
        LockKind::Hard => String::new(),
    };
    invocation
        .arg(lockout.failures.max(1))
        .arg(millis(lockout.window))
        .arg(duration)
        .arg(subject.tenant.as_str())
        .arg(subject.name);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn number(answer: Value) -> Result<i64, StoreFault> {
    redis::from_redis_value(answer)
        .map_err(|_| StoreFault::Unavailable("Redis answered with something else".to_owned()))
}

fn unheard_of(answer: i64) -> StoreFault {
    StoreFault::Unavailable(format!("Redis answered {answer}, which means nothing"))
}
