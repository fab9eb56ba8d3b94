//! VirtualServices in the order in which proxies ask them.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    config::{
        Config, Delegate, ExportScope, ExportTo, GatewayRef, Kind, Meta, Object, Origin, RouteAction, VirtualService,
    },
    delegate::{self, Lost},
    store::Store,
};

type Shared = Arc<Object<VirtualService>>;

/// VirtualServices of one place, by who sees them.
#[derive(Debug, Default)]
struct Seen {
    private: FxHashMap<Arc<str>, Vec<Shared>>,
    exported: FxHashMap<String, Vec<Shared>>,
    public: Vec<Shared>,
}

impl Seen {
    fn add(&mut self, object: &Shared, export: &ExportTo) {
        if export.is_public() {
            return self.public.push(Arc::clone(object));
        }
        for scope in &export.0 {
            let list = match scope {
                ExportScope::Own => self.private.entry(Arc::clone(&object.meta.namespace)).or_default(),
                ExportScope::Namespace(name) => self.exported.entry(name.clone()).or_default(),
                ExportScope::All | ExportScope::Nobody => continue,
            };
            list.push(Arc::clone(object));
        }
    }
}

/// Every VirtualService, by the place that it binds: the mesh, or a Gateway, whether that is there or not.
#[derive(Debug, Default)]
pub(super) struct Routes {
    bound: FxHashMap<GatewayRef, Seen>,
    /// Rules that delegation left out: the root, where the rule stands, and why.
    pub(super) lost: Vec<(Shared, Origin, Lost)>,
    /// Those without hosts that nobody delegates to.
    pub(super) unused: Vec<Shared>,
}

impl Routes {
    pub(super) fn build(store: &Store) -> Self {
        let mut routes = Self { unused: unused(store), ..Self::default() };
        for object in store.virtual_services() {
            if object.spec.is_delegate() {
                continue;
            }
            let object = match delegate::delegates(&object.spec) {
                true => routes.with_delegates(store, &object),
                false => object,
            };
            let export = object.spec.export_to.as_ref().unwrap_or(&store.mesh().default_virtual_service_export_to);
            for place in object.spec.places() {
                routes.bound.entry(place.clone()).or_default().add(&object, export);
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

    /// V1: of those that bind a place, those private to the namespace, those exported to it, the public ones; each
    /// oldest first.
    pub(super) fn visible(&self, place: &GatewayRef, namespace: &str) -> impl Iterator<Item = &Shared> {
        self.bound.get(place).into_iter().flat_map(move |seen| {
            let private = seen.private.get(namespace).into_iter().flatten();
            let exported = seen.exported.get(namespace).into_iter().flatten();
            private.chain(exported).chain(&seen.public)
        })
    }

    /// Every one with the places that it binds, some perhaps twice.
    pub(super) fn all(&self) -> impl Iterator<Item = (&GatewayRef, &Shared)> {
        self.bound.iter().flat_map(|(place, seen)| {
            let lists = seen.private.values().chain(seen.exported.values()).flatten().chain(&seen.public);
            lists.map(move |object| (place, object))
        })
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
