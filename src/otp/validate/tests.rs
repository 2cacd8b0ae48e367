use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::{
    clock::{Clock as _, ManualClock, SystemEntropy, Timestamp},
    directory::{DirectoryHealth, Match, UserDirectory},
    otp::{
        OtpPolicy,
        lockout::{LockKind, LockoutPolicy},
        store::{StoreKey, memory::MemoryStore},
        throttle::ThrottlePolicy,
    },
    phone_number::{Matching, NumberPlan, PhoneNumber},
    tenant::TenantId,
};

/// Takes as long over a password as it may.
struct Slow(ManualClock);

fn anna() -> User {
    User {
        id: "1".into(),
        name: "anna".into(),
        dn: "uid=anna".into(),
    }
}

#[async_trait]
impl UserDirectory for Slow {
    async fn find_by_number(
        &self,
        _: &PhoneNumber,
        _: Deadline,
    ) -> Result<Option<Match>, DirectoryFault> {
        Ok(Some(Match::One(anna())))
    }

    async fn find_by_name(&self, _: &str, _: Deadline) -> Result<Option<User>, DirectoryFault> {
        Ok(Some(anna()))
    }

    async fn check_password(
        &self,
        _: Option<&User>,
        _: &Secret,
        deadline: Deadline,
    ) -> Result<PasswordCheck, DirectoryFault> {
        self.0.advance(deadline.remaining());
        Ok(PasswordCheck::Right)
    }

    fn health(&self) -> DirectoryHealth {
        DirectoryHealth {
            ready: true,
            detail: String::new(),
        }
    }
}

fn authority(clock: &ManualClock) -> Authority {
    let plan = NumberPlan::new("SE", Matching::Normalised, Vec::new()).expect("a plan");
    Authority {
        tenant: TenantId::new("t1"),
        otp: OtpPolicy {
            digits: 6,
            lifetime: Duration::from_secs(300),
            attempts: 3,
        },
        validate: ValidatePolicy {
            password: PasswordRule::Required,
            order: ValidateOrder::OtpFirst,
        },
        lockout: LockoutPolicy {
            failures: 5,
            window: Duration::from_secs(1800),
            duration: Duration::from_secs(3600),
            kind: LockKind::Soft,
        },
        throttle: ThrottlePolicy {
            mean_interval: Duration::from_secs(30),
            lookback: 5,
            quarantine: Duration::from_secs(600),
        },
        numbers: Arc::new(plan),
        directory: Arc::new(Slow(clock.clone())),
        store: Arc::new(MemoryStore::new(Arc::new(clock.clone()))),
        keys: Arc::new(StoreKey::new(&[7; 32])),
        entropy: Arc::new(SystemEntropy),
    }
}

#[tokio::test]
async fn a_claim_holds_until_the_answer_is_due_however_long_that_is_and_not_much_longer() {
    for timeout in [1, 3, 60].map(Duration::from_secs) {
        let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
        let authority = authority(&clock);
        let number = authority.read_number("070-174 06 05").expect("a number");
        let issued = authority.issue(&number, Deadline::within(timeout)).await;
        let otp = issued.map_err(|_| "not issued").expect("an OTP").otp;
        let attempt = Attempt {
            username: "anna".to_owned(),
            password: Some(Secret::new("secret".into())),
            otp: Secret::new(otp.expose().into()),
        };
        let started = clock.now();
        let rule = PasswordRule::Required;
        let user = authority.validate(&attempt, rule, Deadline::within(timeout));
        assert_eq!(user.await.map_err(|why| why.reason.to_string()), Ok(anna()));
        assert!(clock.now().since(started) > timeout.mul_f32(0.9));

        // Another call claims the next one, and dies.
        clock.advance(Duration::from_secs(60));
        let issued = authority.issue(&number, Deadline::within(timeout)).await;
        let otp = issued.map_err(|_| "not issued").expect("an OTP").otp;
        let key = authority.keys.subject(&authority.tenant, "1");
        let subject = Subject {
            key: &key,
            tenant: &authority.tenant,
            name: "anna",
        };
        let attempt = Attempt {
            otp: Secret::new(otp.expose().into()),
            ..attempt
        };
        let claim = async || {
            let deadline = Deadline::within(timeout);
            authority.claim(&subject, &attempt, deadline).await
        };
        assert!(claim().await.is_ok());
        clock.advance(timeout);
        assert!(matches!(claim().await, Err(Reason::Claimed)));
        clock.advance(CLAIM_MARGIN);
        assert!(claim().await.is_ok(), "it can be used again");
    }
}
