//! What a store is, said once more and as plainly as possible: lists, and no thought
//! of memory, disks or other callers. The engines are held against it.

use std::time::Duration;

use callotp::{
    clock::Timestamp,
    otp::{
        lockout::{LockKind, LockoutPolicy},
        store::{
            Bound, Claim, Failed, Lock, NumberKey, OtpMac, OtpStore, Requested, StoreFault,
            StoreKey, Subject, SubjectKey, Tried,
        },
        throttle::ThrottlePolicy,
    },
    tenant::TenantId,
};

/// The settings of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) attempts: u8,
    pub(crate) lifetime: Duration,
    pub(crate) hold: Duration,
    pub(crate) lockout: LockoutPolicy,
    pub(crate) throttle: ThrottlePolicy,
}

/// The settings of those who have no wishes.
pub(crate) const RULES: Rules = Rules {
    attempts: 3,
    lifetime: Duration::from_secs(300),
    hold: Duration::from_secs(10),
    lockout: LockoutPolicy {
        failures: 4,
        window: Duration::from_secs(1800),
        duration: Duration::from_secs(3600),
        kind: LockKind::Hard,
    },
    throttle: ThrottlePolicy {
        mean_interval: Duration::from_secs(30),
        lookback: 5,
        quarantine: Duration::from_secs(600),
    },
};

/// One decision asked for. Users, numbers and codes are small numbers, so that they meet.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Request { number: u8 },
    Bind { user: u8, code: u8 },
    Try { user: u8, codes: Vec<u8> },
    Consume { user: u8, claim: Claim },
    Fail { user: u8, claim: Claim },
    Release { user: u8, claim: Claim },
    IsLocked { user: u8 },
    Unlock { user: u8, anywhere: bool },
    Lock { user: u8, until: Option<Timestamp> },
    Locks,
}

/// What the store said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Requested(Requested),
    Bound(Bound),
    Tried(Tried),
    Consumed(bool),
    Failed(Failed),
    Released,
    IsLocked(bool),
    Unlocked(usize),
    Locked(bool),
    Locks(Vec<(u8, Timestamp, Option<Timestamp>)>),
}

/// The people of a run: all in one tenant of their own.
#[derive(Clone)]
pub(crate) struct People {
    tenant: TenantId,
    key: StoreKey,
}

impl People {
    pub(crate) fn of(tenant: &str) -> Self {
        Self {
            tenant: TenantId::new(tenant),
            key: StoreKey::new(&[7; 32]),
        }
    }

    pub(crate) fn subject(&self, user: u8) -> SubjectKey {
        self.key.subject(&self.tenant, &format!("id-{user}"))
    }

    pub(crate) fn mac(&self, user: u8, code: u8) -> OtpMac {
        let code = format!("{code:06}");
        self.key.code(&self.subject(user), code.as_bytes())
    }

    fn number(&self, number: u8) -> NumberKey {
        let mut key = self
            .key
            .subject(&self.tenant, &format!("number-{number}"))
            .0;
        key[0] = number;
        NumberKey(key)
    }

    fn user_of(&self, key: SubjectKey) -> u8 {
        (0..u8::MAX)
            .find(|user| self.subject(*user) == key)
            .expect("one of ours")
    }

    /// Asks `store`.
    pub(crate) async fn ask(
        &self,
        store: &dyn OtpStore,
        rules: &Rules,
        asked: &Asked,
    ) -> Result<Said, StoreFault> {
        let (key, name) = match asked {
            Asked::Bind { user, .. }
            | Asked::Try { user, .. }
            | Asked::Consume { user, .. }
            | Asked::Fail { user, .. }
            | Asked::Release { user, .. }
            | Asked::IsLocked { user }
            | Asked::Unlock { user, .. }
            | Asked::Lock { user, .. } => (self.subject(*user), format!("Åsa-{user}")),
            Asked::Request { .. } | Asked::Locks => (SubjectKey([0; 16]), String::new()),
        };
        let subject = &Subject {
            key: &key,
            tenant: &self.tenant,
            name: &name,
        };
        Ok(match asked {
            Asked::Request { number } => {
                let number = self.number(*number);
                Said::Requested(store.request(&number, &rules.throttle).await?)
            }
            Asked::Bind { user, code } => {
                let mac = self.mac(*user, *code);
                Said::Bound(store.bind(subject, &mac, rules.lifetime).await?)
            }
            Asked::Try { user, codes } => {
                let macs: Vec<_> = codes.iter().map(|code| self.mac(*user, *code)).collect();
                let (attempts, lockout, hold) = (rules.attempts, &rules.lockout, rules.hold);
                let tried = store.try_otp(subject, &macs, attempts, lockout, hold);
                Said::Tried(tried.await?)
            }
            Asked::Consume { claim, .. } => Said::Consumed(store.consume(subject, *claim).await?),
            Asked::Fail { claim, .. } => {
                Said::Failed(store.fail(subject, *claim, &rules.lockout).await?)
            }
            Asked::Release { claim, .. } => {
                store.release(subject, *claim).await?;
                Said::Released
            }
            Asked::IsLocked { .. } => Said::IsLocked(store.is_locked(subject).await?),
            Asked::Unlock { anywhere, .. } => {
                let tenant = (!anywhere).then_some(&self.tenant);
                Said::Unlocked(store.unlock(tenant, &name.to_uppercase()).await?)
            }
            Asked::Lock { until, .. } => {
                let lock = Lock {
                    tenant: self.tenant.clone(),
                    name: name.into(),
                    key,
                    since: Timestamp::from_millis(1),
                    until: *until,
                };
                Said::Locked(store.lock(&lock).await?)
            }
            Asked::Locks => {
                let locks = store.locks().await?;
                let ours = locks.into_iter().filter(|lock| lock.tenant == self.tenant);
                let mut seen: Vec<_> = ours
                    .map(|lock| {
                        let user = self.user_of(lock.key);
                        assert_eq!(*lock.name, format!("Åsa-{user}"));
                        (user, lock.since, lock.until)
                    })
                    .collect();
                seen.sort_unstable();
                Said::Locks(seen)
            }
        })
    }
}

/// The reference. `BTreeMap`s would do; vectors by user are shorter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Model {
    now: u64,
    users: Vec<User>,
    numbers: Vec<Number>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct User {
    otp: Option<LiveOtp>,
    failures: Vec<u64>,
    /// Since when, and until when; `u64::MAX` for ever.
    lock: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LiveOtp {
    code: u8,
    until: u64,
    wrong: u8,
    claim: Option<(Claim, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Number {
    allowed: Vec<u64>,
    quarantine: Option<u64>,
}

impl Model {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now: now.as_millis(),
            users: vec![User::default(); 4],
            numbers: vec![Number::default(); 4],
        }
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now += u64::try_from(by.as_millis()).expect("a short time");
    }

    pub(crate) fn end_claims(&mut self) {
        for otp in self.users.iter_mut().filter_map(|user| user.otp.as_mut()) {
            otp.claim = None;
        }
    }

    /// Does what was asked. The number of a claim is the engine's to choose: if a claim is
    /// given, it is the one that was `said`.
    pub(crate) fn step(&mut self, rules: &Rules, asked: &Asked, said: &Said) -> Said {
        let now = self.now;
        match asked {
            Asked::Request { number } => {
                let number = &mut self.numbers[usize::from(*number)];
                Said::Requested(number.request(now, &rules.throttle))
            }
            Asked::Locks => {
                let locks = (0_u8..).zip(&mut self.users).filter_map(|(user, record)| {
                    let (since, until) = record.lock_at(now)?;
                    let until = (until != u64::MAX).then(|| Timestamp::from_millis(until));
                    Some((user, Timestamp::from_millis(since), until))
                });
                Said::Locks(locks.collect())
            }
            Asked::Bind { user, code } => Said::Bound(self.user(*user).bind(now, rules, *code)),
            Asked::Try { user, codes } => {
                let claim = match said {
                    Said::Tried(Tried::Right(claim)) => *claim,
                    _ => Claim(u64::MAX),
                };
                Said::Tried(self.user(*user).try_otp(now, rules, codes, claim))
            }
            Asked::Consume { user, claim } => {
                let user = self.user(*user);
                let holds = user.holds(now, *claim);
                if holds {
                    *user = User::default();
                }
                Said::Consumed(holds)
            }
            Asked::Fail { user, claim } => {
                let user = self.user(*user);
                let holds = user.holds(now, *claim);
                let locked = holds && {
                    user.release(*claim);
                    user.count_failure(now, rules)
                };
                Said::Failed(Failed { locked })
            }
            Asked::Release { user, claim } => {
                self.user(*user).release(*claim);
                Said::Released
            }
            Asked::IsLocked { user } => Said::IsLocked(self.user(*user).lock_at(now).is_some()),
            Asked::Unlock { user, .. } => {
                let user = self.user(*user);
                let locked = user.lock_at(now).is_some();
                if locked {
                    user.lock = None;
                    user.failures.clear();
                }
                Said::Unlocked(usize::from(locked))
            }
            Asked::Lock { user, until } => {
                let until = until.map_or(u64::MAX, Timestamp::as_millis);
                let user = self.user(*user);
                let present = user.lock_at(now).map_or(now, |(_, until)| until);
                if until > present {
                    user.lock(1, until);
                }
                Said::Locked(until > present)
            }
        }
    }

    fn user(&mut self, user: u8) -> &mut User {
        &mut self.users[usize::from(user)]
    }
}

impl User {
    fn lock_at(&self, now: u64) -> Option<(u64, u64)> {
        self.lock.filter(|(_, until)| *until > now)
    }

    fn otp_at(&mut self, now: u64) -> Option<&mut LiveOtp> {
        self.otp.as_mut().filter(|otp| otp.until > now)
    }

    fn bind(&mut self, now: u64, rules: &Rules, code: u8) -> Bound {
        if self.lock_at(now).is_some() {
            return Bound::Locked;
        }
        self.otp = Some(LiveOtp {
            code,
            until: now + millis(rules.lifetime),
            wrong: 0,
            claim: None,
        });
        Bound::Bound
    }

    fn try_otp(&mut self, now: u64, rules: &Rules, codes: &[u8], claim: Claim) -> Tried {
        if self.lock_at(now).is_some() {
            return Tried::Locked;
        }
        let Some(otp) = self.otp_at(now) else {
            return Tried::NoOtp;
        };
        if codes.contains(&otp.code) {
            if otp.claim.is_some_and(|(_, until)| until > now) {
                return Tried::Claimed;
            }
            otp.claim = Some((claim, now + millis(rules.hold)));
            return Tried::Right(claim);
        }
        otp.wrong += 1;
        let burnt = otp.wrong >= rules.attempts;
        if burnt {
            self.otp = None;
        }
        let locked = self.count_failure(now, rules);
        Tried::Wrong { burnt, locked }
    }

    fn holds(&mut self, now: u64, claim: Claim) -> bool {
        let locked = self.lock_at(now).is_some();
        let held = self.otp_at(now).and_then(|otp| otp.claim);
        !locked && held.is_some_and(|(held, until)| held == claim && until > now)
    }

    fn release(&mut self, claim: Claim) {
        if let Some(otp) = &mut self.otp {
            otp.claim = otp.claim.filter(|(held, _)| *held != claim);
        }
    }

    fn count_failure(&mut self, now: u64, rules: &Rules) -> bool {
        self.failures.push(now);
        let window = millis(rules.lockout.window);
        let counting = self.failures.iter().filter(|at| **at + window > now);
        let locks = counting.count() >= usize::from(rules.lockout.failures);
        if locks {
            self.failures.clear();
            let until = match rules.lockout.kind {
                LockKind::Soft => now + millis(rules.lockout.duration),
                LockKind::Hard => u64::MAX,
            };
            self.lock(now, until);
        }
        locks
    }

    fn lock(&mut self, since: u64, until: u64) {
        self.lock = Some((since, until));
        if let Some(otp) = &mut self.otp {
            otp.claim = None;
        }
    }
}

impl Number {
    fn request(&mut self, now: u64, policy: &ThrottlePolicy) -> Requested {
        if let Some(until) = self.quarantine.filter(|until| *until > now) {
            let remaining = Duration::from_millis(until - now);
            return Requested::Quarantined { remaining };
        }
        let lookback = usize::from(policy.lookback);
        let span = millis(policy.mean_interval) * u64::from(policy.lookback);
        let mut last = self.allowed.iter().rev().take(lookback);
        if self.allowed.len() >= lookback && last.all(|at| now - at < span) {
            self.allowed.clear();
            self.quarantine = Some(now + millis(policy.quarantine));
            let remaining = policy.quarantine;
            return Requested::Quarantined { remaining };
        }
        self.allowed.push(now);
        Requested::Allowed
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short time")
}
