//! What the program says of itself: log lines and metrics.

use std::sync::Arc;

use crate::http::record::{Call, Ledger};

pub mod call_line;
pub mod event_line;
mod line;
pub mod log;
pub mod metrics;

pub use self::{log::Log, metrics::Metrics};

/// Writes calls into the log and counts them in the metrics.
pub struct Telemetry {
    /// Where lines go.
    pub log: Arc<Log>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Ledger for Telemetry {
    fn note(&self, call: &Call<'_>) {
        self.metrics.count(call);
        self.log
            .line(|line, format| call_line::write(line, format, call));
    }
}
