//! VirtualServices in the order in which sidecars ask them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    config::{Config, Delegate, ExportScope, Kind, Meta, Object, Origin, RouteAction, VirtualService},
    delegate::{self, Lost},
    store::Store,
};

type Shared = Arc<Object<VirtualService>>;

/// Every VirtualService that binds the mesh, by who sees it.
#[derive(Debug, Default)]
pub(super) struct Routes {
    private: FxHashMap<Arc<str>, Vec<Shared>>,
    exported: FxHashMap<String, Vec<Shared>>,
    public: Vec<Shared>,
    /// Rules that delegation left out: the root, where the rule stands, and why.
    pub(super) lost: Vec<(Shared, Origin, Lost)>,
    /// Those without hosts that nobody delegates to.
    pub(super) unused: Vec<Shared>,
}

impl Routes {
    pub(super) fn build(store: &Store) -> Self {
        let mut routes = Self { unused: unused(store), ..Self::default() };
        for object in store.virtual_services() {
            if !object.spec.binds_mesh() || object.spec.is_delegate() {
                continue;
            }
            let object = match delegate::delegates(&object.spec) {
                true => routes.with_delegates(store, &object),
                false => object,
            };
            let export = object.spec.export_to.as_ref().unwrap_or(&store.mesh().default_virtual_service_export_to);
            if export.is_public() {
                routes.public.push(object);
                continue;
            }
            for scope in &export.0 {
                match scope {
                    ExportScope::Own => {
                        routes.private.entry(Arc::clone(&object.meta.namespace)).or_default().push(Arc::clone(&object));
                    }
                    ExportScope::Namespace(name) => {
                        routes.exported.entry(name.clone()).or_default().push(Arc::clone(&object));
                    }
                    ExportScope::All | ExportScope::Nobody => {}
                }
            }
        }
        routes
    }

    /// V13: the rules of delegates in the places where they are named.
    fn with_delegates(&mut self, store: &Store, root: &Shared) -> Shared {
        let find = |name: &Delegate| {
            let key = (Kind::VirtualService, Arc::from(format!("{}/{}", name.namespace, name.name)));
            match store.configs.get(&key) {
                Some(Config::VirtualService(delegate)) => Some(delegate),
                _ => None,
            }
        };
        let merged = delegate::merge(root, &store.mesh().default_virtual_service_export_to, find);
        self.lost.extend(merged.lost.into_iter().map(|(origin, why)| (Arc::clone(root), origin, why)));
        Arc::new(Object { meta: root.meta.clone(), spec: VirtualService { http: merged.routes, ..root.spec.clone() } })
    }

    /// V1: those private to the namespace, those exported to it, the public ones; each oldest first.
    pub(super) fn visible(&self, namespace: &str) -> impl Iterator<Item = &Shared> {
        let private = self.private.get(namespace).into_iter().flatten();
        let exported = self.exported.get(namespace).into_iter().flatten();
        private.chain(exported).chain(&self.public)
    }

    /// Every one, some perhaps twice.
    pub(super) fn all(&self) -> impl Iterator<Item = &Shared> {
        self.private.values().chain(self.exported.values()).flatten().chain(&self.public)
    }
}

fn unused(store: &Store) -> Vec<Shared> {
    let mut named: FxHashSet<Delegate> = FxHashSet::default();
    let mut delegates = Vec::new();
    for object in store.virtual_services() {
        let actions = object.spec.http.iter().map(|rule| &rule.action);
        named.extend(actions.filter_map(|action| match action {
            RouteAction::Delegate(name) => Some(name.clone()),
            _ => None,
        }));
        if object.spec.is_delegate() {
            delegates.push(object);
        }
    }
    let name = |meta: &Meta| Delegate { namespace: meta.namespace.clone(), name: meta.name.clone() };
    delegates.retain(|object| !named.contains(&name(&object.meta)));
    delegates
}
