//! How often an OTP may be asked for with one number.

use std::time::Duration;

/// `[tenant.throttle]`: a moving average, as the original server has for its voice
/// delivery. Once `lookback` requests have come in less than `lookback` times
/// `mean_interval` (the newest included), the number is in quarantine and starts anew after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// The shortest mean interval that is allowed.
    pub mean_interval: Duration,
    /// Over how many requests, 2 to 20.
    pub lookback: u8,
    /// How long the number is refused.
    pub quarantine: Duration,
}
