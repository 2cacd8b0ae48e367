//! How named phone systems ask, read and speak: what their administrators write most often.

use std::time::Duration;

use serde_json::Value;

/// A phone system, or what stands in one for HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Dialect {
    /// Asterisk, `SHELL(curl -X PUT ... -w ' %{http_code}')` and `SayDigits`
    #[default]
    AsteriskCurl,
    /// FreeSWITCH, `mod_curl` and `say name_spelled`
    Freeswitch,
    /// 3CX Call Flow Designer, its HTTP and JSON components
    #[value(name = "3cx")]
    ThreeCx,
    /// Cisco UCCX, *Make REST Call*
    Cisco,
}

/// What the phone system makes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The digits it will speak.
    Otp(String),
    /// The server said no, and the caller hears that.
    Refused,
    /// Neither: why.
    Unusable(String),
}

/// How a number is written on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// `+46701740605`
    Plus,
    /// `46701740605`
    NoPlus,
    /// `0046701740605`
    DoubleZero,
    /// `0701740605`
    National,
    /// `sip:+46701740605@trunk;user=phone`
    Sip,
}

impl Dialect {
    /// `User-Agent`; .NET sends none.
    pub(super) fn user_agent(self) -> Option<&'static str> {
        match self {
            Self::AsteriskCurl => Some("curl/7.88.1"),
            Self::Freeswitch => Some("freeswitch-curl/1.0"),
            Self::ThreeCx => None,
            Self::Cisco => Some("Java/1.8.0_362"),
        }
    }

    /// `Content-Type`, in the system's own spelling.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::ThreeCx => "application/json; charset=utf-8",
            _ => "application/json",
        }
    }

    /// When it gives up: connecting, and altogether.
    pub(super) fn patience(self) -> (Duration, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::AsteriskCurl => (seconds(3), seconds(3)),
            Self::Freeswitch => (seconds(5), seconds(5)),
            Self::ThreeCx => (seconds(30), seconds(30)),
            Self::Cisco => (seconds(5), seconds(5)),
        }
    }

    /// Whether a connection outlives a call.
    pub(super) fn keeps_connections(self) -> bool {
        matches!(self, Self::ThreeCx | Self::Cisco)
    }

    /// The spellings its trunks deliver, most common first.
    pub(super) fn deliveries(self) -> &'static [Delivery] {
        use Delivery::{DoubleZero, National, NoPlus, Plus, Sip};
        match self {
            Self::AsteriskCurl => &[Plus, NoPlus, DoubleZero, National],
            Self::Freeswitch => &[Plus, National, NoPlus, Sip],
            Self::ThreeCx => &[Plus, NoPlus, National],
            Self::Cisco => &[Plus, Sip, DoubleZero],
        }
    }

    /// Reads an answer. All of them look at the status first; a body counts only with 200.
    pub fn read(self, status: u16, body: &[u8]) -> Reading {
        match status {
            200 => self.read_body(body),
            403 => Reading::Refused,
            other => Reading::Unusable(format!("status {other}")),
        }
    }

    fn read_body(self, body: &[u8]) -> Reading {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Reading::Unusable("200 without a JSON object".to_owned());
        };
        let otp = match (members.get("otp"), self) {
            (Some(Value::String(otp)), _) => otp.clone(),
            // A JSON number becomes a variable's text in these two; its leading zeros never were.
            (Some(Value::Number(otp)), Self::AsteriskCurl | Self::ThreeCx) => otp.to_string(),
            (Some(_), _) => {
                return Reading::Unusable("200 with an `otp` that is no string".to_owned());
            }
            (None, _) => return Reading::Unusable("200 without an `otp`".to_owned()),
        };
        // What the system cannot speak falls silent: SayDigits knows digits, the others letters too.
        let speaks = |c: &char| match self {
            Self::AsteriskCurl => c.is_ascii_digit() || matches!(c, '*' | '#'),
            _ => c.is_alphanumeric(),
        };
        let said: String = otp.chars().filter(speaks).collect();
        if said.is_empty() {
            return Reading::Unusable("200 with an `otp` that nobody can speak".to_owned());
        }
        Reading::Otp(said)
    }
}

impl Delivery {
    /// A number in `+` form as this delivery writes it. Only Sweden's national form is known, so
    /// others stay in `+` form there; so does what is no number in `+` form.
    pub(super) fn write(self, number: &str) -> String {
        let Some(digits) = number
            .strip_prefix('+')
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
        else {
            return number.to_owned();
        };
        match self {
            Self::Plus => number.to_owned(),
            Self::NoPlus => digits.to_owned(),
            Self::DoubleZero => format!("00{digits}"),
            Self::National => digits
                .strip_prefix("46")
                .map_or(number.to_owned(), |rest| format!("0{rest}")),
            Self::Sip => format!("sip:{number}@trunk;user=phone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use proptest::prelude::*;

    use super::{Delivery, Dialect, Reading};

    #[test]
    fn the_status_decides_before_the_body_does() {
        for dialect in Dialect::value_variants() {
            let otp = br#"{"otp":"053219","more":1}"#;
            assert_eq!(dialect.read(200, otp), Reading::Otp("053219".to_owned()));
            assert_eq!(
                dialect.read(403, otp),
                Reading::Refused,
                "a decoy is not spoken"
            );
            for (status, body) in [
                (500, &otp[..]),
                (200, b"{}"),
                (200, b""),
                (200, b"<html>"),
                (200, b"{\"otp\":\"\"}"),
            ] {
                let reading = dialect.read(status, body);
                assert!(
                    matches!(reading, Reading::Unusable(_)),
                    "{dialect:?} {status} {body:?}"
                );
            }
        }
    }

    #[test]
    fn a_number_for_an_otp_has_lost_its_zero_before_it_is_spoken() {
        let body = br#"{"otp": 53219}"#;
        let lost = Reading::Otp("53219".to_owned());
        assert_eq!(Dialect::AsteriskCurl.read(200, body), lost);
        assert_eq!(Dialect::ThreeCx.read(200, body), lost);
        assert!(matches!(
            Dialect::Cisco.read(200, body),
            Reading::Unusable(_)
        ));
    }

    #[test]
    fn deliveries_change_only_numbers_in_plus_form() {
        assert_eq!(Delivery::National.write("+46701740605"), "0701740605");
        assert_eq!(Delivery::DoubleZero.write("+46701740605"), "0046701740605");
        assert_eq!(
            Delivery::Sip.write("+46701740605"),
            "sip:+46701740605@trunk;user=phone"
        );
        for as_it_is in ["anonymous", "070-174 06 05", "+46 70", "${CALLERID(num)}"] {
            assert_eq!(Delivery::NoPlus.write(as_it_is), as_it_is);
        }
        assert_eq!(Delivery::National.write("+4712345678"), "+4712345678");
    }

    proptest! {
        #[test]
        fn any_answer_is_read(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            for dialect in Dialect::value_variants() {
                let spoke = matches!(dialect.read(status, &body), Reading::Otp(_));
                prop_assert!(!spoke || status == 200);
            }
        }
    }
}
