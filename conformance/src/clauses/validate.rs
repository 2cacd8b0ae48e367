//! What an OTP is worth afterwards: whom it logs in, and how often.
//!
//! The control here is a golden request whose OTP then logs its user in. It follows
//! every attempt that must fail, so that a lock is seen, and so that a success in
//! between keeps a user from being locked out.

mod login;

use std::time::Duration;

use crate::{
    catalogue::Consent,
    contract,
    exchange::Request,
    runner::Session,
    secret::{Otp, Secret},
    selection::Selection,
    target::{Target, Validate},
    text::Text,
    verdict::{Finding, Found},
};
use login::{at_once, control, issue, login, refused, validation};

/// How many validates run at once, and how often.
const RACERS: usize = 16;
const RACES: usize = 2;
/// The longest lifetime that is waited for without consent, and ever.
const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(15 * 60);
const WRONG: &str = "callotp-conformance-wrong";
const REFUSED: &str = "no login: any answer but a success";

/// Why a clause has nothing to judge on this target.
pub(super) fn not_applicable(id: &str, target: &Target, selection: &Selection) -> Option<String> {
    let Some(validate) = &target.validate else {
        return Some("the target names no validate operation".to_owned());
    };
    let why = match (id, validate.lifetime) {
        ("validate.wrong-password", _) if validate.password.is_none() => {
            "the target names no password"
        }
        ("validate.expired", None) => "the target names no lifetime",
        ("validate.expired", Some(lifetime)) if lifetime > LONG => {
            "more than 15 minutes are not waited for"
        }
        ("validate.expired", Some(lifetime))
            if lifetime > SHORT && !selection.permits(Consent::Wait, target) =>
        {
            "more than 10 s to wait needs consent: --allow wait"
        }
        _ => return None,
    };
    Some(why.to_owned())
}

pub(super) async fn ok(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "200";
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let mut last = None;
    // A hiccup on the way gets a second chance.
    for _ in 0..2 {
        let otp = match issue(session).await {
            Ok(otp) => otp,
            Err(finding) => return finding.expecting(EXPECTED),
        };
        let exchange = session.send(&login(session, &validate, &otp)).await;
        if exchange.status() == Some(200) {
            return Finding::held("200").expecting(EXPECTED).with(&exchange);
        }
        last = Some(exchange);
    }
    match last {
        Some(exchange) => match &exchange.result {
            Ok(_) => Finding::broken(exchange.got()).likely(
                "the OTP is not bound to the user whose number this is, \
                 or the username or the password in the target's description is wrong",
            ),
            Err(trouble) => Finding::trouble(trouble),
        }
        .expecting(EXPECTED)
        .with(&exchange),
        None => Finding::untested("nothing was sent"),
    }
}

pub(super) async fn once(session: &mut Session<'_>) -> Finding {
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let otp = match issue(session).await {
        Ok(otp) => otp,
        Err(finding) => return finding.expecting(REFUSED),
    };
    let request = login(session, &validate, &otp);
    let first = session.send(&request).await;
    if first.status() != Some(200) {
        return Finding::untested(format!("the first login was answered {}", first.got()))
            .expecting(REFUSED)
            .with(&first);
    }
    let rest = vec![request];
    refused(session, rest, None, "the OTP is compared and not used up").await
}

pub(super) async fn other_user(session: &mut Session<'_>) -> Finding {
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let (name, password) = match &validate.other {
        Some((name, password)) => (name.clone(), password.clone()),
        None => (
            Secret::new("callotp-conformance-nobody"),
            validate.password.clone(),
        ),
    };
    let otp = match issue(session).await {
        Ok(otp) => otp,
        Err(finding) => return finding.expecting(REFUSED),
    };
    let request = validation(session, &validate, &name, password.as_ref(), &otp);
    let likely = "the OTP is looked for among all, not with its user";
    let finding = refused(session, vec![request], Some(&otp), likely).await;
    if finding.found != Found::Held {
        return finding;
    }
    // The other way round: an OTP of somebody else must not log this user in.
    match foreign_otp(session).await {
        Some(otp) => {
            let request = login(session, &validate, &otp);
            refused(session, vec![request], None, likely).await
        }
        None if validate.other.is_none() => Finding {
            got: format!(
                "{} (with a made-up user; name a second test user to see more)",
                finding.got
            ),
            ..finding
        },
        None => finding,
    }
}

/// An OTP that belongs to a user of another tenant, where the target has one.
async fn foreign_otp(session: &mut Session<'_>) -> Option<Otp> {
    let other = session.target.other_tenant.clone()?;
    let request = session
        .asking(&other.known)
        .with(contract::TENANT_HEADER, Text::new(other.id));
    let exchange = session.send(&request).await;
    session.otp_of(&exchange)
}

pub(super) async fn wrong_otp(session: &mut Session<'_>) -> Finding {
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let mut finding = Finding::untested("nothing was sent");
    // Two wrong ones, then the right one: fewer than any limit of attempts or failures.
    for spoilers in SPOILERS.chunks(2) {
        let otp = match issue(session).await {
            Ok(otp) => otp,
            Err(finding) => return finding.expecting(REFUSED),
        };
        let wrong = spoilers.iter().map(|spoil| spoil(&otp));
        let requests = wrong
            .filter(|wrong| *wrong != otp)
            .map(|wrong| login(session, &validate, &wrong))
            .collect();
        let likely = "only a part of the OTP is compared, or its value as a number";
        finding = refused(session, requests, Some(&otp), likely).await;
        if finding.found != Found::Held {
            return finding;
        }
    }
    finding
}

pub(super) async fn wrong_password(session: &mut Session<'_>) -> Finding {
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let mut finding = Finding::untested("nothing was sent");
    for pair in wrong_passwords(&validate).chunks(2) {
        let otp = match issue(session).await {
            Ok(otp) => otp,
            Err(finding) => return finding.expecting(REFUSED),
        };
        let name = validate.username.clone();
        let requests = pair
            .iter()
            .map(|wrong| validation(session, &validate, &name, Some(wrong), &otp))
            .collect();
        let likely = "the password is not checked, or in part only";
        finding = refused(session, requests, Some(&otp), likely).await;
        if finding.found != Found::Held {
            return finding;
        }
    }
    finding
}

/// Passwords that are not the user's. An empty one is the classic: LDAP calls a bind
/// without one a success (RFC 4513 section 5.1.2).
fn wrong_passwords(validate: &Validate) -> Vec<Secret> {
    let mut wrong = vec![Secret::new(WRONG), Secret::new("")];
    let Some(right) = &validate.password else {
        return wrong;
    };
    let right = right.expose();
    wrong.push(Secret::new(format!("{right}x")));
    let swapped: String = right
        .chars()
        .map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect();
    let of_other = validate
        .other
        .as_ref()
        .and_then(|(_, password)| password.clone());
    let more = [Some(Secret::new(swapped)), of_other];
    wrong.extend(more.into_iter().flatten());
    wrong.retain(|password| password.expose() != right);
    wrong
}

/// A right login of the known user with one change that must keep it out, when the target
/// validates at all: the finding when it got in.
pub(super) async fn got_in(
    session: &mut Session<'_>,
    change: impl FnOnce(Request) -> Request,
    likely: &'static str,
) -> Option<Finding> {
    let validate = session.target.validate.clone()?;
    let otp = issue(session).await.ok()?;
    let request = change(login(session, &validate, &otp));
    let exchange = session.send(&request).await;
    let answer = exchange.result.as_ref().ok()?;
    if answer.is_success() {
        let got = format!("{}: logged in", answer.status());
        let finding = Finding::broken(got).expecting(REFUSED).likely(likely);
        return Some(finding.with(&exchange));
    }
    None
}

pub(super) async fn replaced(session: &mut Session<'_>) -> Finding {
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    for _ in 0..2 {
        let (older, newer) = match (issue(session).await, issue(session).await) {
            (Ok(older), Ok(newer)) => (older, newer),
            (Err(finding), _) | (_, Err(finding)) => return finding.expecting(REFUSED),
        };
        if older != newer {
            let request = login(session, &validate, &older);
            let likely = "the newer OTP is kept beside the older one";
            return refused(session, vec![request], Some(&newer), likely).await;
        }
    }
    Finding::not_applicable("the target gives the same OTP twice, so that none is older")
}

pub(super) async fn expired(session: &mut Session<'_>) -> Finding {
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let Some(lifetime) = validate.lifetime else {
        return without();
    };
    let otp = match issue(session).await {
        Ok(otp) => otp,
        Err(finding) => return finding.expecting(REFUSED),
    };
    // A second for clocks and rounding, and a tenth of what was promised.
    let wait = lifetime + lifetime / 10 + Duration::from_millis(500);
    super::limits::wait_and_watch(session, wait).await;
    let request = login(session, &validate, &otp);
    refused(
        session,
        vec![request],
        None,
        "the OTP has no end, or a later one",
    )
    .await
}

pub(super) async fn race(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "exactly one success";
    let Some(validate) = session.target.validate.clone() else {
        return without();
    };
    let mut got = String::new();
    for _ in 0..RACES {
        let (mut won, mut example) = (0, None);
        // Nobody may win when the network fails; that is tried once more.
        for _ in 0..2 {
            let otp = match issue(session).await {
                Ok(otp) => otp,
                // The losers of the race before may have locked the user: one race is enough.
                Err(_) if !got.is_empty() => return Finding::held(got).expecting(EXPECTED),
                Err(finding) => return finding.expecting(EXPECTED),
            };
            let request = login(session, &validate, &otp);
            let exchanges = at_once(session, &request, RACERS).await;
            won = exchanges
                .iter()
                .filter(|one| one.status() == Some(200))
                .count();
            example = exchanges.into_iter().next_back();
            if won != 0 {
                break;
            }
        }
        let got_before = std::mem::replace(&mut got, format!("{won} of {RACERS} succeeded"));
        if won != 1 {
            // Locked after the first race, or something is wrong before it.
            if won == 0 && !got_before.is_empty() {
                return Finding::held(got_before).expecting(EXPECTED);
            }
            if won == 0
                && let Err(finding) = control(session, &validate).await
            {
                return finding.expecting(EXPECTED);
            }
            let finding = Finding::broken(got)
                .answered([format!("{won} successes")])
                .expecting(EXPECTED)
                .likely("comparing and deleting are two steps, and others get in between");
            return match &example {
                Some(exchange) => finding.with(exchange),
                None => finding,
            };
        }
    }
    Finding::held(got).expecting(EXPECTED)
}

/// Ways to spoil an OTP; none of them may log anybody in.
const SPOILERS: [fn(&Otp) -> Otp; 6] = [
    |otp| spoilt(otp, otp.len().saturating_sub(1)),
    |otp| spoilt(otp, 0),
    |otp| spoilt(otp, otp.len() / 2),
    |_| Otp::new(""),
    // With more behind it, and with a zero in front, which a number loses.
    |otp| Otp::new(format!("{}0", otp.expose())),
    |otp| Otp::new(format!("0{}", otp.expose())),
];

/// The OTP with another character at one place.
fn spoilt(otp: &Otp, place: usize) -> Otp {
    let characters = otp.expose().chars().enumerate();
    Otp::new(
        characters
            .map(|(at, c)| if at == place { another(c) } else { c })
            .collect::<String>(),
    )
}

fn another(c: char) -> char {
    match c {
        '0'..='8' => char::from_u32(u32::from(c) + 1).unwrap_or('0'),
        '9' => '0',
        'a' => 'b',
        _ => 'a',
    }
}

fn without() -> Finding {
    Finding::untested("the target names no validate operation")
}
