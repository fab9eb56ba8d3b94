//! What the control plane sent, as it came: for whoever asks what this proxy was told.
//!
//! The feed writes it, the admin server reads it; a request never meets its lock. Bytes are kept as they came and taken
//! apart only when somebody looks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use mesh_snapshot::Kind;

/// One version of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// As the server names it.
    pub(crate) version: Arc<str>,
    /// The message, encoded.
    pub(crate) body: Bytes,
    /// When it came.
    pub(crate) at: SystemTime,
}

/// Why the newest version is not the one in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// What was refused.
    pub(crate) version: Version,
    /// Where and why.
    pub(crate) details: Box<str>,
}

/// A resource as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The last one that was good.
    pub(crate) good: Option<Version>,
    /// The newest one, if it was refused.
    pub(crate) rejected: Option<Rejected>,
}

/// All resources of one kind, by name.
type Shelf = BTreeMap<Arc<str>, Entry>;

/// Everything that was received. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<Kind, Shelf>>>);

impl Held {
    /// A good version came.
    pub(crate) fn accept(&self, kind: Kind, name: &Arc<str>, version: Version) {
        let entry = Entry { good: Some(version), rejected: None };
        self.lock().entry(kind).or_default().insert(name.clone(), entry);
    }

    /// A bad version came; the good one stays.
    pub(crate) fn reject(&self, kind: Kind, name: &Arc<str>, rejected: Rejected) {
        self.lock().entry(kind).or_default().entry(name.clone()).or_default().rejected = Some(rejected);
    }

    /// The resource is no more.
    pub(crate) fn remove(&self, kind: Kind, name: &str) {
        if let Some(shelf) = self.lock().get_mut(&kind) {
            shelf.remove(name);
        }
    }

    /// What there is of a kind, by name. Bodies are shared, not copied.
    pub(crate) fn all(&self, kind: Kind) -> Vec<(Arc<str>, Entry)> {
        let shelves = self.lock();
        let shelf = shelves.get(&kind).into_iter().flatten();
        shelf.map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    /// A panic while writing leaves a map that can still be read.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Shelf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
