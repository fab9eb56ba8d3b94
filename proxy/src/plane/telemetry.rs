//! Istio's metrics: who called whom, and what came of it.
//!
//! Values of labels come from configuration and from what workloads of the mesh say of themselves, never from the text of
//! a request.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use mesh_snapshot::{ClusterConfig, Host};

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
pub(crate) struct Telemetry;

impl Telemetry {
    /// Of a proxy beside this workload; `id` is the node's.
    pub(crate) fn new(_own: Workload, _id: &str) -> Self {
        Self
    }

    /// Writes all of them for Prometheus.
    pub(crate) fn prometheus(&self, _out: &mut String) {}
}

/// One worker's way to the series: what it has looked up once it finds again without a lock.
#[derive(Debug)]
pub(crate) struct Recorder;

impl Recorder {
    /// For one worker.
    pub(crate) fn new(_telemetry: Arc<Telemetry>) -> Self {
        Self
    }

    /// Tells the peer who this is: sets `x-envoy-peer-metadata` and `x-envoy-peer-metadata-id`.
    pub(crate) fn introduce(&self, _headers: &mut HeaderMap) {}

    /// Who the peer says it is; takes these two headers away.
    pub(crate) fn take_peer(&self, _headers: &mut HeaderMap) -> Option<Arc<Workload>> {
        None
    }

    /// The workload behind an endpoint, as the control plane names it.
    pub(crate) fn peer_of_host(&self, _host: &Host) -> Option<Arc<Workload>> {
        None
    }

    /// Counts a request.
    pub(crate) fn request(&self, _measured: &Measured<'_>) {}

    /// Counts the begin of a TCP connection; the handle counts its bytes and its end.
    pub(crate) fn connection(&self, _measured: &TcpMeasured<'_>) -> TcpSeries {
        TcpSeries
    }
}

/// The series of one open TCP connection. Counts its end when it is dropped.
#[derive(Debug)]
pub(crate) struct TcpSeries;

impl TcpSeries {
    /// Bytes from the client to the server since the last call.
    pub(crate) fn received(&self, _bytes: u64) {}

    /// Bytes from the server to the client since the last call.
    pub(crate) fn sent(&self, _bytes: u64) {}
}

#[allow(dead_code, reason = "the type of the header values")]
type Value = HeaderValue;
