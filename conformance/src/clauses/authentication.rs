//! Who the client is.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    contract,
    exchange::{ClientSide, Request, Trouble},
    runner::{Rule, Session, accepted, basic, refused},
    secret::Secret,
    target::Auth,
    text::Text,
    verdict::{Finding, Found},
};

/// A password, a user and a token that nobody has.
const WRONG: &str = "callotp-conformance-wrong";
const IGNORED: &str = "credentials are not looked at";

pub(super) async fn required(session: &mut Session<'_>) -> Finding {
    let request = match &session.target.auth {
        Auth::Certificate(_) => return certificate(session, ClientSide::Nothing).await,
        Auth::Basic { .. } | Auth::Bearer(_) | Auth::Network => {
            session.golden().without(contract::AUTHORIZATION_HEADER)
        }
    };
    let rule = Rule::no_otp("credentials are checked only when they are sent");
    let finding = refused(session, vec![request], rule).await;
    if finding.found != Found::Held {
        return finding;
    }
    let bare = |request: Request| request.without(contract::AUTHORIZATION_HEADER);
    let likely = "getOTP asks for credentials, and validate does not";
    super::validate::got_in(session, bare, likely)
        .await
        .unwrap_or(finding)
}

pub(super) async fn wrong(session: &mut Session<'_>) -> Finding {
    let values = match session.target.auth.clone() {
        Auth::Certificate(_) => return certificate(session, ClientSide::Stranger).await,
        Auth::Network => Vec::new(),
        Auth::Basic { username, password } => wrong_basic(&username, &password),
        Auth::Bearer(token) => wrong_bearer(&token),
    };
    // A control after every second: a success in between keeps a client from being locked out.
    let mut finding = Finding::untested("nothing was sent");
    for pair in values.chunks(2) {
        let requests = pair.iter().map(|value| authorized(session, value.clone()));
        let requests = requests.collect();
        finding = refused(session, requests, Rule::no_otp(IGNORED)).await;
        if finding.found != Found::Held {
            return finding;
        }
        if let Err(why) = session.control().await {
            return finding.without_control(&why);
        }
    }
    finding
}

fn wrong_basic(username: &Secret, password: &Secret) -> Vec<Text> {
    let (name, right) = (username.expose(), password.expose());
    // Up to its last colon when it has one: a colon ends the name, not the password
    // (RFC 7617 section 2).
    let end = right
        .rfind(':')
        .or(right.char_indices().next_back().map(|last| last.0));
    let cut = &right[..end.unwrap_or_default()];
    vec![
        basic(name, WRONG),
        basic(WRONG, right),
        // What is no base64 at all, and what is base64 and has no colon in it.
        Text::new("Basic %%%"),
        Text::new(format!("Basic {}", STANDARD.encode(WRONG))),
        basic(name, ""),
        basic("", ""),
        basic(name, cut),
        // A scheme nobody knows, with what would be right under its own.
        basic(name, right).replaced_start("Basic", "X-Callotp-Conformance"),
    ]
}

fn wrong_bearer(token: &Secret) -> Vec<Text> {
    let mut cut = token.expose().to_owned();
    cut.pop();
    vec![
        Text::new(format!("Bearer {WRONG}")),
        Text::new("Bearer ").secret("CALLOTP_TOKEN", cut),
        Text::new("Bearer"),
        Text::new("X-Callotp-Conformance ").secret("CALLOTP_TOKEN", token.expose()),
    ]
}

pub(super) async fn scheme_case(session: &mut Session<'_>) -> Finding {
    let spell = |scheme: &str| match &session.target.auth {
        Auth::Basic { username, password } => {
            let value = basic(username.expose(), password.expose());
            Some(value.replaced_start("Basic", scheme))
        }
        Auth::Bearer(token) => {
            Some(Text::new(format!("{scheme} ")).secret("CALLOTP_TOKEN", token.expose()))
        }
        Auth::Certificate(_) | Auth::Network => None,
    };
    let words = match &session.target.auth {
        Auth::Basic { .. } => ["BASIC", "basic"],
        _ => ["BEARER", "bearer"],
    };
    let requests: Vec<Request> = words
        .into_iter()
        .filter_map(spell)
        .map(|value| authorized(session, value))
        .collect();
    accepted(session, requests, "the scheme's name is compared with case").await
}

/// Another certificate: the handshake may be refused, which is a refusal like any other
/// as long as ours is accepted before and after.
async fn certificate(session: &mut Session<'_>, side: ClientSide) -> Finding {
    const EXPECTED: &str = "no OTP, or no connection";
    if !session.opened
        && let Err(why) = session.control().await
    {
        return Finding::untested(why).expecting(EXPECTED);
    }
    let mut request = session.golden();
    request.certificate = side;
    let exchange = session.send(&request).await;
    let finding = match &exchange.result {
        Ok(answer) if answer.any_otp().is_some() => {
            return Finding::broken(exchange.got())
                .expecting(EXPECTED)
                .likely("the certificate is asked for and not looked at")
                .with(&exchange);
        }
        Ok(answer) => {
            let got = answer.status().to_string();
            session.remember(&exchange);
            Finding::held(got)
        }
        Err(Trouble::Tls(why)) => Finding::held(format!("no connection: {why}")),
        Err(Trouble::Closed) => Finding::held("the connection is closed"),
        Err(trouble) => Finding::trouble(trouble),
    };
    finding.expecting(EXPECTED).with(&exchange).provisional()
}

fn authorized(session: &Session<'_>, value: Text) -> Request {
    session.golden().with(contract::AUTHORIZATION_HEADER, value)
}
