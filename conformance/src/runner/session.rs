//! A run in progress: what a clause can do, and what the run remembers.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    contract,
    exchange::{Answer, ClientSide, Exchange, Framing, Request, Trouble, Wire},
    mask::Mask,
    secret::{Number, Otp},
    selection::Selection,
    target::{Auth, Target},
    text::{Text, quote},
};

/// The longest a target is given when it asks to come back later.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often a target that asks to come back later is asked again.
const RETURNS: u32 = 2;
/// The pause before a control is tried once more, when the network failed.
const PAUSE: Duration = Duration::from_millis(300);

/// After so many requests that stayed without a clear answer, it is no hiccup: repeating
/// once, and at once, will do.
const STUBBORN: u32 = 3;

/// A refusal, for the clauses that look at all of them.
#[derive(Clone)]
pub(crate) struct Refusal {
    pub(crate) clause: &'static str,
    pub(crate) exchange: Exchange,
    /// Does it carry the OTP that was issued last?
    pub(crate) carries_live: bool,
}

/// How the golden request stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    /// It was answered with an OTP, and nothing was sent since.
    Fresh,
    /// Something was sent since.
    Stale,
}

pub(crate) struct Session<'a> {
    pub(crate) target: &'a Target,
    pub(crate) selection: &'a Selection,
    pub(crate) mask: &'a Mask,
    pub(crate) wire: Wire,
    pub(crate) now: jiff::Timestamp,
    /// The clause that is being judged.
    pub(crate) clause: &'static str,
    /// The first golden request that was answered with an OTP; before there is one,
    /// the last that was not.
    pub(crate) first: Option<Exchange>,
    /// Was a control answered since the group of clauses began?
    pub(crate) opened: bool,
    /// Every OTP of the golden request, in order.
    pub(crate) otps: Vec<Otp>,
    /// Every refusal of a request that was wrong on purpose.
    pub(crate) refusals: Vec<Refusal>,
    /// How long every answer to a well-formed request took.
    pub(crate) times: Vec<Duration>,
    /// How many OTPs the target has issued.
    pub(crate) issued: u32,
    /// How many requests were sent.
    pub(crate) sent: u32,
    /// A slow request that was watched while another clause waited anyway.
    pub(crate) slow: Option<Exchange>,
    control: Control,
    /// How many requests got no clear answer however often they were sent.
    stubborn: u32,
    /// How many controls were lost one after the other.
    pub(crate) lost: u32,
    /// Why the last of them was lost.
    pub(crate) why_lost: String,
    next: Instant,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        target: &'a Target,
        selection: &'a Selection,
        mask: &'a Mask,
        now: jiff::Timestamp,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            target,
            selection,
            mask,
            wire: Wire::new(target, selection.timeout)?,
            now,
            clause: "golden.ok",
            first: None,
            opened: false,
            otps: Vec::new(),
            refusals: Vec::new(),
            times: Vec::new(),
            issued: 0,
            sent: 0,
            slow: None,
            stubborn: 0,
            control: Control::Stale,
            lost: 0,
            why_lost: String::new(),
            next: Instant::now(),
        })
    }

    /// The documented request for the known number.
    pub(crate) fn golden(&self) -> Request {
        self.asking(&self.target.known)
    }

    /// The golden request with another number.
    pub(crate) fn asking(&self, number: &Number) -> Request {
        self.with_body(number_body(number))
    }

    /// The golden request with another body.
    pub(crate) fn with_body(&self, body: Text) -> Request {
        documented(self.target, body)
    }

    /// Waits for the turn of the next request, and counts it.
    pub(crate) async fn turn(&mut self) {
        self.sent += 1;
        let now = Instant::now();
        if self.next > now {
            tokio::time::sleep_until(self.next).await;
        }
        let pause = self.selection.rate(self.target).pause();
        self.next = Instant::now().max(self.next) + pause;
    }

    /// Sends a request over a connection of its own, and takes note of the answer. A
    /// target that asks to come back later is asked again, a few times.
    pub(crate) async fn send(&mut self, request: &Request) -> Exchange {
        for _ in 0..RETURNS {
            let exchange = self.send_once(request).await;
            let wait = exchange.result.as_ref().ok().and_then(Answer::asks_to_wait);
            match wait {
                Some(wait) if wait <= LONGEST_WAIT => {
                    tokio::time::sleep(wait.max(Duration::from_millis(50))).await;
                }
                _ => return exchange,
            }
        }
        self.send_once(request).await
    }

    async fn send_once(&mut self, request: &Request) -> Exchange {
        if self.is_spent() {
            return Exchange {
                request: request.clone(),
                result: Err(Trouble::Budget),
                took: Duration::ZERO,
            };
        }
        self.turn().await;
        let exchange = self.wire.exchange(request).await;
        self.note(&exchange);
        exchange
    }

    /// Is the budget of OTPs spent?
    pub(crate) fn is_spent(&self) -> bool {
        self.issued >= self.selection.max_otp
    }

    /// Takes note of an exchange that a clause made over a connection of its own.
    pub(crate) fn note(&mut self, exchange: &Exchange) {
        self.control = Control::Stale;
        match &exchange.result {
            Ok(answer) => {
                self.times.push(answer.took());
                if let Some(otp) = answer.any_otp() {
                    self.mask.learn("otp", otp.expose());
                    self.issued += u32::from(answer.is_success());
                }
            }
            Err(Trouble::Timeout(_)) => self.times.push(exchange.took),
            Err(_) => {}
        }
    }

    /// Is the golden request the last that was sent, and was it answered with an OTP?
    pub(crate) fn is_fresh(&self) -> bool {
        self.control == Control::Fresh
    }

    /// Sends a request, and again where no clear answer came: once may be chance, and so
    /// may be twice in a row when the network is down for a moment.
    pub(crate) async fn send_patiently(&mut self, request: &Request) -> Exchange {
        let mut exchange = self.send(request).await;
        if exchange.is_unclear() && self.stubborn >= STUBBORN {
            return self.send(request).await;
        }
        for repeated in 0..RETURNS {
            // What hangs is asked once more only: each time costs the whole time-out.
            let hangs = repeated > 0 && matches!(exchange.result, Err(Trouble::Timeout(_)));
            if hangs || !exchange.is_unclear() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            exchange = self.send(request).await;
        }
        self.stubborn += u32::from(exchange.is_unclear());
        exchange
    }

    /// Sends the golden request, whatever came before.
    pub(crate) async fn send_golden(&mut self) -> Exchange {
        let exchange = self.send(&self.golden()).await;
        if self.otps.is_empty() {
            self.first = Some(exchange.clone());
        }
        if let Some(otp) = self.otp_of(&exchange) {
            self.otps.push(otp);
            self.control = Control::Fresh;
            self.opened = true;
            self.lost = 0;
        }
        exchange
    }

    /// The OTP of an answer that was meant to carry one.
    pub(crate) fn otp_of(&self, exchange: &Exchange) -> Option<Otp> {
        let answer = exchange.result.as_ref().ok()?;
        answer.is_success().then(|| answer.any_otp()).flatten()
    }

    /// Makes sure that the golden request is still answered with an OTP: the control
    /// without which a refusal proves nothing.
    ///
    /// # Errors
    /// In words, when it is not.
    pub(crate) async fn control(&mut self) -> Result<(), String> {
        if self.control == Control::Fresh {
            return Ok(());
        }
        let mut exchange = self.send_golden().await;
        if !self.is_fresh() && exchange.is_unclear() {
            tokio::time::sleep(PAUSE).await;
            exchange = self.send_golden().await;
        }
        match self.control {
            Control::Fresh => Ok(()),
            Control::Stale => {
                let why = self.why_lost(&exchange);
                self.lose(&why);
                Err(why)
            }
        }
    }

    /// Takes note of a control that was lost.
    pub(crate) fn lose(&mut self, why: &str) {
        self.lost += 1;
        why.clone_into(&mut self.why_lost);
    }

    fn why_lost(&self, exchange: &Exchange) -> String {
        let answered = self.otps.len();
        match &exchange.result {
            Err(Trouble::Budget) => format!(
                "the budget of {} OTPs is spent; raise --max-otp",
                self.selection.max_otp
            ),
            Err(trouble) => format!("the control failed: {trouble}"),
            Ok(answer) if answer.status() == 429 || answer.status() == 403 => format!(
                "the control was refused with {} after {answered} golden requests had been answered: \
                 most likely a throttle, a quarantine or a lock for this number or client; \
                 widen it for the test number, lower --rate, or wait",
                answer.status()
            ),
            Ok(answer) => format!(
                "the control was answered {} without an OTP",
                answer.status()
            ),
        }
    }

    /// Remembers a refusal for the clauses that look at all of them.
    pub(crate) fn remember(&mut self, exchange: &Exchange) {
        let live = self.otps.last();
        let answer = exchange.result.as_ref().ok();
        self.refusals.push(Refusal {
            carries_live: live
                .zip(answer)
                .is_some_and(|(otp, answer)| answer.carries(otp)),
            clause: self.clause,
            exchange: exchange.clone(),
        });
    }
}

/// `{ "phonenumber":"…" }`, spaced as the document's example is.
pub(crate) fn number_body(number: &Number) -> Text {
    Text::new(format!("{{ {}:", quote(contract::NUMBER_MEMBER)))
        .json_number(number)
        .plain(" }")
}

/// The value of the Authorization header.
pub(crate) fn credentials(auth: &Auth) -> Option<Text> {
    match auth {
        Auth::Basic { username, password } => Some(basic(username.expose(), password.expose())),
        Auth::Bearer(token) => Some(Text::new("Bearer ").secret("CALLOTP_TOKEN", token.expose())),
        Auth::Certificate(_) | Auth::Network => None,
    }
}

/// Basic credentials (RFC 7617 section 2).
pub(crate) fn basic(username: &str, password: &str) -> Text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let both = format!("{username}:{password}");
    Text::new("Basic ").secret("CALLOTP_BASIC", STANDARD.encode(both))
}

/// The documented request for the known number.
pub(crate) fn golden(target: &Target) -> Request {
    documented(target, number_body(&target.known))
}

/// The documented request, with this body.
fn documented(target: &Target, body: Text) -> Request {
    let mut headers = vec![
        ("Host".to_owned(), Text::new(target.url.authority())),
        (
            contract::TENANT_HEADER.to_owned(),
            Text::new(target.tenant.clone()),
        ),
        (
            contract::CONTENT_TYPE_HEADER.to_owned(),
            Text::new(contract::JSON),
        ),
        (
            "User-Agent".to_owned(),
            Text::new(concat!("callotp-conformance/", env!("CARGO_PKG_VERSION"))),
        ),
    ];
    if let Some(value) = credentials(&target.auth) {
        headers.push((contract::AUTHORIZATION_HEADER.to_owned(), value));
    }
    Request {
        method: contract::METHOD.to_owned(),
        path: target.url.path(contract::GET_OTP),
        headers,
        body,
        framing: Framing::Length,
        certificate: ClientSide::Own,
    }
}
