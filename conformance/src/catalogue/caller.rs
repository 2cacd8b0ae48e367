//! What binds the phone system that calls. Each clause has a name in code, by which
//! the judge of the mock finds it.

use super::{Clause, Level, Profile, Side};

pub(super) const CLAUSES: &[Clause] = &[
    PUT,
    PATH,
    TENANT,
    TYPE,
    AUTH,
    BODY,
    BODY_ONLY,
    NUMBER_PLAUSIBLE,
    NUMBER_WITHHELD,
    NUMBER_TEMPLATE,
    ONCE,
    NO_RETRY_AFTER_403,
    RETRY_BOUNDED,
    TIMEOUT,
    TLS_VERIFIED,
    CHECKS_STATUS,
    CHECKS_BODY,
    SPEAKS_DIGITS,
];

/// The caller uses PUT.
pub const PUT: Clause = Clause {
    id: "caller.put",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "uses PUT",
    source: "GETOTP L69",
    sent: "the method of every call",
    remedy: "send PUT. Asterisk: CURL() knows only GET and POST, use SHELL(curl -X PUT ...), an AGI or an ARI program. Twilio Studio: call a Function that sends the PUT. Or let the server accept POST (accept_post = true)",
};

/// The caller calls /api/authentication/getOTP exactly.
pub const PATH: Clause = Clause {
    id: "caller.path",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "calls /api/authentication/getOTP exactly",
    source: "GETOTP L71",
    sent: "the path of every call",
    remedy: "use the path as written, upper case OTP included, without a query",
};

/// The caller sends exactly one tenant value.
pub const TENANT: Clause = Clause {
    id: "caller.tenant",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends exactly one tenant value",
    source: "GETOTP L78",
    sent: "the tenant lines of every call",
    remedy: "set the tenant header once. Asterisk: every Set(CURLOPT(httpheader)=...) adds a line, so set it once before a loop and never inside it",
};

/// The caller sends Content-Type: application/json.
pub const TYPE: Clause = Clause {
    id: "caller.type",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends Content-Type: application/json",
    source: "GETOTP L77",
    sent: "the Content-Type of every call",
    remedy: "set the header yourself. Asterisk: setting any httpheader removes curl's own Content-Type. FreeSWITCH: give content-type application/json to the curl application",
};

/// The caller sends the configured credentials, once, on the first request.
pub const AUTH: Clause = Clause {
    id: "caller.auth",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends the configured credentials, once, on the first request",
    source: "GETOTP L79-84",
    sent: "the Authorization lines of every call",
    remedy: "send the credentials without waiting to be asked: a 403 carries no challenge",
};

/// The caller sends a JSON object with a string phonenumber.
pub const BODY: Clause = Clause {
    id: "caller.body",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends a JSON object with a string phonenumber",
    source: "GETOTP L88",
    sent: "the body of every call",
    remedy: "put the number in quotation marks: a JSON number loses its plus and its leading zeros",
};

/// The caller sends nothing else in that object.
pub const BODY_ONLY: Clause = Clause {
    id: "caller.body-only",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends nothing else in that object",
    source: "GETOTP L88",
    sent: "the members of every body",
    remedy: "leave further members out: the original server may take them for its own",
};

/// The caller sends a telephone number, with a plus if it can.
pub const NUMBER_PLAUSIBLE: Clause = Clause {
    id: "caller.number-plausible",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends a telephone number, with a plus if it can",
    source: "GETOTP L61",
    sent: "the number of every call",
    remedy: "send the number as the directory writes it, best as + and the country code. Asterisk: CALLERID(num). FreeSWITCH: caller_id_number",
};

/// The caller does not ask for a withheld caller.
pub const NUMBER_WITHHELD: Clause = Clause {
    id: "caller.number-withheld",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "does not ask for a withheld caller",
    source: "house",
    sent: "the number of every call",
    remedy: "check the presentation before calling, and tell the caller to show the number. Asterisk: CALLERPRES()",
};

/// The caller never sends a template that was not filled in.
pub const NUMBER_TEMPLATE: Clause = Clause {
    id: "caller.number-template",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "never sends a template that was not filled in",
    source: "house",
    sent: "the number of every call",
    remedy: "find the variable that was empty or misspelt, and do not call when it is empty",
};

/// The caller sends one request per call, with no doubled headers on the second request of a channel.
pub const ONCE: Clause = Clause {
    id: "caller.once",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "sends one request per call, with no doubled headers on the second request of a channel",
    source: "house",
    sent: "how often one number asks, and how often each header line stands",
    remedy: "ask once per telephone call; clear the headers between two requests of a channel",
};

/// The caller takes a 403 for an answer.
pub const NO_RETRY_AFTER_403: Clause = Clause {
    id: "caller.no-retry-after-403",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "takes a 403 for an answer",
    source: "GETOTP L114",
    sent: "what follows a 403",
    remedy: "do not repeat a refused request: the answer stays the same and the number is throttled",
};

/// The caller repeats at most once, and not sooner than 200 ms.
pub const RETRY_BOUNDED: Clause = Clause {
    id: "caller.retry-bounded",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "repeats at most once, and not sooner than 200 ms",
    source: "house",
    sent: "what follows a fault",
    remedy: "repeat once after a pause, then tell the caller to try later",
};

/// The caller gives up on a hung request within 10 s.
pub const TIMEOUT: Clause = Clause {
    id: "caller.timeout",
    side: Side::Caller,
    level: Level::Should,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "gives up on a hung request within 10 s",
    source: "house",
    sent: "how long the caller stays on a request that hangs",
    remedy: "set a time limit. Asterisk: CURLOPT(httptimeout)=5, or curl --max-time 5. Cisco: a connect and a read time-out",
};

/// The caller refuses a certificate with the wrong name.
pub const TLS_VERIFIED: Clause = Clause {
    id: "caller.tls-verified",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "refuses a certificate with the wrong name",
    source: "GETOTP L53",
    sent: "whether the caller goes on after a certificate for another name",
    remedy: "switch verification on. FreeSWITCH: validate-certs is off by default. Asterisk: ssl_verifypeer=1. Give it the CA instead of switching it off",
};

/// The caller speaks nothing after a 403 that carries a decoy code.
pub const CHECKS_STATUS: Clause = Clause {
    id: "caller.checks-status",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "speaks nothing after a 403 that carries a decoy code",
    source: "GETOTP L108",
    sent: "what is spoken after a 403 with a decoy",
    remedy: "look at the status before the body; curl -f hides the body of a 403 and -w %{http_code} shows the status",
};

/// The caller speaks nothing after a 200 without an OTP.
pub const CHECKS_BODY: Clause = Clause {
    id: "caller.checks-body",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "speaks nothing after a 200 without an OTP",
    source: "GETOTP L108",
    sent: "what is spoken after a 200 without an OTP",
    remedy: "check that otp is there and not empty before speaking",
};

/// The caller speaks the digits issued, leading zeros included.
pub const SPEAKS_DIGITS: Clause = Clause {
    id: "caller.speaks-digits",
    side: Side::Caller,
    level: Level::Must,
    raised: None,
    profile: Profile::Document,
    consent: None,
    text: "speaks the digits issued, leading zeros included",
    source: "GETOTP L120",
    sent: "what is spoken after a 200",
    remedy: "speak digit by digit from text. Asterisk: SayDigits, not SayNumber, and never through an integer variable",
};
