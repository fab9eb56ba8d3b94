//! Istio's metrics: who called whom, and what came of it.
//!
//! ```text
//!   x-envoy-peer-metadata ─► peer ─┐
//!   cluster's metadata ─► service ─┼─► Recorder (one a worker) ── small key ──► series: atomics ◄── prometheus()
//!   code, flags, bytes ────────────┘          └─ at the first time: labels ─► Telemetry's map
//! ```
//!
//! Values of labels come from configuration and from what workloads of the mesh say of themselves, never from the text of
//! a request. What workloads say is bounded: so many of them, and so long a name.

mod labels;
mod messages;
mod peer;
mod recorder;
mod series;
mod text;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mesh_snapshot::ClusterConfig;

pub(crate) use self::{messages::Messages, recorder::Recorder};
use self::{
    peer::{Introduction, Peers},
    series::{HttpSeries, MessageCounts, TcpCounts},
};
use super::flags::Flags;

/// Which side of a call tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reporter {
    /// The proxy of the caller.
    Source,
    /// The proxy of the called.
    Destination,
}

/// A workload, as metrics name it; an empty part is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Workload {
    pub(crate) name: Box<str>,
    pub(crate) namespace: Box<str>,
    pub(crate) app: Box<str>,
    pub(crate) version: Box<str>,
    pub(crate) canonical_service: Box<str>,
    pub(crate) canonical_revision: Box<str>,
    pub(crate) cluster: Box<str>,
}

/// One answered (or failed) request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) reporter: Reporter,
    /// The workload at the other end.
    pub(crate) peer: Option<&'a Arc<Workload>>,
    /// The cluster that the request went to, or was to go to; its metadata name the service.
    pub(crate) cluster: Option<&'a Arc<ClusterConfig>>,
    /// Whether it was gRPC; with its status, if one was seen.
    pub(crate) grpc: Option<Option<u32>>,
    pub(crate) code: u16,
    pub(crate) flags: Flags,
    pub(crate) duration: Duration,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
}

/// Between whom messages of gRPC pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties<'a> {
    pub(crate) reporter: Reporter,
    pub(crate) peer: Option<&'a Arc<Workload>>,
    pub(crate) cluster: Option<&'a Arc<ClusterConfig>>,
}

/// One TCP connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpMeasured<'a> {
    pub(crate) reporter: Reporter,
    pub(crate) peer: Option<&'a Arc<Workload>>,
    pub(crate) cluster: Option<&'a Arc<ClusterConfig>>,
    pub(crate) flags: Flags,
}

/// All series of the proxy.
#[derive(Debug)]
pub(crate) struct Telemetry {
    own: Workload,
    introduction: Introduction,
    peers: Peers,
    requests: Registry<HttpSeries>,
    messages: Registry<MessageCounts>,
    connections: Registry<TcpCounts>,
}

impl Telemetry {
    /// Of a proxy beside this workload; `id` is the node's.
    pub(crate) fn new(own: Workload, id: &str) -> Self {
        let introduction = Introduction::new(&own, id);
        Self {
            own,
            introduction,
            peers: Peers::default(),
            requests: Registry::default(),
            messages: Registry::default(),
            connections: Registry::default(),
        }
    }

    /// Appends all series in the text format 0.0.4 of Prometheus.
    pub(crate) fn prometheus(&self, out: &mut String) {
        text::requests(&self.requests.all(), out);
        text::messages(&self.messages.all(), out);
        text::connections(&self.connections.all(), out);
        text::proxy(self.peers.overflow(), out);
    }
}

/// Series by their labels, as Prometheus writes them.
#[derive(Debug)]
struct Registry<S>(Mutex<BTreeMap<Arc<str>, Arc<S>>>);

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Default> Registry<S> {
    fn series(&self, labels: String) -> Arc<S> {
        self.lock().entry(labels.into()).or_default().clone()
    }

    /// What there is now; the lock is not held while somebody writes.
    fn all(&self) -> Vec<(Arc<str>, Arc<S>)> {
        self.lock().iter().map(|(labels, series)| (labels.clone(), series.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
