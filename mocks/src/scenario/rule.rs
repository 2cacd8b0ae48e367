//! Rules: when a fault strikes. The first rule that matches a call decides.

use std::{ops::RangeInclusive, time::Duration};

use serde::Deserialize;

use super::{
    duration,
    fault::{Fault, FaultAsWritten},
};
use crate::number;

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The calling number, normalised where it is one; any number when absent.
    pub number: Option<String>,
    /// Which of the matching calls, counted from 1 since the rules were set.
    pub nth: Option<RangeInclusive<u64>>,
    /// Only what exceeds this many calls within that time.
    pub rate: Option<Rate>,
    /// Only with this probability, drawn from the seed.
    pub probability: Option<f64>,
    /// What happens then.
    pub fault: Fault,
}

/// So many calls within a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls that are still let through.
    pub calls: usize,
    /// The window.
    pub within: Duration,
}

/// A rule as it is written in a scenario or in `PUT /tenants/{t}/rules`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleAsWritten {
    #[serde(default)]
    when: When,
    fault: FaultAsWritten,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    number: Option<String>,
    nth: Option<Nth>,
    rate: Option<String>,
    probability: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Nth {
    One(u64),
    Range(String),
}

impl RuleAsWritten {
    /// What was meant, or what cannot be.
    pub(crate) fn meant(self) -> Result<Rule, String> {
        let When {
            number,
            nth,
            rate,
            probability,
        } = self.when;
        if let Some(probability) = probability
            && !(0.0..=1.0).contains(&probability)
        {
            return Err(format!(
                "`probability` {probability} is not between 0 and 1"
            ));
        }
        Ok(Rule {
            number: number.as_deref().map(comparable),
            nth: nth.map(|nth| nth.range()).transpose()?,
            rate: rate.as_deref().map(read_rate).transpose()?,
            probability,
            fault: self.fault.meant()?,
        })
    }
}

/// A number as rules and expectations compare it.
pub(crate) fn comparable(text: &str) -> String {
    number::normalise(text).unwrap_or_else(|| text.trim().to_lowercase())
}

impl Nth {
    fn range(&self) -> Result<RangeInclusive<u64>, String> {
        let text = match self {
            Self::One(nth) => return Ok(*nth..=*nth),
            Self::Range(text) => text,
        };
        let wrong = || format!("`nth` {text:?} is neither a number nor a range like \"1..2\"");
        let end = |text: &str, open: u64| match text.trim().trim_start_matches('=') {
            "" => Ok(open),
            text => text.parse().map_err(|_| wrong()),
        };
        match text.split_once("..") {
            None => text.trim().parse().map(|n| n..=n).map_err(|_| wrong()),
            Some((first, last)) => Ok(end(first, 1)?..=end(last, u64::MAX)?),
        }
    }
}

/// `"3 in 10s"`, `"3/10s"`, `"5/s"`.
fn read_rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`rate` {text:?} is not a rate like \"3 in 10s\" or \"5/s\"");
    let (calls, within) = text
        .split_once(" in ")
        .or_else(|| text.split_once(" per "))
        .or_else(|| text.split_once('/'))
        .ok_or_else(wrong)?;
    let within = match within.trim() {
        unit @ ("s" | "m" | "h") => duration::read(&format!("1{unit}")),
        within => duration::read(within),
    };
    Ok(Rate {
        calls: calls.trim().parse().map_err(|_| wrong())?,
        within: within.map_err(|_| wrong())?,
    })
}

impl Rule {
    /// Why no call can ever match this rule where it stands, after `earlier`.
    pub(crate) fn never_matches(&self, earlier: &[Self]) -> Option<String> {
        if let Some(nth) = &self.nth
            && (nth.is_empty() || *nth.end() == 0)
        {
            return Some("`nth` counts from 1, and a range ends after it begins".to_owned());
        }
        if self.probability == Some(0.0) {
            return Some("its probability is 0".to_owned());
        }
        if self.fault.strikes_connections() && self.number.is_some() {
            return Some(format!(
                "a fault of kind \"{}\" strikes the connection, before any number is known",
                self.fault.kind()
            ));
        }
        let above = earlier.iter().position(|rule| rule.covers(self))?;
        Some(format!(
            "rule {} above takes every call it could match",
            above + 1
        ))
    }

    /// Does this rule take every call that `other` could match?
    fn covers(&self, other: &Self) -> bool {
        let numbers = self.number.is_none() || self.number == other.number;
        // Counts run per rule: they can be compared only where both count the same calls.
        let counts = match (&self.nth, &other.nth) {
            (None, _) => true,
            (Some(mine), Some(theirs)) => {
                self.number == other.number
                    && mine.start() <= theirs.start()
                    && mine.end() >= theirs.end()
            }
            (Some(mine), None) => *mine.start() <= 1 && *mine.end() == u64::MAX,
        };
        numbers
            && counts
            && self.rate.is_none_or(|rate| other.rate == Some(rate))
            && self
                .probability
                .is_none_or(|probability| probability >= 1.0)
            && self.fault.strikes_connections() == other.fault.strikes_connections()
    }

    /// A line for the dashboard: when it strikes.
    pub(crate) fn describe_when(&self) -> String {
        let mut parts = vec![match &self.number {
            Some(number) => format!("number {number}"),
            None => "any number".to_owned(),
        }];
        match &self.nth {
            Some(nth) if nth.start() == nth.end() => parts.push(format!("call {}", nth.start())),
            Some(nth) if *nth.end() == u64::MAX => parts.push(format!("from call {}", nth.start())),
            Some(nth) => parts.push(format!("calls {} to {}", nth.start(), nth.end())),
            None => {}
        }
        if let Some(rate) = self.rate {
            let within = duration::write(rate.within);
            parts.push(format!("beyond {} in {within}", rate.calls));
        }
        if let Some(probability) = self.probability {
            parts.push(format!("with probability {probability}"));
        }
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Result<Rule, String> {
        serde_json::from_str::<RuleAsWritten>(json)
            .map_err(|error| error.to_string())?
            .meant()
    }

    fn rules(json: &[&str]) -> Vec<Rule> {
        json.iter()
            .map(|json| rule(json).expect("a rule"))
            .collect()
    }

    #[test]
    fn nth_is_one_number_or_a_range_that_includes_its_ends() {
        let nth = |text: &str| {
            rule(&format!(
                r#"{{"when":{{"nth":{text}}},"fault":{{"kind":"empty"}}}}"#
            ))
            .map(|rule| rule.nth.expect("an nth"))
        };
        assert_eq!(nth("3"), Ok(3..=3));
        assert_eq!(nth("\"1..2\""), Ok(1..=2));
        assert_eq!(nth("\"2..\""), Ok(2..=u64::MAX));
        assert!(nth("\"often\"").is_err());
    }

    #[test]
    fn a_rate_is_read_in_each_of_its_spellings() {
        let ten_seconds = Rate {
            calls: 3,
            within: Duration::from_secs(10),
        };
        assert_eq!(read_rate("3 in 10s"), Ok(ten_seconds));
        assert_eq!(read_rate("3/10s"), Ok(ten_seconds));
        assert_eq!(read_rate("5/s").map(|rate| rate.within.as_secs()), Ok(1));
        assert!(read_rate("many").is_err());
    }

    #[test]
    fn rules_that_can_never_match_say_why() {
        let never = |json: &[&str]| {
            let rules = rules(json);
            let (last, earlier) = rules.split_last().expect("a rule");
            last.never_matches(earlier)
        };
        let all = r#"{"fault":{"kind":"empty"}}"#;
        let one = r#"{"when":{"number":"+46701740605","nth":"1..2"},"fault":{"kind":"empty"}}"#;
        assert_eq!(never(&[all]), None);
        assert_eq!(never(&[one, all]), None);
        assert!(never(&[all, one]).expect("shadowed").contains("rule 1"));
        assert!(never(&[one, one]).is_some());
        let same_number =
            r#"{"when":{"number":"070-174 06 05","nth":"3.."},"fault":{"kind":"empty"}}"#;
        assert_eq!(never(&[one, same_number]), None);
        for hopeless in [
            r#"{"when":{"nth":"3..2"},"fault":{"kind":"empty"}}"#,
            r#"{"when":{"nth":0},"fault":{"kind":"empty"}}"#,
            r#"{"when":{"probability":0.0},"fault":{"kind":"empty"}}"#,
            r#"{"when":{"number":"1"},"fault":{"kind":"tls"}}"#,
        ] {
            assert!(never(&[hopeless]).is_some(), "{hopeless}");
        }
    }

    #[test]
    fn a_key_of_another_kind_of_fault_is_refused_by_name() {
        let error = rule(r#"{"fault":{"kind":"status","status":503,"after_bytes":1}}"#);
        assert!(error.expect_err("refused").contains("after_bytes"));
        let error = rule(r#"{"fault":{"kind":"status"}}"#).expect_err("refused");
        assert!(error.contains("`status` is missing"), "{error}");
    }
}
