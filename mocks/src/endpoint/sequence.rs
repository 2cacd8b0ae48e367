//! What follows from the calls before: repeats after a refusal, repeats that are too
//! many or too soon, and a second request while the first still waits.

use std::collections::HashMap;

use callotp_conformance::catalogue::caller;

use super::judge::Findings;

/// A person who heard a refusal needs longer than this to hang up and dial again:
/// what repeats sooner is a machine. In milliseconds.
const MACHINE: u64 = 5_000;
/// The soonest that a repeat may come, in milliseconds.
const SOONEST: u64 = 200;
/// How many numbers are remembered.
const REMEMBERED: usize = 4_096;

/// How a call ended, as far as a repeat of it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// An OTP, or something that says nothing about a repeat.
    Answered,
    /// 403.
    Refused,
    /// Anything that a caller may try once more.
    Failed,
}

/// The last call of each number.
#[derive(Debug, Default)]
pub(crate) struct Sequences(HashMap<String, Last>);

#[derive(Clone, Copy, Debug)]
struct Last {
    call: u64,
    /// When it ended and how; `None` while it waits.
    ended: Option<(u64, Ending)>,
    began: u64,
    /// Failed calls in a row, the last one included.
    failed: u32,
}

impl Sequences {
    /// Is a call of this number still waiting for its answer?
    pub(crate) fn waits(&self, calling: &str) -> bool {
        self.0.get(calling).is_some_and(|last| last.ended.is_none())
    }

    /// Judges a call by the one before it, and remembers it.
    pub(crate) fn begin(&mut self, calling: &str, call: u64, now: u64, found: &mut Findings) {
        let last = self.0.get(calling).copied();
        let mut failed = 0;
        match last.map(|last| (last, last.ended)) {
            None => {}
            Some((last, None)) => {
                let waited = now.saturating_sub(last.began);
                let says = format!(
                    "asks again after {waited} ms while its first request still waits for the answer"
                );
                found.add(&caller::ONCE, says);
            }
            Some((last, Some((ended, ending)))) => {
                let pause = now.saturating_sub(ended);
                if pause < MACHINE {
                    failed = last.failed;
                    follows(ending, pause, failed, found);
                }
            }
        }
        if self.0.len() >= REMEMBERED && !self.0.contains_key(calling) {
            self.make_room(now);
        }
        let last = Last {
            call,
            ended: None,
            began: now,
            failed,
        };
        self.0.insert(calling.to_owned(), last);
    }

    /// The answer of a call is out, or its caller is gone.
    pub(crate) fn end(&mut self, calling: &str, call: u64, now: u64, ending: Ending) {
        let Some(last) = self.0.get_mut(calling).filter(|last| last.call == call) else {
            return;
        };
        last.ended = Some((now, ending));
        last.failed = match ending {
            Ending::Failed => last.failed + 1,
            Ending::Answered | Ending::Refused => 0,
        };
    }

    fn make_room(&mut self, now: u64) {
        self.0.retain(|_, last| {
            last.ended
                .is_none_or(|(ended, _)| now.saturating_sub(ended) < MACHINE)
        });
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
    }
}

fn follows(ending: Ending, pause: u64, failed: u32, found: &mut Findings) {
    match ending {
        Ending::Answered => {}
        Ending::Refused => {
            let says = format!("asks again {pause} ms after a 403");
            found.add(&caller::NO_RETRY_AFTER_403, says);
        }
        Ending::Failed if failed > 1 => {
            let says = format!("repeat number {failed} after a fault");
            found.add(&caller::RETRY_BOUNDED, says);
        }
        Ending::Failed if pause < SOONEST => {
            let says = format!("repeats {pause} ms after a fault");
            found.add(&caller::RETRY_BOUNDED, says);
        }
        Ending::Failed => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::system;

    /// The clauses found in the last of these calls; each begins so long after the one before.
    fn found(calls: &[(u64, Ending)]) -> Vec<&'static str> {
        let mut sequences = Sequences::default();
        let mut now = 0;
        let mut last = Vec::new();
        for (call, (pause, ending)) in calls.iter().enumerate() {
            now += pause;
            let mut found = Findings::new(&system::UNKNOWN);
            sequences.begin("1", call as u64, now, &mut found);
            sequences.end("1", call as u64, now, *ending);
            last = found.into_findings().iter().map(|f| f.clause.id).collect();
        }
        last
    }

    #[test]
    fn one_repeat_after_a_pause_is_allowed_and_no_more() {
        use Ending::{Answered, Failed};
        assert!(found(&[(0, Failed), (200, Answered)]).is_empty());
        assert_eq!(
            found(&[(0, Failed), (199, Answered)]),
            [caller::RETRY_BOUNDED.id]
        );
        assert_eq!(
            found(&[(0, Failed), (300, Failed), (300, Answered)]),
            [caller::RETRY_BOUNDED.id]
        );
        assert!(found(&[(0, Failed), (300, Failed), (6_000, Answered)]).is_empty());
    }

    #[test]
    fn a_refusal_is_an_answer_until_a_person_can_have_dialled_again() {
        use Ending::{Answered, Refused};
        assert_eq!(
            found(&[(0, Refused), (2_000, Refused)]),
            [caller::NO_RETRY_AFTER_403.id]
        );
        assert!(found(&[(0, Refused), (5_000, Refused)]).is_empty());
        assert!(found(&[(0, Answered), (0, Answered)]).is_empty());
    }

    #[test]
    fn asking_twice_at_once_is_once_too_often() {
        let mut sequences = Sequences::default();
        let mut findings = Findings::new(&system::UNKNOWN);
        sequences.begin("1", 1, 0, &mut findings);
        assert!(sequences.waits("1"));
        sequences.begin("1", 2, 500, &mut findings);
        let found = findings.into_findings();
        assert_eq!(found[0].clause.id, caller::ONCE.id);
    }

    #[test]
    fn memory_is_bounded_however_many_numbers_call() {
        let mut sequences = Sequences::default();
        for call in 0..20_000 {
            let mut found = Findings::new(&system::UNKNOWN);
            sequences.begin(&call.to_string(), call, call, &mut found);
            sequences.end(&call.to_string(), call, call, Ending::Refused);
        }
        assert!(sequences.0.len() <= REMEMBERED);
    }
}
