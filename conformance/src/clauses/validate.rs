//! What an OTP is worth afterwards: whom it logs in, and how often.
//!
//! The control here is a golden request whose OTP then logs its user in. It follows
//! every attempt that must fail, so that a lock is seen, and so that a success in
//! between keeps a user from being locked out.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    catalogue::Consent,
    contract,
    exchange::{Exchange, Request, Trouble},
    runner::Session,
    secret::{Otp, Secret},
    selection::Selection,
    target::{Target, Validate},
    text::{Text, quote},
    verdict::{Finding, Found},
};

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
    let spoilers: [fn(&Otp) -> Otp; 3] = [spoil_last, spoil_first, |_| Otp::new("")];
    let mut finding = Finding::untested("nothing was sent");
    for spoil in spoilers {
        let otp = match issue(session).await {
            Ok(otp) => otp,
            Err(finding) => return finding.expecting(REFUSED),
        };
        let request = login(session, &validate, &spoil(&otp));
        let likely = "only a part of the OTP is compared";
        finding = refused(session, vec![request], Some(&otp), likely).await;
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
    // An empty password is the classic: LDAP calls a bind without one a success
    // (RFC 4513 section 5.1.2).
    for password in [WRONG, ""] {
        let otp = match issue(session).await {
            Ok(otp) => otp,
            Err(finding) => return finding.expecting(REFUSED),
        };
        let wrong = Secret::new(password);
        let name = validate.username.clone();
        let request = validation(session, &validate, &name, Some(&wrong), &otp);
        let likely = "the password is not checked";
        finding = refused(session, vec![request], Some(&otp), likely).await;
        if finding.found != Found::Held {
            return finding;
        }
    }
    finding
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
                Err(finding) => return finding.expecting(EXPECTED),
            };
            let request = login(session, &validate, &otp);
            let exchanges = at_once(session, &request).await;
            won = exchanges
                .iter()
                .filter(|one| one.status() == Some(200))
                .count();
            example = exchanges.into_iter().next_back();
            if won != 0 {
                break;
            }
        }
        got = format!("{won} of {RACERS} succeeded");
        if won != 1 {
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

/// The same request over many connections, all of them open before the first is sent.
async fn at_once(session: &mut Session<'_>, request: &Request) -> Vec<Exchange> {
    session.turn().await;
    let limit = session.wire.timeout();
    let exchanges = if session.wire.is_http2() {
        let wire = &session.wire;
        join_all((0..RACERS).map(|_| wire.exchange(request))).await
    } else {
        let wire = &session.wire;
        let connections = join_all((0..RACERS).map(|_| wire.connect(request.certificate))).await;
        join_all(connections.into_iter().map(|connection| async move {
            let begun = Instant::now();
            let result = match connection {
                Ok(mut connection) => connection.send(request, limit).await,
                Err(trouble) => Err(trouble),
            };
            Exchange {
                request: request.clone(),
                result,
                took: begun.elapsed(),
            }
        }))
        .await
    };
    let times = session.times.len();
    for exchange in &exchanges {
        session.note(exchange);
    }
    // Sixteen at once wait for one another; that is no latency of one call.
    session.times.truncate(times);
    exchanges
}

/// Sends validates that must not log anybody in, and the control after them: with an OTP
/// that should still be alive, if there is one, before a new one is asked for.
async fn refused(
    session: &mut Session<'_>,
    requests: Vec<Request>,
    alive: Option<&Otp>,
    likely: &'static str,
) -> Finding {
    let mut finding = Finding::untested("nothing was sent");
    for request in &requests {
        let exchange = session.send_patiently(request).await;
        finding = match &exchange.result {
            Ok(answer) if answer.is_success() => {
                return Finding::broken(format!("{}: logged in", answer.status()))
                    .answered([answer.status().to_string()])
                    .expecting(REFUSED)
                    .likely(likely)
                    .with(&exchange);
            }
            Ok(answer) if answer.is_fault() => Finding::broken(answer.status().to_string())
                .likely("an exception in the program instead of a refusal"),
            Ok(answer) => Finding::held(answer.status().to_string()),
            Err(Trouble::Budget) => Finding::untested(exchange.got()),
            Err(trouble) => Finding::broken(format!("no answer: {trouble}"))
                .likely("the program that answers ended with an exception instead of a refusal"),
        }
        .expecting(REFUSED)
        .with(&exchange)
        .provisional();
    }
    let validate = session.target.validate.clone();
    if let (Some(validate), Some(otp)) = (&validate, alive) {
        let exchange = session.send(&login(session, validate, otp)).await;
        if exchange.status() == Some(200) {
            return finding.settled();
        }
    }
    if let Some(validate) = validate
        && let Err(lost) = control(session, &validate).await
    {
        return finding.without_control(&lost.got);
    }
    finding.settled()
}

/// A golden request whose OTP logs its user in.
async fn control(session: &mut Session<'_>, validate: &Validate) -> Result<(), Finding> {
    let mut got = String::new();
    for _ in 0..2 {
        let otp = issue(session).await?;
        let exchange = session.send(&login(session, validate, &otp)).await;
        if exchange.status() == Some(200) {
            return Ok(());
        }
        got = exchange.got();
    }
    let why = format!("the control failed: a right login was answered {got}; is the user locked?");
    session.lose(&why);
    Err(Finding::untested(why))
}

async fn issue(session: &mut Session<'_>) -> Result<Otp, Finding> {
    let exchange = session.send_golden().await;
    if let Some(otp) = session.otp_of(&exchange) {
        return Ok(otp);
    }
    // One more try, in the words of the control.
    session.control().await.map_err(Finding::untested)?;
    session
        .otps
        .last()
        .cloned()
        .ok_or_else(|| Finding::untested("the target issued no OTP"))
}

fn login(session: &Session<'_>, validate: &Validate, otp: &Otp) -> Request {
    let name = &validate.username;
    validation(session, validate, name, validate.password.as_ref(), otp)
}

fn validation(
    session: &Session<'_>,
    validate: &Validate,
    name: &Secret,
    password: Option<&Secret>,
    otp: &Otp,
) -> Request {
    let mut body = Text::new(format!("{{{}:", quote(contract::USERNAME_MEMBER)))
        .json_secret("CALLOTP_USERNAME", name);
    if let Some(password) = password {
        body = body
            .plain(format!(",{}:", quote(contract::PASSWORD_MEMBER)))
            .json_secret("CALLOTP_PASSWORD", password);
    }
    body = body
        .plain(format!(",{}:", quote(contract::OTP_MEMBER)))
        .json_otp(otp)
        .plain("}");
    let path = session.target.url.path(&validate.operation);
    session.with_body(body).with_path(path)
}

fn spoil_last(otp: &Otp) -> Otp {
    let mut text = otp.expose().to_owned();
    let last = text.pop().unwrap_or('0');
    text.push(another(last));
    Otp::new(text)
}

fn spoil_first(otp: &Otp) -> Otp {
    let mut characters = otp.expose().chars();
    let first = characters.next().unwrap_or('0');
    Otp::new(format!("{}{}", another(first), characters.as_str()))
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
