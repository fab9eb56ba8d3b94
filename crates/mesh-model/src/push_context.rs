//! The mesh as one immutable value with indexes: what pilot answers every question from.
//!
//! ```text
//!   Store ──build──► PushContext ──scope(namespace, labels)──► Scope: services and routes that one proxy sees
//!                        │  endpoints(service, port)    destination_rule(client, service)    issues()
//! ```
//!
//! Building reads the store once; parts that a change cannot touch are shared with the context before
//! ([`PushContext::next`]).

mod destination_rules;
mod endpoints;
mod gateways;
mod issues;
mod policy;
mod scope;
mod services;
mod virtual_services;

use std::{net::IpAddr, sync::Arc};

use mesh_types::{Hostname, Labels};
use rustc_hash::FxHashMap;

pub use destination_rules::MergedRule;
pub use endpoints::PortEndpoint;
pub use gateways::{GatewayPort, GatewayServer, Unserved};
pub use policy::EffectivePolicy;
pub use scope::{EgressListener, Scope};

use crate::{
    config::{GatewayRef, Kind, MeshConfig, Object, VirtualService},
    expand,
    issue::Issue,
    registry::{Port, Service, TargetPort, Workload},
    store::{ChangeSet, RecordKind, Store},
};
use destination_rules::Rules;
use endpoints::Derived;
use gateways::Gateways;
use scope::{Scopes, Sidecars};
use services::Services;
use virtual_services::Routes;

/// The mesh, indexed.
#[derive(Clone, Debug)]
pub struct PushContext {
    store: Store,
    services: Arc<Services>,
    derived: Arc<Derived>,
    workloads_by_ip: Arc<FxHashMap<IpAddr, Arc<Workload>>>,
    aliases: Arc<FxHashMap<Hostname, Vec<Arc<Service>>>>,
    rules: Arc<Rules>,
    routes: Arc<Routes>,
    sidecars: Arc<Sidecars>,
    gateways: Arc<Gateways>,
    scopes: Arc<Scopes>,
}

/// The number behind a target port that no workload is known for; by name there is none: 0.
pub fn number_of(target: &TargetPort) -> u16 {
    if let TargetPort::Number(number) = target { *number } else { 0 }
}

impl Default for PushContext {
    fn default() -> Self {
        Self::build(&Store::default())
    }
}

impl PushContext {
    /// Indexes everything, what is derived from users' objects included.
    pub fn build(store: &Store) -> Self {
        Self::index(&expand::expand(store))
    }

    fn index(store: &Store) -> Self {
        let services = Arc::new(Services::build(store));
        Self {
            derived: Arc::new(endpoints::derive(store)),
            workloads_by_ip: Arc::new(index_addresses(store)),
            aliases: Arc::new(index_aliases(&services)),
            rules: Arc::new(Rules::build(store)),
            routes: Arc::new(Routes::build(store)),
            sidecars: Arc::new(Sidecars::build(store)),
            gateways: Arc::new(Gateways::build(store)),
            scopes: Arc::default(),
            services,
            store: store.clone(),
        }
    }

    /// The context of a later store; shares with this one what `changes` cannot have touched.
    #[must_use]
    pub fn next(&self, store: &Store, changes: &ChangeSet) -> Self {
        let store = &expand::next(&self.store, store, changes);
        let mut changes = changes.clone();
        changes.merge(expand::derived_changes(&self.store, store));
        let touched = |kinds: &[RecordKind]| changes.records.keys().any(|k| kinds.contains(k));
        let mesh = touched(&[RecordKind::Mesh]);
        let entry = RecordKind::Config(Kind::ServiceEntry);
        let mut next = Self { store: store.clone(), ..self.clone() };
        if touched(&[RecordKind::Service, entry]) {
            next.services = Arc::new(Services::build(store));
            next.aliases = Arc::new(index_aliases(&next.services));
        }
        if touched(&[RecordKind::Service, RecordKind::Workload, entry, RecordKind::Config(Kind::WorkloadEntry)]) {
            next.derived = Arc::new(endpoints::derive(store));
        }
        if touched(&[RecordKind::Workload]) {
            next.workloads_by_ip = Arc::new(index_addresses(store));
        }
        if mesh || touched(&[RecordKind::Config(Kind::DestinationRule)]) {
            next.rules = Arc::new(Rules::build(store));
        }
        if mesh || touched(&[RecordKind::Config(Kind::VirtualService)]) {
            next.routes = Arc::new(Routes::build(store));
        }
        if mesh || touched(&[RecordKind::Config(Kind::Sidecar)]) {
            next.sidecars = Arc::new(Sidecars::build(store));
        }
        if touched(&[RecordKind::Config(Kind::Gateway)]) {
            next.gateways = Arc::new(Gateways::build(store));
        }
        let [routes, sidecars] = [Kind::VirtualService, Kind::Sidecar].map(RecordKind::Config);
        if mesh || touched(&[RecordKind::Service, entry, routes, sidecars]) {
            next.scopes = Arc::default();
        }
        next
    }

    /// The mesh's settings.
    pub fn mesh(&self) -> &MeshConfig {
        &self.store.mesh
    }

    /// What this context was built from, with what follows from it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Every service, oldest first; a host may occur in several namespaces.
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services.all
    }

    /// The services of a host in any namespace, oldest first.
    pub fn services_of_host(&self, host: &Hostname) -> &[Arc<Service>] {
        self.services.by_host.get(host).map_or(&[], Vec::as_slice)
    }

    /// Other names (ExternalName services) that stand for a host.
    pub fn aliases(&self, host: &Hostname) -> &[Arc<Service>] {
        self.aliases.get(host).map_or(&[], Vec::as_slice)
    }

    /// What proxies of a namespace with these labels see.
    pub fn scope(&self, namespace: &str, labels: &Labels) -> Arc<Scope> {
        self.scopes.of_sidecar(self, namespace, labels)
    }

    /// What gateway proxies of a namespace see.
    pub fn scope_of_gateway(&self, namespace: &str) -> Arc<Scope> {
        self.scopes.of_gateway(self, namespace)
    }

    /// The ports that a gateway pod opens, and what it leaves out. `resolve` gives the numbers that the pod listens on for
    /// a server's port.
    pub fn gateway_ports(
        &self,
        namespace: &str,
        labels: &Labels,
        resolve: impl Fn(u16) -> Vec<u16>,
    ) -> (Vec<GatewayPort>, Vec<Unserved>) {
        self.gateways.ports(namespace, labels, resolve)
    }

    /// VirtualServices that bind a place (a Gateway, or the mesh) as proxies of a namespace see them, in the order of V1.
    pub fn routes_of(&self, place: &GatewayRef, namespace: &str) -> impl Iterator<Item = &Arc<Object<VirtualService>>> {
        self.routes.visible(place, namespace)
    }

    /// Every endpoint of one port of a service, ready or not, sorted by address.
    pub fn endpoints(&self, service: &Service, port: &Port) -> Vec<PortEndpoint> {
        let recorded = service.is_kubernetes().then(|| self.store.endpoints.get(service.host.as_str())).flatten();
        let derived = self.derived.get(&(service.host.clone(), service.namespace.clone()));
        let all = recorded.iter().flat_map(|r| &r.endpoints).chain(derived.into_iter().flatten());
        let mut found: Vec<PortEndpoint> =
            all.filter_map(|endpoint| endpoints::resolve(&self.store, endpoint, &port.name)).collect();
        if derived.is_some() {
            found.sort_by(|a, b| (&a.address, a.port).cmp(&(&b.address, b.port)));
            found.dedup_by(|a, b| (&a.address, a.port) == (&b.address, b.port));
        }
        found
    }

    /// The rule for calls of `service` by a proxy of `namespace` with `labels` (D1 to D4).
    pub fn destination_rule(&self, namespace: &str, labels: &Labels, service: &Service) -> Option<&Arc<MergedRule>> {
        self.rules.find(self.mesh(), namespace, Some(labels), &service.host, &service.namespace)
    }

    /// Secrets that DestinationRules name which select workloads with these labels.
    pub fn selected_credentials<'a>(&'a self, namespace: &str, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        self.rules.selected_credentials(namespace, labels)
    }

    /// Secrets that Gateways of the Gateway API name which are for pods with these labels. Those of other namespaces are
    /// among them where a ReferenceGrant lets them be.
    pub fn granted_credentials<'a>(&'a self, namespace: &'a str, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        let derived = self.gateways.of(namespace, labels).filter(|gateway| gateway.meta.derived.is_some());
        derived.flat_map(|gateway| gateway.spec.credentials())
    }

    /// The rule for a service as its own proxies see it: rules with a selector are for callers only.
    pub fn inbound_rule(&self, namespace: &str, service: &Service) -> Option<&Arc<MergedRule>> {
        self.rules.find(self.mesh(), namespace, None, &service.host, &service.namespace)
    }

    /// A pod by `NAMESPACE/NAME`.
    pub fn workload(&self, name: &str) -> Option<&Arc<Workload>> {
        self.store.workloads.get(name)
    }

    /// The pod that has this address for itself.
    pub fn workload_at(&self, ip: IpAddr) -> Option<&Arc<Workload>> {
        self.workloads_by_ip.get(&ip)
    }

    /// What is wrong between objects: references that lead nowhere, and several objects that claim the same thing.
    pub fn issues(&self) -> Vec<Issue> {
        issues::find(self)
    }
}

fn index_addresses(store: &Store) -> FxHashMap<IpAddr, Arc<Workload>> {
    let own = store.workloads.values().filter(|w| !w.host_network);
    own.flat_map(|w| w.addresses.iter().map(move |ip| (*ip, Arc::clone(w)))).collect()
}

fn index_aliases(services: &Services) -> FxHashMap<Hostname, Vec<Arc<Service>>> {
    use crate::registry::Resolution::Alias;
    let mut aliases: FxHashMap<Hostname, Vec<Arc<Service>>> = FxHashMap::default();
    for service in &services.all {
        let Alias(first) = &service.resolution else { continue };
        let mut target = first;
        // An alias of an alias ends at the same service; a ring of aliases leads nowhere.
        for _ in 0..8 {
            match services.by_host.get(target).and_then(|s| s.first()).map(|s| &s.resolution) {
                Some(Alias(next)) => target = next,
                _ => break,
            }
        }
        aliases.entry(target.clone()).or_default().push(Arc::clone(service));
    }
    aliases
}
