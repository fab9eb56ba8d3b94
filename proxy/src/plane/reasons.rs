//! Refusals and departures: counted by their codes, and calls of unknown destinations remembered.
//!
//! Counting is one atomic. What is remembered is each worker's own: its lock is only ever waited for by whoever reads.

mod misses;

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use mesh_snapshot::Reason;

pub(crate) use self::misses::{Call, Misses};
use super::stats::Counter;

/// One counter for each code.
type Counts = [Counter; Reason::ALL.len()];

/// What all workers tell of refusals and departures, and whose they are.
#[derive(Debug)]
pub(crate) struct Reasons {
    /// `POD.NAMESPACE` of this proxy.
    pub(crate) pod: Box<str>,
    /// Whether this is a workload's own proxy. Only such a one tells its caller the code: outsiders are told nothing.
    pub(crate) is_sidecar: bool,
    inbound: Counts,
    outbound: Counts,
    misses: Mutex<Vec<Arc<Misses>>>,
}

impl Reasons {
    /// Of the proxy with this node id: `sidecar~ADDRESS~POD.NAMESPACE~DOMAIN`.
    pub(crate) fn new(id: &str) -> Self {
        let mut parts = id.split('~');
        let is_sidecar = parts.next() == Some("sidecar");
        let counts = || std::array::from_fn(|_| Counter::default());
        Self {
            pod: parts.nth(1).unwrap_or_default().into(),
            is_sidecar,
            inbound: counts(),
            outbound: counts(),
            misses: Mutex::default(),
        }
    }

    /// Counts one.
    pub(crate) fn count(&self, reason: Reason, inbound: bool) {
        let counts = if inbound { &self.inbound } else { &self.outbound };
        counts[reason as usize].inc();
    }

    /// A worker's own memory of calls out of scope.
    pub(crate) fn memory(&self) -> Arc<Misses> {
        let memory = Arc::<Misses>::default();
        self.memories().push(memory.clone());
        memory
    }

    /// Calls out of scope that are remembered, the last one first.
    pub(crate) fn missed(&self) -> Vec<Call> {
        let memories = self.memories().clone();
        misses::together(memories.iter().map(|memory| memory.all()))
    }

    /// How many calls went out of scope.
    pub(crate) fn scope_misses(&self) -> u64 {
        self.memories().iter().map(|memory| memory.total()).sum()
    }

    /// Every code that was counted, with its direction.
    fn visit(&self, f: &mut dyn FnMut(Reason, &str, u64)) {
        for (direction, counts) in [("inbound", &self.inbound), ("outbound", &self.outbound)] {
            let counted = Reason::ALL.iter().zip(counts).map(|(reason, count)| (*reason, count.get()));
            counted.filter(|(_, count)| *count > 0).for_each(|(reason, count)| f(reason, direction, count));
        }
    }

    /// Every name and value, as `/stats` has them.
    pub(crate) fn stats(&self, f: &mut dyn FnMut(&str, u64)) {
        self.visit(&mut |reason, direction, count| f(&format!("lateen.reasons.{direction}.{reason}"), count));
        f("lateen.scope_miss", self.scope_misses());
    }

    /// Appends them in Prometheus's text format.
    pub(crate) fn prometheus(&self, out: &mut String) {
        let mut lines = String::new();
        self.visit(&mut |reason, direction, count| {
            let _infallible =
                writeln!(lines, "lateen_reasons_total{{reason=\"{reason}\",direction=\"{direction}\"}} {count}");
        });
        if !lines.is_empty() {
            out.push_str("# HELP lateen_reasons_total Calls that were refused or left the mesh, by their code.\n");
            out.push_str("# TYPE lateen_reasons_total counter\n");
            out.push_str(&lines);
        }
        let name = "lateen_scope_miss_total";
        let _infallible = write!(
            out,
            "# HELP {name} Calls of destinations that are not in this proxy's scope.\n# TYPE {name} counter\n{name} {}\n",
            self.scope_misses()
        );
    }

    fn memories(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Misses>>> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
