//! Readiness: which behaviours a phone system has been seen to have, and which
//! number to dial for the next.

use std::sync::Arc;

use callotp_conformance::catalogue::caller;
use serde_json::{Value, json};

use crate::{
    journal::{Call, Event, Spoken},
    magic::national,
};

/// Where a behaviour stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was seen, and nothing was wrong with it.
    Right,
    /// It was seen to be wrong.
    Wrong,
    /// It has not been seen, or not all of it.
    NotYet,
}

/// One line of the checklist.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Its name.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Where it stands.
    pub state: State,
    /// The number to dial for it; empty where something else has to be done.
    pub dial: String,
    /// What is still to do, or what was wrong.
    pub note: String,
    /// The call that decided.
    pub call: Option<Arc<Call>>,
}

struct Check {
    id: &'static str,
    title: &'static str,
    /// The last two digits of the number to dial.
    end: Option<u8>,
    /// What to do when there is no such number.
    how: &'static str,
    /// Has what is spoken to be reported before anything can be said?
    heard: bool,
    seen: fn(&Call) -> bool,
}

/// The checklist of a tenant, from its calls, oldest first.
pub fn checklist(calls: &[Arc<Call>]) -> Vec<Behaviour> {
    CHECKS.iter().map(|check| behaviour(check, calls)).collect()
}

fn behaviour(check: &Check, calls: &[Arc<Call>]) -> Behaviour {
    let last = calls.iter().rev().find(|call| (check.seen)(call));
    let (state, note) = match last {
        None => (State::NotYet, check.how.to_owned()),
        Some(call) => judged(check, call),
    };
    Behaviour {
        id: check.id,
        title: check.title,
        state,
        dial: check.end.map(national).unwrap_or_default(),
        note,
        call: last.cloned(),
    }
}

fn judged(check: &Check, call: &Call) -> (State, String) {
    if let Some(found) = call.findings.first() {
        return (State::Wrong, format!("{}: {}", found.clause.id, found.says));
    }
    if check.heard && call.heard.is_none() {
        return (
            State::NotYet,
            format!(
                "called ({}): now report what was heard, nothing included",
                call.id()
            ),
        );
    }
    let fault = call.answer.fault.as_deref().unwrap_or_default();
    if fault == NEVER && call.closed_by_client_after_ms.is_none() {
        return (
            State::NotYet,
            format!("called ({}): the caller still waits", call.id()),
        );
    }
    if check.id == SECOND_TRY && call.answer.status != Some(200) {
        return (
            State::NotYet,
            "the 503 was seen; a caller that repeats once after a pause hears the code".to_owned(),
        );
    }
    (State::Right, String::new())
}

const NEVER: &str = "delay never";
const SECOND_TRY: &str = "second-try";

fn is_fault(call: &Call, start: &str) -> bool {
    let fault = call.answer.fault.as_deref();
    call.event == Event::Call && fault.is_some_and(|fault| fault.starts_with(start))
}

fn is_status(call: &Call, status: u16) -> bool {
    call.event == Event::Call && call.answer.status == Some(status)
}

fn is_issued(call: &Call, wanted: fn(&str) -> bool) -> bool {
    let no_fault = call.answer.fault.is_none();
    no_fault && matches!(&call.answer.spoken, Spoken::Digits(digits) if wanted(digits))
}

fn is_broken(call: &Call, clause: &callotp_conformance::catalogue::Clause) -> bool {
    call.findings
        .iter()
        .any(|found| found.clause.id == clause.id)
}

fn is_number(call: &Call, end: u8) -> bool {
    call.event == Event::Call && call.calling.as_deref() == Some(&crate::magic::e164(end))
}

const DIAL: &str = "dial the number";

/// The behaviours in the order in which they are best tried.
const CHECKS: [Check; 26] = [
    Check {
        id: "ordinary",
        title: "An ordinary user hears a code",
        end: Some(5),
        how: DIAL,
        heard: false,
        seen: |call| is_issued(call, |_| true),
    },
    Check {
        id: "leading-zero",
        title: "A code with a leading zero is spoken whole",
        end: Some(6),
        how: DIAL,
        heard: true,
        seen: |call| is_issued(call, |digits| digits.starts_with('0')),
    },
    Check {
        id: "repeated-digits",
        title: "Repeated digits are each spoken",
        end: Some(7),
        how: DIAL,
        heard: true,
        seen: |call| {
            is_issued(call, |digits| {
                digits
                    .as_bytes()
                    .windows(3)
                    .any(|w| w[0] == w[1] && w[1] == w[2])
            })
        },
    },
    Check {
        id: "ten-digits",
        title: "Ten digits are spoken",
        end: Some(8),
        how: DIAL,
        heard: true,
        seen: |call| is_issued(call, |digits| digits.len() == 10),
    },
    Check {
        id: "two-calls-in-a-row",
        title: "Two calls in a row carry their headers once each",
        end: Some(5),
        how: "dial the number twice",
        heard: false,
        seen: |_| false,
    },
    Check {
        id: "unknown",
        title: "An unknown number is refused and not asked again",
        end: Some(99),
        how: DIAL,
        heard: false,
        seen: |call| {
            is_status(call, 403)
                && call.answer.spoken == Spoken::Nothing
                && !is_broken(call, &caller::NUMBER_WITHHELD)
                && !is_broken(call, &caller::NUMBER_TEMPLATE)
        },
    },
    Check {
        id: "withheld",
        title: "A withheld caller is not asked for",
        end: None,
        how: "dial with the number withheld: no call should arrive here",
        heard: false,
        seen: |call| is_broken(call, &caller::NUMBER_WITHHELD),
    },
    Check {
        id: "decoy",
        title: "A code inside a 403 is not spoken",
        end: Some(11),
        how: DIAL,
        heard: true,
        seen: |call| is_status(call, 403) && matches!(call.answer.spoken, Spoken::Decoy(_)),
    },
    Check {
        id: "empty-object",
        title: "200 without a code: nothing is spoken",
        end: Some(20),
        how: DIAL,
        heard: true,
        seen: |call| {
            is_number(call, 20) || (is_status(call, 200) && call.answer.body.trim() == "{}")
        },
    },
    Check {
        id: "empty-body",
        title: "200 without a body: nothing is spoken",
        end: Some(21),
        how: DIAL,
        heard: true,
        seen: |call| is_fault(call, "empty"),
    },
    Check {
        id: "html",
        title: "200 with an HTML page: nothing is spoken",
        end: Some(22),
        how: DIAL,
        heard: true,
        seen: |call| is_status(call, 200) && call.answer.body.trim_start().starts_with('<'),
    },
    Check {
        id: "otp-number",
        title: "A code that is a JSON number",
        end: Some(23),
        how: DIAL,
        heard: false,
        seen: |call| {
            is_status(call, 200) && matches!(call.answer.spoken, Spoken::DigitsOrNothing(_))
        },
    },
    Check {
        id: "further-members",
        title: "Further members beside the code",
        end: Some(24),
        how: DIAL,
        heard: true,
        seen: |call| is_number(call, 24) && is_status(call, 200),
    },
    Check {
        id: "unauthorised",
        title: "401",
        end: Some(12),
        how: DIAL,
        heard: false,
        seen: |call| is_status(call, 401),
    },
    Check {
        id: "not-found",
        title: "404",
        end: Some(13),
        how: DIAL,
        heard: false,
        seen: |call| is_status(call, 404),
    },
    Check {
        id: "server-error",
        title: "500",
        end: Some(14),
        how: DIAL,
        heard: false,
        seen: |call| is_status(call, 500),
    },
    Check {
        id: "unavailable",
        title: "503 is repeated once at most, after a pause",
        end: Some(30),
        how: DIAL,
        heard: false,
        seen: |call| is_fault(call, "status 503"),
    },
    Check {
        id: "throttled",
        title: "429 when one number calls too often",
        end: Some(31),
        how: "dial the number four times within 10 s",
        heard: false,
        seen: |call| is_status(call, 429),
    },
    Check {
        id: SECOND_TRY,
        title: "A call that works on the second try",
        end: Some(60),
        how: DIAL,
        heard: false,
        seen: |call| is_number(call, 60),
    },
    Check {
        id: "slow",
        title: "An answer after seconds",
        end: Some(40),
        how: DIAL,
        heard: false,
        seen: |call| is_fault(call, "delay") && call.answer.fault.as_deref() != Some(NEVER),
    },
    Check {
        id: "never",
        title: "No answer: gives up within 10 s",
        end: Some(42),
        how: DIAL,
        heard: false,
        seen: |call| is_fault(call, NEVER),
    },
    Check {
        id: "reset",
        title: "A reset connection",
        end: Some(50),
        how: DIAL,
        heard: false,
        seen: |call| is_fault(call, "reset"),
    },
    Check {
        id: "cut-body",
        title: "A body cut short: nothing is spoken",
        end: Some(52),
        how: DIAL,
        heard: true,
        seen: |call| is_fault(call, "short-length") || is_fault(call, "fin"),
    },
    Check {
        id: "dribble",
        title: "An answer byte by byte",
        end: Some(53),
        how: DIAL,
        heard: false,
        seen: |call| is_fault(call, "dribble"),
    },
    Check {
        id: "garbage",
        title: "No HTTP, or a broken chunk",
        end: Some(54),
        how: DIAL,
        heard: false,
        seen: |call| is_fault(call, "garbage") || is_fault(call, "bad-chunk"),
    },
    Check {
        id: "wrong-certificate",
        title: "A certificate for another name is refused",
        end: None,
        how: "serve with --tls, ask for the fault tls on the next call, and dial",
        heard: false,
        seen: |call| {
            is_broken(call, &caller::TLS_VERIFIED)
                || (call.event == Event::Tls
                    && call
                        .note
                        .as_deref()
                        .is_some_and(|note| note.ends_with("so that was right")))
        },
    },
];

/// The checklist with what cannot be seen in one call alone.
pub fn readiness(calls: &[Arc<Call>]) -> Vec<Behaviour> {
    let mut list = checklist(calls);
    let Some(pair) = list
        .iter_mut()
        .find(|behaviour| behaviour.id == "two-calls-in-a-row")
    else {
        return list;
    };
    let answered: Vec<&Arc<Call>> = calls
        .iter()
        .filter(|call| call.event == Event::Call)
        .collect();
    let stacked = answered
        .iter()
        .rev()
        .find(|call| is_broken(call, &caller::ONCE));
    let last_two = answered.windows(2).rev().find(|two| {
        two.iter().all(|call| is_issued(call, |_| true)) && two[1].at - two[0].at < 60_000
    });
    if let Some(call) = stacked {
        (pair.state, pair.note) = judged(&CHECKS[0], call);
        pair.call = Some(Arc::clone(call));
    } else if let Some([_, second]) = last_two {
        pair.state = State::Right;
        pair.note = String::new();
        pair.call = Some(Arc::clone(second));
    }
    list
}

impl State {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Right => "seen and right",
            Self::Wrong => "seen and wrong",
            Self::NotYet => "not yet",
        }
    }
}

/// As `GET /readiness/{t}` tells it.
pub(crate) fn to_json(tenant: &str, list: &[Behaviour]) -> Value {
    let count = |state| list.iter().filter(|one| one.state == state).count();
    let next = list
        .iter()
        .find(|one| one.state == State::NotYet && !one.dial.is_empty());
    let lines: Vec<Value> = list
        .iter()
        .map(|one| {
            json!({
                "behaviour": one.id,
                "title": one.title,
                "state": one.state.words(),
                "dial": one.dial,
                "note": one.note,
                "call": one.call.as_ref().map(|call| call.id()),
            })
        })
        .collect();
    json!({
        "tenant": tenant,
        "summary": {
            "right": count(State::Right),
            "wrong": count(State::Wrong),
            "not_yet": count(State::NotYet),
        },
        "next": next.map(|one| json!({"behaviour": one.id, "dial": one.dial, "note": one.note})),
        "behaviours": lines,
    })
}
