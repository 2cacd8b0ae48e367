//! Is there an order in which one caller after another would have been told what these
//! callers were told at once? (Herlihy and Wing, "Linearizability", 1990; the search is
//! Wing and Gong's, with what was seen before remembered, as Lowe does.)

use std::collections::HashSet;

use super::model::{Asked, Model, Rules, Said};

/// One decision of a history: what was asked and said, and when each of it happened, on
/// one count of events that all callers share. `said` is absent if no answer came: the
/// decision may have taken place at any time since, or never.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) asked: Asked,
    pub(crate) said: Option<Said>,
    pub(crate) called: u64,
    pub(crate) answered: u64,
}

/// True if some order explains the history and never puts a decision before another
/// that had been answered when it was asked for. Starts from `model` as it stands.
pub(crate) fn is_linearizable(model: &Model, rules: &Rules, history: &[Event]) -> bool {
    assert!(history.len() <= 64, "a history is cut into short ones");
    let mut seen = HashSet::new();
    let mut open = vec![(0_u64, model.clone())];
    let answered: u64 = (0..history.len())
        .filter(|n| history[*n].said.is_some())
        .map(|n| 1 << n)
        .sum();
    while let Some((done, model)) = open.pop() {
        if done & answered == answered {
            return true;
        }
        let waiting = || (0..history.len()).filter(|n| done & (1 << n) == 0);
        let first_answer = waiting()
            .filter(|n| history[*n].said.is_some())
            .map(|n| history[n].answered)
            .min()
            .unwrap_or(u64::MAX);
        for next in waiting().filter(|n| history[*n].called < first_answer) {
            let event = &history[next];
            let mut after = model.clone();
            let unheard = Said::Released;
            let would = after.step(rules, &event.asked, event.said.as_ref().unwrap_or(&unheard));
            let explained = event.said.as_ref().is_none_or(|said| *said == would);
            let done = done | (1 << next);
            if explained && seen.insert((done, after.clone())) {
                open.push((done, after));
            }
        }
    }
    false
}

mod tests {
    use std::time::Duration;

    use callotp::{
        clock::Timestamp,
        otp::{
            lockout::{LockKind, LockoutPolicy},
            store::{Bound, Claim, Tried},
            throttle::ThrottlePolicy,
        },
    };

    use super::*;

    const RULES: Rules = Rules {
        attempts: 2,
        lifetime: Duration::from_secs(60),
        hold: Duration::from_secs(10),
        lockout: LockoutPolicy {
            failures: 5,
            window: Duration::from_secs(60),
            duration: Duration::from_secs(60),
            kind: LockKind::Soft,
        },
        throttle: ThrottlePolicy {
            mean_interval: Duration::from_secs(30),
            lookback: 5,
            quarantine: Duration::from_secs(60),
        },
    };

    fn event(called: u64, answered: u64, asked: Asked, said: impl Into<Option<Said>>) -> Event {
        Event {
            asked,
            said: said.into(),
            called,
            answered,
        }
    }

    fn bind(called: u64, answered: u64) -> Event {
        let asked = Asked::Bind { user: 0, code: 1 };
        event(called, answered, asked, Said::Bound(Bound::Bound))
    }

    fn tried(called: u64, answered: u64, code: u8, tried: Tried) -> Event {
        let codes = vec![code];
        event(
            called,
            answered,
            Asked::Try { user: 0, codes },
            Said::Tried(tried),
        )
    }

    fn consume(called: u64, answered: u64, claim: u64, said: impl Into<Option<bool>>) -> Event {
        let asked = Asked::Consume {
            user: 0,
            claim: Claim(claim),
        };
        event(called, answered, asked, said.into().map(Said::Consumed))
    }

    fn explained(history: &[Event]) -> bool {
        is_linearizable(&Model::new(Timestamp::from_millis(1_000)), &RULES, history)
    }

    #[test]
    fn the_search_finds_an_order_only_where_there_is_one() {
        let right = |n| Tried::Right(Claim(n));
        let wrong = Tried::Wrong {
            burnt: false,
            locked: false,
        };
        // One after the other, and overlapping in the other order.
        assert!(explained(&[bind(0, 1), tried(2, 3, 1, right(7))]));
        assert!(explained(&[tried(0, 3, 1, right(7)), bind(1, 2)]));
        assert!(!explained(&[tried(0, 1, 1, right(7)), bind(2, 3)]));
        // Two rights at once, two successes, a wrong too many.
        let twice = [
            bind(0, 1),
            tried(2, 9, 1, right(7)),
            tried(3, 9, 1, right(8)),
        ];
        assert!(!explained(&twice));
        let once = [bind(0, 1), tried(2, 3, 1, right(7)), consume(4, 9, 7, true)];
        assert!(explained(&once));
        assert!(!explained(&[&once[..], &[consume(5, 9, 7, true)]].concat()));
        assert!(explained(&[&once[..], &[consume(5, 9, 7, false)]].concat()));
        let wrongs = [bind(0, 1), tried(2, 9, 2, wrong), tried(2, 9, 3, wrong)];
        assert!(!explained(&wrongs));
    }

    #[test]
    fn what_was_not_answered_may_have_happened_or_not() {
        let right = Tried::Right(Claim(7));
        let unheard = [bind(0, 1), tried(2, 3, 1, right), consume(4, 9, 7, None)];
        assert!(explained(
            &[&unheard[..], &[tried(10, 11, 1, Tried::NoOtp)]].concat()
        ));
        assert!(explained(
            &[&unheard[..], &[tried(10, 11, 1, Tried::Claimed)]].concat()
        ));
        assert!(!explained(
            &[&unheard[..], &[tried(3, 4, 1, Tried::Right(Claim(8)))]].concat()
        ));
    }
}
