//! Destinations that were called and are not in scope: a bounded memory of them.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use mesh_snapshot::Reason;
use rustc_hash::FxHashMap;

use crate::plane::stats::Counter;

/// How many destinations are remembered. Above it, the one that was not called for the longest time is forgotten.
const MOST: usize = 256;

/// The longest name of a host that is remembered, in bytes (RFC 1035, 2.3.4, and a port).
const LONGEST: usize = 253 + 6;

/// What was called: the address, and the host of a request or the server name of TLS, where one was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Called {
    address: SocketAddr,
    host: Option<Box<str>>,
}

/// How often and when last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    reason: Reason,
    calls: u64,
    last: SystemTime,
}

/// One worker's memory.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    known: Mutex<FxHashMap<Called, Count>>,
    /// Those too that were forgotten.
    total: Counter,
}

/// A destination that was called out of scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) address: SocketAddr,
    /// Host of the request or server name of TLS.
    pub(crate) host: Option<Box<str>>,
    /// What became of the last call.
    pub(crate) reason: Reason,
    pub(crate) calls: u64,
    pub(crate) last: SystemTime,
}

impl Misses {
    /// Remembers a call.
    pub(crate) fn note(&self, address: SocketAddr, host: Option<&str>, reason: Reason) {
        self.note_at(address, host, reason, SystemTime::now());
    }

    fn note_at(&self, address: SocketAddr, host: Option<&str>, reason: Reason, now: SystemTime) {
        self.total.inc();
        // What is no host name would only fill the memory.
        let host = host.filter(|host| !host.is_empty() && host.len() <= LONGEST).map(str::to_ascii_lowercase);
        let called = Called { address, host: host.map(Into::into) };
        let mut known = self.lock();
        if known.len() >= MOST && !known.contains_key(&called) {
            let oldest = known.iter().min_by_key(|(_, count)| count.last).map(|(called, _)| called.clone());
            oldest.map(|called| known.remove(&called));
        }
        let count = known.entry(called).or_insert(Count { reason, calls: 0, last: now });
        *count = Count { reason, calls: count.calls + 1, last: now };
    }

    /// All that is remembered.
    pub(super) fn all(&self) -> Vec<Call> {
        let of = |(called, count): (&Called, &Count)| Call {
            address: called.address,
            host: called.host.clone(),
            reason: count.reason,
            calls: count.calls,
            last: count.last,
        };
        self.lock().iter().map(of).collect()
    }

    /// How many calls were out of scope.
    pub(super) fn total(&self) -> u64 {
        self.total.get()
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<Called, Count>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What several workers remember as one: the last called first, and no more than one of them may remember.
pub(super) fn together(all: impl Iterator<Item = Vec<Call>>) -> Vec<Call> {
    let mut merged: FxHashMap<Called, Call> = FxHashMap::default();
    for call in all.flatten() {
        let called = Called { address: call.address, host: call.host.clone() };
        let known = merged.entry(called).or_insert(Call { calls: 0, ..call.clone() });
        let calls = known.calls + call.calls;
        let newest = if call.last > known.last { call } else { known.clone() };
        *known = Call { calls, ..newest };
    }
    let mut calls: Vec<Call> = merged.into_values().collect();
    calls.sort_by(|a, b| (b.last, a.address, &a.host).cmp(&(a.last, b.address, &b.host)));
    calls.truncate(MOST);
    calls
}

#[cfg(test)]
mod tests;
