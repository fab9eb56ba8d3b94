//! The snapshot that is in force, published whole.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use mesh_snapshot::Snapshot;
use tokio::sync::watch;

/// Where snapshots are published.
#[derive(Debug, Default)]
pub(crate) struct World {
    current: ArcSwap<Snapshot>,
    generation: AtomicU64,
    published: watch::Sender<u64>,
}

impl World {
    /// Publishes a snapshot; readers see it from now on.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        self.current.store(Arc::new(snapshot));
        self.generation.store(generation, Ordering::Release);
        self.published.send_replace(generation);
    }

    /// The snapshot in force.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Its generation: cheap, so that a worker asks before each request.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Tells of each publication.
    pub(crate) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }
}
