//! The listener for calls of the workload itself.

use mesh_types::Protocol;

use super::{
    access_log, chain,
    chain::{Match, Passing, chain as chain_of},
    listener_of, manager, original_destination,
    table::{http_inspector, tls_inspector},
    wait_for_first_bytes, wildcard,
};
use crate::{
    context::Context,
    inbound::{self, Arrival, InboundPort},
    names,
    pb::{
        core::TrafficDirection,
        kind::Int32Range,
        listener::{
            FilterChain, Listener, ListenerFilterChainMatchPredicate,
            listener_filter_chain_match_predicate::{MatchSet, Rule},
        },
    },
    provenance::Provenance,
    route,
};

/// Where every captured inbound connection arrives.
///
/// There is no TLS of the mesh yet: TLS that a client opened is passed on as it is.
pub(super) fn virtual_inbound(context: &Context<'_>) -> Listener {
    let port = context.mesh().proxy_inbound_listen_port.get();
    let mut listener = listener_of("virtualInbound".to_owned(), wildcard(context), port, TrafficDirection::Inbound);
    let itself = Match { port: Some(port), ..Match::default() };
    let nowhere = chain::tcp(context, names::BLACK_HOLE, Passing::default());
    listener.filter_chains.push(chain_of("virtualInbound-blackhole", &itself, nowhere, None));
    listener.filter_chains.extend(catch_all(context));
    let mut opaque = Vec::new();
    for own in inbound::ports(context).iter().filter(|own| !matches!(own.arrival, Arrival::Opened(_))) {
        if own.protocol.is_tcp() || own.protocol.is_tls() {
            opaque.push(own.target);
        }
        listener.filter_chains.extend(chains_of(context, own));
    }
    listener.listener_filters = vec![original_destination(), tls_inspector(), http_inspector()];
    // On ports of opaque bytes the server may speak first: nobody waits for the client's.
    for filter in &mut listener.listener_filters[1..] {
        filter.filter_disabled = predicate(&opaque);
    }
    wait_for_first_bytes(context, &mut listener);
    listener.access_log = access_log::no_route_log(context.mesh());
    listener
}

/// Ports that a Sidecar has the proxy open itself.
pub(super) fn opened(context: &Context<'_>) -> Vec<Listener> {
    let ports = inbound::ports(context);
    let opened = ports.iter().filter_map(|own| match own.arrival {
        Arrival::Opened(bind) => Some((own, bind)),
        Arrival::Anywhere | Arrival::At(_) => None,
    });
    let listeners = opened.map(|(own, bind)| {
        let name = format!("{bind}_{}", own.target);
        let mut listener = listener_of(name, bind, own.target, TrafficDirection::Inbound);
        listener.filter_chains = chains_of(context, own);
        listener.access_log = access_log::no_route_log(context.mesh());
        if own.protocol.is_http() || own.protocol == Protocol::Auto {
            listener.listener_filters = vec![tls_inspector(), http_inspector()];
            wait_for_first_bytes(context, &mut listener);
        }
        listener
    });
    listeners.collect()
}

/// A match by the first bytes alone.
///
/// Where a chain asks for HTTP in the clear, others have to name their transport too: among chains Envoy keeps to those
/// that name a connection's transport, and does not go back when none of them fits.
fn transport(transport: &'static str) -> Match {
    Match { transport, ..Match::default() }
}

/// Ports that no service has.
fn catch_all(context: &Context<'_>) -> [FilterChain; 3] {
    let routes = route::inbound_passthrough();
    let http = manager::inbound(context, names::INBOUND_PASSTHROUGH, routes, Protocol::Auto);
    let bytes = chain::tcp(context, names::INBOUND_PASSTHROUGH, Passing::default());
    [
        chain_of("virtualInbound-catchall-http", &Match::http(), http, None),
        chain_of("virtualInbound", &transport("raw_buffer"), bytes.clone(), None),
        chain_of("virtualInbound", &transport("tls"), bytes, None),
    ]
}

/// A port of the workload: HTTP, bytes, or whichever the first bytes are.
fn chains_of(context: &Context<'_>, own: &InboundPort<'_>) -> Vec<FilterChain> {
    let name = format!("{}_{}", wildcard(context), own.target);
    let service = own.owners.first().and_then(|own| context.own_service(own));
    let metadata = service.map(|s| Provenance::of_service(s).metadata());
    let here = |matching: Match| match own.arrival {
        Arrival::Anywhere => Match { port: Some(own.target), ..matching },
        Arrival::At(ip) => Match { port: Some(own.target), subnets: vec![ip.into()], ..matching },
        Arrival::Opened(_) => matching,
    };
    let bytes = |matching: Match| {
        let filter = chain::tcp(context, &names::inbound(own.target), Passing::default());
        chain_of(&name, &here(matching), filter, metadata.clone())
    };
    let http = |matching: Match| {
        let filter = manager::inbound(context, &format!("inbound_{name}"), route::inbound(own), own.protocol);
        chain_of(&name, &here(matching), filter, metadata.clone())
    };
    match own.protocol {
        Protocol::Auto => {
            vec![http(Match::http()), bytes(transport("raw_buffer")), bytes(transport("tls"))]
        }
        p if p.is_http() => vec![http(transport("raw_buffer")), bytes(transport("tls"))],
        _ => vec![bytes(Match::default())],
    }
}

/// Any of these ports was dialled.
fn predicate(ports: &[u16]) -> Option<ListenerFilterChainMatchPredicate> {
    let rule = |rule| ListenerFilterChainMatchPredicate { rule: Some(rule) };
    let one = |port: &u16| {
        let start = i32::from(*port);
        rule(Rule::DestinationPortRange(Int32Range { start, end: start + 1 }))
    };
    match ports {
        [] => None,
        [port] => Some(one(port)),
        several => Some(rule(Rule::OrMatch(MatchSet { rules: several.iter().map(one).collect() }))),
    }
}
