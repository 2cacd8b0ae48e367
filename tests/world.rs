//! The server in a world of random people, calls and faults, with time moved by hand.
//!
//! A law is held against a plain model: who has which number, which OTPs are live, who is
//! locked. One server and one directory live through all cases of a law; a day passes between
//! two cases, so that nothing of the one is left in the other. A case that fails shrinks, and
//! is kept in `world.regressions` beside this file.

use std::{cell::RefCell, time::Duration};

use callotp_mock::{
    ldap::{DirectoryFault, Effect, Flavour, Operation, Strikes, fault::result_named},
    people::{
        Fiction, Spelling, Status,
        strategy::{self, Event, Inhabitant},
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use self::model::{FAILURES, LOCKED_FOR, Source, World, owner};
use crate::stage::Answer;

mod model;

/// Cases per law and source.
const CASES: u32 = 100;

const SEARCHES: [Source; 2] = [
    Source::Search(Flavour::OpenLdap),
    Source::Search(Flavour::Ad),
];

const EVERY_SOURCE: [Source; 5] = [
    Source::Search(Flavour::OpenLdap),
    Source::Search(Flavour::Ad),
    Source::Index(Flavour::OpenLdap),
    Source::Index(Flavour::Ad),
    Source::Ldif,
];

/// Who lives in the world of one case, and what happens in it.
#[derive(Clone, Debug)]
struct Case {
    people: Vec<Inhabitant>,
    events: Vec<Event>,
}

fn case(event: impl Strategy<Value = Event>) -> impl Strategy<Value = Case> {
    let events = vec(event, 0..24);
    (inhabitants(5), events).prop_map(|(people, events)| Case { people, events })
}

/// People whose shared numbers are written in ways that a look-up by search asks for. In other
/// ways it finds a number only if nobody has it in these, so that it may take the first of two
/// owners for the only one; a look-up by index sees them all.
fn inhabitants(most: usize) -> impl Strategy<Value = Vec<Inhabitant>> {
    strategy::inhabitants(most).prop_map(|mut people| {
        let all: Vec<Fiction> = people.iter().flat_map(|one| one.numbers.clone()).collect();
        let is_shared = |number| all.iter().filter(|other| **other == number).count() > 1;
        for Inhabitant { person, numbers } in &mut people {
            for (text, number) in person.numbers.iter_mut().zip(numbers) {
                if is_shared(*number) {
                    *text = number.spelt(Spelling::National);
                }
            }
        }
        people
    })
}

fn without_faults() -> impl Strategy<Value = Event> {
    strategy::event().prop_filter("no fault", |event| !matches!(event, Event::Directory(_)))
}

/// Faults that have to be told as outages, or overlooked; most of them meet a login that has
/// come as far as its password. A search that the directory says it cannot do is none: the
/// server then leaves searches for unusual spellings out for a while, and takes a number that
/// is written in one for nobody's.
fn with_outages() -> impl Strategy<Value = Event> {
    let outages = ["busy", "unavailable"];
    let results = outages
        .iter()
        .filter_map(|name| result_named(name))
        .map(Effect::Result);
    let effects = results
        .chain([Effect::Reset, Effect::AnsweredTwice])
        .collect::<Vec<_>>();
    let operation = select(vec![
        Operation::Bind,
        Operation::Bind,
        Operation::Search,
        Operation::Any,
    ]);
    let strikes = prop_oneof![
        3 => Just(Strikes::Always),
        1 => (1_u64..4).prop_map(|nth| Strikes::Nth(nth..=nth)),
        1 => (0.1..=0.9).prop_map(Strikes::Probability),
    ];
    let fault = (operation, strikes, select(effects)).prop_map(|(operation, strikes, effect)| {
        DirectoryFault {
            operation,
            strikes,
            effect,
        }
    });
    prop_oneof![
        12 => without_faults(),
        3 => fault.prop_map(|fault| Event::Directory(Some(fault))),
        1 => Just(Event::Directory(None)),
    ]
}

#[test]
fn an_otp_reaches_its_user_alone_and_lets_that_user_in_once_in_time_with_the_password() {
    for source in EVERY_SOURCE {
        hold(source, "", &case(without_faults()), async |world, case| {
            for event in &case.events {
                world.happens(event).await?;
            }
            Ok(())
        });
    }
}

#[test]
fn no_fault_counts_as_a_failure_or_lets_anybody_in() {
    for source in SEARCHES {
        hold(
            source,
            "refusals = \"http\"",
            &case(with_outages()),
            async |world, case| {
                for event in &case.events {
                    world.happens(event).await?;
                }
                world.convalesces().await;
                world.counts_alike().await?;
                world.stage.clock.advance(LOCKED_FOR);
                world.serves_everybody().await
            },
        );
    }
}

#[test]
fn no_sequence_of_calls_makes_more_guesses_possible_than_the_limits_say() {
    // The worst case: the guesser knows the password, and somebody calls in all the time.
    let event = prop_oneof![
        (strategy::number(), strategy::spelling())
            .prop_map(|(number, spelling)| Event::Call { number, spelling }),
        (0_u8..3, 0_u32..1_000_000).prop_map(|(who, otp)| Event::Guess { who, otp }),
        (1_u64..20).prop_map(|seconds| Event::Wait(Duration::from_secs(seconds))),
    ];
    let crowded =
        (inhabitants(3), vec(event, 20..60)).prop_map(|(people, events)| Case { people, events });
    hold(SEARCHES[0], "", &crowded, async |world, case| {
        let before = world.asked;
        for event in &case.events {
            world.happens(event).await?;
        }
        // All of it fits into one window, so nobody's OTPs were compared with more wrong codes.
        let log = world.logged(world.asked).await;
        for at in 0..case.people.len() {
            let user = format!("\"u{at}\"");
            let lines = log.lines().skip(before).filter(|line| line.contains(&user));
            let compared = lines.filter(|line| line.contains("otp_wrong")).count();
            prop_assert!(compared <= FAILURES, "u{at}: {compared} guesses");
            let counted = world.guesses_compared[at];
            prop_assert_eq!(compared, counted, "u{}", at);
        }
        Ok(())
    });
}

#[test]
fn of_many_who_log_in_at_once_with_one_otp_exactly_one_gets_in() {
    let at_once =
        (inhabitants(2), 2_usize..8).prop_filter("somebody has a number", |(people, _)| {
            people[0].person.status == Status::Active
                && people[0]
                    .numbers
                    .iter()
                    .any(|number| owner(people, *number) == Some(0))
        });
    for source in EVERY_SOURCE {
        hold_any(
            source,
            "",
            &at_once,
            |(people, _)| people,
            async |world, (people, many)| {
                let mine = people[0]
                    .numbers
                    .iter()
                    .find(|number| owner(people, **number) == Some(0));
                let number = mine.expect("filtered for").e164();
                let otp = world.stage.otp(&number).await;
                let one = || world.stage.validate("u0", &people[0].person.password, &otp);
                let answers = futures_util::future::join_all((0..*many).map(|_| one())).await;
                let let_in = answers.iter().filter(|answer| answer.status == 200).count();
                prop_assert_eq!(let_in, 1);
                prop_assert!(
                    answers
                        .iter()
                        .all(|answer| matches!(answer.status, 200 | 403))
                );
                Ok(())
            },
        );
    }
}

#[test]
fn every_answer_is_one_the_contract_allows_and_in_time() {
    let fault = proptest::option::of(prop_oneof![
        9 => strategy::prompt_fault(),
        1 => Just(DirectoryFault::nth(Operation::Any, 1, Effect::Silent)),
        1 => Just(DirectoryFault::nth(Operation::Search, 1, Effect::Silent)),
    ]);
    let text = prop_oneof![
        (strategy::number(), strategy::spelling()).prop_map(|(number, how)| number.spelt(how)),
        "\\PC{0,30}",
        "[*()\\\\+0-9a-f\u{0}]{0,12}",
    ];
    let question = (any::<bool>(), text, fault);
    let case = (inhabitants(4), vec(question, 1..8));
    for source in SEARCHES {
        let quick = "request_timeout = \"400ms\"";
        hold_any(
            source,
            quick,
            &case,
            |(people, _)| people,
            async |world, (_, questions)| {
                for &(calls, ref text, ref fault) in questions {
                    world.directory.set_faults(fault.clone());
                    let asked = tokio::time::Instant::now();
                    let answer = match calls {
                        true => world.stage.get_otp(text).await,
                        false => world.stage.validate(text, text, "000000").await,
                    };
                    prop_assert!(asked.elapsed() < Duration::from_secs(3), "{answer:?}");
                    allowed(calls, &answer)?;
                }
                Ok(())
            },
        );
    }
}

/// The documented refusals: 403 for a call whatever the reason; an outage may show in a login.
fn allowed(calls: bool, answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        answer.header("cache-control"),
        Some("no-store"),
        "{:?}",
        answer
    );
    match answer.status {
        200 if calls => {
            let otp = answer.otp().unwrap_or_default();
            let shaped = otp.len() == 6 && otp.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert!(shaped, "{answer:?}");
        }
        403 => {}
        503 if !calls => {}
        _ => prop_assert!(false, "{answer:?}"),
    }
    prop_assert!(answer.status == 200 || answer.otp().is_none(), "{answer:?}");
    let refused = answer.status != 200;
    let problem = answer.header("content-type") == Some("application/problem+json");
    prop_assert_eq!(refused, problem, "{:?}", answer);
    Ok(())
}

/// Holds a law for every case of a strategy.
fn hold(
    source: Source,
    server: &str,
    cases: &impl Strategy<Value = Case>,
    law: impl AsyncFn(&mut World, &Case) -> Result<(), TestCaseError>,
) {
    hold_any(source, server, cases, |case| &case.people, law);
}

fn hold_any<C: std::fmt::Debug>(
    source: Source,
    server: &str,
    cases: &impl Strategy<Value = C>,
    people: impl Fn(&C) -> &Vec<Inhabitant>,
    law: impl AsyncFn(&mut World, &C) -> Result<(), TestCaseError>,
) {
    let runtime = Runtime::new().expect("a runtime");
    let world = RefCell::new(runtime.block_on(World::new(source, server)));
    let config = Config {
        cases: CASES,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(cases, |case| {
        let mut world = world.borrow_mut();
        runtime.block_on(async {
            world.dawns(people(&case)).await;
            law(&mut world, &case).await
        })
    });
    if let Err(error) = outcome {
        let log = world.borrow().stage.log();
        let tail: Vec<&str> = log.lines().rev().take(6).collect();
        panic!(
            "{source:?}: {error}\nlogged, the latest first:\n{}",
            tail.join("\n")
        );
    }
}
