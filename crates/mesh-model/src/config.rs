//! The configuration of the mesh as nouns, one file per kind.
//!
//! Names are complete, times are times, sets of choices are enums: what cannot be meant cannot be written. They are made
//! by [`crate::parse`](mod@crate::parse) only, from objects that passed every check. Fields follow
//! <https://istio.io/latest/docs/reference/config/>; a doc comment here says what differs.

mod common;
mod credentials;
mod destination_rule;
mod gateway;
mod mesh;
mod meta;
mod peer_authentication;
mod proxy_config;
mod service_entry;
mod sidecar;
mod telemetry;
mod tls;
mod traffic_policy;
mod virtual_service;
mod workload;

use std::sync::Arc;

use istio_api::gateway_api as api;

pub use common::{
    BadPattern, BadPercent, Destination, ExportScope, ExportTo, Pattern, Percent, PortNumber, StringMatch,
    WeightedDestination,
};
pub use credentials::{Credentials, Readers};
pub use destination_rule::{DestinationRule, Subset};
pub use gateway::{Gateway, Server, ServerHost, ServerHostScope, ServerPort, ServerSort};
pub use mesh::{
    AccessLogEncoding, ClientCertHeader, GatewayTopology, InboundPolicyMode, IngressControllerMode, MeshConfig,
    MeshProviders, MeshProxyConfig, OutboundPolicyMode, PathNormalization,
};
pub use meta::{Derived, Kind, Meta, ObjectRef};
pub use peer_authentication::{MtlsMode, PeerAuthentication};
pub use proxy_config::{Concurrency, ProxyConfig};
pub use service_entry::{Allocated, Location, Resolution, ServiceEntry, ServiceEntryPort};
pub use sidecar::{CaptureMode, DefaultEndpoint, EgressHost, EgressNamespace, OutboundPolicy, Sidecar};
pub use sidecar::{SidecarEgress, SidecarIngress, SidecarPort};
pub use telemetry::{AccessLogging, Metrics, MetricsOverride, TagOverride, Telemetry, TelemetryMode, Tracing};
pub use tls::{ClientCertificate, ClientTls, ServerCertificate, ServerTls, ServerTlsMode, TlsOrigination, TlsVersion};
pub use traffic_policy::{
    ConnectionPool, FailoverRule, H2Upgrade, HashKey, HashTable, HttpPool, LbAlgorithm, LoadBalancer, LocalityLb,
    LocalityRule, OutlierDetection, PolicyBlocks, ProxyProtocol, TcpKeepalive, TcpPool, TrafficPolicy, Tunnel,
    TunnelProtocol, Warmup,
};
pub use virtual_service::{
    AbortStatus, ClaimMatch, Cors, Delegate, DirectResponse, Fault, FaultAbort, FaultDelay, FieldMatch, GatewayRef,
    HeaderChanges, HeaderOps, HttpDestination, HttpMatch, HttpRoute, L4Match, Mirror, Origin, Redirect, RedirectCode,
    RedirectPort, Retries, RetryPolicy, Rewrite, RouteAction, SourceMatch, TcpRoute, TlsMatch, TlsRoute,
    UnmatchedPreflights, UriRewrite, VirtualService,
};
pub use workload::{ProbeAction, WorkloadAddress, WorkloadEntry, WorkloadGroup, WorkloadProbe};

/// A configured object: who it is, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<T> {
    /// Name, namespace, age.
    pub meta: Meta,
    /// Its `spec`.
    pub spec: T,
}

/// Any object of the mesh's configuration. Kinds of the Gateway API stand as they are written: [`crate::expand`] makes the
/// mesh's own nouns of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// `networking.istio.io` VirtualService.
    VirtualService(Arc<Object<VirtualService>>),
    /// `networking.istio.io` DestinationRule.
    DestinationRule(Arc<Object<DestinationRule>>),
    /// `networking.istio.io` Gateway.
    Gateway(Arc<Object<Gateway>>),
    /// `networking.istio.io` ServiceEntry.
    ServiceEntry(Arc<Object<ServiceEntry>>),
    /// `networking.istio.io` Sidecar.
    Sidecar(Arc<Object<Sidecar>>),
    /// `networking.istio.io` WorkloadEntry.
    WorkloadEntry(Arc<Object<WorkloadEntry>>),
    /// `networking.istio.io` WorkloadGroup.
    WorkloadGroup(Arc<Object<WorkloadGroup>>),
    /// `networking.istio.io` ProxyConfig.
    ProxyConfig(Arc<Object<ProxyConfig>>),
    /// `security.istio.io` PeerAuthentication.
    PeerAuthentication(Arc<Object<PeerAuthentication>>),
    /// `telemetry.istio.io` Telemetry.
    Telemetry(Arc<Object<Telemetry>>),
    /// `gateway.networking.k8s.io` GatewayClass.
    GatewayClass(Arc<Object<api::GatewayClass>>),
    /// `gateway.networking.k8s.io` Gateway.
    KubernetesGateway(Arc<Object<api::Gateway>>),
    /// `gateway.networking.k8s.io` HTTPRoute.
    HttpRoute(Arc<Object<api::HttpRoute>>),
    /// `gateway.networking.k8s.io` GRPCRoute.
    GrpcRoute(Arc<Object<api::GrpcRoute>>),
    /// `gateway.networking.k8s.io` TLSRoute.
    TlsRoute(Arc<Object<api::TlsRoute>>),
    /// `gateway.networking.k8s.io` ReferenceGrant.
    ReferenceGrant(Arc<Object<api::ReferenceGrant>>),
    /// Accepted, and known to do nothing here: EnvoyFilter and WasmPlugin.
    Inert(Arc<Meta>),
}

impl Config {
    /// Who it is.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::VirtualService(o) => &o.meta,
            Self::DestinationRule(o) => &o.meta,
            Self::Gateway(o) => &o.meta,
            Self::ServiceEntry(o) => &o.meta,
            Self::Sidecar(o) => &o.meta,
            Self::WorkloadEntry(o) => &o.meta,
            Self::WorkloadGroup(o) => &o.meta,
            Self::ProxyConfig(o) => &o.meta,
            Self::PeerAuthentication(o) => &o.meta,
            Self::Telemetry(o) => &o.meta,
            Self::GatewayClass(o) => &o.meta,
            Self::KubernetesGateway(o) => &o.meta,
            Self::HttpRoute(o) => &o.meta,
            Self::GrpcRoute(o) => &o.meta,
            Self::TlsRoute(o) => &o.meta,
            Self::ReferenceGrant(o) => &o.meta,
            Self::Inert(meta) => meta,
        }
    }
}
