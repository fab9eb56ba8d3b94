//! Clusters towards the workload itself, and those that stand for no service.

use std::time::Duration;

use mesh_model::{
    config::{ConnectionPool, DefaultEndpoint, InboundPolicyMode},
    push_context::EffectivePolicy,
    registry::Address,
};

use super::{cluster_of, policy, protocol::Upstream, set_http};
use crate::{
    context::Context,
    endpoint,
    inbound::{self, InboundPort},
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
    wire::{duration, endpoint_address, socket, socket_address},
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
    cluster.metadata = Some(Provenance::of_outbound_policy(&context.scope, context.mesh()).metadata());
    cluster
}

/// Calls of unknown hosts, and calls of the workload's ports that no service has.
pub(super) fn passthrough(context: &Context<'_>) -> Cluster {
    let mut cluster = cluster_of(context, names::PASSTHROUGH, DiscoveryType::OriginalDst);
    set_http(&mut cluster, &as_client_spoke());
    if let Some(settings) = &context.mesh().tcp_keepalive {
        cluster.upstream_connection_options = Some(policy::keepalive(settings));
    }
    cluster.metadata = Some(Provenance::of_departures(&context.scope, context.mesh()).metadata());
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

/// `InboundPassthroughCluster`, then one cluster per port that the workload serves.
pub(super) fn clusters(context: &Context<'_>) -> Vec<Cluster> {
    let mut unknown = cluster_of(context, names::INBOUND_PASSTHROUGH, DiscoveryType::OriginalDst);
    unknown.upstream_bind_config = Some(loopback(context));
    set_http(&mut unknown, &as_client_spoke());
    let ports = inbound::ports(context);
    std::iter::once(unknown).chain(ports.iter().map(|port| of_port(context, port))).collect()
}

fn of_port(context: &Context<'_>, port: &InboundPort<'_>) -> Cluster {
    let mut cluster = match application(context, port) {
        None => {
            let mut cluster = cluster_of(context, &names::inbound(port.target), DiscoveryType::OriginalDst);
            cluster.cleanup_interval = Some(duration(Duration::from_secs(60)));
            cluster
        }
        Some(address) => {
            let mut cluster = cluster_of(context, &names::inbound(port.target), DiscoveryType::Static);
            cluster.load_assignment = Some(endpoint::single(&cluster.name, address));
            cluster
        }
    };
    if !matches!(port.endpoint, Some(DefaultEndpoint::Loopback(_) | DefaultEndpoint::Unix(_))) {
        cluster.upstream_bind_config = Some(loopback(context));
    }
    let services = || port.owners.iter().filter_map(|own| context.own_service(own));
    cluster.metadata = Some(Provenance::services(services()).made_for_first(services()).metadata());
    let pool = connection_pool(context, port);
    policy::apply_pool(&mut cluster, pool.as_ref(), context.mesh());
    let (http, tcp) = (pool.as_ref().map(|p| &p.http), pool.as_ref().map(|p| &p.tcp));
    if let Some(options) = Upstream::choose_inbound(port.protocol).options(http, tcp) {
        set_http(&mut cluster, &options);
    }
    cluster
}

/// Where the application listens; `None`: at the address that was dialled.
fn application(context: &Context<'_>, port: &InboundPort<'_>) -> Option<core::Address> {
    let local = match (&port.endpoint, context.mesh().inbound_policy) {
        (Some(DefaultEndpoint::Unix(path)), _) => return Some(endpoint_address(&Address::Unix(path.clone()), 0)),
        (Some(DefaultEndpoint::Loopback(socket)), _) => *socket,
        (Some(DefaultEndpoint::Workload(number)), _) => {
            return context.view.addresses.first().map(|ip| socket(ip, number.get()));
        }
        (None, InboundPolicyMode::Localhost) if context.view.is_ipv6() => {
            (std::net::Ipv6Addr::LOCALHOST, port.target).into()
        }
        (None, InboundPolicyMode::Localhost) => (std::net::Ipv4Addr::LOCALHOST, port.target).into(),
        (None, InboundPolicyMode::Passthrough) => return None,
    };
    Some(socket(local.ip(), local.port()))
}

/// D12: limits of the Sidecar, else of the rule for the service.
fn connection_pool(context: &Context<'_>, port: &InboundPort<'_>) -> Option<ConnectionPool> {
    if port.pool.is_some() {
        return port.pool.clone();
    }
    let own = port.owners.first()?;
    let rule = context.push.inbound_rule(&context.view.namespace, context.own_service(own)?)?;
    EffectivePolicy::of(rule.policy(), None, own.port.number).blocks.connection_pool
}
