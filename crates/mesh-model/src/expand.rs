//! What follows from users' objects, written down as objects before anything is indexed.
//!
//! ```text
//!   Store of users' objects ──each step adds──► Store with what follows from them ──► PushContext
//! ```
//!
//! A step reads the store and gives changes; it is pure, and has nothing to do where no object concerns it. Later steps
//! see what earlier ones added.

pub mod addresses;

use crate::{
    config::Kind,
    store::{Change, ChangeSet, RecordKind, Store},
};

/// Gives what has to be added to a store, or to stand in place of what is there.
type Step = fn(&Store) -> Vec<Change>;

/// In their order.
const STEPS: [Step; 1] = [addresses::step];

/// A store with everything that follows from what is in it.
#[must_use]
pub fn expand(store: &Store) -> Store {
    let mut expanded = store.clone();
    for step in STEPS {
        for change in step(&expanded) {
            expanded.apply(change);
        }
    }
    expanded
}

/// The same for a store that differs by `changes` from the one that `before` was expanded from.
#[must_use]
pub fn next(before: &Store, store: &Store, changes: &ChangeSet) -> Store {
    if changes.records.keys().any(|kind| concerns(*kind)) {
        return expand(store);
    }
    Store { configs: before.configs.clone(), ..store.clone() }
}

/// Whether steps read such records. Endpoints and workloads change all the time, and nothing follows from them.
fn concerns(kind: RecordKind) -> bool {
    !matches!(kind, RecordKind::Endpoints | RecordKind::Workload | RecordKind::Config(Kind::WorkloadEntry))
}
