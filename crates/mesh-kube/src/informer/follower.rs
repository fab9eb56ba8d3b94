//! What was told of a collection, so that each list tells only the difference.

use std::collections::{HashMap, HashSet};

use kube::{Resource, runtime::watcher::Event};

use super::{Change, Key};

/// Turns a watcher's events into changes. Pure.
///
/// It remembers the resourceVersion of each object: a list that repeats what is known says nothing, and what a list
/// does not hold any more was deleted unseen.
#[derive(Debug, Default)]
pub struct Follower {
    known: HashMap<Key, String>,
    /// What the list that is running has held so far.
    listing: Option<HashSet<Key>>,
}

impl Follower {
    /// Hears an event, and says what changed.
    pub fn hear<K: Resource>(&mut self, event: Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Init => {
                self.listing = Some(HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                let key = Key::of(&object);
                if let Some(listing) = &mut self.listing {
                    listing.insert(key.clone());
                }
                self.apply(key, object)
            }
            Event::InitDone => {
                let listed = self.listing.take().unwrap_or_default();
                let mut gone: Vec<Key> = self.known.keys().filter(|key| !listed.contains(key)).cloned().collect();
                gone.sort();
                gone.iter().for_each(|key| drop(self.known.remove(key)));
                gone.into_iter().map(Change::Deleted).chain([Change::Listed]).collect()
            }
            Event::Apply(object) => self.apply(Key::of(&object), object),
            Event::Delete(object) => {
                let key = Key::of(&object);
                self.known.remove(&key).map(|_| Change::Deleted(key)).into_iter().collect()
            }
        }
    }

    /// The kind itself went away.
    pub fn lose<K>(&mut self) -> Vec<Change<K>> {
        self.listing = None;
        let mut gone: Vec<Key> = self.known.drain().map(|(key, _)| key).collect();
        gone.sort();
        gone.into_iter().map(Change::Deleted).chain([Change::Absent]).collect()
    }

    fn apply<K: Resource>(&mut self, key: Key, object: K) -> Vec<Change<K>> {
        let version = object.meta().resource_version.clone().unwrap_or_default();
        let before = self.known.insert(key, version.clone());
        if !version.is_empty() && before.as_ref() == Some(&version) {
            Vec::new()
        } else {
            vec![Change::Applied(object)]
        }
    }
}
