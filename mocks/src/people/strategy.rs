//! Random people and random calls, as `proptest` strategies: few numbers and few names, so that
//! they meet, and every shrunk case can be read by a person.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{Fiction, Person, Spelling, Status};
use crate::{
    authority::Certificate,
    ldap::{DirectoryFault, Effect, Operation, Strikes, fault::result_named},
};

/// What the phone system says of a caller that withholds the number (`CONTRACT` section 2).
pub const WITHHELD: [&str; 16] = [
    "",
    "anonymous",
    "Anonymous",
    "restricted",
    "unknown",
    "unavailable",
    "private",
    "blocked",
    "anonymous@anonymous.invalid",
    "0",
    "0000000000",
    "+266696687",
    "+7378742833",
    "+8656696",
    "+2562533",
    "+86282452253",
];

/// What a phone system sends that did not fill its own template in.
pub const TEMPLATES: [&str; 3] = ["${CALLERID(num)}", "[Number]", "{{from}}"];

/// A person with the numbers that are meant, beside the way the directory writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inhabitant {
    /// As the directory has them.
    pub person: Person,
    /// What the person's numbers mean, in the same order.
    pub numbers: Vec<Fiction>,
}

/// A call, or another thing that happens in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody calls in.
    Call {
        /// Which number it is.
        number: Fiction,
        /// How the phone system writes it.
        spelling: Spelling,
    },
    /// Somebody calls in without saying from where, or the phone system says nonsense.
    Withheld(String),
    /// Somebody tries to log in with an OTP that was heard.
    LogIn {
        /// Who, by the order in the directory, over and over; the one whose OTP it is if absent.
        who: Option<u8>,
        /// Which of the OTPs heard so far: 0 is the latest.
        otp: u8,
        /// With the right password.
        right_password: bool,
    },
    /// Somebody guesses.
    Guess {
        /// Who, by the order in the directory, over and over.
        who: u8,
        /// What.
        otp: u32,
    },
    /// Time passes.
    Wait(Duration),
    /// The directory falls ill in this way, or recovers.
    Directory(Option<DirectoryFault>),
}

/// A number of the first dozen of the fiction range: few, so that they are shared.
pub fn number() -> impl Strategy<Value = Fiction> {
    let first = *Fiction::RANGE.start();
    (first..first + 12).prop_filter_map("reserved for fiction", Fiction::ending)
}

/// Any way to write a number.
pub fn spelling() -> impl Strategy<Value = Spelling> {
    select(Spelling::ALL.to_vec())
}

/// A name, in ASCII or not.
pub fn name() -> impl Strategy<Value = String> {
    let known = [
        "Ada Ek",
        "Åsa Öst",
        "Bo",
        "Zoë d'Arc",
        "Ольга Ким",
        "李 明",
        "محمد",
        "Ek, Ada (konsult)",
        "Anna *",
        "O\\Neil",
        "#1",
        "Ann  Li",
    ];
    prop_oneof![
        3 => select(known.to_vec()).prop_map(str::to_owned),
        1 => "[\\p{L}][\\p{L} .'-]{0,14}[\\p{L}]",
    ]
}

/// An account's status; most are active.
pub fn status() -> impl Strategy<Value = Status> {
    prop_oneof![6 => Just(Status::Active), 1 => Just(Status::Disabled)]
}

/// Up to `most` people with user names `u0`, `u1` and so on, some of whom share numbers.
pub fn inhabitants(most: usize) -> impl Strategy<Value = Vec<Inhabitant>> {
    let one = (name(), vec((number(), spelling()), 0..3), status());
    vec(one, 1..=most).prop_map(|people| {
        let numbered = people.into_iter().enumerate();
        numbered
            .map(|(at, (name, numbers, status))| Inhabitant {
                person: Person {
                    name,
                    username: format!("u{at}"),
                    password: format!("pass {at}"),
                    numbers: numbers
                        .iter()
                        .map(|(number, how)| number.spelt(*how))
                        .collect(),
                    status,
                },
                numbers: numbers.into_iter().map(|(number, _)| number).collect(),
            })
            .collect()
    })
}

/// What happens in the world, up to `most` events.
pub fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 0..=most)
}

/// One thing that happens.
pub fn event() -> impl Strategy<Value = Event> {
    let nobody = [&WITHHELD[..], &TEMPLATES].concat();
    prop_oneof![
        6 => (number(), spelling()).prop_map(|(number, spelling)| Event::Call { number, spelling }),
        1 => select(nobody).prop_map(|text| Event::Withheld(text.to_owned())),
        6 => (prop::option::weighted(0.3, 0_u8..8), 0_u8..3, prop::bool::weighted(0.8)).prop_map(|(who, otp, right_password)| {
            Event::LogIn { who, otp, right_password }
        }),
        2 => (0_u8..8, 0_u32..1_000_000).prop_map(|(who, otp)| Event::Guess { who, otp }),
        2 => (1_u64..400).prop_map(|seconds| Event::Wait(Duration::from_secs(seconds))),
        1 => proptest::option::of(prompt_fault()).prop_map(Event::Directory),
    ]
}

/// A fault with which a directory still answers at once, so that no test has to wait.
pub fn prompt_fault() -> impl Strategy<Value = DirectoryFault> {
    directory_fault().prop_filter("answers at once", |fault| {
        let slow = matches!(fault.effect, Effect::After(_) | Effect::Silent);
        !slow && fault.operation != Operation::Connect
    })
}

/// A fault as a scenario can have it.
pub fn directory_fault() -> impl Strategy<Value = DirectoryFault> {
    let results = [
        "busy",
        "unavailable",
        "referral",
        "sizeLimitExceeded",
        "timeLimitExceeded",
        "other",
    ];
    let effect = prop_oneof![
        3 => select(results.iter().filter_map(|name| result_named(name)).collect::<Vec<_>>())
            .prop_map(Effect::Result),
        1 => (1_u64..50).prop_map(|ms| Effect::After(Duration::from_millis(ms))),
        1 => Just(Effect::Silent),
        1 => Just(Effect::Reset),
        1 => Just(Effect::SecondEntry),
        1 => Just(Effect::AnsweredTwice),
    ];
    let strikes = prop_oneof![
        Just(Strikes::Always),
        (1_u64..4, 0_u64..3).prop_map(|(first, more)| Strikes::Nth(first..=first + more)),
        (0.0..=1.0).prop_map(Strikes::Probability),
    ];
    let operation = select(vec![Operation::Bind, Operation::Search, Operation::Any]);
    let struck = (operation, strikes.clone(), effect).prop_map(|(operation, strikes, effect)| {
        DirectoryFault {
            operation,
            strikes,
            effect,
        }
    });
    let certificates = [
        Certificate::WrongName,
        Certificate::Expired,
        Certificate::Untrusted,
    ];
    let connects = prop_oneof![
        Just(Effect::Silent),
        Just(Effect::Reset),
        select(certificates.to_vec()).prop_map(Effect::Certificate),
    ];
    let connect = (strikes, connects).prop_map(|(strikes, effect)| DirectoryFault {
        operation: Operation::Connect,
        strikes,
        effect,
    });
    prop_oneof![4 => struck, 1 => connect]
}
