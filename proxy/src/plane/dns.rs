//! Names of clusters, resolved when somebody wants to go there.
//!
//! A name is asked for once its cluster is used, and again (when the answer's time is over, or after the cluster's
//! `dns_refresh_rate`) only if it was used meanwhile: an idle proxy sends no query. Clusters and workers share names. Who
//! comes while nothing is known waits for the answer; later answers replace earlier ones behind the requests' backs, and a
//! failure leaves the last good answer in force. A name that cannot be resolved is not asked for again for
//! [`entry::AGAIN_AFTER_FAILURE`].
//!
//! ```text
//!   worker ─ want(cluster) ─► Entry.used ─► keep(entry), a task while the name is in use ─ Answer ─► feed ─► World
//!      ├──── wait(cluster) ◄────────────────────────── settle ◄──────────────────────────────────────┘
//!      └──── look_up(cluster, name): names that callers choose, of dynamic clusters; answered to the caller alone
//! ```

mod demand;
mod entry;

use std::{
    io,
    sync::{Arc, OnceLock, atomic::Ordering::SeqCst},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use mesh_snapshot::{ClusterConfig, DnsFamily, NameTerms, Snapshot};
use rustc_hash::FxHashMap;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, watch},
    time::{sleep, timeout},
};

use self::{
    demand::Demanded,
    entry::{Asking, Entry, Told, keep},
};
pub(crate) use self::{
    demand::{Destinations, NoAddress},
    entry::Answer,
};
use super::World;
use crate::dns::{Found, Resolver};

/// Queries at once.
const AT_ONCE: usize = 64;

/// Answers that wait for the feed.
const WAITING: usize = 16;

/// What is outside of this process: other machines' names, and time.
pub(crate) trait Outside: Send + Sync + 'static {
    /// The addresses of a name.
    fn look_up<'a>(&'a self, name: &'a str, family: DnsFamily) -> BoxFuture<'a, io::Result<Found>>;

    /// Waits.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;
}

impl Outside for Resolver {
    fn look_up<'a>(&'a self, name: &'a str, family: DnsFamily) -> BoxFuture<'a, io::Result<Found>> {
        Box::pin(Self::look_up(self, name, family))
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(sleep(time))
    }
}

/// The names that clusters speak of, and those that callers ask dynamic clusters for. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: ArcSwap<FxHashMap<Box<str>, Arc<Entry>>>,
    demanded: Demanded,
    asking: OnceLock<Asking>,
    /// Counts answers that are in force.
    settled: Arc<watch::Sender<u64>>,
}

impl Names {
    /// Lets queries be made, by tasks of the current runtime. Their answers come out of the receiver; whoever takes one
    /// publishes it and calls [`Names::settle`].
    pub(crate) fn start(&self, outside: impl Outside) -> mpsc::Receiver<Answer> {
        let (answers, answered) = mpsc::channel(WAITING);
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let asking = Asking { runtime: Handle::current(), outside: Arc::new(outside), answers, permits };
        // Once for a process; a second start would find nobody to ask for its answers.
        drop(self.0.asking.set(asking));
        answered
    }

    /// Names that clusters speak of from now on. Nothing is asked because of this.
    pub(crate) fn replace(&self, wanted: &[(String, NameTerms)]) {
        let before = self.0.entries.load_full();
        let entry = |name: &str, terms: NameTerms| {
            let known = before.get(name).filter(|entry| entry.terms == terms).cloned();
            known.unwrap_or_else(|| Arc::new(Entry::new(name, terms, Told::Feed)))
        };
        let after: FxHashMap<Box<str>, Arc<Entry>> =
            wanted.iter().map(|(name, terms)| (name.as_str().into(), entry(name, *terms))).collect();
        for (name, entry) in before.iter() {
            if !after.get(name).is_some_and(|other| Arc::ptr_eq(other, entry)) {
                entry.gone.store(true, SeqCst);
            }
        }
        self.0.entries.store(Arc::new(after));
    }

    /// Somebody goes to a cluster: has its names asked for, now or when it is time again. For each pick from a cluster of
    /// DNS; costs a look-up and no lock. True: nothing is known yet and an answer is on its way, worth a [`Names::wait`].
    pub(crate) fn want(&self, cluster: &ClusterConfig) -> bool {
        let entries = self.0.entries.load();
        let mut is_coming = false;
        for entry in cluster.dns_names().filter_map(|(name, _)| entries.get(name)) {
            self.touch(entry);
            is_coming |= !entry.settled.load(SeqCst);
        }
        is_coming
    }

    fn is_coming(&self, cluster: &ClusterConfig) -> bool {
        let entries = self.0.entries.load();
        cluster.dns_names().filter_map(|(name, _)| entries.get(name)).any(|entry| !entry.settled.load(SeqCst))
    }

    /// [`Names::want`], and waits for the answer: until the cluster has an endpoint or it is known that there is none, at
    /// most for the cluster's connect timeout. Gives the world as it is then.
    pub(crate) async fn wait(&self, world: &World, cluster: &ClusterConfig) -> Arc<Snapshot> {
        let mut settled = self.0.settled.subscribe();
        self.want(cluster);
        let found = async {
            while self.is_coming(cluster) && !has_endpoints(&world.current(), cluster) {
                if settled.changed().await.is_err() {
                    break;
                }
            }
        };
        // Late is as good as never: whoever called looks at what there is.
        drop(timeout(cluster.connect_timeout, found).await);
        world.current()
    }

    /// These answers are published.
    pub(crate) fn settle(&self, answers: &[Answer]) {
        answers.iter().for_each(Answer::settle);
        self.0.settled.send_modify(|count| *count += 1);
    }

    fn touch(&self, entry: &Arc<Entry>) {
        if entry.used.load(SeqCst) {
            return;
        }
        entry.used.store(true, SeqCst);
        if let Some(asking) = self.0.asking.get()
            && !entry.kept.swap(true, SeqCst)
        {
            asking.runtime.spawn(keep(entry.clone(), asking.clone(), self.0.settled.clone()));
        }
    }
}

fn has_endpoints(snapshot: &Snapshot, cluster: &ClusterConfig) -> bool {
    snapshot.cluster(&cluster.name).is_some_and(|cluster| cluster.hosts().next().is_some())
}

#[cfg(test)]
mod tests;
