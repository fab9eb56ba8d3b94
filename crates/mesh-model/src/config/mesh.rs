//! Settings of the whole mesh, with Istio's defaults filled in.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Concurrency, ExportScope, ExportTo, H2Upgrade, LocalityLb, LocalityRule, Percent, PortNumber, TcpKeepalive,
};

/// Settings of the mesh.
///
/// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeshConfig {
    /// Where captured outbound connections arrive; 15001.
    pub proxy_listen_port: PortNumber,
    /// Where captured inbound connections arrive; 15006.
    pub proxy_inbound_listen_port: PortNumber,
    /// HTTP proxy for applications; absent: off.
    pub proxy_http_port: Option<PortNumber>,
    /// 10 s.
    pub connect_timeout: Duration,
    /// How long a connection's first bytes are waited for; zero: for ever.
    pub protocol_detection_timeout: Duration,
    /// After a failure, or when a record has no time to live; 60 s.
    pub dns_refresh_rate: Duration,
    /// Absent: off.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `cluster.local`.
    pub trust_domain: String,
    /// Other names of the trust domain.
    pub trust_domain_aliases: Vec<String>,
    /// Mutual TLS to every endpoint that speaks it.
    pub enable_auto_mtls: bool,
    /// Namespace of settings for all namespaces; `istio-system`.
    pub root_namespace: String,
    /// Calls of unknown hosts.
    pub outbound_policy: OutboundPolicyMode,
    /// Calls to unknown ports of a workload.
    pub inbound_policy: InboundPolicyMode,
    /// Of services that say nothing; all.
    pub default_service_export_to: ExportTo,
    /// Of VirtualServices that say nothing; all.
    pub default_virtual_service_export_to: ExportTo,
    /// Of DestinationRules that say nothing; all.
    pub default_destination_rule_export_to: ExportTo,
    /// Locality preference of destinations that say nothing.
    pub locality_lb: LocalityLb,
    /// Whether HTTP/1.1 becomes HTTP/2 on the way.
    pub h2_upgrade: H2Upgrade,
    /// How paths are made comparable.
    pub path_normalization: PathNormalization,
    /// Retries of routes that say nothing; absent: Istio's built-in policy.
    pub default_http_retry: Option<super::Retries>,
    /// Where access logs go; empty: nowhere.
    pub access_log_file: String,
    /// Empty: Istio's.
    pub access_log_format: String,
    /// Text or JSON.
    pub access_log_encoding: AccessLogEncoding,
    /// Whether traces may be taken at all.
    pub enable_tracing: bool,
    /// Proxies serve their application's metrics with their own.
    pub enable_prometheus_merge: bool,
    /// Providers that hold when no Telemetry names others.
    pub default_providers: MeshProviders,
    /// Names of all extension providers, the built-in ones first.
    pub extension_providers: Vec<String>,
    /// Service that stands for the gateway of Ingress objects.
    pub ingress_service: String,
    /// Class of Ingress objects that are ours.
    pub ingress_class: String,
    /// Which Ingress objects are read.
    pub ingress_controller_mode: IngressControllerMode,
    /// How proxies are started, unless a pod says otherwise.
    pub default_config: MeshProxyConfig,
}

impl Default for MeshConfig {
    fn default() -> Self {
        let everyone = || ExportTo(vec![ExportScope::All]);
        Self {
            proxy_listen_port: port(15001),
            proxy_inbound_listen_port: port(15006),
            proxy_http_port: None,
            connect_timeout: Duration::from_secs(10),
            protocol_detection_timeout: Duration::ZERO,
            dns_refresh_rate: Duration::from_secs(60),
            tcp_keepalive: None,
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
            enable_auto_mtls: true,
            root_namespace: "istio-system".to_owned(),
            outbound_policy: OutboundPolicyMode::AllowAny,
            inbound_policy: InboundPolicyMode::Passthrough,
            default_service_export_to: everyone(),
            default_virtual_service_export_to: everyone(),
            default_destination_rule_export_to: everyone(),
            locality_lb: LocalityLb { enabled: Some(true), rule: LocalityRule::Nearest },
            h2_upgrade: H2Upgrade::Never,
            path_normalization: PathNormalization::Base,
            default_http_retry: None,
            access_log_file: String::new(),
            access_log_format: String::new(),
            access_log_encoding: AccessLogEncoding::Text,
            enable_tracing: true,
            enable_prometheus_merge: true,
            default_providers: MeshProviders::default(),
            extension_providers: ["prometheus", "stackdriver", "envoy"].map(str::to_owned).to_vec(),
            ingress_service: "istio-ingressgateway".to_owned(),
            ingress_class: "istio".to_owned(),
            ingress_controller_mode: IngressControllerMode::Strict,
            default_config: MeshProxyConfig::default(),
        }
    }
}

/// Calls of hosts that the mesh does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboundPolicyMode {
    /// Go where they were dialled.
    AllowAny,
    /// Fail.
    RegistryOnly,
}

/// Calls to ports of a workload that no service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InboundPolicyMode {
    /// Go to the address that was dialled.
    Passthrough,
    /// Go to the workload's loopback address.
    Localhost,
}

/// Encoding of access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogEncoding {
    /// A line.
    Text,
    /// An object per line.
    Json,
}

/// Which Ingress objects are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IngressControllerMode {
    /// None.
    Off,
    /// Those of our class, and those without a class.
    Default,
    /// Those of our class.
    Strict,
}

/// How paths are made comparable, each including the ones before.
///
/// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ProxyPathNormalization-NormalizationType>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathNormalization {
    /// Not at all.
    None,
    /// RFC 3986.
    Base,
    /// Slashes in a row become one.
    MergeSlashes,
    /// `%2F` and `%5C` become slashes before.
    DecodeAndMergeSlashes,
}

/// Names of extension providers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MeshProviders {
    /// Of access logs.
    pub access_logging: Vec<String>,
    /// Of metrics.
    pub metrics: Vec<String>,
    /// Of traces.
    pub tracing: Vec<String>,
}

/// How proxies are started and what they keep to.
///
/// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MeshProxyConfig {
    /// Where generated files go; `./etc/istio/proxy`.
    pub config_path: String,
    /// `/usr/local/bin/envoy`.
    pub binary_path: String,
    /// `istio-proxy`.
    pub service_cluster: String,
    /// 45 s.
    pub drain_duration: Duration,
    /// 5 s.
    pub termination_drain_duration: Duration,
    /// 15000.
    pub proxy_admin_port: PortNumber,
    /// `istiod.istio-system.svc:15012`.
    pub discovery_address: String,
    /// 15020.
    pub status_port: PortNumber,
    /// Worker threads.
    pub concurrency: Concurrency,
    /// 189.
    pub stat_name_length: u32,
    /// Applications start after their proxy is ready.
    pub hold_application_until_proxy_starts: bool,
    /// Of requests without a decision; 1 %.
    pub tracing_sampling: Percent,
    /// Environment of the proxy, and part of its node metadata.
    pub proxy_metadata: BTreeMap<String, String>,
    /// What stands before gateways.
    pub gateway_topology: GatewayTopology,
}

/// What stands before a gateway.
///
/// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#Topology>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GatewayTopology {
    /// Proxies whose entries in `x-forwarded-for` are believed.
    pub trusted_proxies: u32,
    /// What becomes of `x-forwarded-client-cert`.
    pub client_cert: ClientCertHeader,
}

/// What a gateway does with `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientCertHeader {
    /// It is dropped.
    Sanitize,
    /// It is kept when the client had a certificate.
    ForwardOnly,
    /// The client's certificate is added when there is one.
    AppendForward,
    /// It is replaced by the client's certificate when there is one.
    #[default]
    SanitizeSet,
    /// It is always kept.
    AlwaysForwardOnly,
}

impl ClientCertHeader {
    /// By Istio's word; the default for what is none.
    pub fn of_word(word: &str) -> Self {
        match word {
            "SANITIZE" => Self::Sanitize,
            "FORWARD_ONLY" => Self::ForwardOnly,
            "APPEND_FORWARD" => Self::AppendForward,
            "ALWAYS_FORWARD_ONLY" => Self::AlwaysForwardOnly,
            _ => Self::SanitizeSet,
        }
    }
}

impl Default for MeshProxyConfig {
    fn default() -> Self {
        Self {
            config_path: "./etc/istio/proxy".to_owned(),
            binary_path: "/usr/local/bin/envoy".to_owned(),
            service_cluster: "istio-proxy".to_owned(),
            drain_duration: Duration::from_secs(45),
            termination_drain_duration: Duration::from_secs(5),
            proxy_admin_port: port(15000),
            discovery_address: "istiod.istio-system.svc:15012".to_owned(),
            status_port: port(15020),
            concurrency: Concurrency::OfLimit,
            stat_name_length: 189,
            hold_application_until_proxy_starts: false,
            tracing_sampling: Percent::ONE,
            proxy_metadata: BTreeMap::new(),
            gateway_topology: GatewayTopology::default(),
        }
    }
}

/// A port that is known not to be 0.
const fn port(number: u16) -> PortNumber {
    match PortNumber::new(number) {
        Some(port) => port,
        None => PortNumber::MIN,
    }
}
