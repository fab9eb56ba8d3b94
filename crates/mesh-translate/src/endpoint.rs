//! Endpoints: who stands behind an outbound cluster, where they are, and which are asked first.

mod locality;

use std::collections::BTreeMap;

use mesh_model::{
    config::Subset,
    push_context::{PortEndpoint, PushContext},
    registry::{Address, Health, Port, Resolution, Service},
};
use mesh_types::{Labels, Locality};

use crate::{
    built::Built,
    context::Context,
    names::{Outbound, UNOPENED},
    pb::{
        core,
        endpoint::{ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier},
    },
    provenance::Provenance,
    view::ProxyView,
    wire::{endpoint_address, number, text},
};

/// Cluster name that stands in endpoint metadata for the one cluster of Kubernetes there is.
const CLUSTER_ID: &str = "Kubernetes";

/// The endpoints of these clusters, in this order; a cluster that is not known, or that nobody stands behind, has none.
pub fn endpoints<S: AsRef<str>>(view: &ProxyView, push: &PushContext, names: &[S]) -> Vec<Built> {
    let context = Context::new(view, push);
    names.iter().map(|name| Built::endpoints(&message(&context, name.as_ref()))).collect()
}

pub(crate) fn message(context: &Context<'_>, name: &str) -> ClusterLoadAssignment {
    let groups = Outbound::parse(name).and_then(|parts| {
        let service = context.scope.service(&parts.host)?;
        let port = service.port(parts.port)?;
        let subset = match parts.subset.as_str() {
            "" => None,
            subset => Some(context.rule(service)?.subset(subset)?),
        };
        let known = match service.resolution {
            Resolution::Endpoints => true,
            Resolution::Passthrough => context.is_gateway(),
            _ => false,
        };
        let unopened = name.starts_with(UNOPENED);
        known.then(|| ranked(context, service, port, subset, unopened))
    });
    assignment(name, groups.unwrap_or_default())
}

fn assignment(name: &str, endpoints: Vec<LocalityLbEndpoints>) -> ClusterLoadAssignment {
    ClusterLoadAssignment { cluster_name: name.to_owned(), endpoints, ..Default::default() }
}

/// One endpoint that nobody has to look for.
pub(crate) fn single(name: &str, address: core::Address) -> ClusterLoadAssignment {
    let host = HostIdentifier::Endpoint(Endpoint { address: Some(address), ..Default::default() });
    let lb_endpoints = vec![LbEndpoint { host_identifier: Some(host), ..Default::default() }];
    assignment(name, vec![LocalityLbEndpoints { lb_endpoints, ..Default::default() }])
}

/// The endpoints of a cluster that the proxy asks DNS for; `None` if there is no name to ask for.
pub(crate) fn by_name(
    context: &Context<'_>,
    name: &str,
    service: &Service,
    port: &Port,
    subset: Option<&Subset>,
) -> Option<ClusterLoadAssignment> {
    let mut groups = ranked(context, service, port, subset, name.starts_with(UNOPENED));
    if groups.is_empty() && subset.is_none_or(|s| s.labels.is_empty()) && !service.host.is_wildcard() {
        let itself = PortEndpoint {
            address: Address::Host(service.host.to_string()),
            port: mesh_model::push_context::number_of(&port.target),
            health: Health::Ready,
            labels: Labels::default(),
            locality: Locality::default(),
            weight: 1,
            node: None,
            workload: None,
            hostname: None,
        };
        groups.push(group_of(&Locality::default(), vec![&itself], 0));
    }
    if service.resolution == Resolution::DnsRoundRobin {
        // Envoy takes exactly one name there.
        groups.truncate(1);
        groups.iter_mut().for_each(|group| group.lb_endpoints.truncate(1));
    }
    (!groups.is_empty()).then(|| assignment(name, groups))
}

/// Those that take traffic from this proxy, by locality, with priorities and weights.
/// `unopened`: only those that speak TLS of the mesh, for it is passed on to them as it is.
fn ranked(
    context: &Context<'_>,
    service: &Service,
    port: &Port,
    subset: Option<&Subset>,
    unopened: bool,
) -> Vec<LocalityLbEndpoints> {
    let policy = context.policy(service, port, subset);
    let all = context.push.endpoints(service, port);
    let taken = all.iter().filter(|e| takes_traffic(context, service, e)).filter(|e| in_subset(subset, e));
    let taken = taken.filter(|e| !unopened || e.workload.as_ref().is_some_and(|w| w.mesh_tls));
    let rule = locality::Rule::of(context.mesh(), &policy.blocks);
    let mut by_rank: BTreeMap<(&Locality, u32), Vec<&PortEndpoint>> = BTreeMap::new();
    for endpoint in taken {
        by_rank.entry((&endpoint.locality, rule.rank(context.view, endpoint))).or_default().push(endpoint);
    }
    let mut groups: Vec<LocalityLbEndpoints> =
        by_rank.into_iter().map(|((locality, rank), members)| group_of(locality, members, rank)).collect();
    rule.distribute(context.view, &mut groups);
    locality::renumber(&mut groups);
    groups
}

fn takes_traffic(context: &Context<'_>, service: &Service, endpoint: &PortEndpoint) -> bool {
    let health = match endpoint.health {
        Health::Ready => true,
        Health::Unready => service.publish_not_ready,
        Health::Draining => false,
    };
    // internalTrafficPolicy: Local.
    let near = !service.node_local || endpoint.node.as_deref() == Some(context.view.node.as_str());
    health && near
}

fn in_subset(subset: Option<&Subset>, endpoint: &PortEndpoint) -> bool {
    subset.is_none_or(|s| s.labels.selects(&endpoint.labels))
}

fn group_of(locality: &Locality, members: Vec<&PortEndpoint>, priority: u32) -> LocalityLbEndpoints {
    let weight = members.iter().map(|e| e.weight).fold(0_u32, u32::saturating_add);
    let Locality { region, zone, sub_zone } = locality.clone();
    LocalityLbEndpoints {
        locality: Some(core::Locality { region, zone, sub_zone }),
        lb_endpoints: members.into_iter().map(lb_endpoint).collect(),
        load_balancing_weight: number(weight.max(1)),
        priority,
        ..Default::default()
    }
}

fn lb_endpoint(endpoint: &PortEndpoint) -> LbEndpoint {
    let workload = endpoint.workload.as_ref().map(|w| {
        let described =
            format!("{};{};{};{};{CLUSTER_ID}", w.workload_name, w.namespace, w.canonical_name, w.canonical_revision);
        Provenance::default().istio("workload", text(described)).metadata()
    });
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(endpoint_address(&endpoint.address, endpoint.port)),
            ..Default::default()
        })),
        health_status: core::HealthStatus::Healthy as i32,
        metadata: workload,
        load_balancing_weight: number(endpoint.weight),
    }
}
