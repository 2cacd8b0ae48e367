//! Directory faults: which operation goes wrong, and how.

use std::{fmt, ops::RangeInclusive, time::Duration};

use ldap3_proto::LdapResultCode;
use serde::{Deserialize, Deserializer, de};

use crate::authority::Certificate;

/// One rule; the first that matches an operation decides.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryFault {
    /// Which operations it looks at.
    pub operation: Operation,
    /// Which of those it strikes.
    pub strikes: Strikes,
    /// What it does to them.
    pub effect: Effect,
}

/// What a fault looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new connection, before its first byte.
    Connect,
    /// Simple binds.
    Bind,
    /// Searches.
    Search,
    /// Everything a client sends.
    #[default]
    Any,
}

/// Which of the operations that a fault looks at are struck, counted from 1 when the fault was set.
#[derive(Clone, Debug, PartialEq)]
pub enum Strikes {
    /// Every one.
    Always,
    /// These.
    Nth(RangeInclusive<u64>),
    /// Each with this probability, drawn from the directory's seed.
    Probability(f64),
}

/// What happens to a struck operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The answer is this result (RFC 4511 §4.1.9); `referral` carries a URL, and
    /// `sizeLimitExceeded` on a search comes after the first entry.
    Result(LdapResultCode),
    /// The answer comes late.
    After(Duration),
    /// No answer, and the connection stays open.
    Silent,
    /// The connection is reset.
    Reset,
    /// A search's every entry is followed by a second one with another name and id.
    SecondEntry,
    /// The final answer is sent twice.
    AnsweredTwice,
    /// The connection shows another certificate, at once or with StartTLS. For `Connect` only.
    Certificate(Certificate),
}

impl DirectoryFault {
    /// Strikes every such operation.
    pub fn always(operation: Operation, effect: Effect) -> Self {
        Self {
            operation,
            strikes: Strikes::Always,
            effect,
        }
    }

    /// Strikes the `nth` such operation only, counted from 1.
    pub fn nth(operation: Operation, nth: u64, effect: Effect) -> Self {
        Self {
            operation,
            strikes: Strikes::Nth(nth..=nth),
            effect,
        }
    }
}

/// As a scenario writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    operation: Operation,
    nth: Option<Nth>,
    probability: Option<f64>,
    result: Option<String>,
    after: Option<String>,
    #[serde(default)]
    silent: bool,
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    second_entry: bool,
    #[serde(default)]
    answered_twice: bool,
    certificate: Option<Certificate>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Nth {
    One(u64),
    Range(String),
}

impl<'de> Deserialize<'de> for DirectoryFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?
            .meant()
            .map_err(de::Error::custom)
    }
}

impl Written {
    fn meant(self) -> Result<DirectoryFault, String> {
        let strikes = match (&self.nth, self.probability) {
            (Some(_), Some(_)) => return Err("`nth` and `probability` exclude each other".into()),
            (Some(nth), None) => Strikes::Nth(nth.range()?),
            (None, Some(share)) if (0.0..=1.0).contains(&share) => Strikes::Probability(share),
            (None, Some(share)) => {
                return Err(format!("`probability` {share} is not between 0 and 1"));
            }
            (None, None) => Strikes::Always,
        };
        let operation = self.operation;
        Ok(DirectoryFault {
            operation,
            strikes,
            effect: self.effect()?,
        })
    }

    fn effect(self) -> Result<Effect, String> {
        let of_connections = self.operation == Operation::Connect;
        let mut effects = Vec::new();
        if let Some(name) = &self.result {
            effects.push(Effect::Result(result_named(name).ok_or_else(|| {
                format!("`result` {name:?} is not an LDAP result name, such as \"busy\" (RFC 4511 §4.1.9)")
            })?));
        }
        if let Some(text) = &self.after {
            effects.push(Effect::After(duration(text)?));
        }
        let flags = [
            (self.silent, Effect::Silent),
            (self.reset, Effect::Reset),
            (self.second_entry, Effect::SecondEntry),
            (self.answered_twice, Effect::AnsweredTwice),
        ];
        effects.extend(
            flags
                .into_iter()
                .filter_map(|(set, effect)| set.then_some(effect)),
        );
        effects.extend(self.certificate.map(Effect::Certificate));
        let [effect] = <[Effect; 1]>::try_from(effects).map_err(|effects| {
            format!(
                "a directory fault has one of `result`, `after`, `silent = true`, `reset = true`, \
                 `second_entry = true`, `answered_twice = true` or `certificate`; this one has {}",
                effects.len()
            )
        })?;
        let connects = matches!(
            effect,
            Effect::Silent | Effect::Reset | Effect::After(_) | Effect::Certificate(_)
        );
        match (of_connections, &effect) {
            (true, _) if !connects => Err(
                "`operation = \"connect\"` goes with `after`, `silent`, `reset` or `certificate`"
                    .into(),
            ),
            (false, Effect::Certificate(_)) => {
                Err("`certificate` goes with `operation = \"connect\"`".into())
            }
            _ => Ok(effect),
        }
    }
}

impl Nth {
    fn range(&self) -> Result<RangeInclusive<u64>, String> {
        let (first, last) = match self {
            Self::One(nth) => (*nth, *nth),
            Self::Range(text) => text
                .split_once("..")
                .and_then(|(first, last)| {
                    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
                })
                .ok_or_else(|| {
                    format!("`nth` {text:?} is neither a number nor a range like \"1..2\"")
                })?,
        };
        if first == 0 || last < first {
            return Err("`nth` counts from 1, and a range ends after it begins".into());
        }
        Ok(first..=last)
    }
}

/// `"250ms"`, `"4s"`, `"5m"`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits.trim().parse::<u64>().ok();
    match (number, &text[digits.len()..]) {
        (Some(number), "ms") => Ok(Duration::from_millis(number)),
        (Some(number), "s") => Ok(Duration::from_secs(number)),
        (Some(number), "m") => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(format!(
            "{text:?} is not a duration like \"250ms\", \"4s\" or \"5m\""
        )),
    }
}

/// The result called `name` in RFC 4511; case, hyphens and underscores do not matter.
pub fn result_named(name: &str) -> Option<LdapResultCode> {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect();
    RESULTS
        .iter()
        .find(|(known, _)| known.to_lowercase() == plain)
        .map(|(_, code)| code.clone())
}

/// The name of a result in RFC 4511.
pub(super) fn result_name(code: &LdapResultCode) -> String {
    let known = RESULTS
        .iter()
        .find(|(_, known)| known == code)
        .map(|(name, _)| *name);
    match (known, code) {
        (Some(name), _) => name.to_owned(),
        (None, LdapResultCode::CompareTrue) => "compareTrue".to_owned(),
        (None, LdapResultCode::CompareFalse) => "compareFalse".to_owned(),
        (None, code) => format!("{code:?}"),
    }
}

/// As the journal says it.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Result(code) => write!(f, "result {}", result_name(code)),
            Self::After(delay) => write!(f, "after {} ms", delay.as_millis()),
            Self::Silent => f.write_str("silent"),
            Self::Reset => f.write_str("reset"),
            Self::SecondEntry => f.write_str("second entry"),
            Self::AnsweredTwice => f.write_str("answered twice"),
            Self::Certificate(certificate) => write!(f, "certificate {certificate:?}"),
        }
    }
}

/// The results a directory can answer with (RFC 4511 §4.1.9).
const RESULTS: [(&str, LdapResultCode); 24] = {
    use LdapResultCode as R;
    [
        ("success", R::Success),
        ("operationsError", R::OperationsError),
        ("protocolError", R::ProtocolError),
        ("timeLimitExceeded", R::TimeLimitExceeded),
        ("sizeLimitExceeded", R::SizeLimitExceeded),
        ("authMethodNotSupported", R::AuthMethodNotSupported),
        ("strongerAuthRequired", R::StrongerAuthRequired),
        ("referral", R::Referral),
        ("adminLimitExceeded", R::AdminLimitExceeded),
        (
            "unavailableCriticalExtension",
            R::UnavailableCriticalExtension,
        ),
        ("confidentialityRequired", R::ConfidentialityRequired),
        ("noSuchAttribute", R::NoSuchAttribute),
        ("undefinedAttributeType", R::UndefinedAttributeType),
        ("inappropriateMatching", R::InappropriateMatching),
        ("constraintViolation", R::ConstraintViolation),
        ("noSuchObject", R::NoSuchObject),
        ("invalidDNSyntax", R::InvalidDNSyntax),
        ("invalidCredentials", R::InvalidCredentials),
        ("insufficientAccessRights", R::InsufficentAccessRights),
        ("busy", R::Busy),
        ("unavailable", R::Unavailable),
        ("unwillingToPerform", R::UnwillingToPerform),
        ("loopDetect", R::LoopDetect),
        ("other", R::Other),
    ]
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ldap3_proto::LdapResultCode;
    use proptest::prelude::*;

    use super::{DirectoryFault, Effect, Operation, Strikes, result_name, result_named};

    fn read(text: &str) -> Result<DirectoryFault, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn faults_are_read_as_a_scenario_writes_them() {
        let busy = Effect::Result(LdapResultCode::Busy);
        let third = DirectoryFault::nth(Operation::Search, 3, busy.clone());
        assert_eq!(
            read("operation = \"search\"\nnth = 3\nresult = \"busy\""),
            Ok(third)
        );
        let late = Effect::After(Duration::from_secs(4));
        let late = DirectoryFault::always(Operation::Bind, late);
        assert_eq!(read("operation = \"bind\"\nafter = \"4s\""), Ok(late));
        let some = DirectoryFault {
            operation: Operation::Any,
            strikes: Strikes::Probability(0.5),
            effect: Effect::Silent,
        };
        assert_eq!(read("probability = 0.5\nsilent = true"), Ok(some));
        let range = read("nth = \"2..4\"\nresult = \"BUSY\"").map(|fault| fault.strikes);
        assert_eq!(range, Ok(Strikes::Nth(2..=4)));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [
            ("result = \"bussy\"", "bussy"),
            ("", "has 0"),
            ("silent = true\nreset = true", "has 2"),
            ("nth = 0\nsilent = true", "counts from 1"),
            ("nth = \"3..2\"\nsilent = true", "ends after"),
            ("nth = \"x\"\nsilent = true", "neither"),
            ("nth = 1\nprobability = 0.5\nsilent = true", "exclude"),
            ("probability = 1.5\nsilent = true", "between 0 and 1"),
            ("after = \"4\"", "duration"),
            ("operation = \"serch\"\nsilent = true", "serch"),
            ("operaton = \"search\"\nsilent = true", "operaton"),
            ("operation = \"connect\"\nresult = \"busy\"", "connect"),
            ("operation = \"bind\"\ncertificate = \"expired\"", "connect"),
        ] {
            let says = read(text).unwrap_err();
            assert!(says.contains(named), "{text}: {says}");
        }
    }

    proptest! {
        #[test]
        fn any_result_name_is_known_or_refused(name in "\\PC{0,20}") {
            if let Some(code) = result_named(&name) {
                prop_assert_eq!(result_named(&result_name(&code)), Some(code));
            }
        }

        #[test]
        fn any_duration_is_read_or_refused(text in "[0-9a-zµ. -]{0,24}") {
            let _ = super::duration(&text);
        }
    }
}
