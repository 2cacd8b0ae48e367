//! Whoever has the store and not the key has nothing.

use std::{collections::HashSet, sync::Arc};

use callotp::{
    clock::SystemClock,
    otp::store::{
        OtpStore, Requested, StoreKey, Subject, embedded::EmbeddedStore, redis::TimeSource,
    },
    phone_number::{Matching, NumberPlan, PhoneNumber},
    tenant::TenantId,
};

use super::{
    model::RULES,
    redis::{at, open},
    server::Server,
};

const OTP: &str = "739164";
const USER_ID: &str = "0f4d1c3a-planted-user-id";

fn number() -> PhoneNumber {
    let plan = NumberPlan::new("SE", Matching::Normalised, Vec::new()).expect("a plan");
    plan.read("070-174 06 05").expect("a number")
}

/// A call, and a login that fails: all that a store is told about a user.
async fn fill(store: &dyn OtpStore, key: &StoreKey) {
    let tenant = TenantId::new("t1");
    let subject_key = key.subject(&tenant, USER_ID);
    let subject = &Subject {
        key: &subject_key,
        tenant: &tenant,
        name: "anna",
    };
    let number = key.number(&tenant, &number());
    let requested = store.request(&number, &RULES.throttle).await;
    assert_eq!(requested, Ok(Requested::Allowed));
    let mac = key.code(&subject_key, OTP.as_bytes());
    store
        .bind(subject, &mac, RULES.lifetime)
        .await
        .expect("no fault");
    let wrong = [key.code(&subject_key, b"000000")];
    let (attempts, lockout) = (RULES.attempts, &RULES.lockout);
    let tried = store.try_otp(subject, &wrong, attempts, lockout, RULES.hold);
    tried.await.expect("no fault");
}

/// Looks for everything that was told, and for the OTP by trying all there are.
fn tells_nothing(bytes: &[u8], key: &StoreKey) {
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let subject = key.subject(&TenantId::new("t1"), USER_ID);
    let mac = key.code(&subject, OTP.as_bytes()).0;
    assert!(holds(&mac), "the search would find the OTP, if it knew how");
    for secret in [OTP, USER_ID, "46701740605", "0701740605", "000000"] {
        assert!(!holds(secret.as_bytes()), "{secret} in clear");
    }
    let windows: HashSet<&[u8]> = bytes.windows(16).collect();
    let guess = StoreKey::new(&[0; 32]);
    for code in 0..1_000_000 {
        let code = format!("{code:06}");
        let mac = guess.code(&subject, code.as_bytes()).0;
        assert!(!windows.contains(&mac[..]), "{code} without the key");
    }
}

#[tokio::test]
async fn no_search_through_the_file_finds_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callotp.redb");
    let key = StoreKey::new(&[7; 32]);
    let clock = Arc::new(SystemClock::start());
    let store = EmbeddedStore::open(&path, &key, clock).expect("a store");
    fill(&store, &key).await;
    drop(store);
    tells_nothing(&std::fs::read(&path).expect("the file"), &key);
}

#[tokio::test]
async fn no_search_through_redis_finds_a_secret() {
    let server = Server::start(&["rdbcompression no"]);
    let key = StoreKey::new(&[7; 32]);
    let store = open(&at(&[&server.url()]), TimeSource::Server).await;
    fill(&store.expect("the server"), &key).await;
    assert_eq!(server.say(&["SAVE"]), "+OK\r\n");
    let dump = std::fs::read(server.folder().join("dump.rdb"));
    tells_nothing(&dump.expect("everything that is in Redis"), &key);
}
