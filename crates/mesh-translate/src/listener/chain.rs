//! Filter chains, and what leads to them.

use std::{num::NonZeroU32, time::Duration};

use ipnet::IpNet;
use mesh_model::{
    config::{HashKey, LbAlgorithm},
    push_context::EffectivePolicy,
};

use super::access_log;
use crate::{
    context::Context,
    dynamic, names,
    pb::{
        core::Metadata,
        kind::{
            HashPolicy,
            hash_policy::{PolicySpecifier, SourceIp},
        },
        listener::{Filter, FilterChain, FilterChainMatch, filter::ConfigType},
        tcp_proxy::{
            TcpProxy,
            tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight},
        },
    },
    wire::{any, cidr, duration, number},
};

/// Names of HTTP in the clear that the HTTP inspector finds.
const PLAINTEXT_HTTP: [&str; 3] = ["http/1.0", "http/1.1", "h2c"];

/// What a connection must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// The port that was dialled.
    pub(super) port: Option<u16>,
    /// Addresses that were dialled; empty: any.
    pub(super) subnets: Vec<IpNet>,
    /// TLS server names; empty: any, and no TLS.
    pub(super) server_names: Vec<String>,
    /// `tls`, `raw_buffer`; empty: either.
    pub(super) transport: &'static str,
    /// Found by inspectors; empty: any.
    pub(super) applications: Vec<String>,
}

impl Match {
    /// HTTP in the clear.
    pub(super) fn http() -> Self {
        Self { transport: "raw_buffer", applications: PLAINTEXT_HTTP.map(str::to_owned).to_vec(), ..Self::default() }
    }

    /// Whether everything matches.
    pub(super) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    fn message(&self) -> Option<FilterChainMatch> {
        (!self.is_open()).then(|| FilterChainMatch {
            destination_port: self.port.and_then(|p| number(u32::from(p))),
            prefix_ranges: self.subnets.iter().copied().map(cidr).collect(),
            server_names: self.server_names.clone(),
            transport_protocol: self.transport.to_owned(),
            application_protocols: self.applications.clone(),
            ..Default::default()
        })
    }
}

/// How bytes are passed on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    idle_timeout: Option<Duration>,
    /// A caller stays at one endpoint. D10: bytes have nothing else to hash.
    by_source: bool,
}

impl Passing {
    /// As a destination's policy says.
    pub(super) fn of(policy: &EffectivePolicy) -> Self {
        let algorithm = policy.blocks.load_balancer.as_ref().and_then(|lb| lb.algorithm.as_ref());
        Self {
            idle_timeout: policy.blocks.connection_pool.as_ref().and_then(|pool| pool.tcp.idle_timeout),
            by_source: matches!(algorithm, Some(LbAlgorithm::ConsistentHash { key: HashKey::SourceIp, .. })),
        }
    }
}

/// What ends a chain, and what has to happen before.
#[derive(Clone, Debug)]
pub(super) struct Filters(Vec<Filter>);

impl From<Filter> for Filters {
    fn from(filter: Filter) -> Self {
        Self(vec![filter])
    }
}

/// A chain of these filters.
pub(super) fn chain(
    name: &str,
    matching: &Match,
    filters: impl Into<Filters>,
    metadata: Option<Metadata>,
) -> FilterChain {
    FilterChain {
        name: name.to_owned(),
        filter_chain_match: matching.message(),
        filters: filters.into().0,
        metadata,
        ..Default::default()
    }
}

/// Bytes to one cluster.
pub(super) fn tcp(context: &Context<'_>, cluster: &str, passing: Passing) -> Filter {
    tcp_filter(context, cluster, ClusterSpecifier::Cluster(cluster.to_owned()), passing)
}

/// Bytes to several clusters by weight.
pub(super) fn tcp_weighted(context: &Context<'_>, to: &[(String, NonZeroU32)], passing: Passing) -> Filters {
    let before = dynamic::tls_filter(context, to.iter().map(|(name, _)| name.as_str()));
    let last = if let [(cluster, _)] = to { tcp(context, cluster, passing) } else { weighted(context, to, passing) };
    Filters(before.into_iter().chain([last]).collect())
}

fn weighted(context: &Context<'_>, to: &[(String, NonZeroU32)], passing: Passing) -> Filter {
    let clusters = to.iter().map(|(name, weight)| ClusterWeight {
        name: name.clone(),
        weight: weight.get(),
        metadata_match: None,
    });
    let prefix = to.first().map_or(names::UNKNOWN_SERVICE, |(name, _)| name);
    let specifier = ClusterSpecifier::WeightedClusters(WeightedCluster { clusters: clusters.collect() });
    tcp_filter(context, prefix, specifier, passing)
}

fn tcp_filter(context: &Context<'_>, prefix: &str, to: ClusterSpecifier, passing: Passing) -> Filter {
    let proxy = TcpProxy {
        stat_prefix: prefix.to_owned(),
        cluster_specifier: Some(to),
        access_log: access_log::access_log(context.mesh()),
        idle_timeout: passing.idle_timeout.map(duration),
        hash_policy: passing.by_source.then(by_source).into_iter().collect(),
        ..Default::default()
    };
    Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&proxy))),
    }
}

fn by_source() -> HashPolicy {
    HashPolicy { policy_specifier: Some(PolicySpecifier::SourceIp(SourceIp::default())) }
}

/// What becomes of connections that nothing is known about.
pub(super) fn unknown(context: &Context<'_>) -> Filter {
    tcp(context, &unknown_cluster(context), Passing::default())
}

/// The cluster of connections that nothing is known about.
pub(crate) fn unknown_cluster(context: &Context<'_>) -> String {
    match (&context.scope.egress_proxy, context.allows_any()) {
        (Some(to), true) => {
            let port = to.port.map_or(0, |p| p.get());
            names::outbound(port, to.subset.as_deref().unwrap_or_default(), &to.host)
        }
        (None, true) => names::PASSTHROUGH.to_owned(),
        (_, false) => names::BLACK_HOLE.to_owned(),
    }
}
