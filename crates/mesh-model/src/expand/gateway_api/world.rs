//! What routes and listeners may name.

use std::sync::Arc;

use istio_api::gateway_api::{self as api, NamespacesFrom};
use mesh_types::Hostname;
use rustc_hash::FxHashMap;

use super::{CLASSES, CONTROLLER, REMOTE_CONTROLLER};
use crate::{
    config::{Config, ExportTo, Object, ServiceEntry},
    registry::Service,
    store::Store,
};

pub(super) type Shared<T> = Arc<Object<T>>;

/// Everything that the conversion looks up. Lists are sorted, oldest first.
pub(super) struct World<'a> {
    store: &'a Store,
    pub(super) classes: Vec<Shared<api::GatewayClass>>,
    pub(super) gateways: Vec<Shared<api::Gateway>>,
    pub(super) http_routes: Vec<Shared<api::HttpRoute>>,
    pub(super) grpc_routes: Vec<Shared<api::GrpcRoute>>,
    pub(super) tls_routes: Vec<Shared<api::TlsRoute>>,
    grants: Vec<Shared<api::ReferenceGrant>>,
    entries: Vec<Shared<ServiceEntry>>,
    services: FxHashMap<(&'a str, &'a str), &'a Arc<Service>>,
}

/// Who names something: an object of the Gateway API.
#[derive(Clone, Copy)]
pub(super) struct Namer<'a> {
    pub(super) kind: &'static str,
    pub(super) namespace: &'a str,
}

/// Whether a controller is of this mesh.
pub(super) fn is_ours(controller: &str) -> bool {
    [CONTROLLER, REMOTE_CONTROLLER].contains(&controller)
}

impl<'a> World<'a> {
    pub(super) fn of(store: &'a Store) -> Self {
        let mut world = Self {
            store,
            classes: Vec::new(),
            gateways: Vec::new(),
            http_routes: Vec::new(),
            grpc_routes: Vec::new(),
            tls_routes: Vec::new(),
            grants: Vec::new(),
            entries: store.service_entries(),
            services: store.services().values().map(|s| ((s.namespace.as_str(), s.name.as_str()), s)).collect(),
        };
        for config in store.configs() {
            match config {
                Config::GatewayClass(object) => world.classes.push(Arc::clone(object)),
                Config::KubernetesGateway(object) => world.gateways.push(Arc::clone(object)),
                Config::HttpRoute(object) => world.http_routes.push(Arc::clone(object)),
                Config::GrpcRoute(object) => world.grpc_routes.push(Arc::clone(object)),
                Config::TlsRoute(object) => world.tls_routes.push(Arc::clone(object)),
                Config::ReferenceGrant(object) => world.grants.push(Arc::clone(object)),
                _ => {}
            }
        }
        world.gateways.sort_by(|a, b| a.meta.age(&b.meta));
        world.http_routes.sort_by(|a, b| a.meta.age(&b.meta));
        world.grpc_routes.sort_by(|a, b| a.meta.age(&b.meta));
        world.tls_routes.sort_by(|a, b| a.meta.age(&b.meta));
        world
    }

    /// The controller of a class, if it is of this mesh.
    pub(super) fn controller(&self, class: &str) -> Option<&'static str> {
        let written = self.classes.iter().find(|c| *c.meta.name == *class).map(|c| &*c.spec.controller_name);
        let known = written.or_else(|| CLASSES.iter().find(|(name, _)| *name == class).map(|(_, c)| *c))?;
        [CONTROLLER, REMOTE_CONTROLLER].into_iter().find(|ours| *ours == known)
    }

    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&'a Arc<Service>> {
        self.services.get(&(namespace, name)).copied()
    }

    /// The Service whose address this is: `NAME`, of `namespace`, or a complete host.
    pub(super) fn service_at(&self, address: &str, namespace: &str) -> Option<&'a Arc<Service>> {
        if !address.contains('.') {
            return self.service(namespace, address);
        }
        self.store.services().get(address.to_ascii_lowercase().as_str())
    }

    pub(super) fn entry(&self, namespace: &str, name: &str) -> Option<&Shared<ServiceEntry>> {
        self.entries.iter().find(|e| *e.meta.namespace == *namespace && *e.meta.name == *name)
    }

    /// Whether clients of a namespace know this host.
    pub(super) fn knows_host(&self, host: &Hostname, client: &str) -> bool {
        let default = &self.store.mesh().default_service_export_to;
        let reaches = |export: &Option<ExportTo>, own: &str| export.as_ref().unwrap_or(default).reaches(own, client);
        let service = self.store.services().get(host.as_str());
        service.is_some_and(|s| reaches(&s.export_to, &s.namespace))
            || self
                .entries
                .iter()
                .any(|e| e.spec.hosts.iter().any(|h| h.contains(host)) && reaches(&e.spec.export_to, &e.meta.namespace))
    }

    /// Whether a namespace lets a namer of another one name an object of this group and kind.
    pub(super) fn is_granted(&self, by: Namer<'_>, group: &str, kind: &str, namespace: &str, name: &str) -> bool {
        by.namespace == namespace
            || self.grants.iter().filter(|grant| *grant.meta.namespace == *namespace).any(|grant| {
                let from = |f: &api::ReferenceGrantFrom| {
                    *f.group == *api::GROUP && *f.kind == *by.kind && *f.namespace == *by.namespace
                };
                let to = |t: &api::ReferenceGrantTo| {
                    *t.group == *group && *t.kind == *kind && (t.name.is_empty() || *t.name == *name)
                };
                grant.spec.from.iter().any(from) && grant.spec.to.iter().any(to)
            })
    }

    /// Whether routes of a namespace may attach to a listener of a Gateway in namespace `own`.
    pub(super) fn is_allowed(&self, allowed: Option<&api::RouteNamespaces>, own: &str, namespace: &str) -> bool {
        let Some(allowed) = allowed else { return own == namespace };
        match allowed.from {
            NamespacesFrom::Same => own == namespace,
            NamespacesFrom::All => true,
            NamespacesFrom::Selector => allowed.selector.as_ref().is_some_and(|s| self.selects(s, namespace)),
        }
    }

    fn selects(&self, selector: &api::NamespaceSelector, namespace: &str) -> bool {
        let labels = self.store.namespaces().get(namespace).map(|n| &n.labels);
        // Kubernetes gives each namespace its name as a label; a folder of YAML may not.
        let value = |key: &str| {
            let own = (key == "kubernetes.io/metadata.name").then_some(namespace);
            labels.and_then(|l| l.value(key)).or(own)
        };
        selector.match_labels.iter().all(|(key, wanted)| value(key) == Some(wanted))
            && selector.match_expressions.iter().all(|r| {
                let is_in = || value(&r.key).is_some_and(|v| r.values.iter().any(|wanted| wanted == v));
                match r.operator.as_str() {
                    "In" => is_in(),
                    "NotIn" => !is_in(),
                    "Exists" => value(&r.key).is_some(),
                    "DoesNotExist" => value(&r.key).is_none(),
                    _ => false,
                }
            })
    }
}
