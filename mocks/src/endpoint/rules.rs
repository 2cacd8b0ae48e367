//! The rules at work: how often each has matched, and which fault strikes now.

use std::collections::VecDeque;

use crate::{
    clock::{Chance, millis},
    scenario::{Fault, Rule},
};

/// A tenant's rules with their counts.
#[derive(Debug, Default)]
pub(crate) struct ActiveRules(Vec<Active>);

/// A rule with its counts.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) rule: Rule,
    /// How many calls its number and kind matched.
    seen: u64,
    /// How often it struck.
    pub(crate) hits: u64,
    /// The moments of the calls within its rate's window.
    recent: VecDeque<u64>,
}

impl ActiveRules {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let active = rules.into_iter().map(|rule| Active {
            rule,
            seen: 0,
            hits: 0,
            recent: VecDeque::new(),
        });
        Self(active.collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Active> {
        self.0.iter()
    }

    /// The fault that strikes a call from this number.
    pub(crate) fn strike(
        &mut self,
        calling: Option<&str>,
        now: u64,
        chance: &mut Chance,
    ) -> Option<Fault> {
        self.first(now, chance, |rule| {
            let is_calling = |number: &String| {
                calling.is_some_and(|calling| number.eq_ignore_ascii_case(calling))
            };
            !rule.fault.strikes_connections() && rule.number.as_ref().is_none_or(is_calling)
        })
    }

    /// The fault that strikes a connection.
    pub(crate) fn strike_connection(&mut self, now: u64, chance: &mut Chance) -> Option<Fault> {
        self.first(now, chance, |rule| {
            rule.fault.strikes_connections() && rule.number.is_none()
        })
    }

    /// The first rule decides; the ones after it count the call all the same.
    fn first(
        &mut self,
        now: u64,
        chance: &mut Chance,
        is_about: impl Fn(&Rule) -> bool,
    ) -> Option<Fault> {
        let mut struck = None;
        for active in self.0.iter_mut().filter(|active| is_about(&active.rule)) {
            let strikes = active.counts(now) && struck.is_none();
            let strikes = strikes
                && active
                    .rule
                    .probability
                    .is_none_or(|probability| chance.happens(probability));
            if strikes {
                active.hits += 1;
                struck = Some(active.rule.fault.clone());
            }
        }
        struck
    }
}

impl Active {
    /// Counts a call, and says whether `nth` and `rate` let the fault strike it.
    fn counts(&mut self, now: u64) -> bool {
        self.seen += 1;
        let nth = self.rule.nth.as_ref();
        let nth = nth.is_none_or(|nth| nth.contains(&self.seen));
        let exceeded = match self.rule.rate {
            None => true,
            Some(rate) => exceeds(&mut self.recent, now, rate.calls, millis(rate.within)),
        };
        nth && exceeded
    }
}

/// Enters a call into a sliding window, and says whether it is one too many.
/// Those that are too many do not count, so that a caller who waits is let through again.
pub(crate) fn exceeds(recent: &mut VecDeque<u64>, now: u64, calls: usize, within: u64) -> bool {
    while recent.front().is_some_and(|at| at + within <= now) {
        recent.pop_front();
    }
    if recent.len() >= calls {
        return true;
    }
    recent.push_back(now);
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::rule::RuleAsWritten;

    fn rules(json: &str) -> ActiveRules {
        let written: Vec<RuleAsWritten> = serde_json::from_str(json).expect("rules");
        let rules = written
            .into_iter()
            .map(|rule| rule.meant().expect("a rule"));
        ActiveRules::new(rules.collect())
    }

    fn strikes(rules: &mut ActiveRules, calls: &[(&str, u64)]) -> Vec<bool> {
        let mut chance = Chance::new(7, "t1");
        let strike =
            |(calling, now): &(&str, u64)| rules.strike(Some(calling), *now, &mut chance).is_some();
        calls.iter().map(strike).collect()
    }

    #[test]
    fn nth_counts_the_calls_of_its_number() {
        let mut rules =
            rules(r#"[{"when":{"number":"070-174 06 05","nth":"2..3"},"fault":{"kind":"empty"}}]"#);
        let ada = "+46701740605";
        let calls = [(ada, 0), ("+46701740606", 0), (ada, 0), (ada, 0), (ada, 0)];
        assert_eq!(
            strikes(&mut rules, &calls),
            [false, false, true, true, false]
        );
        assert_eq!(rules.iter().map(|active| active.hits).sum::<u64>(), 2);
    }

    #[test]
    fn a_rate_strikes_what_exceeds_it_in_a_sliding_window() {
        let mut rules =
            rules(r#"[{"when":{"rate":"2 in 10s"},"fault":{"kind":"status","status":429}}]"#);
        let calls = [
            ("1", 0),
            ("1", 1_000),
            ("1", 2_000),
            ("1", 10_000),
            ("1", 10_500),
        ];
        assert_eq!(
            strikes(&mut rules, &calls),
            [false, false, true, false, true]
        );
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_a_seed_repeats_its_draws() {
        let json = r#"[{"when":{"probability":0.5},"fault":{"kind":"empty"}}]"#;
        let calls = [("1", 0); 40];
        let drawn = strikes(&mut rules(json), &calls);
        assert_eq!(drawn, strikes(&mut rules(json), &calls));
        assert!(drawn.contains(&true) && drawn.contains(&false));
        let mut two = rules(r#"[{"fault":{"kind":"empty"}},{"fault":{"kind":"garbage"}}]"#);
        strikes(&mut two, &calls[..3]);
        assert_eq!(
            two.iter().map(|active| active.hits).collect::<Vec<_>>(),
            [3, 0]
        );
    }
}
