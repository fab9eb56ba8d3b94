//! Load balancing, limits and ejection, as a DestinationRule sets them.

use mesh_model::config::{
    ConnectionPool, HashTable, LbAlgorithm, LoadBalancer, MeshConfig, OutlierDetection, TcpKeepalive, Warmup,
};

use crate::{
    pb::{
        self,
        cluster::{CircuitBreakers, Cluster, UpstreamConnectionOptions, circuit_breakers::Thresholds, cluster},
        core,
    },
    wire::{duration, long, number},
};

/// As many as there are.
const UNLIMITED: u32 = u32::MAX;

/// Limits of connections and requests at a time.
pub(super) fn breakers(pool: Option<&ConnectionPool>) -> CircuitBreakers {
    let (tcp, http) = (pool.map(|p| &p.tcp), pool.map(|p| &p.http));
    let limit = |value: Option<std::num::NonZeroU32>| number(value.map_or(UNLIMITED, std::num::NonZeroU32::get));
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: limit(tcp.and_then(|p| p.max_connections)),
            max_pending_requests: limit(http.and_then(|p| p.max_pending_requests)),
            max_requests: limit(http.and_then(|p| p.max_requests)),
            max_retries: limit(http.and_then(|p| p.max_retries)),
            track_remaining: true,
            ..Default::default()
        }],
        per_host_thresholds: Vec::new(),
    }
}

/// The system's probes of idle connections.
pub(super) fn keepalive(settings: &TcpKeepalive) -> UpstreamConnectionOptions {
    let seconds = |span: std::time::Duration| number(u32::try_from(span.as_secs()).unwrap_or(u32::MAX));
    UpstreamConnectionOptions {
        tcp_keepalive: Some(core::TcpKeepalive {
            keepalive_probes: settings.probes.and_then(|n| number(n.get())),
            keepalive_time: settings.time.and_then(seconds),
            keepalive_interval: settings.interval.and_then(seconds),
        }),
        ..Default::default()
    }
}

/// Limits, connect timeout and probes.
pub(super) fn apply_pool(cluster: &mut Cluster, pool: Option<&ConnectionPool>, mesh: &MeshConfig) {
    cluster.circuit_breakers = Some(breakers(pool));
    let tcp = pool.map(|p| &p.tcp);
    if let Some(timeout) = tcp.and_then(|p| p.connect_timeout) {
        cluster.connect_timeout = Some(duration(timeout));
    }
    if let Some(settings) = tcp.and_then(|p| p.keepalive.as_ref()).or(mesh.tcp_keepalive.as_ref()) {
        cluster.upstream_connection_options = Some(keepalive(settings));
    }
}

/// Which endpoints are left out for a while. Ejection by success rate is off, as Istio has it.
pub(super) fn apply_outlier(cluster: &mut Cluster, outlier: &OutlierDetection) {
    let enforcing = |count: u32| number(if count > 0 { 100 } else { 0 });
    let split = outlier.split_local_errors;
    let local = outlier.consecutive_local_failures.filter(|n| split && *n > 0);
    cluster.outlier_detection = Some(pb::cluster::OutlierDetection {
        enforcing_success_rate: number(0),
        consecutive_5xx: outlier.consecutive_5xx.and_then(number),
        enforcing_consecutive_5xx: outlier.consecutive_5xx.and_then(enforcing),
        consecutive_gateway_failure: outlier.consecutive_gateway_errors.and_then(number),
        enforcing_consecutive_gateway_failure: outlier.consecutive_gateway_errors.and_then(enforcing),
        interval: outlier.interval.map(duration),
        base_ejection_time: outlier.base_ejection_time.map(duration),
        max_ejection_percent: outlier.max_ejection_percent.filter(|p| *p > 0).and_then(|p| number(u32::from(p))),
        split_external_local_origin_errors: split,
        consecutive_local_origin_failure: local.and_then(number),
        enforcing_consecutive_local_origin_failure: local.and_then(enforcing),
        enforcing_local_origin_success_rate: if split { number(0) } else { None },
        ..Default::default()
    });
    // Envoy's own default, 50 %, suits fleets; services of a mesh have few endpoints, so panic is off unless asked for.
    let threshold = pb::kind::Percent { value: f64::from(outlier.min_health_percent.unwrap_or_default()) };
    cluster.common_lb_config.get_or_insert_default().healthy_panic_threshold = Some(threshold);
}

/// Which endpoint a request goes to.
pub(super) fn apply_lb(cluster: &mut Cluster, lb: Option<&LoadBalancer>, mesh: &MeshConfig) {
    use cluster::{ClusterDiscoveryType, DiscoveryType, LbConfig, LbPolicy, common_lb_config::LocalityConfigSpecifier};
    let locality = lb.and_then(|lb| lb.locality.as_ref()).and_then(|l| l.enabled).or(mesh.locality_lb.enabled);
    if locality.unwrap_or(true) {
        cluster.common_lb_config.get_or_insert_default().locality_config_specifier =
            Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(Default::default()));
    }
    let original = ClusterDiscoveryType::Type(DiscoveryType::OriginalDst as i32);
    if cluster.cluster_discovery_type == Some(original.clone()) {
        cluster.lb_policy = LbPolicy::ClusterProvided as i32;
        // Envoy wants nothing to weigh where nothing is chosen.
        if let Some(common) = &mut cluster.common_lb_config {
            common.locality_config_specifier = None;
        }
        return;
    }
    let slow_start = lb.and_then(|lb| lb.warmup.as_ref()).map(slow_start);
    let (policy, config) = match lb.and_then(|lb| lb.algorithm.as_ref()).unwrap_or(&LbAlgorithm::LeastRequest) {
        LbAlgorithm::LeastRequest => {
            let config = cluster::LeastRequestLbConfig { slow_start_config: slow_start, ..Default::default() };
            (
                LbPolicy::LeastRequest,
                config.slow_start_config.is_some().then_some(LbConfig::LeastRequestLbConfig(config)),
            )
        }
        LbAlgorithm::RoundRobin => {
            let config = cluster::RoundRobinLbConfig { slow_start_config: slow_start };
            (LbPolicy::RoundRobin, config.slow_start_config.is_some().then_some(LbConfig::RoundRobinLbConfig(config)))
        }
        LbAlgorithm::Random => (LbPolicy::Random, None),
        LbAlgorithm::Passthrough => {
            cluster.cluster_discovery_type = Some(original);
            cluster.eds_cluster_config = None;
            cluster.load_assignment = None;
            if let Some(common) = &mut cluster.common_lb_config {
                common.locality_config_specifier = None;
            }
            (LbPolicy::ClusterProvided, None)
        }
        LbAlgorithm::ConsistentHash { table: HashTable::Ring { minimum_size }, .. } => {
            let config = cluster::RingHashLbConfig { minimum_ring_size: long(*minimum_size), ..Default::default() };
            (LbPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config)))
        }
        LbAlgorithm::ConsistentHash { table: HashTable::Maglev { table_size }, .. } => {
            let config = cluster::MaglevLbConfig { table_size: long(*table_size) };
            (LbPolicy::Maglev, Some(LbConfig::MaglevLbConfig(config)))
        }
    };
    cluster.lb_policy = policy as i32;
    cluster.lb_config = config;
}

fn slow_start(warmup: &Warmup) -> cluster::SlowStartConfig {
    cluster::SlowStartConfig {
        slow_start_window: Some(duration(warmup.duration)),
        aggression: Some(core::RuntimeDouble {
            default_value: f64::from(warmup.aggression_thousandths) / 1000.0,
            runtime_key: String::new(),
        }),
        min_weight_percent: Some(pb::kind::Percent { value: f64::from(warmup.minimum.millionths()) / 10_000.0 }),
    }
}
