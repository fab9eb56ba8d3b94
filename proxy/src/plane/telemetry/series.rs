//! What a series counts. Everybody may count at once; whoever reads sees what has arrived so far.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::Measured;
use crate::plane::stats::Counter;

/// Upper bounds of the buckets as Envoy has them, in thousandths, and how they are written.
pub(super) const BOUNDS: [(u64, &str); 19] = [
    (500, "0.5"),
    (1_000, "1"),
    (5_000, "5"),
    (10_000, "10"),
    (25_000, "25"),
    (50_000, "50"),
    (100_000, "100"),
    (250_000, "250"),
    (500_000, "500"),
    (1_000_000, "1000"),
    (2_500_000, "2500"),
    (5_000_000, "5000"),
    (10_000_000, "10000"),
    (30_000_000, "30000"),
    (60_000_000, "60000"),
    (300_000_000, "300000"),
    (600_000_000, "600000"),
    (1_800_000_000, "1800000"),
    (3_600_000_000, "3600000"),
];

/// How values are spread. Each is counted in one bucket; the sums that Prometheus wants are made when it asks.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last one is for what is above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// In thousandths.
    sum: AtomicU64,
}

impl Histogram {
    /// Counts a value, in thousandths.
    pub(super) fn count(&self, value: u64) {
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < value);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// How many values there are at or below each bound, and then in all.
    pub(super) fn cumulated(&self) -> [u64; BOUNDS.len() + 1] {
        let mut sum = 0;
        std::array::from_fn(|i| {
            sum += self.buckets[i].load(Relaxed);
            sum
        })
    }

    /// The sum of all values, in thousandths.
    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}

/// Requests with the same labels.
#[derive(Debug, Default)]
pub(super) struct HttpSeries {
    /// In milliseconds. Each request has one, so that this counts requests, too.
    pub(super) duration: Histogram,
    pub(super) request_bytes: Histogram,
    pub(super) response_bytes: Histogram,
}

impl HttpSeries {
    pub(super) fn count(&self, measured: &Measured<'_>) {
        self.duration.count(micros(measured.duration));
        self.request_bytes.count(measured.request_bytes.saturating_mul(1_000));
        self.response_bytes.count(measured.response_bytes.saturating_mul(1_000));
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}

/// Messages of gRPC with the same labels.
#[derive(Debug, Default)]
pub(crate) struct MessageCounts {
    /// From clients.
    pub(super) request: Counter,
    /// From servers.
    pub(super) response: Counter,
}

/// Connections with the same labels.
#[derive(Debug, Default)]
pub(super) struct TcpCounts {
    pub(super) opened: Counter,
    pub(super) closed: Counter,
    /// To the client.
    pub(super) sent: Counter,
    /// From the client.
    pub(super) received: Counter,
}

#[cfg(test)]
mod tests;
