//! Records as bytes: what one change of the journal looks like. Format 1.
//!
//! A change is one byte that says what follows, the 16 bytes the record is filed under,
//! and the whole of the record. Integers are little-endian, moments are milliseconds.

use crate::{
    clock::Timestamp,
    otp::{
        lockout::Failures,
        store::{
            NumberKey, OtpMac, SubjectKey,
            record::{Locked, Parts, UserRecord},
        },
        throttle::{Calls, Several},
    },
    tenant::TenantId,
};

/// What became of one user or number.
pub(super) enum Change {
    /// A user's record; `None` if nothing is kept any more.
    User(SubjectKey, Option<UserRecord>),
    /// A number's.
    Number(NumberKey, Calls),
}

const USER: u8 = 0x10;
const HAS_OTP: u8 = 1;
const HAS_FAILURES: u8 = 2;
const HAS_LOCK: u8 = 4;
const ONCE: u8 = 0x20;
const SEVERAL: u8 = 0x21;
const QUARANTINED: u8 = 0x22;

/// Appends the record of a user, or the news that there is none.
pub(super) fn write_user(out: &mut Vec<u8>, key: &SubjectKey, record: Option<&UserRecord>) {
    let kind_at = out.len();
    out.push(USER);
    out.extend(key.0);
    let Some(record) = record else { return };
    let parts = record.parts();
    if let Some((mac, until, attempts)) = parts.otp {
        out[kind_at] |= HAS_OTP;
        out.extend(mac.0);
        moment(out, until);
        out.push(attempts);
    }
    if !parts.failures.are_none() {
        out[kind_at] |= HAS_FAILURES;
        moment(out, parts.failures.until);
        moments(out, &parts.failures.at);
    }
    if let Some(lock) = &parts.lock {
        out[kind_at] |= HAS_LOCK;
        moment(out, lock.since);
        moment(out, lock.until.unwrap_or(FOR_EVER));
        text(out, lock.tenant.as_str());
        text(out, &lock.name);
    }
}

/// Appends the record of a number.
pub(super) fn write_number(out: &mut Vec<u8>, key: &NumberKey, calls: &Calls) {
    out.push(match calls {
        Calls::Once { .. } => ONCE,
        Calls::Several(_) => SEVERAL,
        Calls::Quarantined { .. } => QUARANTINED,
    });
    out.extend(key.0);
    match calls {
        Calls::Once { at, matters } => {
            moment(out, *at);
            out.extend(matters.to_le_bytes());
        }
        Calls::Several(several) => {
            out.extend(several.matters.to_le_bytes());
            moments(out, &several.at);
        }
        Calls::Quarantined { until } => moment(out, *until),
    }
}

/// Reads one change off the front of `bytes`; `None` if they are not one.
pub(super) fn read(bytes: &mut &[u8]) -> Option<Change> {
    let kind = take::<1>(bytes)?[0];
    let key = take::<16>(bytes)?;
    Some(match kind {
        USER => Change::User(SubjectKey(key), None),
        kind if kind & !(HAS_OTP | HAS_FAILURES | HAS_LOCK) == USER => {
            Change::User(SubjectKey(key), Some(read_user(kind, bytes)?))
        }
        ONCE => {
            let at = read_moment(bytes)?;
            let matters = u32::from_le_bytes(take(bytes)?);
            Change::Number(NumberKey(key), Calls::Once { at, matters })
        }
        SEVERAL => {
            let matters = u32::from_le_bytes(take(bytes)?);
            let at = read_moments(bytes)?;
            let several = Box::new(Several { at, matters });
            Change::Number(NumberKey(key), Calls::Several(several))
        }
        QUARANTINED => {
            let until = read_moment(bytes)?;
            Change::Number(NumberKey(key), Calls::Quarantined { until })
        }
        _ => return None,
    })
}

fn read_user(kind: u8, bytes: &mut &[u8]) -> Option<UserRecord> {
    let mut parts = Parts {
        otp: None,
        failures: Failures::default(),
        lock: None,
    };
    if kind & HAS_OTP != 0 {
        let mac = OtpMac(take(bytes)?);
        let until = read_moment(bytes)?;
        parts.otp = Some((mac, until, take::<1>(bytes)?[0]));
    }
    if kind & HAS_FAILURES != 0 {
        parts.failures.until = read_moment(bytes)?;
        parts.failures.at = read_moments(bytes)?;
    }
    if kind & HAS_LOCK != 0 {
        let since = read_moment(bytes)?;
        let until = read_moment(bytes)?;
        parts.lock = Some(Locked {
            since,
            until: (until != FOR_EVER).then_some(until),
            tenant: TenantId::new(read_text(bytes)?),
            name: read_text(bytes)?.into(),
        });
    }
    Some(UserRecord::from_parts(parts))
}

/// The end of a hard lock. Six bytes of milliseconds last until the year 10889.
const FOR_EVER: Timestamp = Timestamp::from_millis((1 << 48) - 1);

fn moment(out: &mut Vec<u8>, moment: Timestamp) {
    let millis = moment.as_millis().min(FOR_EVER.as_millis());
    out.extend(&millis.to_le_bytes()[..6]);
}

fn read_moment(bytes: &mut &[u8]) -> Option<Timestamp> {
    let six = take::<6>(bytes)?;
    let mut eight = [0; 8];
    eight[..6].copy_from_slice(&six);
    Some(Timestamp::from_millis(u64::from_le_bytes(eight)))
}

/// At most 255 of them: a policy asks for 100 failures and 20 requests at most.
fn moments(out: &mut Vec<u8>, all: &[Timestamp]) {
    let last = &all[all.len().saturating_sub(255)..];
    out.push(u8::try_from(last.len()).unwrap_or(u8::MAX));
    for at in last {
        moment(out, *at);
    }
}

fn read_moments(bytes: &mut &[u8]) -> Option<Vec<Timestamp>> {
    let count = take::<1>(bytes)?[0];
    (0..count).map(|_| read_moment(bytes)).collect()
}

fn text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(0);
    out.extend(length.to_le_bytes());
    out.extend(&text.as_bytes()[..length as usize]);
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = u32::from_le_bytes(take(bytes)?) as usize;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments() -> impl Strategy<Value = Vec<Timestamp>> {
        prop::collection::vec(moment(), 1..30)
    }

    fn moment() -> impl Strategy<Value = Timestamp> {
        (1..FOR_EVER.as_millis()).prop_map(Timestamp::from_millis)
    }

    /// A record has no way to show itself; its parts have, but for the MAC's type.
    type Shown = (Option<([u8; 16], Timestamp, u8)>, Failures, Option<Locked>);

    fn user() -> impl Strategy<Value = Shown> {
        let otp = (any::<[u8; 16]>(), moment(), 0_u8..=100);
        let failures = (moment(), moments()).prop_map(|(until, at)| Failures { at, until });
        let text = any::<String>;
        let lock = (moment(), prop::option::of(moment()), text(), text()).prop_map(
            |(since, until, tenant, name)| Locked {
                tenant: TenantId::new(&tenant),
                name: name.into(),
                since,
                until,
            },
        );
        let failures = prop_oneof![Just(Failures::default()), failures];
        (prop::option::of(otp), failures, prop::option::of(lock))
    }

    fn record((otp, failures, lock): Shown) -> UserRecord {
        UserRecord::from_parts(Parts {
            otp: otp.map(|(mac, until, attempts)| (OtpMac(mac), until, attempts)),
            failures,
            lock,
        })
    }

    fn shown(record: &UserRecord) -> Shown {
        let parts = record.parts();
        let otp = parts
            .otp
            .map(|(mac, until, attempts)| (mac.0, until, attempts));
        (otp, parts.failures, parts.lock)
    }

    fn calls() -> impl Strategy<Value = Calls> {
        prop_oneof![
            (moment(), any::<u32>()).prop_map(|(at, matters)| Calls::Once { at, matters }),
            (moments(), any::<u32>())
                .prop_map(|(at, matters)| Calls::Several(Box::new(Several { at, matters }))),
            moment().prop_map(|until| Calls::Quarantined { until }),
        ]
    }

    proptest! {
        #[test]
        fn a_record_reads_as_it_was_written(
            key in any::<[u8; 16]>(),
            user in prop::option::of(user()),
            calls in calls(),
        ) {
            let user = user.map(record).filter(|record| !record.is_nothing());
            let mut bytes = Vec::new();
            write_user(&mut bytes, &SubjectKey(key), user.as_ref());
            write_number(&mut bytes, &NumberKey(key), &calls);
            let mut rest = &bytes[..];
            let Some(Change::User(got_key, got)) = read(&mut rest) else {
                panic!("not a user");
            };
            prop_assert_eq!(got_key.0, key);
            prop_assert_eq!(got.as_ref().map(shown), user.as_ref().map(shown));
            let Some(Change::Number(got_key, got)) = read(&mut rest) else {
                panic!("not a number");
            };
            prop_assert_eq!((got_key.0, got), (key, calls));
            prop_assert_eq!(rest, b"");
        }

        #[test]
        fn foreign_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = &bytes[..];
            while let Some(change) = read(&mut rest) {
                drop(change);
            }
        }

        #[test]
        fn a_cut_record_is_refused(user in user(), cut in 1_usize..20) {
            let user = record(user);
            prop_assume!(!user.is_nothing());
            let mut bytes = Vec::new();
            write_user(&mut bytes, &SubjectKey([0; 16]), Some(&user));
            let mut rest = &bytes[..bytes.len() - cut];
            prop_assert!(read(&mut rest).is_none());
        }
    }
}
