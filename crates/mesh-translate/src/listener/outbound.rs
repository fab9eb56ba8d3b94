//! Listeners for calls of services.

use std::sync::Arc;

use mesh_model::{
    push_context::EgressListener,
    registry::{Health, Port, Resolution, Service},
};
use mesh_types::Protocol;

use super::{
    access_log, chain,
    chain::Match,
    l4::{self, Address},
    listener_of, loopback,
    table::{L4Chain, Offer, Table},
    wildcard,
};
use crate::{
    context::Context,
    names,
    pb::{core::TrafficDirection, listener::Listener},
    provenance::Provenance,
    wire::flag,
};

/// Where every captured outbound connection arrives.
pub(super) fn virtual_outbound(context: &Context<'_>) -> Listener {
    let port = context.mesh().proxy_listen_port.get();
    let mut listener = listener_of("virtualOutbound".to_owned(), wildcard(context), port, TrafficDirection::Outbound);
    listener.use_original_dst = flag(true);
    listener.access_log = access_log::no_route_log(context.mesh());
    // Whoever dials the proxy itself would go round in circles.
    let itself = Match { port: Some(port), ..Match::default() };
    let nowhere = chain::tcp(context, names::BLACK_HOLE, chain::Passing::default());
    listener.filter_chains = vec![
        chain::chain("virtualOutbound-blackhole", &itself, nowhere, None),
        chain::chain("virtualOutbound-catchall-tcp", &Match::default(), chain::unknown(context), None),
    ];
    listener
}

/// One listener per address and port that some service has.
pub(super) fn listeners(context: &Context<'_>) -> Vec<Listener> {
    let mut table = Table::default();
    let owned: Vec<u16> = context.scope.listeners.iter().filter_map(EgressListener::port).collect();
    for listener in context.scope.listeners.iter().filter(|listener| !is_unix(listener)) {
        for service in &listener.services {
            if matches!(service.resolution, Resolution::Alias(_)) {
                continue;
            }
            for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
                match listener.port() {
                    // S6: a listener with a port takes that port of each service; a single port is mapped to it.
                    Some(number) if port.number == number || service.ports.len() == 1 => {
                        offer(context, &mut table, listener, service, port, number);
                    }
                    None if !owned.contains(&port.number) => {
                        offer(context, &mut table, listener, service, port, port.number);
                    }
                    _ => {}
                }
            }
        }
    }
    table.finish(context)
}

/// Nobody opens unix sockets for applications yet: `mesh_model` says so of the field.
fn is_unix(listener: &EgressListener) -> bool {
    listener.spec.as_ref().and_then(|spec| spec.bind.as_ref()).is_some_and(|bind| bind.starts_with("unix://"))
}

fn offer(
    context: &Context<'_>,
    table: &mut Table,
    listener: &EgressListener,
    service: &Arc<Service>,
    port: &Port,
    number: u16,
) {
    let spec = listener.spec.as_ref();
    let protocol = spec.and_then(|s| s.port.as_ref()).map_or(port.protocol, |p| p.protocol);
    let wild = wildcard(context).to_owned();
    let binds_port = listener.is_dialled();
    let fixed = spec.and_then(|s| s.bind.clone()).or_else(|| binds_port.then(|| loopback(context).to_owned()));
    let offer = |bind: &str, chains: Vec<L4Chain>, alone: bool| {
        let route_table = match protocol {
            Protocol::Auto if bind != wild && fixed.is_none() => Some(names::service_table(service, number)),
            p if p.is_http() || p == Protocol::Auto => Some(number.to_string()),
            _ => None,
        };
        let metadata = alone.then(|| Provenance::of_service(service).metadata());
        Offer { protocol, route_table, chains, metadata, binds: binds_port }
    };
    if protocol.is_http() {
        let bind = fixed.as_deref().unwrap_or(&wild);
        table.add(bind, number, offer(bind, Vec::new(), false));
        return;
    }
    let binds = match &fixed {
        Some(bind) => vec![bind.clone()],
        None => addresses(context, service, port),
    };
    for bind in binds {
        let address = match (bind == wild, &fixed) {
            (true, _) => Address::Any,
            (false, Some(_)) => Address::Shared,
            (false, None) => Address::Own,
        };
        let chains = l4::chains(context, service, port, protocol, address);
        let alone = address == Address::Own;
        table.add(&bind, number, offer(&bind, chains, alone));
    }
}

/// Where a service is dialled: its virtual addresses, or its pods when it has none, or anywhere.
fn addresses(context: &Context<'_>, service: &Service, port: &Port) -> Vec<String> {
    let wild = wildcard(context).to_owned();
    let ours = context.vips(service).into_iter().filter(|ip| ip.is_ipv6() == context.view.is_ipv6());
    let vips: Vec<String> = ours.map(|ip| ip.to_string()).collect();
    if !vips.is_empty() {
        return vips;
    }
    if service.resolution != Resolution::Passthrough || !service.addresses.is_empty() {
        return vec![wild];
    }
    let endpoints = context.push.endpoints(service, port);
    if endpoints.is_empty() && !service.is_kubernetes() && service.selector.is_empty() {
        return vec![wild];
    }
    let ready = |health: Health| health == Health::Ready || service.publish_not_ready && health == Health::Unready;
    // What the workload calls at its own address does not come by the proxy.
    let pods = endpoints.iter().filter(|e| ready(e.health)).filter_map(|e| e.address.ip());
    let mut pods: Vec<String> =
        pods.filter(|ip| !context.view.addresses.contains(ip)).map(|ip| ip.to_string()).collect();
    pods.dedup();
    pods
}
