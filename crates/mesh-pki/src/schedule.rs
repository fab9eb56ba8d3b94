//! When a certificate is renewed.

use std::time::{Duration, SystemTime};

/// Share of the lifetime that is left when renewal begins (`SECRET_GRACE_PERIOD_RATIO` of Istio's agent).
pub const RATIO: f64 = 0.5;

/// Largest deviation from [`RATIO`] (`SECRET_GRACE_PERIOD_RATIO_JITTER`), so that a fleet does not ask at once.
pub const JITTER: f64 = 0.01;

/// When to renew a certificate that is good from `not_before` to `not_after`: when `ratio + jitter` of its lifetime is
/// left. `jitter` is drawn by the caller, evenly from `-JITTER..=JITTER`.
///
/// The answer is never after `not_after` and never before `not_before`.
pub fn renew_at(not_before: SystemTime, not_after: SystemTime, ratio: f64, jitter: f64) -> SystemTime {
    let lifetime = not_after.duration_since(not_before).unwrap_or_default();
    let share = (ratio + jitter).clamp(0.0, 1.0);
    not_after - Duration::from_secs_f64(lifetime.as_secs_f64() * share).min(lifetime)
}

/// Times before 1970 are 1970.
pub(crate) fn from_unix(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests;
