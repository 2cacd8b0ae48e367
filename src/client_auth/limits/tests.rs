//! The laws of the limits.

use super::*;
use crate::clock::{ManualClock, SystemEntropy};
use proptest::prelude::*;

fn limits(clock: &ManualClock) -> Limits {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let verifier = Verifier::new(1, &SystemEntropy, Arc::clone(&clock)).expect("entropy");
    Limits::new(Arc::new(verifier), clock)
}

fn source(n: u32) -> IpAddr {
    IpAddr::from(n.to_be_bytes())
}

/// An attempt that turns out to be wrong, if it is looked at.
fn wrong(limits: &Limits, claimant: &Claimant) -> bool {
    let attempt = limits.attempt(claimant);
    attempt.map(|mut attempt| attempt.claimant = None).is_ok()
}

#[test]
fn a_subscriber_of_ipv6_is_one_source() {
    let of = |text: &str| network(text.parse().expect("an address"));
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[test]
fn any_number_of_sources_takes_the_same_room_and_the_busiest_stay() {
    let clock = ManualClock::at(Timestamp::from_millis(1));
    let limits = limits(&clock);
    let busy = limits.claimant(source(1), Some("pbx"));
    for _ in 0..OF_NAME.burst {
        wrong(&limits, &busy);
    }
    let before = limits.rows.lock().expect("no panic").len();
    for n in 2..50_000 {
        wrong(&limits, &limits.claimant(source(n), None));
    }
    assert_eq!(limits.rows.lock().expect("no panic").len(), before);
    assert!(
        limits.check(&busy).is_err(),
        "pushed out by others that did less"
    );
}

proptest! {
    /// Whatever the pauses: no more attempts are looked at than the burst and one for
    /// each interval since.
    #[test]
    fn no_more_are_looked_at_than_the_quota(pauses in proptest::collection::vec(0..60_u64, 1..300)) {
        let clock = ManualClock::at(Timestamp::from_millis(1));
        let limits = limits(&clock);
        let claimant = limits.claimant(source(1), Some("pbx"));
        let (mut passed, mut looked_at) = (0, 0);
        for pause in pauses {
            clock.advance(Duration::from_secs(pause));
            passed += pause;
            looked_at += u64::from(wrong(&limits, &claimant));
        }
        let allowed = u64::from(OF_NAME.burst) + passed / OF_NAME.interval.as_secs();
        prop_assert!(looked_at <= allowed, "{looked_at} > {allowed}");
    }

    /// However many are looked at at once, and whichever of them were wrong: as many are
    /// counted as are being looked at or were wrong, and never more than the quota.
    #[test]
    fn attempts_count_before_they_are_looked_at_and_right_ones_are_given_back(
        steps in proptest::collection::vec(0..4_usize, 1..400),
    ) {
        let clock = ManualClock::at(Timestamp::from_millis(1));
        let limits = limits(&clock);
        let claimant = limits.claimant(source(1), Some("pbx"));
        let (mut pending, mut wrong) = (Vec::new(), 0);
        let burst = usize::try_from(OF_NAME.burst).expect("a small number");
        for step in steps {
            match (step, limits.attempt(&claimant)) {
                (0 | 1, Ok(attempt)) => pending.push(attempt),
                (0 | 1, Err(_)) => prop_assert_eq!(pending.len() + wrong, burst),
                (2, one) => {
                    drop(one);
                    drop(pending.pop());
                }
                (_, one) => {
                    drop(one);
                    if let Some(mut attempt) = pending.pop() {
                        attempt.claimant = None;
                        wrong += 1;
                    }
                }
            }
            prop_assert!(pending.len() + wrong <= burst);
            let rows = limits.rows();
            let of_source = find(&rows, limits.claimant(source(1), None).of_source);
            let counted = of_source.saturating_sub(1) / OF_SOURCE.interval();
            prop_assert_eq!(counted, u64::try_from(pending.len() + wrong).expect("small"));
        }
    }
}
