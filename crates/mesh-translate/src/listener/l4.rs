//! Routing of bytes: `tls` and `tcp` routes of VirtualServices, and what holds without them.

use std::{num::NonZeroU32, sync::Arc};

use ipnet::IpNet;
use mesh_model::{
    config::{GatewayRef, L4Match, Object, SourceMatch, VirtualService, WeightedDestination},
    registry::{Port, Service},
};
use mesh_types::Protocol;

use super::{
    chain::{self, Match, Passing},
    table::L4Chain,
};
use crate::{context::Context, names, provenance::Provenance, route::destination_cluster};

/// The chains of a service's port; `wildcard` when they share their address with other services.
pub(super) fn chains(
    context: &Context<'_>,
    service: &Service,
    port: &Port,
    protocol: Protocol,
    wildcard: bool,
) -> Vec<L4Chain> {
    let ranges: Vec<IpNet> = if wildcard { service.addresses.clone() } else { Vec::new() };
    if protocol.is_tls() {
        tls(context, service, port, wildcard, &ranges)
    } else {
        tcp(context, service, port, &ranges)
    }
}

/// VirtualServices that name the service, in order.
fn routes_of<'a>(context: &'a Context<'_>, service: &Service) -> impl Iterator<Item = &'a Arc<Object<VirtualService>>> {
    let host = service.host.clone();
    context.scope.virtual_services.iter().filter(move |vs| vs.spec.hosts.iter().any(|h| h.contains(&host)))
}

/// TLS and TCP matches AND everything that they say of the client.
fn is_for(context: &Context<'_>, source: &SourceMatch) -> bool {
    (source.gateways.is_empty() || source.gateways.contains(&GatewayRef::Mesh))
        && source.labels.selects(&context.view.labels)
        && source.namespace.as_ref().is_none_or(|ns| **ns == *context.view.namespace)
}

fn applies(context: &Context<'_>, matching: &L4Match, port: &Port) -> bool {
    matching.port.is_none_or(|p| p.get() == port.number) && is_for(context, &matching.source)
}

fn subnets(matching: &L4Match, ranges: &[IpNet]) -> Vec<IpNet> {
    if matching.destination_subnets.is_empty() { ranges.to_vec() } else { matching.destination_subnets.clone() }
}

fn to_clusters(context: &Context<'_>, to: &[WeightedDestination], port: &Port) -> Vec<(String, NonZeroU32)> {
    to.iter().map(|d| (destination_cluster(context, &d.destination, port.number), d.weight)).collect()
}

fn passing(context: &Context<'_>, service: &Service, port: &Port) -> Passing {
    Passing::of(&context.policy(service, port, None))
}

/// V14: by server name; the first definition of a name wins; without a route that fits, the service itself.
fn tls(context: &Context<'_>, service: &Service, port: &Port, wildcard: bool, ranges: &[IpNet]) -> Vec<L4Chain> {
    let passing = passing(context, service, port);
    let mut found: Vec<L4Chain> = Vec::new();
    for object in routes_of(context, service) {
        for (index, route) in object.spec.tls.iter().enumerate() {
            for matching in route.matches.iter().filter(|m| applies(context, &m.l4, port)) {
                let matching = Match {
                    server_names: matching.sni_hosts.iter().map(ToString::to_string).collect(),
                    subnets: subnets(&matching.l4, ranges),
                    ..Match::default()
                };
                if found.iter().any(|known| known.matching == matching) {
                    continue;
                }
                let filter = chain::tcp_weighted(context, &to_clusters(context, &route.route, port), passing);
                let metadata = Provenance::object(&object.meta, &format!("spec.tls[{index}]")).metadata();
                found.push(L4Chain { matching, filter, metadata: Some(metadata) });
            }
        }
    }
    if found.is_empty() {
        // An address of its own needs no name; on a shared one the name tells services apart.
        let named = wildcard && service.host.as_str() != "*";
        let server_names = if named { vec![service.host.to_string()] } else { Vec::new() };
        let matching = Match { server_names, subnets: ranges.to_vec(), ..Match::default() };
        found.push(own(context, service, port, matching, passing));
    }
    found
}

/// V15: a match without subnets ends the list; without one, the service itself comes last.
fn tcp(context: &Context<'_>, service: &Service, port: &Port, ranges: &[IpNet]) -> Vec<L4Chain> {
    let passing = passing(context, service, port);
    let mut found: Vec<L4Chain> = Vec::new();
    for object in routes_of(context, service) {
        for (index, route) in object.spec.tcp.iter().enumerate() {
            let everything = [L4Match::default()];
            let matches = if route.matches.is_empty() { &everything[..] } else { &route.matches };
            for matching in matches.iter().filter(|m| applies(context, m, port)) {
                let terminal = matching.destination_subnets.is_empty();
                let matching = Match { subnets: subnets(matching, ranges), ..Match::default() };
                if found.iter().all(|known| known.matching != matching) {
                    let filter = chain::tcp_weighted(context, &to_clusters(context, &route.route, port), passing);
                    let metadata = Provenance::object(&object.meta, &format!("spec.tcp[{index}]")).metadata();
                    found.push(L4Chain { matching, filter, metadata: Some(metadata) });
                }
                if terminal {
                    return found;
                }
            }
        }
    }
    let matching = Match { subnets: ranges.to_vec(), ..Match::default() };
    found.push(own(context, service, port, matching, passing));
    found
}

fn own(context: &Context<'_>, service: &Service, port: &Port, matching: Match, passing: Passing) -> L4Chain {
    let cluster = names::outbound(port.number, "", &service.host);
    let metadata = Some(Provenance::of_service(service).metadata());
    L4Chain { matching, filter: chain::tcp(context, &cluster, passing), metadata }
}
