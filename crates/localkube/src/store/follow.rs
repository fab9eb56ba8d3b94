//! Following many resources at once, in the order of their changes: what level-triggered controllers need.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::watch;

use super::{Change, Event, Resource, Shelf, Store};

/// A reader of the logs of several resources, or of all.
pub struct Follow {
    store: Store,
    pulse: watch::Receiver<u64>,
    /// Empty: all resources, also those that come later.
    resources: Vec<Resource>,
    /// The revision up to which everything was told; None: nothing yet.
    seen: Option<u64>,
}

impl Store {
    /// Follows `resources` (none named: all of them) from their present state on.
    pub fn follow(&self, resources: Vec<Resource>) -> Follow {
        Follow { store: self.clone(), pulse: self.read().pulse.subscribe(), resources, seen: None }
    }
}

impl Follow {
    /// What changed since the last call, oldest first; waits for something. The first call, and one after this reader
    /// fell behind a log, tells what exists as `Added` instead; deletions in such a gap are not told. Cancel-safe.
    pub async fn next(&mut self) -> Vec<(Resource, Event)> {
        loop {
            self.pulse.mark_unchanged();
            let news = self.read();
            if !news.is_empty() {
                return news;
            }
            if self.pulse.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Passes over what has changed since.
    pub fn skip(&mut self) {
        self.seen = Some(self.store.revision());
    }

    fn read(&mut self) -> Vec<(Resource, Event)> {
        let inner = self.store.read();
        let shelves = || selected(&inner.shelves, &self.resources);
        let from = self.seen.filter(|&seen| shelves().all(|(_, shelf)| shelf.forgotten <= seen));
        let mut news: Vec<(Resource, Event)> = match from {
            Some(from) => shelves()
                .flat_map(|(resource, shelf)| {
                    let start = shelf.log.partition_point(|event| event.revision <= from);
                    shelf.log.range(start..).map(|event| (resource.clone(), event.clone()))
                })
                .collect(),
            None => shelves()
                .flat_map(|(resource, shelf)| {
                    shelf.objects.values().map(|stored| {
                        let (revision, object) = (stored.object.revision(), Arc::clone(stored));
                        (resource.clone(), Event { revision, change: Change::Added, object, previous: None })
                    })
                })
                .collect(),
        };
        news.sort_by_key(|(_, event)| event.revision);
        self.seen = Some(inner.revision);
        news
    }
}

fn selected<'a>(
    shelves: &'a HashMap<Resource, Shelf>,
    resources: &'a [Resource],
) -> Box<dyn Iterator<Item = (&'a Resource, &'a Shelf)> + 'a> {
    if resources.is_empty() {
        return Box::new(shelves.iter());
    }
    Box::new(resources.iter().filter_map(|resource| shelves.get_key_value(resource)))
}
