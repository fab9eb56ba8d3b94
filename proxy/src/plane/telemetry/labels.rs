//! Labels of a series, in Istio's order and by its rules.
//!
//! <https://istio.io/latest/docs/reference/config/metrics/>

use std::fmt::Write;

use mesh_snapshot::ClusterConfig;

use super::{Measured, Parties, Reporter, TcpMeasured, Workload};
use crate::plane::stats::escaped;

/// What is not known.
const UNKNOWN: &str = "unknown";

/// A revision that is not named.
const LATEST: &str = "latest";

/// Clusters that stand for no service, and give theirs as its name.
const NO_SERVICE: &[&str] = &[
    "BlackHoleCluster",
    "PassthroughCluster",
    "InboundPassthroughCluster",
    "InboundPassthroughClusterIpv4",
    "InboundPassthroughClusterIpv6",
];

/// Of a request.
pub(super) fn of_request(own: &Workload, measured: &Measured<'_>) -> String {
    let Measured { reporter, peer, cluster, code, flags, .. } = *measured;
    let mut labels = Labels::of_parties(own, reporter, peer.map(AsRef::as_ref), cluster.map(AsRef::as_ref));
    let grpc = grpc_status(measured.grpc, code);
    labels.push("request_protocol", if grpc.is_some() { "grpc" } else { "http" });
    labels.push("response_code", &code.to_string());
    labels.push("grpc_response_status", &grpc.flatten().map(|status| status.to_string()).unwrap_or_default());
    labels.end(reporter, &flags.to_string())
}

/// Of messages of gRPC. They are counted while their call goes on, so that nothing is said of its end.
pub(super) fn of_messages(own: &Workload, parties: &Parties<'_>) -> String {
    let Parties { reporter, peer, cluster } = *parties;
    Labels::of_parties(own, reporter, peer.map(AsRef::as_ref), cluster.map(AsRef::as_ref)).0
}

/// Of a connection.
pub(super) fn of_connection(own: &Workload, measured: &TcpMeasured<'_>) -> String {
    let TcpMeasured { reporter, peer, cluster, flags } = *measured;
    let mut labels = Labels::of_parties(own, reporter, peer.map(AsRef::as_ref), cluster.map(AsRef::as_ref));
    labels.push("request_protocol", "tcp");
    labels.end(reporter, &flags.to_string())
}

/// The status of gRPC, bounded: what an application makes up is UNKNOWN. Where none was seen, the response's code gives
/// it, as clients take it.
///
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
pub(super) fn grpc_status(grpc: Option<Option<u32>>, code: u16) -> Option<Option<u8>> {
    const UNKNOWN: u8 = 2;
    const LAST: u8 = 16;
    let status = match grpc? {
        Some(status) => u8::try_from(status).ok().filter(|status| *status <= LAST).unwrap_or(UNKNOWN),
        None => match code {
            0 => return Some(None),
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => UNKNOWN,
        },
    };
    Some(Some(status))
}

/// The service behind a cluster, as far as it is known.
#[derive(Clone, Copy, Default)]
struct Service<'a> {
    host: &'a str,
    name: &'a str,
    namespace: &'a str,
}

impl<'a> Service<'a> {
    fn of(cluster: Option<&'a ClusterConfig>) -> Self {
        let Some(cluster) = cluster else { return Self::default() };
        if NO_SERVICE.contains(&&*cluster.name) {
            return Self { name: &cluster.name, ..Self::default() };
        }
        let Some(service) = &cluster.service else { return Self::default() };
        let short = service.host.split('.').next().unwrap_or_default();
        Self { host: &service.host, name: or(&service.name, short), namespace: &service.namespace }
    }
}

fn or<'a>(value: &'a str, otherwise: &'a str) -> &'a str {
    if value.is_empty() { otherwise } else { value }
}

/// `name="value",name="value"`.
#[derive(Default)]
struct Labels(String);

impl Labels {
    /// The labels of both ends, which all metrics have.
    fn of_parties(
        own: &Workload,
        reporter: Reporter,
        peer: Option<&Workload>,
        cluster: Option<&ClusterConfig>,
    ) -> Self {
        let nobody = Workload::default();
        let peer = peer.unwrap_or(&nobody);
        let service = Service::of(cluster);
        let mut labels = Self::default();
        match reporter {
            Reporter::Source => {
                labels.push("reporter", "source");
                labels.source(own);
                // Of an endpoint that says so: its namespace is the service's.
                let namespace = or(service.namespace, &peer.namespace);
                labels.destination(peer, Service { namespace, ..service });
            }
            Reporter::Destination => {
                labels.push("reporter", "destination");
                labels.source(peer);
                let service = Service {
                    host: or(service.host, &own.canonical_service),
                    name: or(service.name, &own.canonical_service),
                    namespace: &own.namespace,
                };
                labels.destination(own, service);
            }
        }
        labels
    }

    fn source(&mut self, from: &Workload) {
        self.push("source_workload", or(&from.name, UNKNOWN));
        self.push("source_canonical_service", or(&from.canonical_service, UNKNOWN));
        self.push("source_canonical_revision", or(&from.canonical_revision, LATEST));
        self.push("source_workload_namespace", or(&from.namespace, UNKNOWN));
        self.push("source_principal", UNKNOWN);
        self.push("source_app", or(&from.app, UNKNOWN));
        self.push("source_version", or(&from.version, UNKNOWN));
        self.push("source_cluster", or(&from.cluster, UNKNOWN));
    }

    fn destination(&mut self, to: &Workload, service: Service<'_>) {
        self.push("destination_workload", or(&to.name, UNKNOWN));
        self.push("destination_workload_namespace", or(&to.namespace, UNKNOWN));
        self.push("destination_principal", UNKNOWN);
        self.push("destination_app", or(&to.app, UNKNOWN));
        self.push("destination_version", or(&to.version, UNKNOWN));
        self.push("destination_service", or(service.host, UNKNOWN));
        self.push("destination_canonical_service", or(&to.canonical_service, UNKNOWN));
        self.push("destination_canonical_revision", or(&to.canonical_revision, LATEST));
        self.push("destination_service_name", or(service.name, UNKNOWN));
        self.push("destination_service_namespace", or(service.namespace, UNKNOWN));
        self.push("destination_cluster", or(&to.cluster, UNKNOWN));
    }

    /// The caller's proxy does not know how its connection was received; the other knows that it was without TLS.
    fn end(mut self, reporter: Reporter, flags: &str) -> String {
        self.push("response_flags", flags);
        let policy = match reporter {
            Reporter::Source => UNKNOWN,
            Reporter::Destination => "none",
        };
        self.push("connection_security_policy", policy);
        self.0
    }

    fn push(&mut self, name: &str, value: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _infallible = write!(self.0, "{comma}{name}=\"{}\"", escaped(value));
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
