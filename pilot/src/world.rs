//! The world: what every session of one moment answers from.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use mesh_model::{
    push_context::PushContext,
    registry::Resolution,
    store::{ChangeSet, RecordKind},
};
use mesh_proto::Any;
use mesh_types::Hostname;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

/// What galley sent, by type and name; for debug pages only.
pub type Received = BTreeMap<(Arc<str>, Arc<str>), Arc<Any>>;

/// One immutable state of the mesh.
#[derive(Debug)]
pub struct World {
    /// Counts up from 1.
    pub version: u64,
    /// The mesh, indexed.
    pub mesh: PushContext,
    /// How old its parts are.
    pub ages: Ages,
    /// When the first change that made this world came in.
    pub since: Instant,
    /// What all of it was made from.
    pub received: Arc<Received>,
}

/// For each part of a world, the version of the first world that had it as it is now.
///
/// What was made for a proxy in an earlier world is still good if no part that it was made of is younger.
#[derive(Clone, Debug, Default)]
pub struct Ages {
    /// Everything but endpoints, workloads and secrets.
    pub shape: u64,
    /// Secrets.
    pub secrets: u64,
    /// Workloads: their labels and places are in endpoints.
    workloads: u64,
    /// Endpoints, by host of their service.
    hosts: Arc<FxHashMap<Arc<str>, u64>>,
}

/// The newest world; none until galley has told everything once.
pub type Worlds = watch::Receiver<Option<Arc<World>>>;

impl World {
    /// The first world.
    pub fn first(mesh: PushContext, since: Instant, received: Arc<Received>) -> Self {
        let ages = Ages { shape: 1, secrets: 1, workloads: 1, hosts: Arc::default() };
        Self { version: 1, mesh, ages, since, received }
    }

    /// The world after this one.
    #[must_use]
    pub fn next(&self, mesh: PushContext, changes: &ChangeSet, since: Instant, received: Arc<Received>) -> Self {
        let version = self.version + 1;
        let ages = self.ages.next(version, &mesh, changes);
        Self { version, mesh, ages, since, received }
    }
}

impl Ages {
    /// The version since which the endpoints of a host are as they are.
    pub fn endpoints(&self, host: &str) -> u64 {
        let own = self.hosts.get(host).copied().unwrap_or_default();
        own.max(self.workloads).max(self.shape)
    }

    fn next(&self, version: u64, mesh: &PushContext, changes: &ChangeSet) -> Self {
        let mut next = self.clone();
        for (kind, names) in &changes.records {
            match kind {
                RecordKind::Endpoints if names.iter().all(|host| is_eds_only(mesh, host)) => {
                    Arc::make_mut(&mut next.hosts).extend(names.iter().map(|host| (host.clone(), version)));
                }
                RecordKind::Secret => next.secrets = version,
                RecordKind::Workload if names.iter().all(|name| is_quiet(mesh, name)) => next.workloads = version,
                _ => next.shape = version,
            }
        }
        next
    }
}

/// Whether endpoints of a host are in no other resource than its endpoints: listeners and clusters of headless services
/// and of those that DNS knows are made from endpoints, and without a selector so is who belongs to a service.
fn is_eds_only(mesh: &PushContext, host: &str) -> bool {
    let services = Hostname::parse(host).map(|host| mesh.services_of_host(&host).to_vec()).unwrap_or_default();
    services.iter().all(|s| s.resolution == Resolution::Endpoints && !s.selector.is_empty())
}

/// Whether a workload `NAMESPACE/NAME` is in no other resource than endpoints, its own proxy's aside.
fn is_quiet(mesh: &PushContext, workload: &str) -> bool {
    let namespace = workload.split('/').next().unwrap_or_default();
    let near = mesh.services().iter().filter(|s| s.namespace == namespace);
    near.into_iter().all(|s| matches!(s.resolution, Resolution::Endpoints | Resolution::Alias(_) | Resolution::Dynamic))
}
