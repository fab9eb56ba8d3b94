//! EndpointSlices of a service, put together.
//!
//! <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/>

use std::collections::{BTreeMap, btree_map::Entry};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use mesh_proto::registry;

use super::value;

/// The label by which a slice names its service.
const SERVICE: &str = "kubernetes.io/service-name";

/// The service that a slice belongs to; a slice without one is nobody's.
pub fn service_of(slice: &EndpointSlice) -> Option<&str> {
    value(slice.metadata.labels.as_ref(), SERVICE)
}

/// Whether some endpoint says nothing about who is behind its address, as in slices written by hand.
pub fn needs_addresses(slice: &EndpointSlice) -> bool {
    slice.endpoints.iter().any(|endpoint| endpoint.target_ref.is_none())
}

/// The record of a service's slices. `workload_at` names the workload at an address, for endpoints that do not say.
pub fn record<'a>(
    host: &str,
    namespace: &str,
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
    workload_at: impl Fn(&str) -> Option<String>,
) -> registry::Endpoints {
    let mut by_address: BTreeMap<String, registry::Endpoint> = BTreeMap::new();
    for slice in slices.into_iter().filter(|slice| slice.address_type != "FQDN") {
        let ports = ports(slice);
        for endpoint in &slice.endpoints {
            for address in &endpoint.addresses {
                let found = convert(endpoint, address, &ports, namespace, &workload_at);
                match by_address.entry(address.clone()) {
                    Entry::Vacant(vacant) => drop(vacant.insert(found)),
                    Entry::Occupied(occupied) => merge(occupied.into_mut(), found),
                }
            }
        }
    }
    let endpoints = by_address.into_values().collect();
    registry::Endpoints { host: host.to_owned(), namespace: namespace.to_owned(), endpoints }
}

fn ports(slice: &EndpointSlice) -> BTreeMap<String, u32> {
    let ports = slice.ports.iter().flatten();
    ports.filter_map(|port| Some((port.name.clone().unwrap_or_default(), u32::try_from(port.port?).ok()?))).collect()
}

fn convert(
    endpoint: &Endpoint,
    address: &str,
    ports: &BTreeMap<String, u32>,
    namespace: &str,
    workload_at: &impl Fn(&str) -> Option<String>,
) -> registry::Endpoint {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let is_ending = conditions.terminating.unwrap_or(false);
    let workload = match &endpoint.target_ref {
        Some(target) if target.kind.as_deref() == Some("Pod") => {
            let namespace = target.namespace.as_deref().unwrap_or(namespace);
            target.name.as_ref().map(|name| format!("{namespace}/{name}"))
        }
        Some(_) => None,
        None => workload_at(address),
    };
    registry::Endpoint {
        address: address.to_owned(),
        ports: ports.clone(),
        // Unknown counts as ready, as the API says.
        ready: conditions.ready.unwrap_or(true),
        draining: is_ending && conditions.serving.unwrap_or(true),
        workload: workload.unwrap_or_default(),
        node: endpoint.node_name.clone().unwrap_or_default(),
        hostname: endpoint.hostname.clone().unwrap_or_default(),
    }
}

/// The same address in a second slice: either it has other ports there, or it is on its way from one slice to the other.
fn merge(known: &mut registry::Endpoint, again: registry::Endpoint) {
    known.ports.extend(again.ports);
    known.ready |= again.ready;
    known.draining &= again.draining;
    if known.workload.is_empty() {
        known.workload = again.workload;
    }
}

#[cfg(test)]
mod tests;
