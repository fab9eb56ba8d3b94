//! Hosts that are known once somebody asks for them (ServiceEntry resolution `DYNAMIC_DNS`).
//!
//! Envoy's dynamic forward proxy has three parts that share one cache of names: a cluster that goes to a name's address,
//! and a filter in front of it that has the name resolved, of requests by their `Host`, of TLS by its server name.
//! <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_proxy>
//!
//! Whoever may choose names may choose what they resolve to. An entry speaks of hosts outside of the mesh, so addresses
//! that lie inside of something ([`INSIDE`]) count as no answer: no name leads to the proxy itself, to a cloud's metadata
//! server, or past the mesh to one of its pods.

use mesh_model::registry::{Port, Resolution, Service};
use mesh_proto::envoy::xds::core::v3::CidrRange;

use crate::{
    context::Context,
    names::Outbound,
    pb::{
        self,
        cluster::{Cluster, cluster},
        dynamic_cluster::{ClusterConfig, cluster_config::ClusterImplementationSpecifier},
        dynamic_http, dynamic_sni,
        hcm::{HttpFilter, http_filter},
        listener::{Filter, filter},
        names::DnsCacheConfig,
    },
    provenance::Provenance,
    wire::{any, duration, number, text},
};

/// Addresses that no name of the outside may have: this host, links, private networks, what is reserved, and forms of
/// IPv6 that have addresses of version 4 within.
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>
const INSIDE: [(&str, u32); 21] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.168.0.0", 16),
    ("198.18.0.0", 15),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
    ("::", 96),
    ("::ffff:0:0", 96),
    ("64:ff9b::", 96),
    ("64:ff9b:1::", 48),
    ("100::", 64),
    ("2001:2::", 48),
    ("2002::", 16),
    ("fc00::", 7),
    ("fe80::", 10),
    ("ff00::", 8),
];

/// Name of the cache.
const CACHE: &str = "dynamic_dns";
/// Names that are remembered at a time; more are refused.
const MOST_NAMES: u32 = 1024;

/// Whether a service's hosts are known once somebody asks for them.
pub(crate) fn is_dynamic(service: &Service) -> bool {
    service.resolution == Resolution::Dynamic
}

/// The cache: the same wherever it is spoken of, or Envoy takes neither.
fn cache(context: &Context<'_>) -> DnsCacheConfig {
    use cluster::DnsLookupFamily;
    let family = if context.view.is_ipv6() { DnsLookupFamily::V6Only } else { DnsLookupFamily::V4Only };
    let range =
        |(prefix, length): (&str, u32)| CidrRange { address_prefix: prefix.to_owned(), prefix_len: number(length) };
    DnsCacheConfig {
        name: CACHE.to_owned(),
        dns_lookup_family: family as i32,
        dns_refresh_rate: Some(duration(context.mesh().dns_refresh_rate)),
        max_hosts: number(MOST_NAMES),
        resolved_address_filter: Some(pb::matcher::AddressMatcher {
            ranges: INSIDE.into_iter().map(range).collect(),
            invert_match: false,
        }),
        ..Default::default()
    }
}

/// Makes a cluster one that goes where it is asked to.
pub(crate) fn set_cluster(context: &Context<'_>, cluster: &mut Cluster) {
    let config = ClusterConfig {
        // TLS is as its DestinationRule says, as for every cluster; without one there is none, and nothing to verify.
        allow_insecure_cluster_options: true,
        cluster_implementation_specifier: Some(ClusterImplementationSpecifier::DnsCacheConfig(cache(context))),
        ..Default::default()
    };
    cluster.cluster_discovery_type = Some(cluster::ClusterDiscoveryType::ClusterType(cluster::CustomClusterType {
        name: "envoy.clusters.dynamic_forward_proxy".to_owned(),
        typed_config: Some(any(&config)),
    }));
    cluster.lb_policy = cluster::LbPolicy::ClusterProvided as i32;
    cluster.lb_config = None;
    if let Some(common) = &mut cluster.common_lb_config {
        common.locality_config_specifier = None;
    }
}

/// Which names the cluster may stand for, and where they are dialled: Envoy's own cluster has no room for it.
pub(crate) fn describe(from: Provenance, service: &Service, port: &Port) -> Provenance {
    from.lateen("dynamic_host", text(service.host.as_str())).lateen("dynamic_port", text(port.number.to_string()))
}

/// The filter that has names of requests resolved, where some service needs it.
pub(crate) fn http_filter(context: &Context<'_>) -> Option<HttpFilter> {
    context.sees_dynamic.then(|| {
        use dynamic_http::{FilterConfig, filter_config::ImplementationSpecifier};
        let config = FilterConfig {
            implementation_specifier: Some(ImplementationSpecifier::DnsCacheConfig(cache(context))),
            ..Default::default()
        };
        HttpFilter {
            name: "envoy.filters.http.dynamic_forward_proxy".to_owned(),
            config_type: Some(http_filter::ConfigType::TypedConfig(any(&config))),
            ..Default::default()
        }
    })
}

/// The filter that has the server names of TLS resolved, in front of bytes that may go to one of these clusters.
pub(crate) fn tls_filter<'a>(context: &Context<'_>, mut clusters: impl Iterator<Item = &'a str>) -> Option<Filter> {
    if !context.sees_dynamic {
        return None;
    }
    let port = clusters.find_map(|name| {
        let Outbound { port, host, .. } = Outbound::parse(name)?;
        context.scope.service(&host).filter(|service| is_dynamic(service)).map(|_| port)
    })?;
    let config = dynamic_sni::FilterConfig {
        dns_cache_config: Some(cache(context)),
        port_specifier: Some(dynamic_sni::filter_config::PortSpecifier::PortValue(u32::from(port))),
        ..Default::default()
    };
    Some(Filter {
        name: "envoy.filters.network.sni_dynamic_forward_proxy".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any(&config))),
    })
}
