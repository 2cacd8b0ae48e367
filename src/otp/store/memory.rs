//! The engine that forgets: everything in memory, for trying and for tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Bound, Claim, Counts, Failed, Lock, NumberKey, OtpMac, OtpStore, Requested, StoreFault,
    Subject, Tried, record::Locked, table::Table,
};
use crate::{
    clock::Clock,
    otp::{
        lockout::LockoutPolicy,
        throttle::{Calls, ThrottlePolicy},
    },
    tenant::TenantId,
};

/// Keeps everything in memory, and loses it with the process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    table: Table,
    claims: AtomicU64,
}

impl MemoryStore {
    /// An empty store that goes by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            table: Table::new(),
            claims: AtomicU64::new(1),
        }
    }
}

#[async_trait]
impl OtpStore for MemoryStore {
    async fn request(
        &self,
        number: &NumberKey,
        policy: &ThrottlePolicy,
    ) -> Result<Requested, StoreFault> {
        let now = self.clock.now();
        let decide = |calls| Calls::request(calls, now, policy);
        Ok(self.table.number(number, decide))
    }

    async fn bind(
        &self,
        subject: &Subject<'_>,
        mac: &OtpMac,
        lifetime: Duration,
    ) -> Result<Bound, StoreFault> {
        let now = self.clock.now();
        Ok(self
            .table
            .user(subject.key, |record| record.bind(now, mac, lifetime)))
    }

    async fn try_otp(
        &self,
        subject: &Subject<'_>,
        macs: &[OtpMac],
        attempts: u8,
        lockout: &LockoutPolicy,
        hold: Duration,
    ) -> Result<Tried, StoreFault> {
        let now = self.clock.now();
        let claim = Claim(self.claims.fetch_add(1, Ordering::Relaxed));
        Ok(self.table.user(subject.key, |record| {
            record.try_otp(now, subject, macs, attempts, lockout, hold, claim)
        }))
    }

    async fn consume(&self, subject: &Subject<'_>, claim: Claim) -> Result<bool, StoreFault> {
        let now = self.clock.now();
        Ok(self
            .table
            .user(subject.key, |record| record.consume(now, claim)))
    }

    async fn fail(
        &self,
        subject: &Subject<'_>,
        claim: Claim,
        lockout: &LockoutPolicy,
    ) -> Result<Failed, StoreFault> {
        let now = self.clock.now();
        let failed = self.table.user(subject.key, |record| {
            record.fail(now, subject, claim, lockout)
        });
        Ok(failed.unwrap_or(Failed { locked: false }))
    }

    async fn release(&self, subject: &Subject<'_>, claim: Claim) -> Result<(), StoreFault> {
        let now = self.clock.now();
        self.table
            .user(subject.key, |record| record.release(now, claim));
        Ok(())
    }

    async fn is_locked(&self, subject: &Subject<'_>) -> Result<bool, StoreFault> {
        let now = self.clock.now();
        Ok(self.table.look_at_user(subject.key, |record| {
            record.is_some_and(|record| record.is_locked(now))
        }))
    }

    async fn locks(&self) -> Result<Vec<Lock>, StoreFault> {
        Ok(self.table.locks(self.clock.now()).await)
    }

    async fn lock(&self, lock: &Lock) -> Result<bool, StoreFault> {
        let now = self.clock.now();
        let locked = Locked::from(lock);
        Ok(self
            .table
            .user(&lock.key, |record| record.lock(now, locked)))
    }

    async fn unlock(&self, tenant: Option<&TenantId>, user: &str) -> Result<usize, StoreFault> {
        let now = self.clock.now();
        let mut ended = 0;
        for lock in self.table.locks(now).await {
            if lock.is_of(tenant, user) {
                let unlocked = self.table.user(&lock.key, |record| record.unlock(now));
                ended += usize::from(unlocked);
            }
        }
        Ok(ended)
    }

    async fn sweep(&self) -> Result<(), StoreFault> {
        self.table.sweep(self.clock.now()).await;
        Ok(())
    }

    async fn counts(&self) -> Result<Counts, StoreFault> {
        Ok(self.table.counts(self.clock.now()).await)
    }

    async fn check(&self) -> Result<(), StoreFault> {
        Ok(())
    }
}
