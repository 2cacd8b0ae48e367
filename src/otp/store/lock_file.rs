//! Locks as text, for moving them from one store to another.
//!
//! JSON, a line for each: first what they are filed under, then the locks. A lock can only
//! move between stores that file under one key, since it names its user by that.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Lock, StoreKey, SubjectKey};
use crate::{clock::Timestamp, tenant::TenantId};

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    callotp_locks: u32,
    filed_under: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    tenant: String,
    user: String,
    /// 32 hexadecimal digits.
    key: String,
    /// Milliseconds since the Unix epoch.
    since: u64,
    /// The same; absent for a lock that an administrator ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// A text that holds no locks for this store.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockFileError {
    /// A line is not what it should be.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Another key.
    #[error("these locks are filed under another key than the one in `key_file`")]
    OtherKey,
}

/// `locks` as text; they are filed under `key`.
pub fn write(locks: &[Lock], key: &StoreKey) -> String {
    let head = Head {
        callotp_locks: FORMAT,
        filed_under: fingerprint(key),
    };
    let mut text = json(&head);
    for lock in locks {
        text.push_str(&json(&Line {
            tenant: lock.tenant.to_string(),
            user: lock.name.to_string(),
            key: lock.key.to_string(),
            since: lock.since.as_millis(),
            until: lock.until.map(Timestamp::as_millis),
        }));
    }
    text
}

/// The locks in `text`, all or none, if they are filed under `key`.
pub fn read(text: &str, key: &StoreKey) -> Result<Vec<Lock>, LockFileError> {
    let wrong = |line, what: &dyn ToString| LockFileError::Line {
        line,
        what: what.to_string(),
    };
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let (_, head) = lines.next().unwrap_or((1, ""));
    let head: Head = serde_json::from_str(head).map_err(|error| wrong(1, &error))?;
    if head.callotp_locks != FORMAT {
        let what = format!("format {}; this program reads {FORMAT}", head.callotp_locks);
        return Err(wrong(1, &what));
    }
    if head.filed_under != fingerprint(key) {
        return Err(LockFileError::OtherKey);
    }
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            let line: Line = serde_json::from_str(line).map_err(|error| wrong(at, &error))?;
            let digits = line.key.len() == 32;
            let key = u128::from_str_radix(&line.key, 16).ok().filter(|_| digits);
            let key = key.ok_or_else(|| wrong(at, &"`key` is not 32 hexadecimal digits"))?;
            Ok(Lock {
                tenant: TenantId::new(&line.tenant),
                name: line.user.into(),
                key: SubjectKey(key.to_be_bytes()),
                since: Timestamp::from_millis(line.since),
                until: line.until.map(Timestamp::from_millis),
            })
        })
        .collect()
}

fn fingerprint(key: &StoreKey) -> String {
    SubjectKey(key.filing_fingerprint()).to_string()
}

/// Nothing here fails to be JSON; if it did, an empty line would say so when it is read.
fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    let _infallible = writeln!(text);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> StoreKey {
        StoreKey::new(&[7; 32])
    }

    fn lock() -> impl Strategy<Value = Lock> {
        let name = any::<String>;
        let parts = (
            name(),
            name(),
            any::<[u8; 16]>(),
            any::<u64>(),
            any::<Option<u64>>(),
        );
        parts.prop_map(|(tenant, name, key, since, until)| Lock {
            tenant: TenantId::new(&tenant),
            name: name.into(),
            key: SubjectKey(key),
            since: Timestamp::from_millis(since),
            until: until.map(Timestamp::from_millis),
        })
    }

    proptest! {
        #[test]
        fn locks_read_as_they_were_written(locks in prop::collection::vec(lock(), 0..5)) {
            prop_assert_eq!(read(&write(&locks, &key()), &key()), Ok(locks));
        }

        #[test]
        fn foreign_text_is_refused_with_its_line(text in ".*") {
            prop_assert!(read(&text, &key()).is_err());
            let head = write(&[], &key());
            let _verdict = read(&format!("{head}{text}"), &key());
        }
    }

    #[test]
    fn what_cannot_be_moved_is_refused() {
        let other = write(&[], &StoreKey::new(&[8; 32]));
        assert_eq!(read(&other, &key()), Err(LockFileError::OtherKey));
        let head = write(&[], &key());
        let newer = head.replace("\"callotp_locks\":1", "\"callotp_locks\":2");
        let newer = read(&newer, &key()).expect_err("another format");
        assert!(newer.to_string().contains("line 1: format 2"), "{newer}");
        let short = r#"{"tenant":"t1","user":"anna","key":"00","since":1}"#;
        let short = read(&format!("{head}\n{short}\n"), &key()).expect_err("no key");
        assert!(short.to_string().starts_with("line 3: `key`"), "{short}");
    }
}
