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
use crate::{
    context::Context,
    dynamic,
    names::{self, Outbound},
    provenance::Provenance,
    route::destination_cluster,
};

/// Who else has the address that a service is dialled at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// Nobody.
    Own,
    /// It is one address for several services (`bind` of a Sidecar).
    Shared,
    /// It is any address.
    Any,
}

/// The chains of a service's port.
pub(super) fn chains(
    context: &Context<'_>,
    service: &Service,
    port: &Port,
    protocol: Protocol,
    address: Address,
) -> Vec<L4Chain> {
    let ranges: Vec<IpNet> = if address == Address::Any { service.addresses.clone() } else { Vec::new() };
    if protocol.is_tls() { tls(context, service, port, address, &ranges) } else { tcp(context, service, port, &ranges) }
}

/// VirtualServices that name the service, in order.
fn routes_of<'a>(context: &'a Context<'_>, service: &Service) -> impl Iterator<Item = &'a Arc<Object<VirtualService>>> {
    let host = service.host.clone();
    context.scope.virtual_services.iter().filter(move |vs| vs.spec.hosts.iter().any(|h| h.contains(&host)))
}

/// Where connections arrive, and what is known of them there.
pub(super) struct Place<'a> {
    /// The mesh, or a Gateway.
    pub(super) gateway: &'a GatewayRef,
    /// As clients and objects name the port.
    pub(super) port: u16,
    /// Addresses that were dialled; empty: any.
    pub(super) ranges: &'a [IpNet],
    /// How bytes are passed on; absent: as the first destination's policy says.
    pub(super) passing: Option<Passing>,
}

impl Place<'_> {
    /// TLS and TCP matches AND everything that they say of the client.
    fn takes(&self, context: &Context<'_>, matching: &L4Match) -> bool {
        let SourceMatch { labels, namespace, gateways } = &matching.source;
        matching.port.is_none_or(|p| p.get() == self.port)
            && (gateways.is_empty() || gateways.contains(self.gateway))
            && labels.selects(&context.view.labels)
            && namespace.as_ref().is_none_or(|ns| **ns == *context.view.namespace)
    }

    fn subnets(&self, matching: &L4Match) -> Vec<IpNet> {
        let own = &matching.destination_subnets;
        if own.is_empty() { self.ranges.to_vec() } else { own.clone() }
    }

    fn chain(
        &self,
        context: &Context<'_>,
        matching: Match,
        to: &[WeightedDestination],
        object: &Object<VirtualService>,
        path: &str,
    ) -> L4Chain {
        let clusters: Vec<(String, NonZeroU32)> =
            to.iter().map(|d| (destination_cluster(context, &d.destination, self.port), d.weight)).collect();
        let passing = self.passing.unwrap_or_else(|| passing_to(context, clusters.first().map(|(name, _)| name)));
        let filter = chain::tcp_weighted(context, &clusters, passing);
        L4Chain { matching, filter, metadata: Some(Provenance::object(&object.meta, path).metadata()) }
    }
}

fn passing(context: &Context<'_>, service: &Service, port: &Port) -> Passing {
    Passing::of(&context.policy(service, port, None))
}

fn passing_to(context: &Context<'_>, cluster: Option<&String>) -> Passing {
    let policy = || {
        let Outbound { port, subset, host } = Outbound::parse(cluster?)?;
        let service = context.scope.service(&host)?;
        let subset = context.rule(service).and_then(|rule| rule.subset(&subset));
        Some(Passing::of(&context.policy(service, service.port(port)?, subset)))
    };
    policy().unwrap_or_default()
}

/// V14: chains of `tls` routes, by server name; the first definition of a name wins.
pub(super) fn tls_routes<'a>(
    context: &Context<'_>,
    place: &Place<'_>,
    objects: impl Iterator<Item = &'a Arc<Object<VirtualService>>>,
) -> Vec<L4Chain> {
    let mut found: Vec<L4Chain> = Vec::new();
    for object in objects {
        for (index, route) in object.spec.tls.iter().enumerate() {
            for matching in route.matches.iter().filter(|m| place.takes(context, &m.l4)) {
                let matching = Match {
                    server_names: matching.sni_hosts.iter().map(ToString::to_string).collect(),
                    subnets: place.subnets(&matching.l4),
                    ..Match::default()
                };
                if found.iter().all(|known| known.matching != matching) {
                    let path = format!("spec.tls[{index}]");
                    found.push(place.chain(context, matching, &route.route, object, &path));
                }
            }
        }
    }
    found
}

/// Whether some chain takes whatever the others leave.
type IsComplete = bool;

/// V15: chains of `tcp` routes; one without subnets ends the list.
pub(super) fn tcp_routes<'a>(
    context: &Context<'_>,
    place: &Place<'_>,
    objects: impl Iterator<Item = &'a Arc<Object<VirtualService>>>,
) -> (Vec<L4Chain>, IsComplete) {
    let mut found: Vec<L4Chain> = Vec::new();
    for object in objects {
        for (index, route) in object.spec.tcp.iter().enumerate() {
            let everything = [L4Match::default()];
            let matches = if route.matches.is_empty() { &everything[..] } else { &route.matches };
            for matching in matches.iter().filter(|m| place.takes(context, m)) {
                let terminal = matching.destination_subnets.is_empty();
                let matching = Match { subnets: place.subnets(matching), ..Match::default() };
                if found.iter().all(|known| known.matching != matching) {
                    let path = format!("spec.tcp[{index}]");
                    found.push(place.chain(context, matching, &route.route, object, &path));
                }
                if terminal {
                    return (found, true);
                }
            }
        }
    }
    (found, false)
}

/// Without a route that fits, the service itself.
fn tls(context: &Context<'_>, service: &Service, port: &Port, address: Address, ranges: &[IpNet]) -> Vec<L4Chain> {
    let passing = passing(context, service, port);
    let place = Place { gateway: &GatewayRef::Mesh, port: port.number, ranges, passing: Some(passing) };
    let mut found = tls_routes(context, &place, routes_of(context, service));
    if found.is_empty() {
        // An address of its own needs no name, unless that says where to go; on a shared one it tells services apart.
        let named = (address != Address::Own || dynamic::is_dynamic(service)) && service.host.as_str() != "*";
        let server_names = if named { vec![service.host.to_string()] } else { Vec::new() };
        let matching = Match { server_names, subnets: ranges.to_vec(), ..Match::default() };
        found.push(own(context, service, port, matching, passing));
    }
    found
}

/// Where no route takes everything the service itself comes last.
fn tcp(context: &Context<'_>, service: &Service, port: &Port, ranges: &[IpNet]) -> Vec<L4Chain> {
    let passing = passing(context, service, port);
    let place = Place { gateway: &GatewayRef::Mesh, port: port.number, ranges, passing: Some(passing) };
    let (mut found, is_complete) = tcp_routes(context, &place, routes_of(context, service));
    if !is_complete {
        let matching = Match { subnets: ranges.to_vec(), ..Match::default() };
        found.push(own(context, service, port, matching, passing));
    }
    found
}

fn own(context: &Context<'_>, service: &Service, port: &Port, matching: Match, passing: Passing) -> L4Chain {
    let cluster = names::outbound(port.number, "", &service.host);
    let metadata = Some(Provenance::of_service(service).metadata());
    L4Chain { matching, filter: chain::tcp_weighted(context, &[(cluster, NonZeroU32::MIN)], passing), metadata }
}
