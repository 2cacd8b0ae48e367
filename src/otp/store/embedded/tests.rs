use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    otp::lockout::LockKind,
};

const LIFETIME: Duration = Duration::from_secs(300);
const LOCKOUT: LockoutPolicy = LockoutPolicy {
    failures: 3,
    window: Duration::from_secs(1800),
    duration: Duration::from_secs(3600),
    kind: LockKind::Hard,
};
const THROTTLE: ThrottlePolicy = ThrottlePolicy {
    mean_interval: Duration::from_secs(30),
    lookback: 5,
    quarantine: Duration::from_secs(600),
};

struct Fixture {
    folder: tempfile::TempDir,
    key: StoreKey,
    clock: ManualClock,
    tenant: TenantId,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            key: StoreKey::new(&[7; 32]),
            clock: ManualClock::at(Timestamp::from_millis(1_800_000_000_000)),
            tenant: TenantId::new("t1"),
        }
    }

    fn place(&self) -> Place {
        let path = self.folder.path().join("callotp.redb");
        Place::take(&path, self.key.filing_fingerprint()).expect("the file")
    }

    fn open(&self, place: Place) -> EmbeddedStore {
        let store = EmbeddedStore::at(place, Arc::new(self.clock.clone()));
        store.map_err(|_| "not opened").expect("a store")
    }

    fn size(&self) -> u64 {
        let file = std::fs::metadata(self.folder.path().join("callotp.redb"));
        file.expect("the file").len()
    }

    fn user(&self, user: usize) -> SubjectKey {
        self.key.subject(&self.tenant, &user.to_string())
    }

    async fn bind(&self, store: &EmbeddedStore, user: usize) -> Result<Bound, StoreFault> {
        let key = self.user(user);
        let mac = self.key.code(&key, b"000017");
        store.bind(&self.subject(&key), &mac, LIFETIME).await
    }

    async fn tried(
        &self,
        store: &EmbeddedStore,
        user: usize,
        code: &[u8],
    ) -> Result<Tried, StoreFault> {
        let key = self.user(user);
        let mac = [self.key.code(&key, code)];
        let subject = self.subject(&key);
        store.try_otp(&subject, &mac, 3, &LOCKOUT, LIFETIME).await
    }

    /// True if the user's OTP logs in, once.
    async fn logs_in(&self, store: &EmbeddedStore, user: usize) -> bool {
        let key = self.user(user);
        match self.tried(store, user, b"000017").await {
            Ok(Tried::Right(claim)) => store
                .consume(&self.subject(&key), claim)
                .await
                .expect("no fault"),
            Ok(_) => false,
            Err(fault) => panic!("{fault}"),
        }
    }

    fn subject<'a>(&'a self, key: &'a SubjectKey) -> Subject<'a> {
        Subject {
            key,
            tenant: &self.tenant,
            name: "anna",
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_a_fault_until_there_is_room_and_loses_nothing_that_was_answered() {
    let fixture = Fixture::new();
    let place = fixture.place();
    let full = place.disk().full.clone();
    let store = fixture.open(place);
    for user in 0..100 {
        assert_eq!(fixture.bind(&store, user).await, Ok(Bound::Bound));
    }
    assert!(fixture.logs_in(&store, 0).await);

    full.store(true, SeqCst);
    let refused = fixture.bind(&store, 100).await;
    assert!(
        matches!(refused, Err(StoreFault::Unavailable(_))),
        "{refused:?}"
    );
    let started = tokio::time::Instant::now();
    for user in 0..100 {
        assert!(fixture.bind(&store, user).await.is_err());
        assert!(fixture.tried(&store, user, b"000018").await.is_err());
    }
    assert!(store.check().await.is_err());
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "faults are quick"
    );

    full.store(false, SeqCst);
    while store.check().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!fixture.logs_in(&store, 0).await, "used before");
    assert!(!fixture.logs_in(&store, 100).await, "answered with a fault");
    for user in 1..100 {
        assert!(fixture.logs_in(&store, user).await, "user {user}");
    }
    drop(store);
    let store = fixture.open(fixture.place());
    for user in 0..101 {
        assert!(!fixture.logs_in(&store, user).await, "user {user}, again");
    }
}

/// The writer asks it for the time when the journal has grown, and meets a mistake of ours.
#[derive(Debug)]
struct Treacherous(ManualClock);

impl Clock for Treacherous {
    fn now(&self) -> Timestamp {
        let writer = std::thread::current().name() == Some("store");
        assert!(!writer, "a mistake that a test has made");
        self.0.now()
    }
}

#[tokio::test]
async fn a_writer_that_has_died_is_a_fault_for_everybody_and_loses_nothing_that_was_answered() {
    let fixture = Fixture::new();
    let clock = Arc::new(Treacherous(fixture.clock.clone()));
    let store = EmbeddedStore::at(fixture.place(), clock).map_err(|_| "not opened");
    let store = store.expect("a store");
    let mut answered = 0;
    let refused = loop {
        assert_eq!(store.check().await, Ok(()));
        let some = (answered..answered + 1000).map(|user| fixture.bind(&store, user));
        let some = futures_util::future::join_all(some).await;
        match some.into_iter().find(Result::is_err) {
            Some(refused) => break refused,
            None => answered += 1000,
        }
    };
    assert!(
        matches!(refused, Err(StoreFault::Unavailable(_))),
        "{refused:?}"
    );
    assert!(answered > 0);
    let has_ended = |fault: StoreFault| fault.to_string().contains("has ended");
    while !store.check().await.is_err_and(has_ended) {
        tokio::task::yield_now().await;
    }
    let key = fixture.user(1);
    let subject = fixture.subject(&key);
    assert!(fixture.bind(&store, 1).await.is_err());
    assert!(fixture.tried(&store, 1, b"000017").await.is_err());
    assert!(store.request(&NumberKey(key.0), &THROTTLE).await.is_err());
    assert!(store.is_locked(&subject).await.is_err());
    assert!(store.locks().await.is_err());
    assert!(store.counts().await.is_err());

    drop(store);
    let store = fixture.open(fixture.place());
    for user in (0..answered).step_by(97) {
        assert!(fixture.logs_in(&store, user).await, "user {user}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_stays_small_however_much_is_decided_and_forgets_nothing_that_holds() {
    let fixture = Arc::new(Fixture::new());
    let store = Arc::new(fixture.open(fixture.place()));
    for code in [b"1", b"2", b"3"] {
        assert_eq!(fixture.bind(&store, 7_777).await, Ok(Bound::Bound));
        fixture.tried(&store, 7_777, code).await.expect("no fault");
    }
    assert!(fixture.bind(&store, 8_888).await.is_ok());
    let wrong = fixture.tried(&store, 8_888, b"1").await;
    assert!(matches!(wrong, Ok(Tried::Wrong { .. })));
    // 1,280,000 bytes of changes a round, of which 50,000 matter at its end.
    for _ in 0..2 {
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let (fixture, store) = (fixture.clone(), store.clone());
                tokio::spawn(async move {
                    for n in 0..500 {
                        let user = task * 16 + n % 16;
                        assert_eq!(fixture.bind(&store, user).await, Ok(Bound::Bound));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        fixture.clock.advance(Duration::from_secs(30));
    }
    let size = fixture.size();
    assert!(size < 5 << 20, "{size} bytes");
    let store = Arc::into_inner(store).expect("the last");
    drop(store);
    let store = fixture.open(fixture.place());
    let locks = store.locks().await.expect("no fault");
    assert_eq!(locks.len(), 1);
    assert_eq!(locks[0].key, fixture.user(7_777));
    let twice = [b"2", b"3"].map(|code| fixture.tried(&store, 8_888, code));
    let [second, third] = twice;
    assert!(matches!(
        second.await,
        Ok(Tried::Wrong { locked: false, .. })
    ));
    assert!(matches!(
        third.await,
        Ok(Tried::Wrong {
            locked: true,
            burnt: true
        })
    ));
    for user in 0..1024 {
        assert!(fixture.logs_in(&store, user).await, "user {user}");
    }
}

#[tokio::test]
async fn a_million_of_them_would_take_less_than_300_bytes_each_on_disk_and_in_memory() {
    let fixture = Arc::new(Fixture::new());
    let store = Arc::new(fixture.open(fixture.place()));
    let many = 50_000;
    for first in (0..many).step_by(1000) {
        let all = (first..first + 1000).map(|user| {
            let (fixture, store) = (fixture.clone(), store.clone());
            async move {
                let key = fixture.user(user);
                let number = NumberKey(key.0);
                let requested = store.request(&number, &THROTTLE).await;
                assert_eq!(requested, Ok(Requested::Allowed));
                assert_eq!(fixture.bind(&store, user).await, Ok(Bound::Bound));
            }
        });
        futures_util::future::join_all(all).await;
    }
    let each = fixture.size() / many as u64;
    assert!(each < 130, "{each} bytes in the file");
    let counts = store.counts().await.expect("no fault");
    assert_eq!(counts.live_otps, Some(many as u64));
}
