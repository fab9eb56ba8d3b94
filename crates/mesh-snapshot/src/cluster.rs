//! Clusters as they are sent: how endpoints are found, chosen, limited and spoken to.

mod dynamic;
mod http;
mod policy;

use std::{net::IpAddr, sync::Arc, time::Duration};

use mesh_proto::envoy::{
    envoy::config::{cluster::v3 as pb, core::v3 as core},
    google::protobuf::value::Kind as JsonKind,
};

pub use self::{
    dynamic::Dynamic,
    http::{HttpOptions, UpstreamProtocol},
    policy::{Limits, Policy, SlowStart},
};
use crate::{
    endpoint::{Assignment, EndpointAddress, host_and_port},
    outlier::OutlierConfig,
    refusal::{At, Bad},
    route::Provenance,
    take::{duration, ensure, limit, nothing_left, number, text_of, type_name},
    tls::{self, ClientRules},
};

/// A validated cluster, without its endpoints where those come by themselves.
#[derive(Debug)]
pub struct ClusterConfig {
    /// Its name, such as `outbound|9080|v1|reviews.default.svc.cluster.local`.
    pub name: Arc<str>,
    /// A hash of the resource: connections of another version are not reused.
    pub version: u64,
    /// Where endpoints come from.
    pub discovery: Discovery,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How an endpoint is chosen.
    pub policy: Policy,
    /// How a new endpoint's share grows; none: at once.
    pub slow_start: Option<SlowStart>,
    /// Below this share of healthy endpoints all are used, in percent.
    pub panic_percent: f64,
    /// Whether localities get shares by their weights.
    pub locality_weighted: bool,
    /// How much may be going on at once.
    pub limits: Limits,
    /// When an endpoint is sent home for a while.
    pub outlier: Option<OutlierConfig>,
    /// How HTTP is spoken to it.
    pub http: HttpOptions,
    /// TLS to it, if any.
    pub(crate) tls: Option<Arc<ClientRules>>,
    /// How connections are kept alive.
    pub keepalive: Option<Keepalive>,
    /// From which address connections come.
    pub source: Option<IpAddr>,
    /// Which object made it.
    pub provenance: Provenance,
    /// The service behind it.
    pub service: Option<ServiceName>,
    /// The subset's name.
    pub subset: Option<Box<str>>,
    /// Why the control plane made it so that it cannot connect.
    pub refused: Option<Box<str>>,
}

/// Where endpoints come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// They are sent (EDS) under a name.
    Sent {
        /// Name of the assignment.
        service: Arc<str>,
    },
    /// They stand in the cluster.
    Static(Assignment),
    /// Names stand in the cluster; each of their addresses is an endpoint, or only the first one.
    Dns {
        /// The names.
        names: Assignment,
        /// Only one address at a time (LOGICAL_DNS).
        logical: bool,
        /// Which addresses count.
        family: DnsFamily,
        /// After how long a name is asked for again.
        refresh: Duration,
        /// The answer's own word of how long it holds counts instead.
        respects_ttl: bool,
    },
    /// Each request or connection names its host.
    Dynamic(Dynamic),
    /// Where the connection was going anyway.
    OriginalDestination,
}

/// How a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameTerms {
    /// Which addresses count.
    pub family: DnsFamily,
    /// After how long it is asked for again.
    pub refresh: Duration,
    /// The answer's own word of how long it holds counts instead.
    pub respects_ttl: bool,
}

/// Which versions of addresses are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DnsFamily {
    /// All.
    All,
    /// Version 4 only.
    V4,
    /// Version 6 only.
    V6,
    /// Version 4; where there is none, version 6.
    V4Preferred,
    /// Version 6; where there is none, version 4.
    V6Preferred,
}

/// TCP keepalive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Unanswered probes before a connection counts as dead.
    pub probes: Option<u32>,
    /// Silence before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// The service behind a cluster, as metrics name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceName {
    /// The host name.
    pub host: Box<str>,
    /// The short name.
    pub name: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
}

impl ClusterConfig {
    pub(crate) fn parse(mut message: pb::Cluster, version: u64) -> Result<Self, Bad> {
        let name: Arc<str> = std::mem::take(&mut message.name).into();
        ensure(!name.is_empty(), "name", "is empty")?;
        let discovery = Discovery::parse(&mut message, &name)?;
        let connect_timeout = duration(message.connect_timeout.take()).at("connect_timeout")?;
        let connect_timeout = connect_timeout.unwrap_or(Duration::from_secs(5));
        ensure(!connect_timeout.is_zero(), "connect_timeout", "is zero")?;
        let (policy, slow_start) = Policy::parse(&mut message)?;
        let (panic_percent, locality_weighted) = parse_common_lb(message.common_lb_config.take())?;
        let limits = Limits::parse(message.circuit_breakers.take()).at("circuit_breakers")?;
        let outlier = message.outlier_detection.take().map(OutlierConfig::parse).transpose().at("outlier_detection")?;
        let http = HttpOptions::parse(&mut message)?;
        let tls = tls::context(message.transport_socket.take())
            .and_then(|context| context.map(|context| ClientRules::parse(context, &http)).transpose());
        let tls = tls.at("transport_socket")?.map(Arc::new);
        let keepalive = message.upstream_connection_options.take().map(parse_keepalive).transpose();
        let keepalive = keepalive.at("upstream_connection_options")?.flatten();
        let source = message.upstream_bind_config.take().map(parse_bind).transpose().at("upstream_bind_config")?;
        let metadata = message.metadata.take();
        let (service, subset) = parse_istio(metadata.as_ref());
        let ours = metadata.as_ref().and_then(|m| m.filter_metadata.get("lateen"));
        let refused = ours.and_then(|s| text_of(s, "refused")).map(Into::into);
        let provenance = Provenance::parse(metadata);
        // Names of statistics, and which of them are kept: ours have one shape.
        message.alt_stat_name.clear();
        message.track_cluster_stats = None;
        // Buffers are bounded by the proxy itself.
        message.per_connection_buffer_limit_bytes = None;
        // Endpoints that are gone are not used, be they healthy or not.
        message.ignore_health_on_host_removal = false;
        nothing_left(&message)?;
        Ok(Self {
            name,
            version,
            discovery,
            connect_timeout,
            policy,
            slow_start,
            panic_percent,
            locality_weighted,
            limits,
            outlier,
            http,
            tls,
            keepalive,
            source,
            provenance,
            service,
            subset,
            refused,
        })
    }

    /// The names that DNS has to answer for.
    pub fn dns_names(&self) -> impl Iterator<Item = (&str, NameTerms)> {
        let Discovery::Dns { names, family, refresh, respects_ttl, .. } = &self.discovery else {
            return None.into_iter().flatten();
        };
        let terms = NameTerms { family: *family, refresh: *refresh, respects_ttl: *respects_ttl };
        let names = names.endpoints().filter_map(move |endpoint| match &endpoint.address {
            EndpointAddress::Name(name, _) => Some((name.as_ref(), terms)),
            EndpointAddress::Ip(_) => None,
        });
        Some(names).into_iter().flatten()
    }
}

impl Discovery {
    fn parse(message: &mut pb::Cluster, name: &Arc<str>) -> Result<Self, Bad> {
        use pb::cluster::{ClusterDiscoveryType as C, DiscoveryType as D};
        let kind = match message.cluster_discovery_type.take() {
            Some(C::Type(kind)) => D::try_from(kind).map_err(|_| Bad::new("type", "is unknown"))?,
            None => D::Static,
            Some(C::ClusterType(custom)) => return Self::custom(&custom, message.metadata.as_ref()),
        };
        let assignment = message.load_assignment.take().map(Assignment::parse).transpose().at("load_assignment")?;
        let eds = message.eds_cluster_config.take();
        let refresh = limit(message.dns_refresh_rate.take()).at("dns_refresh_rate")?;
        let family = dns_family(std::mem::take(&mut message.dns_lookup_family))?;
        let respects_ttl = std::mem::take(&mut message.respect_dns_ttl);
        // The rate after failures is the proxy's own, and names that nobody uses are not asked for: no herd to spread.
        message.dns_failure_refresh_rate = None;
        message.dns_jitter = None;
        // Endpoints of connections that went to their original destination are dropped when nothing uses them.
        message.cleanup_interval = None;
        match (kind, assignment) {
            (D::Eds, None) => {
                let eds = eds.ok_or_else(|| Bad::new("eds_cluster_config", "is missing"))?;
                let service = if eds.service_name.is_empty() { name.clone() } else { eds.service_name.into() };
                Ok(Self::Sent { service })
            }
            (D::Static, assignment) => {
                let assignment = assignment.unwrap_or_default();
                let named = assignment.endpoints().any(|e| matches!(e.address, EndpointAddress::Name(..)));
                ensure(!named, "load_assignment", "has a name where an address belongs")?;
                Ok(Self::Static(assignment))
            }
            (D::StrictDns | D::LogicalDns, Some(names)) => Ok(Self::Dns {
                names,
                logical: kind == D::LogicalDns,
                family,
                refresh: refresh.unwrap_or(Duration::from_secs(5)),
                respects_ttl,
            }),
            (D::OriginalDst, None) => Ok(Self::OriginalDestination),
            _ => Err(Bad::new("load_assignment", "does not fit the type")),
        }
    }
}

impl Discovery {
    fn custom(custom: &pb::cluster::CustomClusterType, metadata: Option<&core::Metadata>) -> Result<Self, Bad> {
        const DYNAMIC: &str = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";
        let config = custom.typed_config.as_ref().filter(|any| type_name(any) == DYNAMIC);
        let config = config.ok_or_else(|| Bad::new("cluster_type", "is not supported"))?;
        Dynamic::parse(config, metadata).map(Self::Dynamic).at("cluster_type.typed_config")
    }
}

fn dns_family(value: i32) -> Result<DnsFamily, Bad> {
    use pb::cluster::DnsLookupFamily as F;
    Ok(match F::try_from(value) {
        Ok(F::Auto) => DnsFamily::V6Preferred,
        Ok(F::V4Only) => DnsFamily::V4,
        Ok(F::V6Only) => DnsFamily::V6,
        Ok(F::V4Preferred) => DnsFamily::V4Preferred,
        Ok(F::All) => DnsFamily::All,
        Err(_) => return Err(Bad::new("dns_lookup_family", "is unknown")),
    })
}

fn parse_common_lb(config: Option<pb::cluster::CommonLbConfig>) -> Result<(f64, bool), Bad> {
    use pb::cluster::common_lb_config::LocalityConfigSpecifier as L;
    const ENVOYS_PANIC_PERCENT: f64 = 50.0;
    let Some(mut config) = config else { return Ok((ENVOYS_PANIC_PERCENT, false)) };
    let panic = config.healthy_panic_threshold.take().map_or(ENVOYS_PANIC_PERCENT, |p| p.value);
    let weighted = match config.locality_config_specifier.take() {
        Some(L::LocalityWeightedLbConfig(_)) => true,
        None => false,
        Some(L::ZoneAwareLbConfig(_)) => {
            return Err(Bad::new("common_lb_config.zone_aware_lb_config", "is not supported"));
        }
    };
    // Updates are merged where they are published, for all clusters at once.
    config.update_merge_window = None;
    nothing_left(&config).at("common_lb_config")?;
    Ok((panic, weighted))
}

fn parse_keepalive(mut options: pb::UpstreamConnectionOptions) -> Result<Option<Keepalive>, Bad> {
    let keepalive = options.tcp_keepalive.take().map(|k| Keepalive {
        probes: number(k.keepalive_probes),
        time: number(k.keepalive_time).map(|s| Duration::from_secs(s.into())),
        interval: number(k.keepalive_interval).map(|s| Duration::from_secs(s.into())),
    });
    nothing_left(&options)?;
    Ok(keepalive)
}

fn parse_bind(mut bind: core::BindConfig) -> Result<IpAddr, Bad> {
    let source = bind.source_address.take().ok_or_else(|| Bad::new("source_address", "is missing"))?;
    let (host, _) = host_and_port(source).at("source_address")?;
    // Second addresses serve the other family of dual-stack pods; one of each family cannot both apply to one upstream.
    bind.extra_source_addresses.clear();
    nothing_left(&bind)?;
    host.parse().map_err(|_| Bad::new("source_address.address", "is no address"))
}

/// Istio's metadata of clusters: `services` and `subset`.
fn parse_istio(metadata: Option<&core::Metadata>) -> (Option<ServiceName>, Option<Box<str>>) {
    let Some(istio) = metadata.and_then(|m| m.filter_metadata.get("istio")) else { return (None, None) };
    let service = match istio.fields.get("services").and_then(|v| v.kind.as_ref()) {
        Some(JsonKind::ListValue(list)) => list.values.first().and_then(|v| match &v.kind {
            Some(JsonKind::StructValue(of)) => {
                let text = |key| text_of(of, key).unwrap_or_default().into();
                Some(ServiceName { host: text("host"), name: text("name"), namespace: text("namespace") })
            }
            _ => None,
        }),
        _ => None,
    };
    (service, text_of(istio, "subset").map(Into::into))
}
