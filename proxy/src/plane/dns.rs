//! Names of clusters, resolved when somebody wants to go there.
//!
//! A name is asked for once its cluster is used, and again (after the cluster's `dns_refresh_rate`) only if it was used
//! meanwhile: an idle proxy sends no query. Clusters share names. Who comes while nothing is known waits for the answer;
//! later answers replace earlier ones behind the requests' backs, and a failure leaves the last good answer in force. A
//! name that cannot be resolved is not asked for again for [`AGAIN_AFTER_FAILURE`].
//!
//! ```text
//!   worker ─ want(cluster) ─► Entry.used ─► keep(entry), a task while the name is in use ─ Answer ─► feed ─► World
//!      └──── wait(cluster) ◄────────────────────────── settle ◄──────────────────────────────────────┘
//! ```

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use mesh_snapshot::{ClusterConfig, DnsFamily, Snapshot};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{
    net::lookup_host,
    runtime::Handle,
    sync::{Semaphore, mpsc, watch},
    time::{sleep, timeout},
};

use super::World;

/// How long a failure is believed.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Queries at once: each occupies a thread.
const AT_ONCE: usize = 8;

/// Answers that wait for the feed.
const WAITING: usize = 16;

/// What is outside of this process: other machines' names, and time.
pub(crate) trait Outside: Send + Sync + 'static {
    /// The addresses of a name.
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;

    /// Waits.
    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()>;
}

/// The machine's own resolver (getaddrinfo): `/etc/hosts`, search domains and all.
#[derive(Debug)]
pub(crate) struct Machine;

impl Outside for Machine {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = timeout(PATIENCE, lookup_host((name, 0))).await.map_err(io::Error::other)??;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(sleep(time))
    }
}

/// The names that clusters speak of. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: ArcSwap<FxHashMap<Box<str>, Arc<Entry>>>,
    asking: OnceLock<Asking>,
    /// Counts answers that are in force.
    settled: watch::Sender<u64>,
}

/// What queries are made with.
struct Asking {
    /// Workers have runtimes of their own; names are none of their work.
    runtime: Handle,
    outside: Arc<dyn Outside>,
    answers: mpsc::Sender<Answer>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    refresh: Duration,
    /// Somebody went there since the last query.
    used: AtomicBool,
    /// A task keeps it.
    kept: AtomicBool,
    /// There is an answer in force, or it is known that there is none.
    settled: AtomicBool,
    /// No cluster speaks of it any more.
    gone: AtomicBool,
    /// The last good answer. Only the task that keeps the entry looks here.
    known: Mutex<Vec<IpAddr>>,
}

/// What a query brought.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    entry: Arc<Entry>,
    /// Those to use from now on: after a failure the last good ones, or none.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Answer {
    /// The name that was asked for.
    pub(crate) fn name(&self) -> &str {
        &self.entry.name
    }

    /// Whether some cluster still speaks of it.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.entry.gone.load(SeqCst)
    }
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
    pub(crate) fn replace(&self, wanted: &[(String, DnsFamily, Duration)]) {
        let before = self.0.entries.load_full();
        let entry = |name: &str, refresh: Duration| {
            let known = before.get(name).filter(|entry| entry.refresh == refresh).cloned();
            known.unwrap_or_else(|| Arc::new(Entry::new(name, refresh)))
        };
        let after: FxHashMap<Box<str>, Arc<Entry>> =
            wanted.iter().map(|(name, _, refresh)| (name.as_str().into(), entry(name, *refresh))).collect();
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
        for entry in cluster.dns_names().filter_map(|(name, ..)| entries.get(name)) {
            self.touch(entry);
            is_coming |= !entry.settled.load(SeqCst);
        }
        is_coming
    }

    fn is_coming(&self, cluster: &ClusterConfig) -> bool {
        let entries = self.0.entries.load();
        cluster.dns_names().filter_map(|(name, ..)| entries.get(name)).any(|entry| !entry.settled.load(SeqCst))
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
        answers.iter().for_each(|answer| answer.entry.settled.store(true, SeqCst));
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
            let task = keep(entry.clone(), asking.outside.clone(), asking.answers.clone(), asking.permits.clone());
            asking.runtime.spawn(task);
        }
    }
}

impl Entry {
    fn new(name: &str, refresh: Duration) -> Self {
        Self {
            name: name.into(),
            refresh,
            used: AtomicBool::default(),
            kept: AtomicBool::default(),
            settled: AtomicBool::default(),
            gone: AtomicBool::default(),
            known: Mutex::default(),
        }
    }

    /// Takes a query's outcome in. Gives the addresses to use, and after how long to ask again.
    fn learn(&self, found: io::Result<Vec<IpAddr>>) -> (Vec<IpAddr>, Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(found) if !found.is_empty() => {
                *known = in_known_order(found, &known);
                (known.clone(), self.refresh)
            }
            failed => {
                let error = failed.err().map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
                let in_force = known.len();
                tracing::warn!(name = &*self.name, error, in_force, "a name cannot be resolved");
                (known.clone(), AGAIN_AFTER_FAILURE)
            }
        }
    }

    /// Whether the task may end; who uses the name from now on starts another.
    fn let_go(&self) -> bool {
        if self.gone.load(SeqCst) {
            return true;
        }
        if self.used.load(SeqCst) {
            return false;
        }
        self.kept.store(false, SeqCst);
        // Somebody may have come between these two lines, and seen that the name is kept.
        !self.used.load(SeqCst) || self.kept.swap(true, SeqCst)
    }
}

/// Asks for a name, again and again while it is in use.
async fn keep(entry: Arc<Entry>, outside: Arc<dyn Outside>, answers: mpsc::Sender<Answer>, permits: Arc<Semaphore>) {
    loop {
        entry.used.store(false, SeqCst);
        let found = {
            let _permit = permits.acquire().await;
            outside.lookup(&entry.name).await
        };
        let (addresses, again) = entry.learn(found);
        let is_unknown = addresses.is_empty();
        if answers.send(Answer { entry: entry.clone(), addresses }).await.is_err() {
            return;
        }
        outside.sleep(again).await;
        if is_unknown {
            // The failure is not believed any more: who comes next waits for the next answer.
            entry.settled.store(false, SeqCst);
        }
        if entry.let_go() {
            return;
        }
    }
}

/// Without doubles. The same addresses in another order are no news: servers rotate them.
fn in_known_order(mut found: Vec<IpAddr>, known: &[IpAddr]) -> Vec<IpAddr> {
    let mut seen = FxHashSet::default();
    found.retain(|address| seen.insert(*address));
    let is_same = known.len() == found.len() && known.iter().all(|address| seen.contains(address));
    if is_same { known.to_vec() } else { found }
}

fn has_endpoints(snapshot: &Snapshot, cluster: &ClusterConfig) -> bool {
    snapshot.cluster(&cluster.name).is_some_and(|cluster| cluster.hosts().next().is_some())
}

#[cfg(test)]
mod tests;
