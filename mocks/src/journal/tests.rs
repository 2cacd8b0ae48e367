use super::*;
use crate::scenario::{Count, Expectation};

fn call(number: u64, calling: &str) -> Call {
    Call {
        number,
        at: number * 1_000,
        event: Event::Call,
        tenant: "t1".to_owned(),
        calling: Some(calling.to_owned()),
        head: bytes::Bytes::from_static(
            b"PUT /api/authentication/getOTP HTTP/1.1\r\ntenant: t1\r\n\r\n",
        ),
        body: bytes::Bytes::new(),
        system: "curl",
        findings: Vec::new(),
        answer: Answer::default(),
        closed_by_client_after_ms: None,
        duration_ms: 0,
        heard: None,
        note: None,
    }
}

fn journal(room: usize, calls: u64) -> Journal {
    let journal = Journal::bounded(room, MAX_BYTES);
    for _ in 0..calls {
        let number = journal.next_number();
        journal.enter(call(number, "+46701740605"));
    }
    journal
}

fn expect(count: Count, within: Option<u64>) -> Expectation {
    Expectation {
        number: Some("+46701740605".to_owned()),
        tenant: None,
        count,
        within: within.map(std::time::Duration::from_secs),
    }
}

#[test]
fn a_journal_keeps_the_newest_calls_within_its_bounds() {
    let journal = journal(3, 10);
    let numbers: Vec<u64> = journal.calls().iter().map(|call| call.number).collect();
    assert_eq!(numbers, [8, 9, 10]);
    assert_eq!(journal.dropped(), 7);
    let size = call(1, "+46701740605").size();
    let small = Journal::bounded(100, size * 2);
    for number in 1..=5 {
        small.enter(call(number, "+46701740605"));
    }
    assert_eq!(small.calls().len(), 2);
}

#[test]
fn a_dropped_call_and_one_that_never_was_are_told_apart() {
    let journal = journal(3, 10);
    assert!(matches!(journal.call(10), Found::Call(_)));
    assert!(matches!(journal.call(1), Found::Dropped));
    assert!(matches!(journal.call(11), Found::Never));
    assert!(matches!(journal.call(0), Found::Never));
}

#[test]
fn a_question_about_dropped_calls_is_unknown_unless_the_answer_is_certain() {
    let journal = journal(3, 10);
    let verify = |count, within| journal.verify(&expect(count, within), 10_000);
    assert!(matches!(verify(Count::Exactly(3), None), Outcome::Unknown));
    assert!(matches!(verify(Count::AtLeast(4), None), Outcome::Unknown));
    assert!(matches!(verify(Count::AtLeast(3), None), Outcome::Held(3)));
    assert!(matches!(
        verify(Count::Exactly(2), None),
        Outcome::Unmet { .. }
    ));
    assert!(matches!(
        verify(Count::Exactly(3), Some(2)),
        Outcome::Held(3)
    ));
    assert!(matches!(
        verify(Count::Exactly(4), Some(3)),
        Outcome::Unknown
    ));
}

#[test]
fn an_unmet_expectation_shows_the_closest_calls_first() {
    let journal = Journal::default();
    journal.enter(call(1, "+46701740699"));
    journal.enter(call(2, "+46701740615"));
    let Outcome::Unmet { found, closest } = journal.verify(&expect(Count::Exactly(1), None), 2_000)
    else {
        panic!("met");
    };
    assert_eq!(found, 0);
    assert_eq!(closest[0].call.number, 2);
    assert!(closest[0].mismatches[0].contains("+46701740615"));
}

#[test]
fn calls_that_cross_are_kept_in_their_order() {
    let journal = Journal::default();
    for number in [2, 1, 3] {
        journal.next_number();
        journal.enter(call(number, "1"));
    }
    let numbers: Vec<u64> = journal.calls().iter().map(|call| call.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn since_asks_for_what_came_after() {
    let journal = journal(3, 10);
    let ask = |since| {
        journal.ask(&Question {
            since: Some(since),
            ..Question::default()
        })
    };
    assert_eq!(ask(Since::Call(9)).calls.len(), 1);
    assert!(ask(Since::Call(7)).complete);
    assert!(!ask(Since::Call(6)).complete);
    assert_eq!(ask(Since::Moment(9_000)).calls.len(), 2);
    assert!(ask(Since::Moment(8_000)).complete);
    assert!(!ask(Since::Moment(7_000)).complete);
}
