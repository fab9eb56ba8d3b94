//! Passing bytes on.

use std::{sync::Arc, time::Duration};

use mesh_proto::envoy::envoy::{
    extensions::filters::network::tcp_proxy::v3 as pb, r#type::v3::hash_policy::PolicySpecifier,
};

use crate::{
    log::AccessLog,
    refusal::{At, Bad},
    take::{duration, ensure, limit, nothing_left, number},
};

/// A validated TCP proxy.
#[derive(Clone, Debug)]
pub struct TcpForward {
    targets: Vec<(Arc<str>, u64)>,
    total: u64,
    /// How long both directions may be silent (1 h); none is for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may last.
    pub max_age: Option<Duration>,
    /// How often a connection to an endpoint is tried.
    pub connect_attempts: u32,
    /// Whether a caller is kept at one endpoint, by its address.
    pub by_source: bool,
    /// Whether the name that TLS asks for is the cluster's.
    pub by_server_name: bool,
    /// Where it is logged.
    pub access_log: Vec<AccessLog>,
}

impl TcpForward {
    pub(crate) fn parse(mut message: pb::TcpProxy) -> Result<Self, Bad> {
        use pb::tcp_proxy::ClusterSpecifier as C;
        let targets: Vec<(Arc<str>, u64)> = match message.cluster_specifier.take() {
            Some(C::Cluster(name)) => vec![(name.into(), 1)],
            Some(C::WeightedClusters(weighted)) => {
                let clusters = weighted.clusters.into_iter().enumerate();
                let one = |(i, mut cluster): (usize, pb::tcp_proxy::weighted_cluster::ClusterWeight)| {
                    let target = (std::mem::take(&mut cluster.name).into(), std::mem::take(&mut cluster.weight).into());
                    nothing_left(&cluster).at_index("weighted_clusters.clusters", i)?;
                    Ok(target)
                };
                clusters.map(one).collect::<Result<_, Bad>>()?
            }
            None => return Err(Bad::new("cluster_specifier", "is missing")),
        };
        let total = targets.iter().map(|(_, weight)| weight).sum();
        ensure(total > 0, "weighted_clusters", "has no weight at all")?;
        let idle = duration(message.idle_timeout.take()).at("idle_timeout")?.unwrap_or(Duration::from_secs(3600));
        let policies = std::mem::take(&mut message.hash_policy);
        let by_source = match &policies.iter().map(|p| &p.policy_specifier).collect::<Vec<_>>()[..] {
            [] => false,
            [Some(PolicySpecifier::SourceIp(_))] => true,
            _ => return Err(Bad::new("hash_policy", "only the source address is supported")),
        };
        let age = limit(message.max_downstream_connection_duration.take()).at("max_downstream_connection_duration")?;
        let forward = Self {
            targets,
            total,
            idle_timeout: Some(idle).filter(|t| !t.is_zero()),
            max_age: age,
            connect_attempts: number(message.max_connect_attempts.take()).unwrap_or(1).max(1),
            by_source,
            by_server_name: false,
            access_log: AccessLog::parse_all(std::mem::take(&mut message.access_log))?,
        };
        message.stat_prefix.clear();
        nothing_left(&message)?;
        Ok(forward)
    }

    /// The cluster of one connection, which asks for this name.
    pub fn target_of(&self, server_name: Option<&str>, random: u64) -> Arc<str> {
        match server_name {
            Some(name) if self.by_server_name => name.into(),
            _ => self.target(random).clone(),
        }
    }

    /// The cluster of one connection, where names do not decide.
    pub fn target(&self, random: u64) -> &Arc<str> {
        let mut rest = random % self.total;
        for (cluster, weight) in &self.targets {
            if rest < *weight {
                return cluster;
            }
            rest -= weight;
        }
        // Not reached: the weights sum up to the total.
        &self.targets[0].0
    }

    /// All clusters that may be chosen, each with its share.
    pub fn targets(&self) -> &[(Arc<str>, u64)] {
        &self.targets
    }

    /// The hash that keeps a caller at one endpoint.
    pub fn hash(&self, source: std::net::IpAddr) -> Option<u64> {
        self.by_source.then(|| crate::hash::xx(source.to_string().as_bytes(), 0))
    }
}
