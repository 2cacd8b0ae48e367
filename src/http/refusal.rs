//! Any answer but 200: one type, of which the status, the reason for the log and the level
//! of the log line are small matches here and nowhere else.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};

use super::{
    Refusals,
    record::{Level, RequestId},
};
use crate::{
    client_auth::{NotAuthenticated, TokenRefusal},
    directory::{DirectoryFault, WrongPassword},
    otp::{issue::NotIssued, store::StoreFault, validate::Reason},
    phone_number::NumberRefusal,
    tenant::Operation,
};

/// Why a call is refused. The client sees at most a status; the reason is the operator's.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No operation has this path.
    UnknownPath,
    /// A length with chunks: two readers could disagree about where the request ends.
    Framing,
    /// No `Host`, several, or one that is none (RFC 9112 §3.2).
    Host,
    /// A method that is not served.
    Method {
        /// The ones that are (RFC 9110 §15.5.6).
        allowed: &'static str,
    },
    /// No `tenant` header, an empty one, or two different ones.
    TenantHeader,
    /// Nobody is configured under this tenant.
    UnknownTenant,
    /// Not proven who is calling.
    Client(NotAuthenticated),
    /// The tenant does not have the operation.
    OperationOfTenant,
    /// The client may not ask for the operation.
    OperationOfClient,
    /// `Content-Type` is not JSON, or is missing.
    ContentType,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// The body did not arrive, or not in time.
    BodyIncomplete,
    /// The body is not the JSON object that the operation takes.
    Body,
    /// No OTP was issued.
    NotIssued(NotIssued),
    /// Nobody was let in.
    NotValidated(Reason),
    /// No answer could be found within the time for one.
    TimedOut,
}

impl Refusal {
    /// The word for it in the log and the metrics. An interface: `docs/log.md` lists them.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::Framing => "framing",
            Self::Host => "host",
            Self::Method { .. } => "method",
            Self::TenantHeader => "tenant_header",
            Self::UnknownTenant => "unknown_tenant",
            Self::Client(why) => why.reason(),
            Self::OperationOfTenant => "operation_not_served",
            Self::OperationOfClient => "operation_not_allowed",
            Self::ContentType => "content_type",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyIncomplete => "body_incomplete",
            Self::Body => "body",
            Self::NotIssued(why) => not_issued(why),
            Self::NotValidated(why) => not_validated(why),
            Self::TimedOut => "timed_out",
        }
    }

    /// A fault is ours and an operator's business; a refusal is the client's or the user's.
    pub(super) fn level(&self) -> Level {
        match self {
            _ if self.is_fault() => Level::Error,
            Self::NotIssued(NotIssued::AmbiguousNumber | NotIssued::Locked(_))
            | Self::NotValidated(Reason::Locked)
            | Self::Client(_) => Level::Warn,
            _ => Level::Info,
        }
    }

    /// True if our side or a backend broke.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::TimedOut => true,
            Self::Client(why) => why.is_fault(),
            Self::NotIssued(why) => {
                matches!(
                    why,
                    NotIssued::Directory(_) | NotIssued::Store(_) | NotIssued::Entropy(_)
                )
            }
            Self::NotValidated(why) => matches!(why, Reason::Directory(_) | Reason::Store(_)),
            _ => false,
        }
    }

    /// What the operator is told beyond the reason. Holds no secret and no number.
    pub(super) fn detail(&self) -> Option<String> {
        match self {
            Self::NotIssued(NotIssued::Directory(fault))
            | Self::NotValidated(Reason::Directory(fault)) => Some(fault.to_string()),
            Self::NotIssued(NotIssued::Store(fault)) | Self::NotValidated(Reason::Store(fault)) => {
                Some(fault.to_string())
            }
            Self::Client(why) => why.detail(),
            Self::NotIssued(NotIssued::Throttled { remaining }) => {
                Some(format!("{} s left", remaining.as_secs()))
            }
            _ => None,
        }
    }

    fn status(&self, refusals: Refusals, operation: Option<Operation>) -> StatusCode {
        let validates = matches!(
            operation,
            Some(Operation::Validate | Operation::OtpTokenAuth)
        );
        match (refusals, self) {
            (_, _) if validates && self.is_fault() => StatusCode::SERVICE_UNAVAILABLE,
            (Refusals::Documented, _) => StatusCode::FORBIDDEN,
            (Refusals::Http, _) if self.is_fault() => StatusCode::SERVICE_UNAVAILABLE,
            (Refusals::Http, why) => match why {
                Self::UnknownPath | Self::UnknownTenant | Self::OperationOfTenant => {
                    StatusCode::NOT_FOUND
                }
                Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
                Self::Framing | Self::Host | Self::TenantHeader | Self::Body => {
                    StatusCode::BAD_REQUEST
                }
                Self::Client(NotAuthenticated::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
                // RFC 6750 §3.1
                Self::Client(
                    NotAuthenticated::Address | NotAuthenticated::Token(TokenRefusal::Scope),
                ) => StatusCode::FORBIDDEN,
                Self::Client(_) => StatusCode::UNAUTHORIZED,
                Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Self::BodyIncomplete => StatusCode::REQUEST_TIMEOUT,
                Self::NotIssued(NotIssued::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::FORBIDDEN,
            },
        }
    }

    /// The answer: the same text whatever the reason (RFC 9457), and the status it has in
    /// this mode; with HTTP's statuses, the challenges that go with it.
    pub(super) fn answer(
        &self,
        refusals: Refusals,
        operation: Option<Operation>,
        id: RequestId,
        challenges: &[HeaderValue],
    ) -> Response<Full<Bytes>> {
        let status = self.status(refusals, operation);
        let body = format!(
            "{{\"type\":\"about:blank\",\"title\":\"The request was refused\",\
             \"status\":{},\"request_id\":\"{id}\"}}",
            status.as_u16()
        );
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::Framing) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if refusals == Refusals::Http {
            for challenge in challenges {
                headers.append(WWW_AUTHENTICATE, challenge.clone());
            }
        }
        match (status, self) {
            (StatusCode::METHOD_NOT_ALLOWED, Self::Method { allowed }) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
                headers.insert(
                    RETRY_AFTER,
                    HeaderValue::from(self.retry_after().as_secs().max(1)),
                );
            }
            _ => {}
        }
        answer
    }

    /// When it may be worth asking again.
    fn retry_after(&self) -> Duration {
        match self {
            Self::NotIssued(NotIssued::Throttled { remaining })
            | Self::Client(NotAuthenticated::Throttled { remaining }) => *remaining,
            _ => Duration::from_secs(5),
        }
    }
}

fn not_issued(why: &NotIssued) -> &'static str {
    match why {
        NotIssued::Number(NumberRefusal::Withheld) => "number_withheld",
        NotIssued::Number(NumberRefusal::Template) => "number_template",
        NotIssued::Number(NumberRefusal::Unreadable) => "number_unreadable",
        NotIssued::Throttled { .. } => "number_throttled",
        NotIssued::UnknownNumber => "number_unknown",
        NotIssued::AmbiguousNumber => "number_ambiguous",
        NotIssued::Locked(_) => "user_locked",
        NotIssued::Directory(fault) => directory(fault),
        NotIssued::Store(fault) => store(fault),
        NotIssued::Entropy(_) => "random_source",
    }
}

fn not_validated(why: &Reason) -> &'static str {
    match why {
        Reason::Unusable => "login_unusable",
        Reason::PasswordMissing => "password_missing",
        Reason::UnknownUser => "user_unknown",
        Reason::NoOtp => "otp_none",
        Reason::Claimed => "otp_in_use",
        Reason::WrongOtp { locked: true, .. } => "otp_wrong_now_locked",
        Reason::WrongOtp { burnt: true, .. } => "otp_wrong_now_burnt",
        Reason::WrongOtp { .. } => "otp_wrong",
        Reason::WrongPassword { locked: true, .. } => "password_wrong_now_locked",
        Reason::WrongPassword { why, .. } => match why {
            WrongPassword::Mismatch => "password_wrong",
            WrongPassword::Locked => "directory_user_locked",
            WrongPassword::Disabled => "directory_user_disabled",
            WrongPassword::Expired => "directory_password_expired",
            WrongPassword::MustChange => "directory_password_must_change",
            WrongPassword::Restricted => "directory_user_restricted",
        },
        Reason::Locked => "user_locked",
        Reason::Directory(fault) => directory(fault),
        Reason::Store(fault) => store(fault),
    }
}

fn directory(fault: &DirectoryFault) -> &'static str {
    match fault {
        DirectoryFault::TimedOut => "directory_timed_out",
        DirectoryFault::Unavailable(_) => "directory_unavailable",
        DirectoryFault::Unusable(_) => "directory_unusable",
    }
}

fn store(fault: &StoreFault) -> &'static str {
    match fault {
        StoreFault::TimedOut => "store_timed_out",
        StoreFault::Unavailable(_) => "store_unavailable",
    }
}
