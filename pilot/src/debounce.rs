//! When to publish: at once after silence, and not on each change of a storm.

use std::time::{Duration, Instant};

/// The times of a debounce; Istio's `PILOT_DEBOUNCE_AFTER` and `PILOT_DEBOUNCE_MAX`.
///
/// Istio lets a change wait for ten seconds. A pod that ends serves on for five: a proxy that hears of its end later than
/// that loses requests, however much else changes meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After silence, changes that belong together are waited for this long.
    pub gather: Duration,
    /// In a storm, publish once nothing changed for this long.
    pub quiet: Duration,
    /// No change waits longer than this.
    pub most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { gather: Duration::from_millis(10), quiet: Duration::from_millis(100), most: Duration::from_secs(1) }
    }
}

/// Changes that wait to be published. Time is told, never asked for.
#[derive(Debug)]
pub struct Debounce {
    pace: Pace,
    published: Option<Instant>,
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    first: Instant,
    last: Instant,
}

impl Debounce {
    /// Nothing waits.
    pub fn new(pace: Pace) -> Self {
        Self { pace, published: None, waiting: None }
    }

    /// Something changed.
    pub fn changed(&mut self, now: Instant) {
        let first = self.waiting.map_or(now, |w| w.first);
        self.waiting = Some(Waiting { first, last: now });
    }

    /// When to publish; none while nothing waits.
    pub fn due(&self) -> Option<Instant> {
        let Waiting { first, last } = self.waiting?;
        let was_silent = self.published.is_none_or(|p| first.saturating_duration_since(p) >= self.pace.quiet);
        Some(if was_silent { first + self.pace.gather } else { (last + self.pace.quiet).min(first + self.pace.most) })
    }

    /// All that waited is published; gives when the first of it had changed.
    pub fn publish(&mut self, now: Instant) -> Option<Instant> {
        self.published = Some(now);
        self.waiting.take().map(|w| w.first)
    }
}

#[cfg(test)]
mod tests;
