//! Before any clause: is the target there, and is it described right? Most first
//! failures are wrong descriptions, not wrong servers, so each has its own finding
//! that says what to change.

use serde::{Deserialize, Serialize};

use crate::{
    contract,
    exchange::{Answer, ClientSide, Exchange, Trouble},
    runner::Session,
    target::Auth,
    text::Text,
};

/// One step of the way to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `address`, `connection`, `tls`, `http` or `golden`.
    pub step: String,
    /// Did it succeed?
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// What to change, when it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Step {
    fn good(step: &str, detail: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            ok: true,
            detail: detail.into(),
            advice: None,
        }
    }

    fn bad(step: &str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            ok: false,
            detail: detail.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Goes the whole way, up to the first step that fails.
pub(crate) async fn check(session: &mut Session<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for step in [address(session).await, connection(session).await] {
        let ok = step.ok;
        steps.push(step);
        if !ok {
            return steps;
        }
    }
    if session.target.url.tls {
        let step = tls(session).await;
        let ok = step.ok;
        steps.push(step);
        if !ok {
            return steps;
        }
    }
    let exchange = golden_request(session).await;
    match &exchange.result {
        Err(trouble) => steps.push(no_http(session, trouble)),
        Ok(answer) => {
            steps.push(Step::good(
                "http",
                format!("an HTTP answer, {}", answer.status()),
            ));
            steps.push(golden(session, &exchange, answer).await);
        }
    }
    steps
}

async fn address(session: &Session<'_>) -> Step {
    match session.wire.resolve().await {
        Ok(found) if found.is_empty() => Step::bad(
            "address",
            "the name has no address",
            "check the host in url",
        ),
        Ok(found) => Step::good("address", format!("{} found", found.len())),
        Err(trouble) => Step::bad(
            "address",
            trouble.to_string(),
            "check the host in url, and that this machine's name server knows it",
        ),
    }
}

async fn connection(session: &Session<'_>) -> Step {
    match session.wire.tcp().await {
        Ok(_) => Step::good("connection", format!("port {}", session.target.url.port)),
        Err(trouble) => Step::bad(
            "connection",
            trouble.to_string(),
            format!(
                "check the port in url ({}), that the server runs, and any firewall between",
                session.target.url.port
            ),
        ),
    }
}

async fn tls(session: &mut Session<'_>) -> Step {
    match session.wire.connect(ClientSide::Own).await {
        Ok(connection) => {
            let version = connection.version.unwrap_or_default();
            let version = version.replacen("TLSv", "TLS ", 1).replace('_', ".");
            Step::good("tls", format!("{version}, the certificate is good"))
        }
        Err(Trouble::Tls(why)) if why.contains("does not speak HTTP/1.1") => {
            match session.wire.use_http2(session.target) {
                Ok(()) => Step::good("tls", "the certificate is good; HTTP/2 alone is spoken"),
                Err(trouble) => Step::bad("tls", trouble.to_string(), "allow HTTP/1.1"),
            }
        }
        Err(trouble) => {
            let why = trouble.to_string();
            let advice = tls_advice(&why);
            Step::bad("tls", why, advice)
        }
    }
}

fn tls_advice(why: &str) -> &'static str {
    let advice = [
        (
            "is no TLS",
            "write http:// in url, or the port that speaks TLS",
        ),
        (
            "closed during the handshake",
            "see whether this port speaks TLS; if it speaks plain HTTP, write http:// in url",
        ),
        ("expired", "renew the server's certificate"),
        (
            "authority's own",
            "give that certificate with --ca (ca in the target file)",
        ),
        (
            "authority",
            "give the authority with --ca (ca in the target file), or send the intermediate certificates",
        ),
        (
            "another name",
            "use the name that is in the certificate as the host in url",
        ),
        (
            "wants a client certificate",
            "give one with --cert and --key (auth in the target file)",
        ),
        (
            "does not accept the client",
            "use a client certificate that the server's authority has signed",
        ),
        ("clock", "set the clocks of both machines"),
    ];
    advice
        .iter()
        .find(|(word, _)| why.contains(word))
        .map_or("check the server's TLS", |(_, advice)| advice)
}

/// The first golden request; a failure of the network is tried once more.
async fn golden_request(session: &mut Session<'_>) -> Exchange {
    let exchange = session.send_golden().await;
    match &exchange.result {
        Err(Trouble::Closed | Trouble::Cut | Trouble::Connection(_)) => session.send_golden().await,
        _ => exchange,
    }
}

fn no_http(session: &Session<'_>, trouble: &Trouble) -> Step {
    let advice = match trouble {
        Trouble::Timeout(_) => {
            "the server takes the connection and does not answer in time: see whether its directory \
             answers, or raise --timeout"
        }
        Trouble::Tls(why) => tls_advice(why),
        Trouble::Malformed(_) | Trouble::Closed | Trouble::Cut if !session.target.url.tls => {
            "see whether this port speaks HTTP; if it speaks TLS, write https:// in url"
        }
        Trouble::Endless(_) => "something else than this API answers here; check url",
        Trouble::Budget => "raise --max-otp",
        _ => "see the server's log for what ended the connection",
    };
    Step::bad("http", trouble.to_string(), advice)
}

async fn golden(session: &mut Session<'_>, exchange: &Exchange, answer: &Answer) -> Step {
    let status = answer.status();
    let bad = |detail: String, advice: String| Step::bad("golden", detail, advice);
    if answer.has_header("content-encoding") && !answer.lists("content-encoding", "identity") {
        return bad(
            format!("{status} with a compressed body, which was not asked for"),
            "switch compression off for clients that do not ask for it".to_owned(),
        );
    }
    match status {
        200..300 if answer.is_page() && session.otp_of(exchange).is_none() => bad(
            format!("{status} with a page for people, not an answer of this API"),
            "a login page, a portal or a proxy answers: check url, and that this machine may \
             pass it"
                .to_owned(),
        ),
        200..300 if session.otp_of(exchange).is_some() => {
            Step::good("golden", format!("{status} with an OTP"))
        }
        200..300 => Step::good(
            "golden",
            format!("{status} without an OTP; golden.body judges that"),
        ),
        300..400 => {
            let shown = answer.shown_header(session.mask, "location");
            let to = shown.map_or(String::new(), |location| format!(" to {location}"));
            bad(
                format!("{status}: a redirect{to}"),
                "write the final address in url; a redirect to a login page means that the API is \
                 not reached at all"
                    .to_owned(),
            )
        }
        401 => bad(
            format!("401: {}", challenge(session, answer)),
            credentials_advice(session),
        ),
        407 => bad(
            "407: a proxy wants credentials".to_owned(),
            "let this machine reach the target without that proxy".to_owned(),
        ),
        400 if !session.target.url.tls && answer.is_page() => bad(
            "400 with a page: most likely a port that speaks TLS".to_owned(),
            "write https:// in url".to_owned(),
        ),
        404 | 410 | 421 => bad(
            format!("{status}: there is no such path, or no such host"),
            format!(
                "check what stands before {} in url; some servers answer {status} to an unknown tenant \
                 or a refused client too",
                contract::GET_OTP_PATH
            ),
        ),
        405 | 501 => bad(
            format!("{status}: PUT is not taken here"),
            "check url; a proxy in between may let GET and POST through alone".to_owned(),
        ),
        415 => bad(
            "415: application/json is not taken here".to_owned(),
            "check url: this is hardly the API".to_owned(),
        ),
        429 => bad(
            "429: too many requests already".to_owned(),
            "wait, and widen the throttle for the test number; lower --rate".to_owned(),
        ),
        502..=504 => bad(
            format!(
                "{status}: a proxy answers for a server that does not, or the server's backend is down"
            ),
            "see whether the server behind the proxy, and its directory, are up".to_owned(),
        ),
        500.. => bad(
            format!("{status}: the server failed"),
            "see the server's log at this moment".to_owned(),
        ),
        _ => {
            let advice = classify(session, exchange).await;
            bad(format!("{status}: the golden request is refused"), advice)
        }
    }
}

fn challenge(session: &Session<'_>, answer: &Answer) -> String {
    match answer.shown_header(session.mask, "www-authenticate") {
        Some(scheme) => format!("credentials are wanted, {scheme}"),
        None => "credentials are wanted or wrong".to_owned(),
    }
}

fn credentials_advice(session: &Session<'_>) -> String {
    match &session.target.auth {
        Auth::Network => "give credentials: --basic, --bearer or --cert (auth in the target file)",
        Auth::Basic { .. } => "check the username and the password of --basic (auth.basic)",
        Auth::Bearer(_) => {
            "check the token of --bearer (auth.bearer): is it still valid, and for this API?"
        }
        Auth::Certificate(_) => "check that the server knows this client certificate",
    }
    .to_owned()
}

/// A refusal does not tell its reason. What tells it is which other mistake is answered
/// differently: that one is not being made.
async fn classify(session: &mut Session<'_>, golden: &Exchange) -> String {
    let number = session.asking(&session.target.unknown);
    let tenant = session.golden().with(
        contract::TENANT_HEADER,
        Text::new("callotp-conformance-no-such-tenant"),
    );
    let mut credentials = session.golden().without(contract::AUTHORIZATION_HEADER);
    credentials.certificate = ClientSide::Nothing;
    let mut differs = Vec::new();
    for request in [&credentials, &tenant, &number] {
        let exchange = session.send(request).await;
        differs.push(!alike(golden, &exchange));
    }
    let advice = match differs.as_slice() {
        [_, _, true] => {
            "the number is treated differently from an unknown one: the user may be locked, \
            disabled or throttled"
        }
        [_, true, false] => {
            "credentials and tenant are accepted, it seems: check the known number (--phone), \
            as the directory writes it"
        }
        [true, false, _] => {
            "the credentials are accepted, it seems: check the tenant (--tenant), and that its list \
            of operations holds getOTP"
        }
        _ => {
            "every mistake is answered alike, so it may be any of: the credentials (auth), the tenant, \
            its list of operations, the known number as the directory writes it, a throttle or a lock; \
            the server's log knows which"
        }
    };
    advice.to_owned()
}

fn alike(one: &Exchange, other: &Exchange) -> bool {
    let features = |exchange: &Exchange| {
        exchange.result.as_ref().ok().map(|answer| {
            let names = answer.features().into_iter().map(|(name, _)| name);
            (answer.status(), names.collect::<Vec<_>>())
        })
    };
    features(one) == features(other)
}
