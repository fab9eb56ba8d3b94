//! The loop under every controller: changes -> keys -> a queue without duplicates -> reconcile, again after an error.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    panic::AssertUnwindSafe,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{task::JoinSet, time::Instant};

use super::Outcome;
use crate::{
    client::{Client, Key},
    object::Object,
    status::Status,
    store::{Change, Event, Resource, Store},
};

/// The first wait after an error; it doubles up to [`MAX_WAIT`].
const MIN_WAIT: Duration = Duration::from_millis(10);
const MAX_WAIT: Duration = Duration::from_secs(30);
/// A key rests this many times as long as its last step took, so that one big object cannot take a whole core ...
const REST_FACTOR: u32 = 3;
/// ... but never longer than this.
const MAX_REST: Duration = Duration::from_millis(200);

/// When to look at a key again although nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Only when something changes.
    Change,
    /// After this time at the latest.
    After(Duration),
}

impl Next {
    /// The earlier of the two.
    pub(super) fn or(self, other: Next) -> Next {
        match (self, other) {
            (Next::After(a), Next::After(b)) => Next::After(a.min(b)),
            (Next::Change, next) | (next, Next::Change) => next,
        }
    }
}

/// Finds the keys that a state of an object matters to. It is asked for the state before a change and the one after.
type Keys = Box<dyn Fn(&Store, &Object, Change) -> Vec<Key> + Send + Sync>;
type Reconcile = Box<dyn Fn(Client, Key) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// A controller, ready to run.
pub(super) struct Engine {
    client: Client,
    sources: Vec<(Option<Resource>, Keys)>,
    workers: usize,
    reconcile: Reconcile,
}

impl Engine {
    /// A controller without sources and with four workers. No two workers ever have the same key.
    pub(super) fn new<F>(client: Client, reconcile: impl Fn(Client, Key) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let reconcile: Reconcile = Box::new(move |client, key| Box::pin(reconcile(client, key)));
        Self { client, sources: Vec::new(), workers: 4, reconcile }
    }

    /// Reconciles an object of this resource when it changes.
    pub(super) fn of(self, group: &str, plural: &str) -> Self {
        self.on(group, plural, |_, object, _| vec![key_of(object)])
    }

    /// Reconciles what `keys` finds when an object of this resource changes.
    pub(super) fn on(
        mut self,
        group: &str,
        plural: &str,
        keys: impl Fn(&Store, &Object, Change) -> Vec<Key> + Send + Sync + 'static,
    ) -> Self {
        self.sources.push((Some(Resource::new(group, plural)), Box::new(keys)));
        self
    }

    /// Reconciles the controlling owner of kind `owner` when an object of this resource changes.
    pub(super) fn owned(self, group: &str, plural: &str, owner: &'static str) -> Self {
        self.on(group, plural, move |_, object, _| owner_key(object, owner).into_iter().collect())
    }

    /// Reconciles what `keys` finds when any object of any resource changes.
    pub(super) fn on_all(mut self, keys: impl Fn(&Store, &Object, Change) -> Vec<Key> + Send + Sync + 'static) -> Self {
        self.sources.push((None, Box::new(keys)));
        self
    }

    /// Sets how many keys are worked on at a time.
    pub(super) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Runs for ever; drop the future to stop.
    pub(super) async fn run(self) {
        let mut resources: Vec<Resource> = self.sources.iter().filter_map(|(resource, _)| resource.clone()).collect();
        if self.sources.iter().any(|(resource, _)| resource.is_none()) {
            resources.clear();
        }
        resources.sort();
        resources.dedup();
        let mut follow = self.client.api().store().follow(resources);
        let mut queue = Queue::default();
        let mut steps = JoinSet::new();
        loop {
            while steps.len() < self.workers
                && let Some(key) = queue.take(Instant::now())
            {
                let step = (self.reconcile)(self.client.clone(), key.clone());
                steps.spawn(async move {
                    let started = Instant::now();
                    let outcome = AssertUnwindSafe(step).catch_unwind().await;
                    (key, outcome.unwrap_or_else(|_| Err(Status::internal("panic"))), started.elapsed())
                });
            }
            let idle = steps.len() < self.workers;
            let due = queue.due().filter(|_| idle);
            tokio::select! {
                news = follow.next() => self.enqueue(&mut queue, &news),
                Some(done) = steps.join_next() => {
                    // The step catches its own panic, and nobody aborts it, so there is always an answer.
                    if let Ok((key, outcome, took)) = done {
                        queue.finish(key, outcome, took, Instant::now());
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn enqueue(&self, queue: &mut Queue, news: &[(Resource, Event)]) {
        let store = self.client.api().store();
        let now = Instant::now();
        for (resource, event) in news {
            for (_, keys) in self.sources.iter().filter(|(only, _)| only.as_ref().is_none_or(|only| only == resource)) {
                let before = event.previous.as_ref().filter(|_| event.change == Change::Modified);
                for state in before.into_iter().chain([&event.object]) {
                    keys(store, &state.object, event.change).into_iter().for_each(|key| queue.add(key, now));
                }
            }
        }
    }
}

/// The key of an object itself.
pub(super) fn key_of(object: &Object) -> Key {
    Key { namespace: object.namespace().to_owned(), name: object.name().to_owned() }
}

/// The key of the controlling owner, when it is of this kind.
pub(super) fn owner_key(object: &Object, kind: &str) -> Option<Key> {
    let owner = super::pods::controller(object).filter(|owner| owner["kind"] == kind)?;
    Some(Key { namespace: object.namespace().to_owned(), name: owner["name"].as_str()?.to_owned() })
}

/// Keys and when they are due. A key that is being worked on waits until that is finished.
#[derive(Default)]
struct Queue {
    order: BTreeSet<(Instant, Key)>,
    waiting: HashMap<Key, Instant>,
    running: HashSet<Key>,
    /// Keys that were added while running.
    again: HashMap<Key, Instant>,
    failures: HashMap<Key, u32>,
}

impl Queue {
    fn add(&mut self, key: Key, at: Instant) {
        if self.running.contains(&key) {
            let again = self.again.entry(key).or_insert(at);
            *again = at.min(*again);
            return;
        }
        if let Some(&before) = self.waiting.get(&key) {
            if before <= at {
                return;
            }
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((at, key.clone()));
        self.waiting.insert(key, at);
    }

    fn due(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    fn take(&mut self, now: Instant) -> Option<Key> {
        self.order.first().filter(|(at, _)| *at <= now)?;
        let (_, key) = self.order.pop_first()?;
        self.waiting.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    fn finish(&mut self, key: Key, outcome: Outcome, took: Duration, now: Instant) {
        self.running.remove(&key);
        let again = self.again.remove(&key).map(|at| at.max(now + (took * REST_FACTOR).min(MAX_REST)));
        let wait = match outcome {
            Ok(next) => {
                self.failures.remove(&key);
                if let Next::After(wait) = next { Some(wait) } else { None }
            }
            Err(error) => Some(self.back_off(&key, &error)),
        };
        if let Some(at) = again.into_iter().chain(wait.map(|wait| now + wait)).min() {
            self.add(key, at);
        }
    }

    fn back_off(&mut self, key: &Key, error: &Status) -> Duration {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        *failures += 1;
        let wait = MIN_WAIT.saturating_mul(2u32.saturating_pow(*failures - 1)).min(MAX_WAIT);
        let (namespace, name) = (&key.namespace, &key.name);
        // A lost race is the normal course of things; only repeated failure is worth a line.
        if error.is_conflict() && *failures < 5 {
            tracing::debug!(namespace, name, %error, "again after a lost race");
        } else {
            tracing::warn!(namespace, name, %error, ?wait, "a controller's step failed");
        }
        wait
    }
}

#[cfg(test)]
mod tests;
