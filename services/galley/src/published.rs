//! Everything that galley knows, at one moment: immutable, shared by all readers.

use std::{
    collections::{BTreeMap, btree_map},
    sync::Arc,
};

use injector::ProxyConfigObject;
use istio_api::MeshConfig;
use mesh_xds::Resource;

/// Resources of one type by their names.
pub type Resources = BTreeMap<Arc<str>, Arc<Resource>>;

/// One moment. Cloning is cheap: readers share what did not change.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Whether every collection was listed once; before that nothing is served.
    pub is_complete: bool,
    /// Resources by type URL. A type without resources is there too.
    pub types: BTreeMap<String, Arc<Resources>>,
    /// Labels of each namespace.
    pub namespaces: Arc<BTreeMap<String, BTreeMap<String, String>>>,
    /// The mesh's settings as they are written; for injection.
    pub mesh: Arc<MeshConfig>,
    /// ProxyConfigs that count, by `NAMESPACE/NAME`; for injection.
    pub proxy_configs: Arc<BTreeMap<String, ProxyConfigObject>>,
    /// What is wrong with objects that are kept back, by `KIND/NAMESPACE/NAME`.
    pub issues: Arc<BTreeMap<String, Vec<String>>>,
}

impl Published {
    /// Sets a resource. False: it was there with the same content.
    pub(crate) fn set(&mut self, type_url: &str, resource: Resource) -> bool {
        if self
            .types
            .get(type_url)
            .and_then(|all| all.get(&resource.name))
            .is_some_and(|r| r.version == resource.version)
        {
            return false;
        }
        let resources = match self.types.entry(type_url.to_owned()) {
            btree_map::Entry::Occupied(entry) => entry.into_mut(),
            btree_map::Entry::Vacant(entry) => entry.insert(Arc::default()),
        };
        Arc::make_mut(resources).insert(resource.name.clone(), Arc::new(resource));
        true
    }

    /// Takes a resource away. False: it was not there.
    pub(crate) fn remove(&mut self, type_url: &str, name: &str) -> bool {
        match self.types.get_mut(type_url) {
            Some(resources) if resources.contains_key(name) => Arc::make_mut(resources).remove(name).is_some(),
            _ => false,
        }
    }
}
