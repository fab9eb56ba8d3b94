//! Who owns what: an index of objects by the uids in their ownerReferences, kept with every write.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Resource, Store, Stored};
use crate::object::Object;

type Place = (Arc<str>, Arc<str>);

/// The places of a shelf's objects by owner uid; those without an owner are under "".
#[derive(Default)]
pub(super) struct Owners {
    places: HashMap<String, BTreeSet<Place>>,
}

impl Owners {
    /// Follows one write: `old` was at `place` before, `new` is there now.
    pub(super) fn moved(&mut self, place: &Place, old: Option<&Object>, new: Option<&Object>) {
        let (old, new) = (old.map(uids).unwrap_or_default(), new.map(uids).unwrap_or_default());
        if old == new {
            return;
        }
        for uid in old {
            if let Some(places) = self.places.get_mut(uid) {
                places.remove(place);
                if places.is_empty() {
                    self.places.remove(uid);
                }
            }
        }
        for uid in new {
            self.places.entry(uid.to_owned()).or_default().insert(place.clone());
        }
    }
}

fn uids(object: &Object) -> Vec<&str> {
    let uids: Vec<&str> = object.owners().iter().filter_map(|owner| owner.get("uid")?.as_str()).collect();
    if uids.is_empty() { vec![""] } else { uids }
}

impl Store {
    /// The objects of a resource that name `uid` as an owner, in name order. `uid` "": those without any owner.
    pub fn owned(&self, resource: &Resource, uid: &str) -> Vec<Arc<Stored>> {
        let inner = self.read();
        let Some(shelf) = inner.shelves.get(resource) else { return Vec::new() };
        let places = shelf.owners.places.get(uid).into_iter().flatten();
        places.filter_map(|place| shelf.objects.get(place).cloned()).collect()
    }

    /// Every object of any resource that names `uid` as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<(Resource, Arc<Stored>)> {
        let resources: Vec<Resource> = self.read().shelves.keys().cloned().collect();
        let owned = |resource: Resource| {
            let found = self.owned(&resource, uid);
            found.into_iter().map(move |stored| (resource.clone(), stored))
        };
        resources.into_iter().flat_map(owned).collect()
    }
}
