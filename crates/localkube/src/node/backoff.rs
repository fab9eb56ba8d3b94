//! The waiting time between failures: 10 s, doubled each time up to 5 min, forgotten after 10 min of peace.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);

/// How long to wait before the next attempt of one thing. The first retry is free, as the kubelet's is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    entry: Option<(Duration, Instant)>,
}

impl Backoff {
    /// What must still be waited when the last failure was at `failed`; None: go.
    pub fn remaining(&self, failed: Instant, now: Instant) -> Option<Duration> {
        let (delay, updated) = self.entry?;
        if now.saturating_duration_since(updated) > LONGEST * 2 {
            return None;
        }
        delay.checked_sub(now.saturating_duration_since(failed)).filter(|left| !left.is_zero())
    }

    /// The present delay.
    pub fn delay(&self) -> Duration {
        self.entry.map_or(FIRST, |(delay, _)| delay)
    }

    /// Counts an attempt: the next failure waits longer.
    pub fn attempt(&mut self, now: Instant) {
        let next = match self.entry {
            Some((delay, updated)) if now.saturating_duration_since(updated) <= LONGEST * 2 => (delay * 2).min(LONGEST),
            _ => FIRST,
        };
        self.entry = Some((next, now));
    }
}

/// A duration as Go prints it, whole seconds: `10s`, `1m20s`, `5m0s`.
pub fn go_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests;
