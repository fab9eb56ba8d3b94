//! How endpoints are chosen, and how much may be asked of them.

use std::time::Duration;

use mesh_proto::envoy::envoy::config::cluster::v3 as pb;

use crate::{
    refusal::{At, Bad},
    take::{ensure, limit, nothing_left, number},
};

/// The load balancing policy.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// One after the other.
    RoundRobin,
    /// Of some random ones the least busy.
    LeastRequest {
        /// How many are looked at.
        choices: u32,
    },
    /// Any.
    Random,
    /// By a hash, on a ring of points.
    RingHash {
        /// At least so many points.
        min: u64,
        /// At most so many.
        max: u64,
    },
    /// By a hash, in a table of a prime size.
    Maglev {
        /// The size.
        size: u64,
    },
    /// The cluster itself says (original destination).
    Provided {
        /// Another port than the connection's own.
        port: Option<u16>,
    },
}

impl Policy {
    pub(super) fn parse(message: &mut pb::Cluster) -> Result<(Self, Option<SlowStart>), Bad> {
        use pb::cluster::{LbConfig as C, LbPolicy as P};
        let policy =
            P::try_from(std::mem::take(&mut message.lb_policy)).map_err(|_| Bad::new("lb_policy", "is unknown"))?;
        let mut slow_start = None;
        let policy = match (policy, message.lb_config.take()) {
            (P::RoundRobin, None) => Self::RoundRobin,
            (P::RoundRobin, Some(C::RoundRobinLbConfig(mut config))) => {
                slow_start = SlowStart::parse(config.slow_start_config.take()).at("round_robin_lb_config")?;
                nothing_left(&config).at("round_robin_lb_config")?;
                Self::RoundRobin
            }
            (P::LeastRequest, None) => Self::LeastRequest { choices: 2 },
            (P::LeastRequest, Some(C::LeastRequestLbConfig(mut config))) => {
                let choices = number(config.choice_count.take()).unwrap_or(2);
                slow_start = SlowStart::parse(config.slow_start_config.take()).at("least_request_lb_config")?;
                nothing_left(&config).at("least_request_lb_config")?;
                ensure(choices >= 2, "least_request_lb_config.choice_count", "is below 2")?;
                Self::LeastRequest { choices }
            }
            (P::Random, None) => Self::Random,
            (P::RingHash, None) => Self::RingHash { min: 1024, max: Self::LARGEST_RING },
            (P::RingHash, Some(C::RingHashLbConfig(mut config))) => {
                let min = config.minimum_ring_size.take().map_or(1024, |v| v.value);
                let max = config.maximum_ring_size.take().map_or(Self::LARGEST_RING, |v| v.value);
                nothing_left(&config).at("ring_hash_lb_config")?;
                let good = min <= max && max <= Self::LARGEST_RING;
                ensure(good, "ring_hash_lb_config.minimum_ring_size", "is above the maximum")?;
                Self::RingHash { min, max }
            }
            (P::Maglev, None) => Self::Maglev { size: Self::MAGLEV },
            (P::Maglev, Some(C::MaglevLbConfig(config))) => {
                let size = config.table_size.map_or(Self::MAGLEV, |v| v.value);
                let good = (2..=5_000_011).contains(&size) && is_prime(size);
                ensure(good, "maglev_lb_config.table_size", "is no prime up to 5000011")?;
                Self::Maglev { size }
            }
            (P::ClusterProvided, None) => Self::Provided { port: None },
            (P::ClusterProvided, Some(C::OriginalDstLbConfig(mut config))) => {
                let port = number(config.upstream_port_override.take()).map(u16::try_from).transpose();
                nothing_left(&config).at("original_dst_lb_config")?;
                let bad = |_| Bad::new("original_dst_lb_config.upstream_port_override", "is above 65535");
                Self::Provided { port: port.map_err(bad)? }
            }
            (P::LoadBalancingPolicyConfig, _) => return Err(Bad::new("load_balancing_policy", "is not supported")),
            _ => return Err(Bad::new("lb_config", "belongs to another policy")),
        };
        Ok((policy, slow_start))
    }

    const LARGEST_RING: u64 = 8 * 1024 * 1024;
    const MAGLEV: u64 = 65_537;

    /// Whether callers are kept at one endpoint.
    pub fn is_consistent(self) -> bool {
        matches!(self, Self::RingHash { .. } | Self::Maglev { .. })
    }
}

/// How a new endpoint's share grows.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start>
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    window: Duration,
    /// The share that it has at least, of 1.
    least: f64,
    aggression: f64,
}

impl SlowStart {
    fn parse(message: Option<pb::cluster::SlowStartConfig>) -> Result<Option<Self>, Bad> {
        let Some(mut message) = message else { return Ok(None) };
        let window = limit(message.slow_start_window.take()).at("slow_start_config.slow_start_window")?;
        let aggression = message.aggression.take().map_or(1.0, |value| value.default_value);
        let least = message.min_weight_percent.take().map_or(10.0, |percent| percent.value) / 100.0;
        ensure(aggression > 0.0, "slow_start_config.aggression", "is not above zero")?;
        nothing_left(&message).at("slow_start_config")?;
        Ok(window.map(|window| Self { window, least, aggression }))
    }

    /// The share of an endpoint that has been there for so long, of 1.
    pub(crate) fn share(&self, age: Duration) -> f64 {
        let part = age.as_secs_f64() / self.window.as_secs_f64();
        if part >= 1.0 { 1.0 } else { part.powf(1.0 / self.aggression).max(self.least) }
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2 && (2..).take_while(|d| d * d <= number).all(|d| !number.is_multiple_of(d))
}

/// The circuit breaker's thresholds.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/circuit_breaker.proto>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests that are under way.
    pub requests: u32,
    /// Retries that are under way.
    pub retries: u32,
}

impl Limits {
    const DEFAULT: Self = Self { connections: 1024, pending: 1024, requests: 1024, retries: 3 };

    pub(super) fn parse(message: Option<pb::CircuitBreakers>) -> Result<Self, Bad> {
        let mut limits = Self::DEFAULT;
        let Some(mut message) = message else { return Ok(limits) };
        for (index, mut threshold) in std::mem::take(&mut message.thresholds).into_iter().enumerate() {
            limits = Self {
                connections: number(threshold.max_connections.take()).unwrap_or(limits.connections),
                pending: number(threshold.max_pending_requests.take()).unwrap_or(limits.pending),
                requests: number(threshold.max_requests.take()).unwrap_or(limits.requests),
                retries: number(threshold.max_retries.take()).unwrap_or(limits.retries),
            };
            // Whether what is left is counted in statistics.
            threshold.track_remaining = false;
            nothing_left(&threshold).at_index("thresholds", index)?;
        }
        nothing_left(&message)?;
        Ok(limits)
    }
}
