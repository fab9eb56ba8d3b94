//! Sending endpoints home for a while when they keep failing: a state machine per endpoint, driven by outcomes.
//!
//! Time is an argument: [`Tick`]s. Nothing runs in the background: an endpoint comes back when somebody looks at it
//! after its time.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use mesh_proto::envoy::envoy::config::cluster::v3 as pb;

use crate::{
    refusal::{At, Bad},
    take::{duration, ensure, nothing_left, number},
};

/// Milliseconds since a beginning of the caller's choice; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u64);

impl Tick {
    /// The moment so long after the beginning.
    pub fn after(since: Duration) -> Self {
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1) + 1)
    }

    /// How long after an earlier one.
    pub(crate) fn since(self, earlier: u64) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier))
    }

    /// As a number that an atomic can hold.
    pub(crate) fn count(self) -> u64 {
        self.0
    }

    fn plus(self, time: Duration) -> u64 {
        self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

/// When an endpoint is ejected, and for how long.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierConfig {
    server_errors: Rule,
    gateway_errors: Rule,
    local_errors: Rule,
    split_local: bool,
    interval: Duration,
    base: Duration,
    longest: Duration,
    max_percent: u32,
}

/// So many failures in a row, and how often they have a consequence, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    failures: u32,
    enforcing: u32,
}

impl Rule {
    fn strikes(self, count: u32, random: u64) -> bool {
        self.enforcing > 0 && count >= self.failures && random % 100 < u64::from(self.enforcing)
    }
}

/// How an endpoint did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOutcome {
    /// It answered with a status (of gRPC, the HTTP status that means the same).
    Status(u16),
    /// No connection came about, or it broke: this side's finding.
    LocalFailure,
    /// A connection came about.
    Connected,
}

/// The state of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct OutlierState {
    server_errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_errors: AtomicU32,
    /// The tick until which it is away; 0 while it is not.
    away_until: AtomicU64,
    /// How often it was sent away of late.
    times: AtomicU32,
}

impl OutlierConfig {
    pub(crate) fn parse(mut m: pb::OutlierDetection) -> Result<Self, Bad> {
        let interval = duration(m.interval.take()).at("interval")?.unwrap_or(Duration::from_secs(10));
        let base = duration(m.base_ejection_time.take()).at("base_ejection_time")?.unwrap_or(Duration::from_secs(30));
        let longest = duration(m.max_ejection_time.take()).at("max_ejection_time")?.unwrap_or(Duration::from_secs(300));
        let rule = |failures, enforcing, default| Rule {
            failures: number(failures).unwrap_or(5),
            enforcing: number(enforcing).unwrap_or(default),
        };
        let config = Self {
            server_errors: rule(m.consecutive_5xx.take(), m.enforcing_consecutive_5xx.take(), 100),
            gateway_errors: rule(
                m.consecutive_gateway_failure.take(),
                m.enforcing_consecutive_gateway_failure.take(),
                0,
            ),
            local_errors: rule(
                m.consecutive_local_origin_failure.take(),
                m.enforcing_consecutive_local_origin_failure.take(),
                100,
            ),
            split_local: std::mem::take(&mut m.split_external_local_origin_errors),
            interval,
            base,
            longest: longest.max(base),
            max_percent: number(m.max_ejection_percent.take()).unwrap_or(10),
        };
        for (field, value) in [
            ("enforcing_success_rate", m.enforcing_success_rate.take()),
            ("enforcing_local_origin_success_rate", m.enforcing_local_origin_success_rate.take()),
        ] {
            // Istio writes 0 for the first, and the second has no effect unless local errors are split off.
            let off = number(value) == Some(0) || field.contains("local") && value.is_none();
            ensure(off, field, "ejection by success rate is not supported, only 0")?;
        }
        nothing_left(&m)?;
        Ok(config)
    }
}

impl OutlierState {
    /// Whether the endpoint is away; `back` is called when its time has just ended.
    pub(crate) fn is_away(&self, now: Tick, back: impl FnOnce()) -> bool {
        let until = self.away_until.load(Relaxed);
        if until == 0 {
            return false;
        }
        if until > now.0 {
            return true;
        }
        // Whoever is first to see it brings it back.
        if self.away_until.compare_exchange(until, 0, Relaxed, Relaxed).is_ok() {
            self.server_errors.store(0, Relaxed);
            self.gateway_errors.store(0, Relaxed);
            self.local_errors.store(0, Relaxed);
            back();
        }
        false
    }

    /// Whether it was sent away and nobody has brought it back yet.
    pub(crate) fn is_sent_away(&self) -> bool {
        self.away_until.load(Relaxed) != 0
    }

    /// Counts an outcome; whether the endpoint should now be ejected.
    pub(crate) fn count(&self, config: &OutlierConfig, outcome: HostOutcome, random: u64) -> bool {
        let (status, local) = match outcome {
            HostOutcome::Connected => {
                self.local_errors.store(0, Relaxed);
                return false;
            }
            HostOutcome::LocalFailure if config.split_local => {
                let count = self.local_errors.fetch_add(1, Relaxed) + 1;
                return config.local_errors.strikes(count, random);
            }
            HostOutcome::LocalFailure => (503, true),
            HostOutcome::Status(status) => (status, false),
        };
        if status < 500 {
            self.server_errors.store(0, Relaxed);
            self.gateway_errors.store(0, Relaxed);
            if !local {
                self.local_errors.store(0, Relaxed);
            }
            return false;
        }
        let server = self.server_errors.fetch_add(1, Relaxed) + 1;
        let gateway = if matches!(status, 502..=504) {
            self.gateway_errors.fetch_add(1, Relaxed) + 1
        } else {
            self.gateway_errors.store(0, Relaxed);
            0
        };
        config.server_errors.strikes(server, random) || config.gateway_errors.strikes(gateway, random)
    }

    /// Sends the endpoint away, if `away` of `all` leave room for one more; whether it went.
    pub(crate) fn eject(&self, config: &OutlierConfig, now: Tick, away: u32, all: u32) -> bool {
        let room = away == 0 || u64::from(away + 1) * 100 <= u64::from(config.max_percent) * u64::from(all);
        if !room || config.max_percent == 0 || self.away_until.load(Relaxed) != 0 {
            return false;
        }
        let times = self.times.fetch_add(1, Relaxed).saturating_add(1);
        let time = config.base.saturating_mul(times).min(config.longest);
        self.away_until.compare_exchange(0, now.plus(time).max(1), Relaxed, Relaxed).is_ok()
    }

    /// Once an interval, for an endpoint that is not away: it is forgiven one ejection.
    pub(crate) fn forgive(&self) {
        if self.away_until.load(Relaxed) == 0 {
            let _previous = self.times.fetch_update(Relaxed, Relaxed, |times| times.checked_sub(1));
        }
    }
}

impl OutlierConfig {
    /// How often endpoints that stay are forgiven ([`crate::Cluster::forgive`]).
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

#[cfg(test)]
mod tests;
