//! The one store: objects by (resource, namespace, name), one revision counter, and a log to watch from.
//!
//! Memory only. Writers go through [`Store::put`] and [`Store::remove`] with a [`Precondition`]; readers get `Arc`s.
//! Each resource keeps its last [`LOG_LENGTH`] events, so a watch can start at any version in that window and gets
//! [`Expired`] before it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use tokio::sync::watch;

use crate::object::Object;

mod follow;
mod owners;

pub use follow::Follow;

/// How many events of one resource are kept for watches that start in the past.
pub const LOG_LENGTH: usize = 4096;

/// What is stored together: a group and a plural name, whatever the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// "" for the core group.
    pub group: Arc<str>,
    /// `pods`, `virtualservices`.
    pub plural: Arc<str>,
}

impl Resource {
    /// Names a resource.
    pub fn new(group: &str, plural: &str) -> Self {
        Self { group: group.into(), plural: plural.into() }
    }
}

/// An object as stored: never changed once stored, encoded at most once.
#[derive(Debug)]
pub struct Stored {
    /// The object, with its resourceVersion set.
    pub object: Object,
    encoded: OnceLock<Bytes>,
}

impl Stored {
    fn new(object: Object) -> Arc<Self> {
        Arc::new(Self { object, encoded: OnceLock::new() })
    }

    /// An object that was not stored: the answer to a dry run.
    pub fn unsaved(object: Object) -> Arc<Self> {
        Self::new(object)
    }

    /// The object as JSON text.
    pub fn json(&self) -> Bytes {
        self.encoded.get_or_init(|| Bytes::from(self.object.value().to_string())).clone()
    }
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No object of that name exists.
    Absent,
    /// The stored object still has this revision.
    Revision(u64),
}

/// A write lost: the precondition did not hold. Holds what is there now.
#[derive(Debug)]
pub struct Lost(pub Option<Arc<Stored>>);

/// A watch asked for a version that is older than the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired {
    /// The oldest version that a watch may start from.
    pub oldest: u64,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Created.
    Added,
    /// Updated.
    Modified,
    /// Gone; the event's object is its last state with the deletion's revision.
    Deleted,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// The revision of this change.
    pub revision: u64,
    /// What happened.
    pub change: Change,
    /// The object after the change (for `Deleted`: before, with the new revision).
    pub object: Arc<Stored>,
    /// The object before the change; a selector needs it to tell "left the selection" from "never was in it".
    pub previous: Option<Arc<Stored>>,
}

#[derive(Default)]
struct Shelf {
    objects: BTreeMap<(Arc<str>, Arc<str>), Arc<Stored>>,
    log: VecDeque<Event>,
    /// Revision of the newest event dropped from the log (0: none dropped).
    forgotten: u64,
    /// The revision of the newest event; wakes the watches of this resource alone.
    news: watch::Sender<u64>,
    owners: owners::Owners,
}

#[derive(Default)]
struct Inner {
    revision: u64,
    /// The same, for those who follow many resources.
    pulse: watch::Sender<u64>,
    shelves: HashMap<Resource, Shelf>,
}

/// The store. Cheap to clone; all clones are the same store.
#[derive(Clone, Default)]
pub struct Store {
    inner: Arc<RwLock<Inner>>,
}

impl Store {
    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// One object. `namespace` is "" for cluster-scoped resources.
    pub fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Stored>> {
        let key = (Arc::from(namespace), Arc::from(name));
        self.read().shelves.get(resource)?.objects.get(&key).cloned()
    }

    /// All objects of a resource in name order, in one namespace or in all, and the revision they are the state of.
    pub fn list(&self, resource: &Resource, namespace: Option<&str>) -> (Vec<Arc<Stored>>, u64) {
        let inner = self.read();
        let found = inner.shelves.get(resource).map(|shelf| shelf.list(namespace)).unwrap_or_default();
        (found, inner.revision)
    }

    /// The objects of a resource in a namespace whose names begin so, in name order.
    pub fn list_named(&self, resource: &Resource, namespace: &str, prefix: &str) -> Vec<Arc<Stored>> {
        self.read().shelves.get(resource).map(|shelf| shelf.named(namespace, prefix)).unwrap_or_default()
    }

    /// As [`Store::list`], but the state at an older revision, as far as the log reaches back.
    pub fn list_at(&self, resource: &Resource, namespace: Option<&str>, at: u64) -> Result<Vec<Arc<Stored>>, Expired> {
        let inner = self.read();
        let Some(shelf) = inner.shelves.get(resource) else { return Ok(Vec::new()) };
        if at < shelf.forgotten {
            return Err(Expired { oldest: shelf.forgotten });
        }
        let newer = shelf.log.partition_point(|event| event.revision <= at);
        if newer == shelf.log.len() {
            return Ok(shelf.list(namespace));
        }
        let mut objects: BTreeMap<(&str, &str), &Arc<Stored>> =
            shelf.objects.iter().map(|((namespace, name), stored)| ((&**namespace, &**name), stored)).collect();
        for event in shelf.log.range(newer..).rev() {
            let key = (event.object.object.namespace(), event.object.object.name());
            match &event.previous {
                Some(previous) => objects.insert(key, previous),
                None => objects.remove(&key),
            };
        }
        let wanted = |found: &str| namespace.is_none_or(|wanted| wanted == found);
        Ok(objects.into_iter().filter(|((found, _), _)| wanted(found)).map(|(_, stored)| stored.clone()).collect())
    }

    /// Writes an object under its namespace and name, when the precondition holds.
    pub fn put(&self, resource: &Resource, object: Object, only_if: Precondition) -> Result<Arc<Stored>, Lost> {
        let mut inner = self.write();
        let revision = inner.revision + 1;
        let shelf = inner.shelves.entry(resource.clone()).or_default();
        let key = (Arc::from(object.namespace()), Arc::from(object.name()));
        let previous = shelf.objects.get(&key).cloned();
        check(only_if, previous.as_ref())?;
        let stored = Stored::new(stamped(object, revision));
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        shelf.owners.moved(&key, previous.as_ref().map(|p| &p.object), Some(&stored.object));
        shelf.objects.insert(key, stored.clone());
        shelf.append(Event { revision, change, object: stored.clone(), previous });
        inner.revision = revision;
        inner.pulse.send_replace(revision);
        Ok(stored)
    }

    /// Removes an object, when it still has that revision. Gives its last state with the revision of the removal.
    pub fn remove(&self, resource: &Resource, namespace: &str, name: &str, at: u64) -> Result<Arc<Stored>, Lost> {
        let mut inner = self.write();
        let revision = inner.revision + 1;
        let shelf = inner.shelves.entry(resource.clone()).or_default();
        let key = (Arc::from(namespace), Arc::from(name));
        let previous = shelf.objects.get(&key).cloned();
        check(Precondition::Revision(at), previous.as_ref())?;
        let Some(last) = previous else { return Err(Lost(None)) };
        shelf.owners.moved(&key, Some(&last.object), None);
        shelf.objects.remove(&key);
        let stored = Stored::new(stamped(last.object.clone(), revision));
        shelf.append(Event { revision, change: Change::Deleted, object: stored.clone(), previous: Some(last) });
        inner.revision = revision;
        inner.pulse.send_replace(revision);
        Ok(stored)
    }

    /// Every change of a resource after revision `from`.
    pub fn watch(&self, resource: &Resource, from: u64) -> Result<Watch, Expired> {
        let mut inner = self.write();
        let shelf = inner.shelves.entry(resource.clone()).or_default();
        if from < shelf.forgotten {
            return Err(Expired { oldest: shelf.forgotten });
        }
        Ok(Watch {
            store: self.clone(),
            news: shelf.news.subscribe(),
            resource: resource.clone(),
            seen: from,
            ready: VecDeque::new(),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Shelf {
    fn list(&self, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        match namespace {
            None => self.objects.values().cloned().collect(),
            Some(namespace) => self.named(namespace, ""),
        }
    }

    fn named(&self, namespace: &str, prefix: &str) -> Vec<Arc<Stored>> {
        let from = self.objects.range((Arc::from(namespace), Arc::from(prefix))..);
        let found = from.take_while(|((found, name), _)| &**found == namespace && name.starts_with(prefix));
        found.map(|(_, stored)| stored.clone()).collect()
    }

    fn append(&mut self, event: Event) {
        self.news.send_replace(event.revision);
        self.log.push_back(event);
        if self.log.len() > LOG_LENGTH
            && let Some(dropped) = self.log.pop_front()
        {
            self.forgotten = dropped.revision;
        }
    }
}

/// A reader of one resource's log.
pub struct Watch {
    store: Store,
    news: watch::Receiver<u64>,
    resource: Resource,
    seen: u64,
    ready: VecDeque<Event>,
}

impl Watch {
    /// The next change; `Expired` when this reader fell behind the log. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event, Expired> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.seen = event.revision;
                return Ok(event);
            }
            self.news.mark_unchanged();
            self.refill()?;
            if self.ready.is_empty() && self.news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The newest revision of the store, when every change up to it was read; for bookmarks.
    pub fn caught_up(&self) -> Option<u64> {
        let inner = self.store.read();
        let newest = inner.shelves.get(&self.resource).and_then(|s| s.log.back()).map_or(0, |e| e.revision);
        (self.ready.is_empty() && newest <= self.seen).then_some(inner.revision)
    }

    fn refill(&mut self) -> Result<(), Expired> {
        let inner = self.store.read();
        let Some(shelf) = inner.shelves.get(&self.resource) else { return Ok(()) };
        if self.seen < shelf.forgotten {
            return Err(Expired { oldest: shelf.forgotten });
        }
        let from = shelf.log.partition_point(|event| event.revision <= self.seen);
        self.ready.extend(shelf.log.range(from..).cloned());
        Ok(())
    }
}

fn check(only_if: Precondition, found: Option<&Arc<Stored>>) -> Result<(), Lost> {
    let holds = match (only_if, found) {
        (Precondition::Absent, None) => true,
        (Precondition::Revision(at), Some(found)) => found.object.revision() == at,
        _ => false,
    };
    if holds { Ok(()) } else { Err(Lost(found.cloned())) }
}

fn stamped(mut object: Object, revision: u64) -> Object {
    object.set_meta("resourceVersion", revision.to_string());
    object
}

#[cfg(test)]
mod tests;
