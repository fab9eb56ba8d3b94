//! Clusters towards the workload itself, and those that stand for no service.

use std::{collections::BTreeMap, time::Duration};

use mesh_model::{config::ConnectionPool, push_context::EffectivePolicy, registry::Service};

use super::{cluster_of, policy, protocol::Upstream, set_http};
use crate::{
    context::Context,
    names,
    pb::{
        cluster::{Cluster, cluster::DiscoveryType},
        core::{self, Http1ProtocolOptions, Http2ProtocolOptions},
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{UpstreamProtocolOptions, UseDownstreamHttpConfig},
        },
    },
    provenance::Provenance,
    view::OwnPort,
    wire::{duration, socket_address},
};

/// Where the proxy's own connections to the workload come from, so that iptables lets them through.
fn loopback(context: &Context<'_>) -> core::BindConfig {
    let address = if context.view.is_ipv6() { "::6" } else { "127.0.0.6" };
    core::BindConfig { source_address: Some(socket_address(address, 0)), ..Default::default() }
}

/// Connections to nowhere.
pub(super) fn black_hole(context: &Context<'_>) -> Cluster {
    let mut cluster = cluster_of(context, names::BLACK_HOLE, DiscoveryType::Static);
    cluster.circuit_breakers = None;
    cluster.lb_policy = 0;
    cluster
}

/// Calls of unknown hosts, and calls of the workload's ports that no service has.
pub(super) fn passthrough(context: &Context<'_>) -> Cluster {
    let mut cluster = cluster_of(context, names::PASSTHROUGH, DiscoveryType::OriginalDst);
    set_http(&mut cluster, &as_client_spoke());
    if let Some(settings) = &context.mesh().tcp_keepalive {
        cluster.upstream_connection_options = Some(policy::keepalive(settings));
    }
    cluster
}

/// The version of HTTP that the client chose; connections that idle for five minutes are closed.
fn as_client_spoke() -> HttpProtocolOptions {
    HttpProtocolOptions {
        common_http_protocol_options: Some(core::HttpProtocolOptions {
            idle_timeout: Some(duration(Duration::from_secs(300))),
            ..Default::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(
            UseDownstreamHttpConfig {
                http_protocol_options: Some(Http1ProtocolOptions::default()),
                http2_protocol_options: Some(Http2ProtocolOptions::default()),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

/// `InboundPassthroughCluster`, then one cluster per port that the workload listens on.
pub(super) fn clusters(context: &Context<'_>) -> Vec<Cluster> {
    let mut unknown = cluster_of(context, names::INBOUND_PASSTHROUGH, DiscoveryType::OriginalDst);
    unknown.upstream_bind_config = Some(loopback(context));
    set_http(&mut unknown, &as_client_spoke());
    let mut by_target: BTreeMap<u16, Vec<&OwnPort>> = BTreeMap::new();
    for own in &context.view.own {
        by_target.entry(own.target).or_default().push(own);
    }
    let ports = by_target.into_iter().map(|(target, owners)| of_port(context, target, &owners));
    std::iter::once(unknown).chain(ports).collect()
}

/// P1: of several services on one target port, the oldest decides how it is spoken to.
fn of_port(context: &Context<'_>, target: u16, owners: &[&OwnPort]) -> Cluster {
    let mut cluster = cluster_of(context, &names::inbound(target), DiscoveryType::OriginalDst);
    cluster.upstream_bind_config = Some(loopback(context));
    cluster.cleanup_interval = Some(duration(Duration::from_secs(60)));
    let services = owners.iter().filter_map(|own| service_of(context, own));
    cluster.metadata = Some(Provenance::services(services.clone()).made_for_first(services.clone()).metadata());
    let first = owners[0];
    let pool = connection_pool(context, first);
    policy::apply_pool(&mut cluster, pool.as_ref(), context.mesh());
    let (http, tcp) = (pool.as_ref().map(|p| &p.http), pool.as_ref().map(|p| &p.tcp));
    if let Some(options) = Upstream::choose_inbound(first.port.protocol).options(http, tcp) {
        set_http(&mut cluster, &options);
    }
    cluster
}

fn service_of<'a>(context: &Context<'a>, own: &OwnPort) -> Option<&'a Service> {
    let services = context.push.services_of_host(&own.host).iter();
    services.map(AsRef::as_ref).find(|s| s.namespace == own.namespace)
}

/// D12: limits of the service's own rule, and of the Sidecar over them.
fn connection_pool(context: &Context<'_>, own: &OwnPort) -> Option<ConnectionPool> {
    let sidecar = context.scope.sidecar.as_ref().map(|s| &s.spec);
    if let Some(pool) = sidecar.and_then(|s| s.inbound_connection_pool.clone()) {
        return Some(pool);
    }
    let service = service_of(context, own)?;
    let rule = context.push.inbound_rule(&context.view.namespace, service)?;
    EffectivePolicy::of(rule.policy(), None, own.port.number).blocks.connection_pool
}
