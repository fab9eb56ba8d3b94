//! Services of the mesh: those of Kubernetes, and those that ServiceEntries describe.

use std::sync::Arc;

use mesh_types::Hostname;
use rustc_hash::FxHashMap;

use crate::{
    config::{self, Location, Object, ServiceEntry},
    registry::{Origin, Port, Resolution, Service, TargetPort},
    store::Store,
};

/// Every service, oldest first, and by host.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) all: Vec<Arc<Service>>,
    pub(super) by_host: FxHashMap<Hostname, Vec<Arc<Service>>>,
}

impl Services {
    pub(super) fn build(store: &Store) -> Self {
        let mut all: Vec<Arc<Service>> = store.services.values().cloned().collect();
        for object in store.service_entries() {
            for host in &object.spec.hosts {
                // E6: the same host twice in a namespace is one service; the Kubernetes Service, then the oldest entry.
                let known = all.iter_mut().find(|s| s.host == *host && s.namespace == *object.meta.namespace);
                match known {
                    None => all.push(Arc::new(of_entry(&object, host))),
                    Some(service) if service.is_kubernetes() => {}
                    Some(service) => extend(Arc::make_mut(service), &of_entry(&object, host)),
                }
            }
        }
        all.sort_by(Service::age_order);
        let mut by_host: FxHashMap<Hostname, Vec<Arc<Service>>> = FxHashMap::default();
        for service in &all {
            by_host.entry(service.host.clone()).or_default().push(Arc::clone(service));
        }
        Self { all, by_host }
    }
}

/// What a later entry of the same host adds; for what both say the older one's word holds.
fn extend(service: &mut Service, later: &Service) {
    let known: Vec<u16> = service.ports.iter().map(|p| p.number).collect();
    service.ports.extend(later.ports.iter().filter(|p| !known.contains(&p.number)).cloned());
    let addresses: Vec<_> = later.addresses.iter().filter(|a| !service.addresses.contains(a)).copied().collect();
    service.addresses.extend(addresses);
    let allocated: Vec<_> = later.allocated.iter().filter(|a| !service.allocated.contains(a)).copied().collect();
    service.allocated.extend(allocated);
}

/// The ports of a ServiceEntry as those of a service.
pub(super) fn ports_of(spec: &ServiceEntry) -> Vec<Port> {
    spec.ports
        .iter()
        .map(|port| Port {
            name: port.name.clone(),
            number: port.number.get(),
            protocol: port.protocol,
            target: TargetPort::Number(port.target_port.unwrap_or(port.number).get()),
        })
        .collect()
}

fn of_entry(object: &Object<ServiceEntry>, host: &Hostname) -> Service {
    let spec = &object.spec;
    Service {
        host: host.clone(),
        name: host.to_string(),
        namespace: object.meta.namespace.to_string(),
        origin: Origin::ServiceEntry(object.meta.name.to_string()),
        addresses: spec.addresses.clone(),
        allocated: spec.allocated.iter().filter(|a| a.host == *host).map(|a| a.address).collect(),
        ports: ports_of(spec),
        export_to: spec.export_to.clone(),
        resolution: match spec.resolution {
            config::Resolution::None => Resolution::Passthrough,
            config::Resolution::Static => Resolution::Endpoints,
            config::Resolution::Dns => Resolution::Dns,
            config::Resolution::DnsRoundRobin => Resolution::DnsRoundRobin,
            config::Resolution::Dynamic => Resolution::Dynamic,
        },
        external: spec.location == Location::MeshExternal,
        created: object.meta.created,
        selector: spec.workload_selector.clone().unwrap_or_default(),
        publish_not_ready: false,
        node_local: false,
        subject_alt_names: spec.subject_alt_names.clone(),
    }
}
