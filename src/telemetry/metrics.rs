//! What is counted, for Prometheus. Names and labels are an interface: `docs/log.md`.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    http::record::{Call, Outcome},
    otp::store::Counts,
    server::{Failure, Failures},
    tenant::Operation,
};

/// The bounds of the latency buckets, in seconds: from a call answered out of memory to the
/// longest that a caller waits.
const BUCKETS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 2.0, 3.0,
];

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    live_otps: Gauge<i64, AtomicI64>,
    locks: Gauge<i64, AtomicI64>,
    quarantines: Gauge<i64, AtomicI64>,
    reloads: Family<ResultLabel, Counter>,
    failures: Family<ReasonLabel, Counter>,
    /// The counters by what they count, so that a call need not spell its labels out.
    known: RwLock<HashMap<Kind, Counter<u64, AtomicU64>>>,
    histograms: [Histogram; 4],
}

type Kind = (Option<Operation>, Outcome, Option<&'static str>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("callotp");
        let calls = Family::default();
        registry.register(
            "calls",
            "Calls answered, by operation, outcome and reason",
            calls.clone(),
        );
        let seconds: Family<OperationLabel, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register(
            "call_seconds",
            "From a request's head to its answer",
            seconds.clone(),
        );
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::<i64, AtomicI64>::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let live_otps = gauge("live_otps", "OTPs that could still be validated");
        let locks = gauge("locks", "Users that are locked");
        let quarantines = gauge("quarantines", "Numbers in quarantine");
        let reloads = Family::default();
        registry.register(
            "reloads",
            "Reloads of the configuration, by result",
            reloads.clone(),
        );
        let failures: Family<ReasonLabel, Counter> = Family::default();
        registry.register(
            "failed_connections",
            "Connections that came to no call: handshakes that failed, requests that are no HTTP",
            failures.clone(),
        );
        for failure in Failure::ALL {
            drop(failures.get_or_create(&ReasonLabel {
                reason: failure.reason(),
            }));
        }
        let histogram = |operation| {
            seconds.get_or_create_owned(&OperationLabel {
                operation: operation_label(operation),
            })
        };
        let histograms = [
            histogram(None),
            histogram(Some(Operation::GetOtp)),
            histogram(Some(Operation::Validate)),
            histogram(Some(Operation::OtpTokenAuth)),
        ];
        Self {
            registry,
            calls,
            live_otps,
            locks,
            quarantines,
            reloads,
            failures,
            known: RwLock::default(),
            histograms,
        }
    }

    /// Counts one call.
    pub fn count(&self, call: &Call<'_>) {
        let kind = (call.operation, call.outcome, call.reason);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(&kind) {
            Some(counter) => {
                counter.inc();
            }
            None => {
                drop(known);
                self.first(kind).inc();
            }
        }
        let index = call.operation.map_or(0, |operation| operation as usize + 1);
        if let Some(histogram) = self.histograms.get(index) {
            histogram.observe(call.took.as_secs_f64());
        }
    }

    /// The counter of a kind of call that has not been seen before. There are as many
    /// kinds as the code has words for: no input makes new ones.
    fn first(&self, kind: Kind) -> Counter {
        let (operation, outcome, reason) = kind;
        let counter = self.calls.get_or_create_owned(&CallLabels {
            operation: operation_label(operation),
            outcome: outcome.as_str(),
            reason: reason.unwrap_or(""),
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(kind, counter.clone());
        counter
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, done: bool) {
        let result = if done { "done" } else { "refused" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Everything, in the text format, with what the store keeps right now.
    pub fn render(&self, counts: Counts) -> String {
        let set = |gauge: &Gauge<i64, AtomicI64>, value: Option<u64>| {
            gauge.inner().store(
                value.map_or(-1, |value| i64::try_from(value).unwrap_or(i64::MAX)),
                Ordering::Relaxed,
            );
        };
        set(&self.live_otps, counts.live_otps);
        set(&self.locks, counts.locks);
        set(&self.quarantines, counts.quarantines);
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Failures for Metrics {
    fn count(&self, failure: Failure) {
        let reason = failure.reason();
        self.failures.get_or_create(&ReasonLabel { reason }).inc();
    }
}

fn operation_label(operation: Option<Operation>) -> &'static str {
    operation.map_or("none", Operation::as_str)
}
