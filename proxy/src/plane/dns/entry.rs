//! One name, and the task that keeps it while it is in use.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use mesh_snapshot::NameTerms;
use rustc_hash::FxHashSet;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, watch},
};

use super::Outside;
use crate::dns::Found;

/// How long a failure is believed.
pub(super) const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The least time that an answer holds, whatever it says itself: some say none, and busy names would be asked for with
/// each request.
pub(super) const SHORTEST: Duration = Duration::from_secs(5);

/// What queries are made with.
#[derive(Clone)]
pub(super) struct Asking {
    /// Workers have runtimes of their own; names are none of their work.
    pub(super) runtime: Handle,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) answers: mpsc::Sender<Answer>,
    pub(super) permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

/// Who an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The feed: it makes endpoints of it.
    Feed,
    /// Whoever waits for this name.
    Callers,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Box<str>,
    pub(super) terms: NameTerms,
    told: Told,
    /// Somebody went there since the last query.
    pub(super) used: AtomicBool,
    /// A task keeps it.
    pub(super) kept: AtomicBool,
    /// There is an answer in force, or it is known that there is none.
    pub(super) settled: AtomicBool,
    /// No cluster speaks of it any more.
    pub(super) gone: AtomicBool,
    /// The last good answer.
    pub(super) known: ArcSwap<Vec<IpAddr>>,
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

    pub(super) fn settle(&self) {
        self.entry.settled.store(true, SeqCst);
    }
}

impl Entry {
    pub(super) fn new(name: &str, terms: NameTerms, told: Told) -> Self {
        Self {
            name: name.into(),
            terms,
            told,
            used: AtomicBool::default(),
            kept: AtomicBool::default(),
            settled: AtomicBool::default(),
            gone: AtomicBool::default(),
            known: ArcSwap::default(),
        }
    }

    /// Takes a query's outcome in. Gives the addresses to use, and after how long to ask again.
    fn learn(&self, found: io::Result<Found>) -> (Vec<IpAddr>, Duration) {
        let known = self.known.load_full();
        match found {
            Ok(found) if !found.addresses.is_empty() => {
                let addresses = in_known_order(found.addresses, &known);
                if addresses != *known {
                    self.known.store(Arc::new(addresses.clone()));
                }
                let ttl = found.ttl.filter(|_| self.terms.respects_ttl);
                (addresses, ttl.unwrap_or(self.terms.refresh).max(SHORTEST))
            }
            failed => {
                let error = failed.err().map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
                let in_force = known.len();
                tracing::warn!(name = &*self.name, error, in_force, "a name cannot be resolved");
                (known.to_vec(), AGAIN_AFTER_FAILURE)
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
pub(super) async fn keep(entry: Arc<Entry>, asking: Asking, settled: Arc<watch::Sender<u64>>) {
    loop {
        entry.used.store(false, SeqCst);
        let found = {
            let _permit = asking.permits.acquire().await;
            asking.outside.look_up(&entry.name, entry.terms.family).await
        };
        let (addresses, again) = entry.learn(found);
        let is_unknown = addresses.is_empty();
        let answer = Answer { entry: entry.clone(), addresses };
        match entry.told {
            Told::Feed => {
                if asking.answers.send(answer).await.is_err() {
                    return;
                }
            }
            Told::Callers => {
                answer.settle();
                settled.send_modify(|count| *count += 1);
            }
        }
        asking.outside.sleep(again).await;
        // A failure is not believed any more: who comes next waits for the next answer. So does who comes back, after
        // whatever time, to a name that nobody else used meanwhile.
        if is_unknown || entry.told == Told::Callers && !entry.used.load(SeqCst) {
            entry.settled.store(false, SeqCst);
        }
        if entry.let_go() {
            return;
        }
    }
}

/// Without doubles. The same addresses in another order are no news: servers rotate them.
pub(super) fn in_known_order(mut found: Vec<IpAddr>, known: &[IpAddr]) -> Vec<IpAddr> {
    let mut seen = FxHashSet::default();
    found.retain(|address| seen.insert(*address));
    let is_same = known.len() == found.len() && known.iter().all(|address| seen.contains(address));
    if is_same { known.to_vec() } else { found }
}
