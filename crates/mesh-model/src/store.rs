//! Everything that pilot was told, as one immutable value.
//!
//! A [`Store`] is cheap to clone (a handful of `Arc`s); [`Store::apply`] copies only the shelf that it changes. Records
//! and objects are kept under the names that discovery gives them, so that removals need no content.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{
        Config, DestinationRule, Gateway, Kind, MeshConfig, Object, ServiceEntry, Sidecar, VirtualService,
        WorkloadEntry,
    },
    registry::{Endpoints, Namespace, Secret, Service, Workload},
};

mod read;

pub use read::{ReadError, read, type_urls};

/// A shelf of the store: values by resource name.
pub type Shelf<T> = Arc<BTreeMap<Arc<str>, Arc<T>>>;

/// All that is known: what runs, and what users configured.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub(crate) services: Shelf<Service>,
    pub(crate) endpoints: Shelf<Endpoints>,
    pub(crate) workloads: Shelf<Workload>,
    pub(crate) namespaces: Shelf<Namespace>,
    pub(crate) secrets: Shelf<Secret>,
    pub(crate) configs: Arc<BTreeMap<(Kind, Arc<str>), Config>>,
    pub(crate) mesh: Arc<MeshConfig>,
}

/// One thing that is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A service; its resource name is its host.
    Service(Service),
    /// All endpoints of a service; the resource name is the service's host.
    Endpoints(Endpoints),
    /// A pod, `NAMESPACE/NAME`.
    Workload(Workload),
    /// A namespace.
    Namespace(Namespace),
    /// A Secret, `NAMESPACE/NAME`.
    Secret(Secret),
    /// The mesh's settings.
    Mesh(Box<MeshConfig>),
    /// An object of a configuration kind, `NAMESPACE/NAME`.
    Config(Config),
}

/// What sort of thing a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// [`Record::Service`]
    Service,
    /// [`Record::Endpoints`]
    Endpoints,
    /// [`Record::Workload`]
    Workload,
    /// [`Record::Namespace`]
    Namespace,
    /// [`Record::Secret`]
    Secret,
    /// [`Record::Mesh`]
    Mesh,
    /// [`Record::Config`]
    Config(Kind),
}

/// A step from one store to the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Is now so.
    Put {
        /// Resource name.
        name: Arc<str>,
        /// The whole record.
        record: Box<Record>,
    },
    /// Is no more.
    Remove {
        /// Of this sort.
        kind: RecordKind,
        /// Resource name.
        name: Arc<str>,
    },
}

/// What changed since the last [`crate::push_context::PushContext`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// Sorts of records that changed, with the names of those that did.
    pub records: BTreeMap<RecordKind, Vec<Arc<str>>>,
}

impl ChangeSet {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether only endpoints changed: every proxy's clusters stay as they are.
    ///
    /// Listeners of headless services are made from endpoints; pilot compares bytes, so that they are sent when they differ.
    pub fn endpoints_only(&self) -> bool {
        !self.is_empty() && self.records.keys().all(|k| *k == RecordKind::Endpoints)
    }

    /// Adds one.
    pub fn note(&mut self, kind: RecordKind, name: Arc<str>) {
        let names = self.records.entry(kind).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        for (kind, names) in other.records {
            names.into_iter().for_each(|name| self.note(kind, name));
        }
    }
}

impl Record {
    /// What sort of thing it is.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Service(_) => RecordKind::Service,
            Self::Endpoints(_) => RecordKind::Endpoints,
            Self::Workload(_) => RecordKind::Workload,
            Self::Namespace(_) => RecordKind::Namespace,
            Self::Secret(_) => RecordKind::Secret,
            Self::Mesh(_) => RecordKind::Mesh,
            Self::Config(config) => RecordKind::Config(config.meta().kind),
        }
    }
}

impl Change {
    /// A record under its resource name.
    pub fn put(name: &str, record: Record) -> Self {
        Self::Put { name: name.into(), record: Box::new(record) }
    }

    /// An object under its own name.
    pub fn config(config: Config) -> Self {
        let meta = config.meta();
        Self::put(&format!("{}/{}", meta.namespace, meta.name), Record::Config(config))
    }

    /// What sort of record it concerns.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Put { record, .. } => record.kind(),
            Self::Remove { kind, .. } => *kind,
        }
    }

    /// The resource name.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Put { name, .. } | Self::Remove { name, .. } => name,
        }
    }
}

/// Puts a value on a shelf; whether that changed anything.
fn put<T: PartialEq>(shelf: &mut Shelf<T>, name: Arc<str>, value: T) -> bool {
    if shelf.get(&name).is_some_and(|old| **old == value) {
        return false;
    }
    Arc::make_mut(shelf).insert(name, Arc::new(value));
    true
}

/// Takes a value off a shelf; whether it was there.
fn take<T>(shelf: &mut Shelf<T>, name: &str) -> bool {
    shelf.contains_key(name) && Arc::make_mut(shelf).remove(name).is_some()
}

impl Store {
    /// A store with these records and objects.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut store = Self::default();
        for change in changes {
            store.apply(change);
        }
        store
    }

    /// Takes one step; whether anything is different now.
    pub fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Put { name, record } => self.put(name, *record),
            Change::Remove { kind, name } => self.remove(kind, &name),
        }
    }

    /// Takes one step and notes it if it changed anything.
    pub fn apply_noting(&mut self, change: Change, changes: &mut ChangeSet) {
        let (kind, name) = (change.kind(), Arc::clone(change.name()));
        if self.apply(change) {
            changes.note(kind, name);
        }
    }

    fn put(&mut self, name: Arc<str>, record: Record) -> bool {
        match record {
            Record::Service(value) => put(&mut self.services, name, value),
            Record::Endpoints(value) => put(&mut self.endpoints, name, value),
            Record::Workload(value) => put(&mut self.workloads, name, value),
            Record::Namespace(value) => put(&mut self.namespaces, name, value),
            Record::Secret(value) => put(&mut self.secrets, name, value),
            Record::Mesh(value) => {
                let changed = *self.mesh != *value;
                self.mesh = Arc::from(value);
                changed
            }
            Record::Config(config) => {
                let key = (config.meta().kind, name);
                if self.configs.get(&key) == Some(&config) {
                    return false;
                }
                Arc::make_mut(&mut self.configs).insert(key, config);
                true
            }
        }
    }

    fn remove(&mut self, kind: RecordKind, name: &Arc<str>) -> bool {
        match kind {
            RecordKind::Service => take(&mut self.services, name),
            RecordKind::Endpoints => take(&mut self.endpoints, name),
            RecordKind::Workload => take(&mut self.workloads, name),
            RecordKind::Namespace => take(&mut self.namespaces, name),
            RecordKind::Secret => take(&mut self.secrets, name),
            RecordKind::Mesh => {
                let changed = *self.mesh != MeshConfig::default();
                self.mesh = Arc::default();
                changed
            }
            RecordKind::Config(kind) => {
                let key = (kind, Arc::clone(name));
                self.configs.contains_key(&key) && Arc::make_mut(&mut self.configs).remove(&key).is_some()
            }
        }
    }

    /// The mesh's settings.
    pub fn mesh(&self) -> &Arc<MeshConfig> {
        &self.mesh
    }

    /// Kubernetes Services by host.
    pub fn services(&self) -> &Shelf<Service> {
        &self.services
    }

    /// Endpoints of Kubernetes Services by host.
    pub fn endpoints(&self) -> &Shelf<Endpoints> {
        &self.endpoints
    }

    /// Pods by `NAMESPACE/NAME`.
    pub fn workloads(&self) -> &Shelf<Workload> {
        &self.workloads
    }

    /// Namespaces by name.
    pub fn namespaces(&self) -> &Shelf<Namespace> {
        &self.namespaces
    }

    /// Secrets that configuration names, by `NAMESPACE/NAME`.
    pub fn secrets(&self) -> &Shelf<Secret> {
        &self.secrets
    }

    /// Whether it holds just this object.
    pub(crate) fn holds(&self, config: &Config) -> bool {
        let meta = config.meta();
        self.configs.get(&(meta.kind, format!("{}/{}", meta.namespace, meta.name).into())) == Some(config)
    }

    /// Every object, by kind and `NAMESPACE/NAME`.
    pub fn configs(&self) -> impl Iterator<Item = &Config> {
        self.configs.values()
    }
}

macro_rules! of_kind {
    ($($(#[$doc:meta])* $name:ident: $kind:ident),* $(,)?) => {
        impl Store {$(
            $(#[$doc])*
            pub fn $name(&self) -> Vec<Arc<Object<$kind>>> {
                let mut objects: Vec<_> = self
                    .configs()
                    .filter_map(|config| if let Config::$kind(object) = config { Some(Arc::clone(object)) } else { None })
                    .collect();
                objects.sort_by(|a, b| a.meta.age(&b.meta));
                objects
            }
        )*}
    };
}

of_kind! {
    /// Every VirtualService, oldest first.
    virtual_services: VirtualService,
    /// Every DestinationRule, oldest first.
    destination_rules: DestinationRule,
    /// Every Gateway, oldest first.
    gateways: Gateway,
    /// Every ServiceEntry, oldest first.
    service_entries: ServiceEntry,
    /// Every WorkloadEntry, oldest first.
    workload_entries: WorkloadEntry,
    /// Every Sidecar, oldest first.
    sidecars: Sidecar,
}
