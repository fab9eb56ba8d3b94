//! Lists and watches as one stream of changes, that survives lost connections, lost history and kinds that do not exist.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

mod follower;

use std::{collections::VecDeque, fmt, time::Duration};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, time};

pub use follower::Follower;

/// Where an object is. The namespace of cluster-wide objects is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace, or empty.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The place of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// Something that happened to a collection.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<K> {
    /// An object is new, or differs from what was told before.
    Applied(K),
    /// An object is gone, also when it went while nobody watched.
    Deleted(Key),
    /// Everything there is was told. Comes after each list, so the first one ends the initial list.
    Listed,
    /// The kind is not served here (its CRD is absent): there are no objects. Ends the initial list too.
    Absent,
}

/// Tells those who wait for absent kinds to look again, such as when a CRD came.
#[derive(Debug)]
pub struct Awaken(watch::Sender<()>);

impl Awaken {
    /// A bell that nobody listens to yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Rings.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// For [`changes`].
    pub fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl Default for Awaken {
    fn default() -> Self {
        Self::new()
    }
}

/// Follows a collection for ever.
///
/// Faults are logged and tried again, after 200 ms at first and 30 s at most; what was told stays valid meanwhile. A
/// kind that is absent is looked for again when `awaken` rings, and every minute.
pub fn changes<K>(
    api: Api<K>,
    config: watcher::Config,
    awaken: watch::Receiver<()>,
) -> impl Stream<Item = Change<K>> + Send
where
    K: Followed,
{
    let informer = Informer {
        api,
        config,
        awaken,
        events: None,
        follower: Follower::default(),
        pending: VecDeque::new(),
        pause: None,
        failures: 0,
        is_absent: false,
    };
    stream::unfold(informer, |mut informer| async move { Some((informer.next().await, informer)) })
}

/// What can be followed.
pub trait Followed: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static {}

impl<K> Followed for K where K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static {}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When nobody rings, such as when CRDs may not be read.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

enum Pause {
    For(Duration),
    UntilAwaken,
}

struct Informer<K> {
    api: Api<K>,
    config: watcher::Config,
    awaken: watch::Receiver<()>,
    events: Option<BoxStream<'static, watcher::Result<Event<K>>>>,
    follower: Follower,
    pending: VecDeque<Change<K>>,
    pause: Option<Pause>,
    failures: u32,
    is_absent: bool,
}

impl<K: Followed> Informer<K> {
    async fn next(&mut self) -> Change<K> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return change;
            }
            match self.pause.take() {
                Some(Pause::For(pause)) => time::sleep(pause).await,
                Some(Pause::UntilAwaken) => {
                    // Both ends mean the same: look again. A bell that was dropped leaves the clock.
                    let rung = async {
                        if self.awaken.changed().await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    };
                    drop(time::timeout(LOOK_AGAIN, rung).await);
                }
                None => {}
            }
            let events = self.events.get_or_insert_with(|| watcher(self.api.clone(), self.config.clone()).boxed());
            match events.next().await {
                Some(Ok(event)) => self.hear(event),
                Some(Err(error)) => self.fail(&error),
                None => self.events = None,
            }
        }
    }

    fn hear(&mut self, event: Event<K>) {
        // `Init` is told before anything was asked of the server: it proves nothing.
        if !matches!(event, Event::Init) {
            self.failures = 0;
            self.is_absent = false;
        }
        self.pending.extend(self.follower.hear(event));
    }

    fn fail(&mut self, error: &watcher::Error) {
        if is_absent(error) {
            if !self.is_absent {
                tracing::info!(resource = self.api.resource_url(), "not served by this cluster; waiting for it");
                self.pending.extend(self.follower.lose());
                self.is_absent = true;
            }
            self.events = None;
            self.pause = Some(Pause::UntilAwaken);
            return;
        }
        if is_expired(error) {
            tracing::debug!(resource = self.api.resource_url(), "history is gone; listing again");
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let resource = self.api.resource_url();
        tracing::warn!(resource, error = error as &dyn std::error::Error, ?pause, "cannot follow; trying again");
        self.pause = Some(Pause::For(pause));
    }
}

fn is_absent(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(cause)
    | watcher::Error::WatchStartFailed(cause)
    | watcher::Error::WatchFailed(cause)) = error
    else {
        return false;
    };
    matches!(cause, kube::Error::Api(status) if status.code == 404)
}

fn is_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

#[cfg(test)]
mod tests;
