//! Faults as they stand ready: counted, drawn from a seed, and changeable at run time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::fault::{DirectoryFault, Effect, Operation, Strikes};

/// The faults of one directory.
#[derive(Debug)]
pub(super) struct Armed {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    rules: Vec<Rule>,
    chance: StdRng,
}

#[derive(Debug)]
struct Rule {
    fault: DirectoryFault,
    seen: u64,
    struck: u64,
}

impl Armed {
    /// Arms `faults`; probabilities are drawn from `seed`.
    pub(super) fn new(faults: Vec<DirectoryFault>, seed: u64) -> Self {
        let inner = Inner {
            rules: rules(faults),
            chance: StdRng::seed_from_u64(seed),
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// Replaces all faults; counting begins again.
    pub(super) fn set(&self, faults: Vec<DirectoryFault>) {
        self.inner().rules = rules(faults);
    }

    /// How often each fault has struck, in their order.
    pub(super) fn struck(&self) -> Vec<u64> {
        self.inner().rules.iter().map(|rule| rule.struck).collect()
    }

    /// What strikes this operation. Every rule that looks at it counts it, the first that
    /// matches decides.
    pub(super) fn strike(&self, operation: Operation) -> Option<Effect> {
        let mut inner = self.inner();
        let Inner { rules, chance } = &mut *inner;
        let mut effect = None;
        for rule in rules.iter_mut().filter(|rule| rule.looks_at(operation)) {
            rule.seen += 1;
            let strikes = match &rule.fault.strikes {
                Strikes::Always => true,
                Strikes::Nth(range) => range.contains(&rule.seen),
                Strikes::Probability(share) => chance.random::<f64>() < *share,
            };
            if strikes && effect.is_none() {
                rule.struck += 1;
                effect = Some(rule.fault.effect.clone());
            }
        }
        effect
    }

    /// A panic elsewhere leaves counters behind that are still right.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn looks_at(&self, operation: Operation) -> bool {
        match self.fault.operation {
            Operation::Any => operation != Operation::Connect,
            looked_at => looked_at == operation,
        }
    }
}

fn rules(faults: Vec<DirectoryFault>) -> Vec<Rule> {
    faults
        .into_iter()
        .map(|fault| Rule {
            fault,
            seen: 0,
            struck: 0,
        })
        .collect()
}
