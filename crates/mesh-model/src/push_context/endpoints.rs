//! Endpoints of services, with what is known of the workloads behind them.

use std::{collections::BTreeMap, sync::Arc};

use mesh_types::{Hostname, Labels, Locality};
use rustc_hash::FxHashMap;

use crate::{
    config::{Object, ServiceEntry, WorkloadAddress, WorkloadEntry},
    registry::{Address, Endpoint, Health, Service, Workload},
    store::Store,
};

/// An endpoint of one port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortEndpoint {
    /// Where it listens.
    pub address: Address,
    /// The number it listens on; 0 for unix sockets.
    pub port: u16,
    /// Whether it takes traffic.
    pub health: Health,
    /// Labels of the workload, or those that the object gives.
    pub labels: Labels,
    /// Where it runs.
    pub locality: Locality,
    /// Share of traffic, at least 1.
    pub weight: u32,
    /// Node that it is on.
    pub node: Option<String>,
    /// The pod behind it.
    pub workload: Option<Arc<Workload>>,
    /// The name that DNS has for it below its service's.
    pub hostname: Option<String>,
}

/// Endpoints that come from objects, by host and namespace of the service.
pub(super) type Derived = FxHashMap<(Hostname, String), Vec<Endpoint>>;

/// Endpoints of ServiceEntries, and WorkloadEntries that Kubernetes Services select.
pub(super) fn derive(store: &Store) -> Derived {
    let mut derived = Derived::default();
    let entries = store.workload_entries();
    for object in store.service_entries() {
        let endpoints = of_service_entry(store, &object, &entries);
        if endpoints.is_empty() {
            continue;
        }
        for host in &object.spec.hosts {
            let key = (host.clone(), object.meta.namespace.to_string());
            derived.entry(key).or_default().extend(endpoints.iter().cloned());
        }
    }
    if !entries.is_empty() {
        for service in store.services.values().filter(|s| !s.selector.is_empty()) {
            let chosen: Vec<Endpoint> = selected_entries(&service.selector, &service.namespace, &entries)
                .filter(|e| matches!(e.spec.address, Some(WorkloadAddress::Ip(_))))
                .filter_map(|e| of_entry(&e.spec, |port| super::number_of(&port.target), &service.ports))
                .collect();
            if !chosen.is_empty() {
                derived.entry((service.host.clone(), service.namespace.clone())).or_default().extend(chosen);
            }
        }
    }
    derived
}

fn selected_entries<'a>(
    selector: &'a Labels,
    namespace: &'a str,
    entries: &'a [Arc<Object<WorkloadEntry>>],
) -> impl Iterator<Item = &'a Arc<Object<WorkloadEntry>>> {
    entries.iter().filter(move |e| {
        // WorkloadEntries carry labels in spec and in metadata; Istio looks at both.
        *e.meta.namespace == *namespace && (selector.selects(&e.spec.labels) || selector.selects(&e.meta.labels))
    })
}

fn of_service_entry(
    store: &Store,
    object: &Object<ServiceEntry>,
    entries: &[Arc<Object<WorkloadEntry>>],
) -> Vec<Endpoint> {
    let spec = &object.spec;
    let ports = super::services::ports_of(spec);
    let target = |port: &crate::registry::Port| super::number_of(&port.target);
    let listed = spec.endpoints.iter().filter_map(|entry| of_entry(entry, target, &ports));
    let Some(selector) = &spec.workload_selector else { return listed.collect() };
    let namespace = &*object.meta.namespace;
    let chosen = selected_entries(selector, namespace, entries).filter_map(|e| of_entry(&e.spec, target, &ports));
    let pods = store
        .workloads
        .iter()
        .filter(|(_, w)| w.namespace == namespace && selector.selects(&w.labels))
        .filter_map(|(name, w)| of_pod(name, w, &ports));
    chosen.chain(pods).collect()
}

/// E3: the entry's own number for the port's name, else the service's target port; sockets have none.
fn of_entry(
    entry: &WorkloadEntry,
    target: impl Fn(&crate::registry::Port) -> u16,
    ports: &[crate::registry::Port],
) -> Option<Endpoint> {
    let address = match entry.address.as_ref()? {
        WorkloadAddress::Ip(ip) => Address::Ip(*ip),
        WorkloadAddress::Name(host) => Address::Host(host.to_string()),
        WorkloadAddress::Unix(path) => Address::Unix(path.clone()),
    };
    let number = |port: &crate::registry::Port| match &address {
        Address::Unix(_) => 0,
        _ => entry.ports.get(&port.name).map_or_else(|| target(port), |n| n.get()),
    };
    Some(Endpoint {
        ports: ports.iter().map(|port| (port.name.clone(), number(port))).collect::<BTreeMap<_, _>>(),
        address,
        health: Health::Ready,
        workload: None,
        node: None,
        labels: entry.labels.clone(),
        locality: entry.locality.clone(),
        weight: entry.weight.map_or(1, std::num::NonZeroU32::get),
        hostname: None,
    })
}

fn of_pod(name: &str, pod: &Workload, ports: &[crate::registry::Port]) -> Option<Endpoint> {
    let address = Address::Ip(*pod.addresses.first()?);
    let numbers = ports.iter().filter_map(|port| Some((port.name.clone(), Service::target_of(port, pod)?))).collect();
    Some(Endpoint {
        address,
        ports: numbers,
        health: if pod.ready { Health::Ready } else { Health::Unready },
        workload: Some(name.to_owned()),
        node: Some(pod.node.clone()),
        labels: Labels::default(),
        locality: Locality::default(),
        weight: 1,
        hostname: None,
    })
}

/// An endpoint seen through one port, with its workload's facts; `None` if it does not have the port.
pub(super) fn resolve(store: &Store, endpoint: &Endpoint, port_name: &str) -> Option<PortEndpoint> {
    let port = *endpoint.ports.get(port_name)?;
    let workload = endpoint.workload.as_deref().and_then(|name| store.workloads.get(name)).cloned();
    let labels = workload.as_ref().map_or_else(|| endpoint.labels.clone(), |w| w.labels.clone());
    let locality = match &workload {
        Some(w) if endpoint.locality.is_empty() => w.locality.clone(),
        _ => endpoint.locality.clone(),
    };
    Some(PortEndpoint {
        address: endpoint.address.clone(),
        port,
        health: endpoint.health,
        labels,
        locality,
        weight: endpoint.weight.max(1),
        node: endpoint.node.clone(),
        workload,
        hostname: endpoint.hostname.clone(),
    })
}
