//! Magic numbers: what someone at a telephone can try without an administration
//! call, by the last four digits of a fiction number 070-174 06 xx.

use std::time::Duration;

use crate::scenario::{
    Fault, Place, Rate,
    fault::{DEFAULT_BREAK, DEFAULT_DRIBBLE},
};

/// What a magic number does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Answers with an OTP of this shape.
    Issue(Shape),
    /// The fault on top of the answer an ordinary user gets.
    Fault(Fault),
    /// A refusal whose body carries a code that nobody may speak.
    Decoy,
    /// A real limit, then 429.
    Limit(Rate),
    /// 503, and an answer on the second try.
    SecondTry,
    /// An ordinary refusal.
    Unknown,
}

/// What an OTP or its body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As the tenant has it.
    Ordinary,
    /// A zero first.
    LeadingZero,
    /// A digit that is said several times in a row.
    Repeated,
    /// Ten digits.
    TenDigits,
    /// `otp` as a JSON number.
    Number,
    /// Further members beside it.
    FurtherMembers,
}

/// Those whose owner is in the default directory: the others are refused, or fail before it is asked.
pub(crate) const OWNED: [u8; 17] = [
    5, 6, 7, 8, 23, 24, 31, 40, 41, 42, 50, 51, 52, 53, 54, 55, 60,
];

/// What the fiction number with these last two digits does.
pub(crate) fn effect(end: u8) -> Option<Effect> {
    let seconds = Duration::from_secs;
    Some(match end {
        5 => Effect::Issue(Shape::Ordinary),
        6 => Effect::Issue(Shape::LeadingZero),
        7 => Effect::Issue(Shape::Repeated),
        8 => Effect::Issue(Shape::TenDigits),
        10 => status(403, Some("")),
        11 => Effect::Decoy,
        12 => status(401, None),
        13 => status(404, None),
        14 => status(500, None),
        20 => body("{}", "application/json"),
        21 => Effect::Fault(Fault::Empty),
        22 => body(LOGIN_PAGE, "text/html"),
        23 => Effect::Issue(Shape::Number),
        24 => Effect::Issue(Shape::FurtherMembers),
        30 => status(503, None),
        31 => Effect::Limit(Rate {
            calls: 3,
            within: seconds(10),
        }),
        40 => Effect::Fault(Fault::Delay(Some(Duration::from_millis(2500)))),
        41 => Effect::Fault(Fault::Delay(Some(seconds(6)))),
        42 => Effect::Fault(Fault::Delay(None)),
        50 => Effect::Fault(Fault::Reset(Place::Before, 0)),
        51 => Effect::Fault(Fault::Reset(Place::Body, DEFAULT_BREAK)),
        52 => Effect::Fault(Fault::ShortLength),
        53 => Effect::Fault(Fault::Dribble(DEFAULT_DRIBBLE, Place::Before)),
        54 => Effect::Fault(Fault::Garbage),
        55 => Effect::Fault(Fault::BadChunk),
        60 => Effect::SecondTry,
        99 => Effect::Unknown,
        _ => return None,
    })
}

/// What a proxy or a captive portal answers instead of the server.
const LOGIN_PAGE: &str =
    "<!doctype html><html><title>Sign in</title><body><h1>Please sign in</h1></body></html>";

fn status(status: u16, body: Option<&str>) -> Effect {
    Effect::Fault(Fault::Status {
        status,
        body: body.map(str::to_owned),
        retry_after: None,
    })
}

fn body(body: &str, content_type: &str) -> Effect {
    Effect::Fault(Fault::Body {
        status: 200,
        body: body.to_owned(),
        content_type: content_type.to_owned(),
    })
}

/// The number as Swedes write it.
pub(crate) fn national(end: u8) -> String {
    format!("070-174 06 {end:02}")
}

/// The number in E.164.
pub(crate) fn e164(end: u8) -> String {
    format!("+467017406{end:02}")
}
