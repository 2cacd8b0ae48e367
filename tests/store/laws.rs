//! The law of every engine: whatever is asked, in whatever order, alone or at once, it
//! answers as the reference does.

use std::{future::Future, sync::Arc, time::Duration};

use callotp::{
    clock::{Clock, ManualClock, Timestamp},
    otp::{
        lockout::{LockKind, LockoutPolicy},
        store::{Claim, OtpStore, Tried},
        throttle::ThrottlePolicy,
    },
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    linear::{Event, is_linearizable},
    model::{Asked, Model, People, Rules, Said},
};

/// An engine under test.
pub(crate) trait Engine {
    /// An empty store that goes by `clock`.
    fn open(&self, clock: ManualClock) -> impl Future<Output = Arc<dyn OtpStore>>;

    /// The same store after its process has ended and another has started.
    fn restart(
        &self,
        store: Arc<dyn OtpStore>,
        clock: ManualClock,
    ) -> impl Future<Output = (Arc<dyn OtpStore>, Claims)>;
}

/// What becomes of claims when the process that holds them ends.
pub(crate) enum Claims {
    Kept,
    Ended,
}

/// One thing that happens in a run.
#[derive(Clone, Debug)]
enum Happening {
    Asked(Ask),
    AtOnce(Vec<Ask>),
    TimePasses(Duration),
    Sweep,
    Restart,
}

/// What is asked for; a claim is one of those given so far, the newest first.
#[derive(Clone, Debug)]
enum Ask {
    Plain(Asked),
    Consume { user: u8, newest: usize },
    Fail { user: u8, newest: usize },
    Release { user: u8, newest: usize },
}

/// Runs `cases` random histories against `engine`.
pub(crate) fn answers_as_the_reference<E: Engine>(engine: &E, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let histories = (rules(), prop::collection::vec(scene(), 1..40));
    let outcome = TestRunner::new(config).run(&histories, |(rules, history)| {
        runtime.block_on(run(engine, rules, history.concat()))
    });
    assert_eq!(outcome.map_err(|why| why.to_string()), Ok(()));
}

async fn run<E: Engine>(
    engine: &E,
    rules: Rules,
    history: Vec<Happening>,
) -> Result<(), TestCaseError> {
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let mut store = engine.open(clock.clone()).await;
    let people = People::of("t1");
    let mut model = Model::new(clock.now());
    let mut claims: Vec<(u8, Claim)> = Vec::new();
    for happening in history {
        match happening {
            Happening::TimePasses(by) => {
                clock.advance(by);
                model.advance(by);
            }
            Happening::Sweep => store.sweep().await.expect("a sweep"),
            Happening::Restart => {
                let (restarted, held) = engine.restart(store, clock.clone()).await;
                store = restarted;
                if let Claims::Ended = held {
                    model.end_claims();
                }
            }
            Happening::Asked(ask) => {
                let asked = ask.with(&claims, clock.now());
                let said = people.ask(&*store, &rules, &asked).await.expect("no fault");
                let expected = model.step(&rules, &asked, &said);
                prop_assert_eq!(&said, &expected, "{:?}", asked);
                note(&mut claims, &asked, &said);
            }
            Happening::AtOnce(asks) => {
                let asked: Vec<Asked> = asks
                    .iter()
                    .map(|ask| ask.with(&claims, clock.now()))
                    .collect();
                let events = at_once(&store, &people, rules, &asked).await;
                prop_assert!(
                    is_linearizable(&model, &rules, &events),
                    "no order explains {:#?}\nfrom {:#?}",
                    events,
                    model
                );
                for event in &events {
                    let said = event.said.as_ref().expect("answered");
                    note(&mut claims, &event.asked, said);
                }
                // Which of the orders it was shows only later: go on from a settled state.
                model = settle(&*store, &people, &rules, &clock).await;
            }
        }
    }
    Ok(())
}

/// Asks for everything at once, and waits for the answers.
async fn at_once(
    store: &Arc<dyn OtpStore>,
    people: &People,
    rules: Rules,
    asked: &[Asked],
) -> Vec<Event> {
    let tasks: Vec<_> = asked
        .iter()
        .map(|asked| {
            let (store, people, asked) = (store.clone(), people.clone(), asked.clone());
            tokio::spawn(async move {
                let said = people.ask(&*store, &rules, &asked).await;
                Event {
                    asked,
                    said: Some(said.expect("no fault")),
                    called: 0,
                    answered: 1,
                }
            })
        })
        .collect();
    let mut events = Vec::new();
    for task in tasks {
        events.push(task.await.expect("no panic"));
    }
    events
}

/// Lets so much time pass that nothing is left but what an administrator can end, and
/// ends that.
async fn settle(
    store: &dyn OtpStore,
    people: &People,
    rules: &Rules,
    clock: &ManualClock,
) -> Model {
    clock.advance(Duration::from_secs(3600));
    for user in 0..USERS {
        let unlock = Asked::Unlock {
            user,
            anywhere: true,
        };
        people.ask(store, rules, &unlock).await.expect("no fault");
    }
    Model::new(clock.now())
}

fn note(claims: &mut Vec<(u8, Claim)>, asked: &Asked, said: &Said) {
    if let (Asked::Try { user, .. }, Said::Tried(Tried::Right(claim))) = (asked, said) {
        claims.push((*user, *claim));
    }
}

impl Ask {
    /// With the claim filled in; one that was never given if there was none yet.
    fn with(&self, claims: &[(u8, Claim)], now: Timestamp) -> Asked {
        let given = |user: u8, newest: usize| {
            let mut own = claims.iter().rev().filter(|(owner, _)| *owner == user);
            own.nth(newest).map_or(Claim(0), |(_, claim)| *claim)
        };
        match *self {
            Self::Plain(Asked::Lock { user, until }) => Asked::Lock {
                user,
                until: until.map(|after| now.after(Duration::from_millis(after.as_millis()))),
            },
            Self::Plain(ref asked) => asked.clone(),
            Self::Consume { user, newest } => Asked::Consume {
                user,
                claim: given(user, newest),
            },
            Self::Fail { user, newest } => Asked::Fail {
                user,
                claim: given(user, newest),
            },
            Self::Release { user, newest } => Asked::Release {
                user,
                claim: given(user, newest),
            },
        }
    }
}

const USERS: u8 = 2;

fn rules() -> impl Strategy<Value = Rules> {
    let lockout = (1_u8..5, any::<bool>()).prop_map(|(failures, soft)| LockoutPolicy {
        failures,
        window: Duration::from_millis(1_000),
        duration: Duration::from_millis(2_000),
        kind: if soft { LockKind::Soft } else { LockKind::Hard },
    });
    let throttle = (2_u8..5).prop_map(|lookback| ThrottlePolicy {
        mean_interval: Duration::from_millis(400),
        lookback,
        quarantine: Duration::from_millis(2_500),
    });
    let hold = prop_oneof![Just(300), Just(3_000)].prop_map(Duration::from_millis);
    (1_u8..4, hold, lockout, throttle).prop_map(|(attempts, hold, lockout, throttle)| Rules {
        attempts,
        lifetime: Duration::from_millis(1_500),
        hold,
        lockout,
        throttle,
    })
}

/// Happenings that belong together, or any one.
fn scene() -> impl Strategy<Value = Vec<Happening>> {
    let login = prop::collection::vec(1_u8..3, 0..2).prop_map(|wrong| {
        let codes = wrong.into_iter().chain([0]);
        let tries = codes.map(|code| Asked::Try {
            user: 0,
            codes: vec![code],
        });
        let bind = Asked::Bind { user: 0, code: 0 };
        let asked = std::iter::once(bind).chain(tries).map(Ask::Plain);
        let consume = Ask::Consume { user: 0, newest: 0 };
        asked.chain([consume]).map(Happening::Asked).collect()
    });
    prop_oneof![1 => login, 6 => happening().prop_map(|happening| vec![happening])]
}

fn happening() -> impl Strategy<Value = Happening> {
    let a_while = prop_oneof![
        Just(1_u64),
        Just(299),
        Just(300),
        Just(400),
        Just(1_000),
        Just(1_500),
        1_u64..3_000
    ];
    prop_oneof![
        12 => ask().prop_map(Happening::Asked),
        1 => prop::collection::vec(ask(), 2..8).prop_map(Happening::AtOnce),
        3 => a_while.prop_map(|ms| Happening::TimePasses(Duration::from_millis(ms))),
        1 => Just(Happening::Sweep),
        1 => Just(Happening::Restart),
    ]
}

fn newest() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0_usize), 1 => Just(1)]
}

fn ask() -> impl Strategy<Value = Ask> {
    let until = prop::option::of((0_u64..4_000).prop_map(Timestamp::from_millis));
    // Mostly one user and one code, so that things happen to them.
    let user = prop_oneof![3 => Just(0_u8), 1 => 1..USERS];
    let code = prop_oneof![3 => Just(0_u8), 1 => 1_u8..3];
    let codes = prop_oneof![
        4 => code.clone().prop_map(|code| vec![code]),
        1 => prop::collection::vec(code.clone(), 2),
    ];
    prop_oneof![
        3 => (0_u8..2).prop_map(|number| Ask::Plain(Asked::Request { number })),
        5 => (user.clone(), code).prop_map(|(user, code)| Ask::Plain(Asked::Bind { user, code })),
        8 => (user.clone(), codes)
            .prop_map(|(user, codes)| Ask::Plain(Asked::Try { user, codes })),
        5 => (user.clone(), newest()).prop_map(|(user, newest)| Ask::Consume { user, newest }),
        3 => (user.clone(), newest()).prop_map(|(user, newest)| Ask::Fail { user, newest }),
        2 => (user.clone(), newest()).prop_map(|(user, newest)| Ask::Release { user, newest }),
        2 => user.clone().prop_map(|user| Ask::Plain(Asked::IsLocked { user })),
        2 => (user.clone(), any::<bool>())
            .prop_map(|(user, anywhere)| Ask::Plain(Asked::Unlock { user, anywhere })),
        1 => (user, until).prop_map(|(user, until)| Ask::Plain(Asked::Lock { user, until })),
        1 => Just(Ask::Plain(Asked::Locks)),
    ]
}
