//! What follows from users' objects, written down as objects before anything is indexed, so that no index, listener or
//! route asks where an object came from.
//!
//! ```text
//!   Store of users' objects ──each step adds──► Store with what follows from them ──► PushContext
//! ```
//!
//! A step reads the store and gives changes; it is pure, and has nothing to do where no object concerns it. Later steps
//! see what earlier ones added. A derived object names what it was made from ([`crate::config::Derived`]).

pub mod addresses;
pub mod egress;
pub mod gateway_api;

use crate::{
    config::Config,
    store::{Change, ChangeSet, RecordKind, Store},
};

/// Gives what has to be added to a store, or to stand in place of what is there.
type Step = fn(&Store) -> Vec<Change>;

/// In their order.
const STEPS: &[Step] = &[addresses::step, gateway_api::additions, egress::step];

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

/// Whether steps read such records, or give such. Endpoints and workloads change all the time, and nothing follows from
/// them.
fn concerns(kind: RecordKind) -> bool {
    !matches!(kind, RecordKind::Endpoints | RecordKind::Workload)
}

/// What differs between the derived objects of two expanded stores.
pub(crate) fn derived_changes(before: &Store, after: &Store) -> ChangeSet {
    let mut changes = ChangeSet::default();
    let mut note = |config: &Config| {
        let meta = config.meta();
        changes.note(RecordKind::Config(meta.kind), format!("{}/{}", meta.namespace, meta.name).into());
    };
    let missing = |config: &&Config, other: &Store| config.meta().derived.is_some() && !other.holds(config);
    before.configs().filter(|config| missing(config, after)).for_each(&mut note);
    after.configs().filter(|config| missing(config, before)).for_each(&mut note);
    changes
}

#[cfg(test)]
mod tests;
