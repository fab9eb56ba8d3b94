//! VirtualServices in the order in which sidecars ask them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::{
    config::{ExportScope, Object, VirtualService},
    store::Store,
};

type Shared = Arc<Object<VirtualService>>;

/// Every VirtualService that binds the mesh, by who sees it.
#[derive(Debug, Default)]
pub(super) struct Routes {
    private: FxHashMap<Arc<str>, Vec<Shared>>,
    exported: FxHashMap<String, Vec<Shared>>,
    public: Vec<Shared>,
}

impl Routes {
    pub(super) fn build(store: &Store) -> Self {
        let mut routes = Self::default();
        for object in store.virtual_services() {
            if !object.spec.binds_mesh() || object.spec.is_delegate() {
                continue;
            }
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
