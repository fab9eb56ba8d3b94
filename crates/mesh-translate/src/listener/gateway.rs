//! Listeners of gateways: the ports that Gateways open on their pods.
//!
//! ```text
//!   0.0.0.0_8080 ──HTTP──────────────────► routes http.8080
//!   0.0.0.0_8443 ──SNI a.example.com─────► ends TLS, routes https.443.https.GATEWAY.NAMESPACE
//!                ──SNI b.example.com─────► passes bytes on by a `tls` route
//! ```

mod auto;

use std::{collections::HashSet, sync::Arc};

use mesh_model::{
    config::{GatewayRef, Object, ServerSort, ServerTlsMode, VirtualService},
    push_context::{GatewayPort, GatewayServer},
};
use mesh_types::Protocol;

use super::{
    access_log,
    chain::{Match, chain as chain_of},
    l4::{self, Place},
    listener_of, manager,
    table::{L4Chain, tls_inspector},
    tls, wildcard,
};
use crate::{
    context::Context,
    names,
    pb::{
        core::TrafficDirection,
        listener::{FilterChain, Listener},
    },
    provenance::Provenance,
};

/// One per address and port that some server has something for.
pub(super) fn listeners(context: &Context<'_>) -> Vec<Listener> {
    context.gateway_ports().iter().filter_map(|port| listener(context, port)).collect()
}

fn listener(context: &Context<'_>, port: &GatewayPort) -> Option<Listener> {
    let bind = port.bind.as_deref().unwrap_or(wildcard(context));
    let name = format!("{bind}_{}", port.number);
    let mut listener = listener_of(name.clone(), bind, port.number, TrafficDirection::Outbound);
    let first = &port.servers[0];
    listener.filter_chains = match port.sort {
        // All plaintext servers of a port share one table.
        ServerSort::Http => vec![http(context, first, port.number, &name, &Match::default())?],
        ServerSort::Tls => {
            let mut taken = Taken::default();
            port.servers.iter().flat_map(|server| tls(context, server, port.number, &name, &mut taken)).collect()
        }
        ServerSort::Bytes => bytes(context, first).into_iter().map(finish).collect(),
    };
    if listener.filter_chains.is_empty() {
        return None;
    }
    if port.sort == ServerSort::Tls {
        listener.listener_filters.push(tls_inspector());
    }
    listener.metadata = Some(Provenance::object(&first.gateway.meta, &first.path()).metadata());
    listener.access_log = access_log::no_route_log(context.mesh());
    Some(listener)
}

/// Server names that chains of a listener ask for: Envoy wants each in one chain only. The first to come keeps them.
#[derive(Default)]
struct Taken(HashSet<String>);

impl Taken {
    /// What of these names is free; none means that the chain is left out. `*` asks for no name.
    fn take(&mut self, names: impl IntoIterator<Item = String>) -> Option<Vec<String>> {
        let mut free: Vec<String> = names.into_iter().filter(|name| self.0.insert(name.clone())).collect();
        if free.is_empty() {
            return None;
        }
        if free.iter().any(|name| name == "*") {
            free.clear();
        }
        Some(free)
    }
}

/// Requests, by the server's route table.
fn http(
    context: &Context<'_>,
    server: &GatewayServer,
    number: u16,
    listener: &str,
    matching: &Match,
) -> Option<FilterChain> {
    let table = names::gateway_table(server, number)?;
    let protocol = server.server().port.protocol;
    let filter = manager::gateway(context, &format!("outbound_{listener}"), &table, protocol);
    let metadata = Provenance::object(&server.gateway.meta, &server.path()).metadata();
    Some(chain_of(&table, matching, filter, Some(metadata)))
}

/// TLS, opened here or passed on as it is.
fn tls(
    context: &Context<'_>,
    server: &GatewayServer,
    number: u16,
    listener: &str,
    taken: &mut Taken,
) -> Vec<FilterChain> {
    let spec = server.server();
    let Some(settings) = &spec.tls else { return passed_on(context, server, taken) };
    match settings.mode {
        ServerTlsMode::Passthrough => return passed_on(context, server, taken),
        ServerTlsMode::AutoPassthrough => return auto::chains(context, server, taken),
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::IstioMutual | ServerTlsMode::OptionalMutual => {}
    }
    let Some(server_names) = taken.take(spec.hosts.iter().map(|h| h.host.to_string())) else { return Vec::new() };
    let is_http = spec.port.protocol == Protocol::Https;
    let mut chains: Vec<FilterChain> = if is_http {
        let matching = Match { server_names, ..Match::default() };
        http(context, server, number, listener, &matching).into_iter().collect()
    } else {
        let named = |mut chain: L4Chain| {
            chain.matching.server_names.clone_from(&server_names);
            finish(chain)
        };
        bytes(context, server).into_iter().map(named).collect()
    };
    for chain in &mut chains {
        tls::end(chain, settings, if is_http { &tls::HTTP } else { &[] });
        if let Some(reason) = tls::refusal(settings) {
            let from = Provenance::object(&server.gateway.meta, &format!("{}.tls.mode", server.path()));
            chain.metadata = Some(from.refused(reason).metadata());
        }
    }
    chains
}

/// G7: by the `tls` routes of VirtualServices.
fn passed_on(context: &Context<'_>, server: &GatewayServer, taken: &mut Taken) -> Vec<FilterChain> {
    let (spec, gateway) = (server.server(), server.place());
    let place = Place { gateway: &gateway, port: spec.port.number, ranges: &[], passing: None };
    let chains = l4::tls_routes(context, &place, bound(context, server, &gateway));
    let free = |mut chain: L4Chain| {
        chain.matching.server_names = taken.take(chain.matching.server_names)?;
        Some(finish(chain))
    };
    chains.into_iter().filter_map(free).collect()
}

/// Bytes, by the `tcp` routes of VirtualServices.
fn bytes(context: &Context<'_>, server: &GatewayServer) -> Vec<L4Chain> {
    let gateway = server.place();
    let place = Place { gateway: &gateway, port: server.server().port.number, ranges: &[], passing: None };
    l4::tcp_routes(context, &place, bound(context, server, &gateway)).0
}

/// VirtualServices that may answer for some host of the server.
fn bound<'a>(
    context: &Context<'a>,
    server: &'a GatewayServer,
    gateway: &'a GatewayRef,
) -> impl Iterator<Item = &'a Arc<Object<VirtualService>>> {
    let routes = context.push.routes_of(gateway, &context.view.namespace);
    routes.filter(|object| !server.server().hosts_for(&object.meta.namespace, &object.spec.hosts).is_empty())
}

fn finish(chain: L4Chain) -> FilterChain {
    chain_of("", &chain.matching, chain.filter, chain.metadata)
}
