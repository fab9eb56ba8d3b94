//! Response flags: in short, what was out of the ordinary.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#config-access-log-format-response-flags>

use std::fmt;

/// A set of response flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flags(u32);

impl Flags {
    /// No route, no virtual host, no filter chain.
    pub(crate) const NO_ROUTE: Self = Self(1);
    /// The route's cluster is unknown.
    pub(crate) const NO_CLUSTER: Self = Self(1 << 1);
    /// The cluster has no healthy endpoint.
    pub(crate) const NO_HEALTHY_UPSTREAM: Self = Self(1 << 2);
    /// No connection to the endpoint came about.
    pub(crate) const UPSTREAM_FAILURE: Self = Self(1 << 3);
    /// The upstream ended its connection.
    pub(crate) const UPSTREAM_TERMINATED: Self = Self(1 << 4);
    /// A limit of the cluster was reached.
    pub(crate) const UPSTREAM_OVERFLOW: Self = Self(1 << 5);
    /// The upstream took too long.
    pub(crate) const UPSTREAM_TIMEOUT: Self = Self(1 << 6);
    /// All retries are used up.
    pub(crate) const RETRY_LIMIT: Self = Self(1 << 7);
    /// The upstream reset the stream.
    pub(crate) const UPSTREAM_RESET: Self = Self(1 << 8);
    /// The client went away.
    pub(crate) const DOWNSTREAM_TERMINATED: Self = Self(1 << 9);
    /// A delay was injected.
    pub(crate) const DELAY_INJECTED: Self = Self(1 << 10);
    /// An abort was injected.
    pub(crate) const FAULT_INJECTED: Self = Self(1 << 11);
    /// The client broke the protocol.
    pub(crate) const DOWNSTREAM_PROTOCOL: Self = Self(1 << 12);
    /// The upstream broke the protocol.
    pub(crate) const UPSTREAM_PROTOCOL: Self = Self(1 << 13);
    /// The stream was silent for too long.
    pub(crate) const STREAM_IDLE: Self = Self(1 << 14);
    /// The connection or request lasted too long.
    pub(crate) const DURATION_TIMEOUT: Self = Self(1 << 15);
    /// The name that was asked for leads nowhere.
    pub(crate) const DNS_FAILURE: Self = Self(1 << 16);

    /// In the order in which Envoy prints them.
    const NAMES: &[(Self, &str)] = &[
        (Self::NO_HEALTHY_UPSTREAM, "UH"),
        (Self::UPSTREAM_TIMEOUT, "UT"),
        (Self::UPSTREAM_RESET, "UR"),
        (Self::UPSTREAM_FAILURE, "UF"),
        (Self::UPSTREAM_TERMINATED, "UC"),
        (Self::UPSTREAM_OVERFLOW, "UO"),
        (Self::NO_ROUTE, "NR"),
        (Self::DELAY_INJECTED, "DI"),
        (Self::FAULT_INJECTED, "FI"),
        (Self::DOWNSTREAM_TERMINATED, "DC"),
        (Self::RETRY_LIMIT, "URX"),
        (Self::STREAM_IDLE, "SI"),
        (Self::DOWNSTREAM_PROTOCOL, "DPE"),
        (Self::DURATION_TIMEOUT, "DT"),
        (Self::UPSTREAM_PROTOCOL, "UPE"),
        (Self::NO_CLUSTER, "NC"),
        (Self::DNS_FAILURE, "DF"),
    ];

    /// Adds flags.
    pub(crate) fn set(&mut self, flags: Self) {
        self.0 |= flags.0;
    }

    /// Whether all of these are set.
    pub(crate) fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// `UF,URX`, or `-` if none is set.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = Self::NAMES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| *name);
        f.write_str(set.next().unwrap_or("-"))?;
        set.try_for_each(|name| write!(f, ",{name}"))
    }
}

#[cfg(test)]
mod tests;
