//! What one proxy sees: by `exportTo` of the objects, and by the Sidecar that applies to it.

use std::sync::{Arc, Mutex, PoisonError};

use mesh_types::{Hostname, Labels};
use rustc_hash::{FxHashMap, FxHashSet};

use super::PushContext;
use crate::{
    config::{
        CaptureMode, Destination, EgressHost, EgressNamespace, GatewayRef, Object, ObjectRef, OutboundPolicyMode,
        RouteAction, Sidecar, SidecarEgress, VirtualService,
    },
    registry::{Resolution, Service},
    store::Store,
};

/// What the proxies of a namespace with certain labels see.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The proxies' namespace.
    pub namespace: String,
    /// The Sidecar that applies.
    pub sidecar: Option<Arc<Object<Sidecar>>>,
    /// Every service that is seen, oldest first; each host once.
    pub services: Vec<Arc<Service>>,
    /// Every VirtualService that is seen, in the order of rule V1.
    pub virtual_services: Vec<Arc<Object<VirtualService>>>,
    /// Parts of what is seen, by listener; one without a port stands last.
    pub listeners: Vec<EgressListener>,
    /// Calls of unknown hosts.
    pub outbound_mode: OutboundPolicyMode,
    /// Where calls of unknown hosts go instead.
    pub egress_proxy: Option<Destination>,
    by_host: FxHashMap<Hostname, Arc<Service>>,
}

/// What is seen through one egress listener of a Sidecar.
#[derive(Clone, Debug)]
pub struct EgressListener {
    /// As written; `None` is the built-in one that sees everything.
    pub spec: Option<SidecarEgress>,
    /// Services, oldest first; each host once.
    pub services: Vec<Arc<Service>>,
    /// VirtualServices in the order of rule V1.
    pub virtual_services: Vec<Arc<Object<VirtualService>>>,
}

impl EgressListener {
    /// The port that it owns.
    pub fn port(&self) -> Option<u16> {
        self.spec.as_ref().and_then(|spec| spec.port.as_ref()).map(|port| port.number)
    }

    /// S11: whether applications dial the proxy itself. What it does not know has no other address to go to then.
    pub fn is_dialled(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.capture_mode == CaptureMode::None)
    }
}

/// Every Sidecar, by namespace, oldest first.
#[derive(Debug, Default)]
pub(super) struct Sidecars(FxHashMap<Arc<str>, Vec<Arc<Object<Sidecar>>>>);

impl Sidecars {
    pub(super) fn build(store: &Store) -> Self {
        let mut all = Self::default();
        for object in store.sidecars() {
            all.0.entry(Arc::clone(&object.meta.namespace)).or_default().push(object);
        }
        all
    }

    /// S1: one that selects the workload, one of its namespace, one of the root namespace.
    fn find(&self, root: &str, namespace: &str, labels: &Labels) -> Option<&Arc<Object<Sidecar>>> {
        let of = |namespace: &str| self.0.get(namespace).into_iter().flatten();
        let selecting =
            |s: &&Arc<Object<Sidecar>>| s.spec.workload_selector.as_ref().is_some_and(|l| l.selects(labels));
        let plain = |s: &&Arc<Object<Sidecar>>| s.spec.workload_selector.is_none();
        of(namespace).find(selecting).or_else(|| of(namespace).find(plain)).or_else(|| of(root).find(plain))
    }

    /// All Sidecars of each namespace.
    pub(super) fn by_namespace(&self) -> impl Iterator<Item = &Vec<Arc<Object<Sidecar>>>> {
        self.0.values()
    }
}

/// Scopes that were asked for. A scope follows from what is in its key and from the context that it stands in, so that
/// this only saves work: all proxies that one Sidecar is for, or none, share a scope.
#[derive(Debug, Default)]
pub(super) struct Scopes(Mutex<FxHashMap<ScopeKey, Arc<Scope>>>);

/// Whose scope, and the proxies' namespace.
type ScopeKey = (Whose, Arc<str>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// Of sidecars, and the Sidecar that applies to them.
    Sidecars(Option<ObjectRef>),
    /// Of gateways.
    Gateways,
}

impl Scopes {
    pub(super) fn of_sidecar(&self, push: &PushContext, namespace: &str, labels: &Labels) -> Arc<Scope> {
        let sidecar = push.sidecars.find(&push.mesh().root_namespace, namespace, labels);
        let whose = Whose::Sidecars(sidecar.map(|sidecar| sidecar.meta.object()));
        self.kept(whose, namespace, || Scope::build(push, namespace, sidecar.cloned()))
    }

    pub(super) fn of_gateway(&self, push: &PushContext, namespace: &str) -> Arc<Scope> {
        self.kept(Whose::Gateways, namespace, || Scope::of_gateway(push, namespace))
    }

    fn kept(&self, whose: Whose, namespace: &str, make: impl FnOnce() -> Scope) -> Arc<Scope> {
        let key = (whose, Arc::from(namespace));
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(&key).cloned();
        found.unwrap_or_else(|| {
            // Made outside of the lock; what two make at a time is the same.
            let made = Arc::new(make());
            Arc::clone(known().entry(key).or_insert(made))
        })
    }
}

impl Scope {
    fn build(push: &PushContext, namespace: &str, sidecar: Option<Arc<Object<Sidecar>>>) -> Self {
        let mesh = push.mesh();
        let exported: Vec<&Arc<Service>> = push.services().iter().filter(|s| exported(push, s, namespace)).collect();
        let routes: Vec<&Arc<Object<VirtualService>>> = push.routes.visible(&GatewayRef::Mesh, namespace).collect();
        let policy = sidecar.as_ref().and_then(|s| s.spec.outbound.as_ref());
        let egress = sidecar.as_ref().map_or(&[][..], |s| &s.spec.egress);
        let listeners: Vec<EgressListener> = if egress.is_empty() {
            vec![EgressListener {
                spec: None,
                services: first_of_each_host(exported.iter().copied()),
                virtual_services: routes.into_iter().cloned().collect(),
            }]
        } else {
            egress.iter().map(|spec| import(spec, namespace, &exported, &routes)).collect()
        };
        let mut scope = Self {
            namespace: namespace.to_owned(),
            services: Vec::new(),
            virtual_services: Vec::new(),
            // S9: what the Sidecar does not say, the mesh says.
            outbound_mode: policy.map_or(mesh.outbound_policy, |p| p.mode),
            egress_proxy: policy.and_then(|p| p.egress_proxy.clone()),
            by_host: FxHashMap::default(),
            sidecar,
            listeners,
        };
        scope.index();
        scope
    }

    /// What gateways of a namespace see: Sidecars are not for them, and routes come by the Gateways that they serve.
    fn of_gateway(push: &PushContext, namespace: &str) -> Self {
        let exported = push.services().iter().filter(|s| exported(push, s, namespace));
        let all = EgressListener { spec: None, services: first_of_each_host(exported), virtual_services: Vec::new() };
        let mut scope = Self {
            namespace: namespace.to_owned(),
            sidecar: None,
            services: Vec::new(),
            virtual_services: Vec::new(),
            listeners: vec![all],
            outbound_mode: push.mesh().outbound_policy,
            egress_proxy: None,
            by_host: FxHashMap::default(),
        };
        scope.index();
        scope
    }

    fn index(&mut self) {
        let mut seen = FxHashSet::default();
        for listener in &self.listeners {
            for service in &listener.services {
                self.by_host.entry(service.host.clone()).or_insert_with(|| Arc::clone(service));
            }
            for object in &listener.virtual_services {
                if seen.insert((Arc::clone(&object.meta.namespace), Arc::clone(&object.meta.name))) {
                    self.virtual_services.push(Arc::clone(object));
                }
            }
        }
        self.services = self.by_host.values().cloned().collect();
        self.services.sort_by(Service::age_order);
    }

    /// The service of a host, if it is seen.
    pub fn service(&self, host: &Hostname) -> Option<&Arc<Service>> {
        self.by_host.get(host)
    }

    /// The listener that answers for a port: one that owns it, else the one without a port.
    pub fn listener_of(&self, port: u16) -> Option<&EgressListener> {
        let owner = self.listeners.iter().find(|l| l.port() == Some(port));
        owner.or_else(|| self.listeners.iter().find(|l| l.port().is_none()))
    }
}

/// S3, first half: whether a service leaves its namespace for ours.
fn exported(push: &PushContext, service: &Service, client: &str) -> bool {
    let export = service.export_to.as_ref().unwrap_or(&push.mesh().default_service_export_to);
    export.reaches(&service.namespace, client)
}

/// One service per host: that of Kubernetes, else the first.
fn first_of_each_host<'a>(services: impl Iterator<Item = &'a Arc<Service>>) -> Vec<Arc<Service>> {
    let mut at: FxHashMap<Hostname, usize> = FxHashMap::default();
    let mut kept: Vec<Arc<Service>> = Vec::new();
    for service in services {
        match at.get(&service.host) {
            None => {
                at.insert(service.host.clone(), kept.len());
                kept.push(Arc::clone(service));
            }
            Some(&index) if service.is_kubernetes() && !kept[index].is_kubernetes() => {
                kept[index] = Arc::clone(service)
            }
            Some(_) => {}
        }
    }
    kept.sort_by(Service::age_order);
    kept
}

/// S2: `.` is the namespace of the proxy, also in a Sidecar of the root namespace.
fn names(pattern: &EgressHost, client: &str, namespace: &str) -> bool {
    match &pattern.namespace {
        EgressNamespace::Any => true,
        EgressNamespace::Own => namespace == client,
        EgressNamespace::Nobody => false,
        EgressNamespace::Named(name) => **name == *namespace,
    }
}

fn import(
    spec: &SidecarEgress,
    client: &str,
    exported: &[&Arc<Service>],
    routes: &[&Arc<Object<VirtualService>>],
) -> EgressListener {
    let routes: Vec<Arc<Object<VirtualService>>> = routes
        .iter()
        .filter(|vs| {
            spec.hosts
                .iter()
                .any(|h| names(h, client, &vs.meta.namespace) && vs.spec.hosts.iter().any(|host| h.host.overlaps(host)))
        })
        .map(|vs| Arc::clone(vs))
        .collect();
    // S7: destinations of an imported VirtualService come with it.
    let implied: FxHashSet<&Hostname> = routes.iter().flat_map(|vs| destinations(&vs.spec)).map(|d| &d.host).collect();
    let listed = |s: &Service| spec.hosts.iter().any(|h| names(h, client, &s.namespace) && h.host.contains(&s.host));
    let mut chosen: Vec<&Arc<Service>> =
        exported.iter().filter(|s| fits(spec, s) && listed(s) || implied.contains(&s.host)).copied().collect();
    // S5: of several namespaces with the same host, the first by name.
    chosen.sort_by(|a, b| (&a.host, &a.namespace).cmp(&(&b.host, &b.namespace)));
    chosen.dedup_by(|a, b| a.host == b.host);
    let mut services: Vec<Arc<Service>> = chosen.into_iter().cloned().collect();
    services.sort_by(Service::age_order);
    EgressListener { spec: Some(spec.clone()), services, virtual_services: routes }
}

/// S6: a listener with a port imports services that have it; a service with a single port is mapped to it. One that is
/// dialled itself has no use for services whose callers say by the address where they want to go.
fn fits(spec: &SidecarEgress, service: &Service) -> bool {
    if spec.capture_mode == CaptureMode::None && service.resolution == Resolution::Passthrough {
        return false;
    }
    spec.port.as_ref().is_none_or(|port| service.port(port.number).is_some() || service.ports.len() == 1)
}

/// Every destination of a VirtualService.
pub(super) fn destinations(spec: &VirtualService) -> impl Iterator<Item = &Destination> {
    let http = spec.http.iter().flat_map(|route| {
        let forward = match &route.action {
            RouteAction::Forward(to) => to.as_slice(),
            RouteAction::Redirect(_) | RouteAction::DirectResponse(_) | RouteAction::Delegate(_) => &[],
        };
        forward.iter().map(|d| &d.destination).chain(route.mirrors.iter().map(|m| &m.destination))
    });
    let tls = spec.tls.iter().flat_map(|route| route.route.iter().map(|d| &d.destination));
    let tcp = spec.tcp.iter().flat_map(|route| route.route.iter().map(|d| &d.destination));
    http.chain(tls).chain(tcp)
}
