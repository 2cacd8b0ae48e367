//! The correct endpoint: what it knows, and how it decides. A defect changes one decision.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{Credentials, Defect, LIFETIME, Manner, Refusal, otps::Otps};
use crate::contract;

/// A user.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) tenant: String,
    pub(crate) username: &'static str,
    pub(crate) password: String,
    /// As digits with a plus.
    pub(crate) number: String,
}

/// Whom and what an endpoint knows.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) persons: Vec<Person>,
    /// The client: username and password, or a token as the password.
    pub(crate) client: (String, String),
    pub(crate) operations: Vec<String>,
    pub(crate) prefix: String,
    pub(crate) lifetime: Duration,
}

impl People {
    pub(super) fn made_up() -> Self {
        let person = |tenant: &str, username, password: &str, number: &str| Person {
            tenant: tenant.to_owned(),
            username,
            password: password.to_owned(),
            number: number.to_owned(),
        };
        Self {
            persons: vec![
                person("t1", "ada", "correct horse", "+46701740605"),
                person("t1", "bo", "battery staple", "+46701740606"),
                person("t2", "cy", "tenant two", "+46701740610"),
            ],
            client: ("pbx".to_owned(), "opensesame".to_owned()),
            operations: vec!["getOTP".to_owned(), "validate".to_owned()],
            prefix: String::new(),
            lifetime: LIFETIME,
        }
    }
}

/// A request as it was received.
pub(super) struct Received {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// An answer to be written.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// Is the connection closed instead?
    pub(super) dropped: bool,
}

pub(super) struct World {
    pub(super) people: People,
    pub(super) manner: Manner,
    pub(super) defect: Option<Defect>,
    otps: Mutex<Otps>,
    answered: Mutex<u32>,
}

type Decision<T> = Result<T, Reply>;

impl World {
    pub(super) fn new(people: People, manner: Manner, defect: Option<Defect>) -> Self {
        Self {
            people,
            manner,
            defect,
            otps: Mutex::default(),
            answered: Mutex::default(),
        }
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: &Received) -> Reply {
        let mut reply = match self.decide(request).await {
            Ok(reply) | Err(reply) => reply,
        };
        if self.has(Defect::EchoesCredentials) && reply.status != 200 {
            let sent = request.header("authorization").unwrap_or_default();
            reply.body = json!({ "status": 403, "sent": sent }).to_string();
        }
        reply
    }

    async fn decide(&self, request: &Received) -> Decision<Reply> {
        if self.has(Defect::RefusesEverything) {
            return Err(self.refusal(403));
        }
        if self.has(Defect::IssuesToEverything) {
            return Ok(self.issue(&self.people.persons[0]));
        }
        self.throttle()?;
        self.method(request)?;
        let operation = self.operation(request)?;
        let validates = operation != contract::GET_OTP;
        if !(validates && self.has(Defect::ValidatesForAnyClient)) {
            self.client(request)?;
        }
        let tenant = match validates && self.has(Defect::ValidatesUnderAnyTenant) {
            true => "t1".to_owned(),
            false => self.tenant(request)?,
        };
        self.media_type(request)?;
        if self.has(Defect::RefusesCacheControl) && request.header("cache-control").is_some() {
            return Err(self.refusal(403));
        }
        if validates {
            return self.validate(request, &tenant).await;
        }
        let number = self.number(request)?;
        self.get_otp(&tenant, &number)
    }

    fn throttle(&self) -> Decision<()> {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered += 1;
        match self.has(Defect::ThrottlesAfterThree) && *answered > 3 {
            true => Err(self.refusal(403)),
            false => Ok(()),
        }
    }

    fn method(&self, request: &Received) -> Decision<()> {
        if request.method == contract::METHOD || self.has(Defect::AcceptsAnyMethod) {
            return Ok(());
        }
        Err(match self.has(Defect::MethodNotAllowedWithoutAllow) {
            true => self.refusal(405),
            false => self.refusal(403),
        })
    }

    fn operation(&self, request: &Received) -> Decision<String> {
        let path = request
            .path
            .strip_prefix(&self.people.prefix)
            .and_then(|path| path.strip_prefix(contract::PATH_PREFIX))
            .unwrap_or_default();
        let operation = match path.strip_suffix('/') {
            Some(_) if self.has(Defect::RefusesTrailingSlash) => return Err(self.refusal(403)),
            Some(operation) => operation,
            None => path,
        };
        match self
            .people
            .operations
            .iter()
            .any(|known| known == operation)
        {
            true => Ok(operation.to_owned()),
            false if self.has(Defect::AcceptsAnyOperation) => Ok(contract::GET_OTP.to_owned()),
            false => Err(self.refusal(403)),
        }
    }

    fn client(&self, request: &Received) -> Decision<()> {
        if self.has(Defect::IgnoresCredentials) || self.manner.credentials == Credentials::None {
            return Ok(());
        }
        let refused = || Err(self.refusal(self.manner.unauthorized));
        let Some(value) = self.header(request, "Authorization") else {
            return match self.has(Defect::ChecksCredentialsOnlyWhenSent) {
                true => Ok(()),
                false => refused(),
            };
        };
        let (scheme, credential) = value.split_once(' ').unwrap_or((value, ""));
        let (name, secret) = &self.people.client;
        let (wanted, right) = match self.manner.credentials {
            Credentials::Bearer => ("Bearer", credential == secret),
            _ => {
                let decoded = STANDARD.decode(credential).unwrap_or_default();
                let given = String::from_utf8_lossy(&decoded).into_owned();
                let named = self.has(Defect::ComparesUsernameOnly)
                    && given.starts_with(&format!("{name}:"));
                ("Basic", named || given == format!("{name}:{secret}"))
            }
        };
        let same = match self.has(Defect::SchemeWithCase) {
            true => scheme == wanted,
            false => scheme.eq_ignore_ascii_case(wanted),
        };
        match same && right {
            true => Ok(()),
            false => refused(),
        }
    }

    fn tenant(&self, request: &Received) -> Decision<String> {
        let default = || Ok("t1".to_owned());
        if self.has(Defect::IgnoresTenant) {
            return default();
        }
        let mut values = self.values(request, contract::TENANT_HEADER);
        if values.is_empty() {
            return match self.has(Defect::DefaultTenant) {
                true => default(),
                false => Err(self.refusal(403)),
            };
        }
        if !self.has(Defect::JoinsDoubledHeaders) && !self.has(Defect::PicksFirstTenant) {
            values.dedup();
        }
        let value = match values.as_slice() {
            [first, ..] if self.has(Defect::PicksFirstTenant) => (*first).to_owned(),
            [_, _, ..] if !self.has(Defect::JoinsDoubledHeaders) => {
                return Err(self.refusal(403));
            }
            values => values.join(", "),
        };
        let known = |name: &str| match self.has(Defect::FoldsTenantCase) {
            true => name.eq_ignore_ascii_case(&value),
            false => name == value,
        };
        let found = self
            .people
            .persons
            .iter()
            .find(|person| known(&person.tenant));
        match found {
            Some(person) => Ok(person.tenant.clone()),
            None if value.is_empty() && self.has(Defect::EmptyTenantIsDefault) => default(),
            None => Err(self.refusal(403)),
        }
    }

    fn media_type(&self, request: &Received) -> Decision<()> {
        let value = self.header(request, contract::CONTENT_TYPE_HEADER);
        let essence = value.map(|value| match self.has(Defect::RefusesCharset) {
            true => value.to_owned(),
            false => value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
        });
        match essence.as_deref() {
            Some(contract::JSON) => Ok(()),
            None if self.has(Defect::AcceptsMissingType) => Ok(()),
            Some(_) if self.has(Defect::AcceptsAnyType) => Ok(()),
            _ => Err(self.refusal(403)),
        }
    }

    fn number(&self, request: &Received) -> Decision<String> {
        let everybody = || Ok("+46701740605".to_owned());
        if request.body.is_empty() && self.has(Defect::EmptyBodyIsEverybody) {
            return everybody();
        }
        let text = String::from_utf8_lossy(&request.body);
        if let Some(form) = text.strip_prefix("phonenumber=")
            && self.has(Defect::AcceptsForm)
        {
            return Ok(form.to_owned());
        }
        let mut value: Value = serde_json::from_str(&text).map_err(|_| self.malformed())?;
        if let (Value::Array(values), true) = (&value, self.has(Defect::AcceptsArray)) {
            value = values.first().cloned().unwrap_or_default();
        }
        let members = value.as_object().ok_or_else(|| self.malformed())?;
        if self.has(Defect::RefusesExtraMembers) && members.len() > 1 {
            return Err(self.refusal(403));
        }
        match members.get(contract::NUMBER_MEMBER) {
            Some(Value::String(number)) => Ok(number.clone()),
            Some(Value::Number(number)) if self.has(Defect::AcceptsNumberAsNumber) => {
                Ok(format!("+{number}"))
            }
            None if self.has(Defect::MissingNumberIsEverybody) => everybody(),
            _ => Err(self.refusal(403)),
        }
    }

    fn malformed(&self) -> Reply {
        let mut reply = self.refusal(403);
        if self.has(Defect::MalformedIsPage500) {
            reply.status = 500;
            reply.headers = vec![("Content-Type", "text/html".to_owned())];
            reply.body = "<!doctype html><title>Error</title><h1>Traceback</h1>".to_owned();
        }
        reply.dropped = self.has(Defect::DropsMalformed);
        reply
    }

    fn get_otp(&self, tenant: &str, number: &str) -> Decision<Reply> {
        if self.has(Defect::CrashesOnFilter) && number.contains(['*', '\\', '\0']) {
            return Err(self.refusal(500));
        }
        if contract::is_withheld(number) || contract::is_template(number) {
            let mut reply = self.refusal(403);
            if self.has(Defect::TellsReason) {
                reply.body = json!({ "status": 403, "title": "withheld" }).to_string();
            }
            return match self.has(Defect::WithheldMatchesUser) {
                true => Ok(self.issue(&self.people.persons[0])),
                false => Err(reply),
            };
        }
        if self.has(Defect::RefusesExample) && number == contract::EXAMPLE_NUMBER {
            return Err(self.refusal(400));
        }
        let found = self.people.persons.iter().find(|person| {
            (person.tenant == tenant || self.has(Defect::ServesOtherTenants))
                && self.matches(number, &person.number)
        });
        match found {
            Some(person) => Ok(self.issue(person)),
            None => Err(self.unknown()),
        }
    }

    fn matches(&self, asked: &str, known: &str) -> bool {
        match self.defect {
            Some(Defect::ComparesText) => asked == known,
            Some(Defect::TrimsNumber) => normalised(asked).starts_with(known),
            Some(Defect::InjectsFilter) if asked.contains('*') => {
                known.starts_with(asked.split('*').next().unwrap_or_default())
            }
            _ => normalised(asked) == normalised(known),
        }
    }

    fn unknown(&self) -> Reply {
        match self.defect {
            Some(Defect::UnknownIs404) => self.refusal(404),
            Some(Defect::UnknownIs500) => self.refusal(500),
            Some(Defect::ErrorInSuccess) => {
                let mut reply = self.refusal(200);
                reply.body = json!({ "error": "no such user" }).to_string();
                reply
            }
            Some(Defect::OtpInsideRefusal) => {
                let mut reply = self.refusal(403);
                reply.body = json!({ "status": 403, "otp": "904417" }).to_string();
                reply
            }
            Some(Defect::ReasonInHeader) => {
                let mut reply = self.refusal(403);
                reply.headers.push(("X-Reason", "unknown".to_owned()));
                reply
            }
            _ => self.refusal(403),
        }
    }

    fn issue(&self, person: &Person) -> Reply {
        let otp = self.otps().issue(
            person.username,
            self.manner.digits,
            self.people.lifetime,
            self.defect,
        );
        let mut members = Map::new();
        if self.manner.further_members {
            members.insert("request".to_owned(), json!("b3f1"));
            members.insert("expires".to_owned(), json!({ "in": 300 }));
        }
        match self.defect {
            Some(Defect::OtpAsNumber) => members.insert(
                "otp".to_owned(),
                otp.parse::<u64>().unwrap_or_default().into(),
            ),
            Some(Defect::OtpInUpperCase) => members.insert("OTP".to_owned(), otp.into()),
            Some(Defect::OtpEmpty) => members.insert("otp".to_owned(), "".into()),
            _ => members.insert(contract::OTP_MEMBER.to_owned(), otp.into()),
        };
        let status = match self.has(Defect::AnswersCreated) {
            true => 201,
            false => 200,
        };
        let mut reply = self.success(Value::Object(members));
        reply.status = status;
        reply
    }

    fn success(&self, value: Value) -> Reply {
        let media = match (self.has(Defect::PlainText), self.manner.charset) {
            (true, _) => "text/plain",
            (false, true) => "application/json; charset=UTF-8",
            (false, false) => contract::JSON,
        };
        let mut headers = vec![("Content-Type", media.to_owned())];
        if !self.has(Defect::Cacheable) {
            headers.push(("Cache-Control", "no-store".to_owned()));
        }
        let body = match self.manner.pretty {
            true => serde_json::to_string_pretty(&value).unwrap_or_default() + "\n",
            false => value.to_string(),
        };
        Reply {
            status: 200,
            headers,
            body,
            dropped: false,
        }
    }

    async fn validate(&self, request: &Received, tenant: &str) -> Decision<Reply> {
        let value: Value = serde_json::from_slice(&request.body).map_err(|_| self.malformed())?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (username, password, otp) = (text("username"), text("password"), text("otp"));
        let person = self
            .people
            .persons
            .iter()
            .find(|person| person.username == username && person.tenant == tenant)
            .ok_or_else(|| self.refusal(403))?;
        let right =
            !self.has(Defect::ValidatesNothing) && self.otps().is_right(username, otp, self.defect);
        if self.has(Defect::Races) {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let folded = self.has(Defect::FoldsPassword);
        let password_right = person.password == password
            || (folded && person.password.eq_ignore_ascii_case(password))
            || self.has(Defect::AcceptsAnyPassword)
            || (password.is_empty() && self.has(Defect::AcceptsEmptyPassword));
        if !right || !password_right {
            return Err(self.refusal(403));
        }
        let kept = self.has(Defect::AcceptsTwice) || self.has(Defect::ComparesOtpInPart);
        let first = kept || self.otps().consume(otp);
        match first || self.has(Defect::Races) {
            true => Ok(self.success(json!({ "username": person.username }))),
            false => Err(self.refusal(403)),
        }
    }

    fn refusal(&self, status: u16) -> Reply {
        let mut headers = vec![("Cache-Control", "no-store".to_owned())];
        let body = match self.manner.refusal {
            Refusal::Empty => String::new(),
            Refusal::Html => {
                headers.push(("Content-Type", "text/html".to_owned()));
                "<!doctype html>\n<html><title>Forbidden</title><h1>Forbidden</h1></html>\n"
                    .to_owned()
            }
            Refusal::Problem => {
                headers.push(("Content-Type", "application/problem+json".to_owned()));
                json!({ "status": status, "title": "Not issued" }).to_string()
            }
        };
        if status == 401 {
            headers.push(("WWW-Authenticate", "Basic realm=\"callotp\"".to_owned()));
        }
        Reply {
            status,
            headers,
            body,
            dropped: false,
        }
    }

    fn header<'r>(&self, request: &'r Received, name: &str) -> Option<&'r str> {
        self.values(request, name).first().copied()
    }

    fn values<'r>(&self, request: &'r Received, name: &str) -> Vec<&'r str> {
        let same = |known: &str| match self.has(Defect::HeaderNamesWithCase) {
            true => known == name,
            false => known.eq_ignore_ascii_case(name),
        };
        request
            .headers
            .iter()
            .filter(|(known, _)| same(known))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    fn otps(&self) -> std::sync::MutexGuard<'_, Otps> {
        self.otps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A number with a plus and its country code: enough for the numbers of these people.
fn normalised(number: &str) -> String {
    let number = number.trim_start_matches("tel:").replace("(0)", "");
    let plain = number
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')'));
    if !plain {
        return number;
    }
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match (number.starts_with('+'), digits.strip_prefix("00")) {
        (true, _) => format!("+{digits}"),
        (false, Some(rest)) => format!("+{rest}"),
        (false, None) => match digits.strip_prefix('0') {
            Some(national) => format!("+46{national}"),
            None => format!("+{digits}"),
        },
    }
}
