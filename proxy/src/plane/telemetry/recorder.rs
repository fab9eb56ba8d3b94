//! One worker's way to the series.

use std::{cell::RefCell, hash::Hash, sync::Arc};

use http::HeaderMap;
use mesh_snapshot::{ClusterConfig, Host};
use rustc_hash::FxHashMap;

use super::{
    Measured, Parties, Registry, Reporter, TcpMeasured, Telemetry, Workload,
    labels::{self, grpc_status},
    peer::{self, ID, METADATA},
    series::{HttpSeries, MessageCounts, TcpCounts},
};
use crate::plane::flags::Flags;

/// How many entries a cache holds before it starts anew: configuration changes, and what was looked up grows stale.
const MOST_ENTRIES: usize = 4_096;

/// How many bytes of headers are remembered.
const MOST_HEADER_BYTES: usize = 512 << 10;

/// One worker's way to the series: what it has looked up once it finds again without a lock.
#[derive(Debug)]
pub(crate) struct Recorder {
    telemetry: Arc<Telemetry>,
    requests: Cache<Key, Kept<HttpSeries>>,
    messages: Cache<Key, Kept<MessageCounts>>,
    connections: Cache<Key, Kept<TcpCounts>>,
    endpoints: Cache<Box<str>, Option<Arc<Workload>>>,
    headers: RefCell<Headers>,
}

impl Recorder {
    /// For one worker.
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self {
            telemetry,
            requests: Cache::default(),
            messages: Cache::default(),
            connections: Cache::default(),
            endpoints: Cache::default(),
            headers: RefCell::default(),
        }
    }

    /// Tells the peer who this is: sets `x-envoy-peer-metadata` and `x-envoy-peer-metadata-id`.
    pub(crate) fn introduce(&self, headers: &mut HeaderMap) {
        self.telemetry.introduction.set(headers);
    }

    /// Who the peer says it is; takes these two headers away.
    pub(crate) fn take_peer(&self, headers: &mut HeaderMap) -> Option<Arc<Workload>> {
        headers.remove(ID);
        let said = headers.remove(METADATA)?;
        let mut known = self.headers.borrow_mut();
        match known.look_up(said.as_bytes(), &self.telemetry) {
            Said::Peer(peer) => Some(peer),
            Said::Nothing => None,
            Said::TooMany => {
                self.telemetry.peers.overflowed();
                None
            }
        }
    }

    /// The workload behind an endpoint, as the control plane names it.
    pub(crate) fn peer_of_host(&self, host: &Host) -> Option<Arc<Workload>> {
        self.peer_of_text(host.workload.as_deref()?)
    }

    pub(super) fn peer_of_text(&self, text: &str) -> Option<Arc<Workload>> {
        self.endpoints.with(text, || (text.into(), peer::of_endpoint(text).map(Arc::new)), Clone::clone)
    }

    #[cfg(test)]
    pub(super) fn header_bytes(&self) -> usize {
        self.headers.borrow().bytes
    }

    /// Counts a request.
    pub(crate) fn request(&self, measured: &Measured<'_>) {
        let Measured { reporter, peer, cluster, code, flags, .. } = *measured;
        let grpc = grpc_status(measured.grpc, code);
        let key = Key { reporter, peer: address(peer), cluster: address(cluster), grpc, code, flags };
        let labels = || labels::of_request(&self.telemetry.own, measured);
        let made = || (key, Kept::new(&self.telemetry.requests, labels(), peer, cluster));
        self.requests.with(&key, made, |kept| kept.series.count(measured));
    }

    /// Where messages of gRPC between these are counted.
    pub(crate) fn messages(&self, parties: &Parties<'_>) -> Arc<MessageCounts> {
        let Parties { reporter, peer, cluster } = *parties;
        let (grpc, code, flags) = (None, 0, Flags::default());
        let key = Key { reporter, peer: address(peer), cluster: address(cluster), grpc, code, flags };
        let labels = || labels::of_messages(&self.telemetry.own, parties);
        let made = || (key, Kept::new(&self.telemetry.messages, labels(), peer, cluster));
        self.messages.with(&key, made, |kept| kept.series.clone())
    }

    /// Counts the begin of a TCP connection; the handle counts its bytes and its end.
    pub(crate) fn connection(&self, measured: &TcpMeasured<'_>) -> TcpSeries {
        let TcpMeasured { reporter, peer, cluster, flags } = *measured;
        let key = Key { reporter, peer: address(peer), cluster: address(cluster), grpc: None, code: 0, flags };
        let labels = || labels::of_connection(&self.telemetry.own, measured);
        let made = || (key, Kept::new(&self.telemetry.connections, labels(), peer, cluster));
        TcpSeries::open(self.connections.with(&key, made, |kept| kept.series.clone()))
    }
}

/// The series of one open TCP connection. Counts its end when it is dropped.
#[derive(Debug)]
pub(crate) struct TcpSeries(Arc<TcpCounts>);

impl TcpSeries {
    fn open(counts: Arc<TcpCounts>) -> Self {
        counts.opened.inc();
        Self(counts)
    }

    /// Bytes from the client to the server since the last call.
    pub(crate) fn received(&self, bytes: u64) {
        self.0.received.add(bytes);
    }

    /// Bytes from the server to the client since the last call.
    pub(crate) fn sent(&self, bytes: u64) {
        self.0.sent.add(bytes);
    }
}

impl Drop for TcpSeries {
    fn drop(&mut self) {
        self.0.closed.inc();
    }
}

/// What decides on the labels, small enough to be hashed for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    reporter: Reporter,
    /// Where the peer and the cluster are in memory: [`Kept`] sees to it that nothing else gets there.
    peer: usize,
    cluster: usize,
    grpc: Option<Option<u8>>,
    code: u16,
    flags: Flags,
}

fn address<T>(of: Option<&Arc<T>>) -> usize {
    of.map_or(0, |of| Arc::as_ptr(of).addr())
}

/// A series, with what its key points at.
#[derive(Debug)]
struct Kept<S> {
    series: Arc<S>,
    _peer: Option<Arc<Workload>>,
    _cluster: Option<Arc<ClusterConfig>>,
}

impl<S: Default> Kept<S> {
    fn new(
        registry: &Registry<S>,
        labels: String,
        peer: Option<&Arc<Workload>>,
        cluster: Option<&Arc<ClusterConfig>>,
    ) -> Self {
        Self { series: registry.series(labels), _peer: peer.cloned(), _cluster: cluster.cloned() }
    }
}

/// A bounded map of what can be looked up again.
#[derive(Debug)]
struct Cache<K, V>(RefCell<FxHashMap<K, V>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, V> Cache<K, V> {
    fn with<Q, R>(&self, key: &Q, make: impl FnOnce() -> (K, V), then: impl FnOnce(&V) -> R) -> R
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut entries = self.0.borrow_mut();
        if let Some(found) = entries.get(key) {
            return then(found);
        }
        if entries.len() >= MOST_ENTRIES {
            entries.clear();
        }
        let (key, value) = make();
        then(entries.entry(key).or_insert(value))
    }
}

/// What a header says.
#[derive(Clone, Debug)]
enum Said {
    Peer(Arc<Workload>),
    /// Nothing that can be read.
    Nothing,
    /// A workload for which there is no room among the series.
    TooMany,
}

/// Headers that were read, by their text.
#[derive(Debug, Default)]
struct Headers {
    read: FxHashMap<Box<[u8]>, Said>,
    bytes: usize,
}

impl Headers {
    fn look_up(&mut self, header: &[u8], telemetry: &Telemetry) -> Said {
        if header.len() > peer::LONGEST {
            return Said::Nothing;
        }
        if let Some(said) = self.read.get(header) {
            return said.clone();
        }
        let said = match peer::decode(header) {
            Some(workload) => telemetry.peers.admit(workload).map_or(Said::TooMany, Said::Peer),
            None => Said::Nothing,
        };
        // Callers choose what stands there: it must not fill the memory.
        if self.bytes + header.len() > MOST_HEADER_BYTES || self.read.len() >= MOST_ENTRIES {
            *self = Self::default();
        }
        self.bytes += header.len();
        self.read.insert(header.into(), said.clone());
        said
    }
}
