//! ProxyConfig: the settings of one proxy, `defaultConfig` of MeshConfig and annotation `proxy.istio.io/config`.

use std::collections::BTreeMap;

use super::{proxy_headers::ProxyHeaders, tracing::Tracing};
use crate::{
    declare::{message, names},
    duration::Duration,
    proxy_config::ProxyImage,
    traffic_policy::{ClientTlsSettings, TcpKeepalive},
    workload_group::ReadinessProbe,
};

message! {
    /// The settings of one proxy.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig>
    pub struct ProxyConfig {
        /// Directory of the files that are made at start; `./etc/istio/proxy` when empty.
        pub config_path: String,
        /// The program; `/usr/local/bin/envoy` when empty.
        pub binary_path: String,
        /// The name under which traces show the proxy. Not together with `tracingServiceName`.
        pub service_cluster: Option<String>,
        /// Where that name comes from.
        pub tracing_service_name: Option<TracingServiceName>,
        /// How long connections have to end when listeners change; 45 s when absent.
        pub drain_duration: Option<Duration>,
        /// The control plane's `host:port`; `istiod.istio-system.svc:15012` when empty.
        pub discovery_address: String,
        /// Not used any more.
        pub discovery_refresh_delay: Option<Duration>,
        /// Older form of `tracing.zipkin.address`.
        pub zipkin_address: String,
        /// `host:port` of a statsd server, by UDP.
        pub statsd_udp_address: String,
        /// Older form of `envoyMetricsService`.
        pub envoy_metrics_service_address: String,
        /// Port of the proxy's administration; 15000 when zero.
        pub proxy_admin_port: i32,
        /// Not used any more.
        pub availability_zone: String,
        /// How the control plane is authenticated.
        pub control_plane_auth_policy: AuthenticationPolicy,
        /// A start file that is used as it is.
        pub custom_config_file: String,
        /// Longest name of a statistic; 189 when zero.
        pub stat_name_length: i32,
        /// Number of worker threads; by the container's limit when absent, one per core when zero.
        pub concurrency: Option<i32>,
        /// The template of the start file.
        pub proxy_bootstrap_template_path: String,
        /// How traffic is captured.
        pub interception_mode: InboundInterceptionMode,
        /// Where spans are sent.
        pub tracing: Option<Tracing>,
        /// Not used any more.
        pub sds: Option<Sds>,
        /// Where access logs are sent.
        pub envoy_access_log_service: Option<RemoteService>,
        /// Where metrics are sent.
        pub envoy_metrics_service: Option<RemoteService>,
        /// Variables of the proxy's environment; `ISTIO_META_` ones become metadata of its node.
        pub proxy_metadata: BTreeMap<String, String>,
        /// Envoy's runtime settings.
        pub runtime_values: BTreeMap<String, String>,
        /// Port of the agent's status; 15020 in the mesh's own defaults.
        pub status_port: i32,
        /// Tags that statistics may carry besides the usual ones.
        pub extra_stat_tags: Vec<String>,
        /// What stands before a gateway.
        pub gateway_topology: Option<Topology>,
        /// How long connections have to end when the proxy stops; 5 s when absent.
        pub termination_drain_duration: Option<Duration>,
        /// The mesh's name, for telemetry.
        pub mesh_id: String,
        /// How a workload on a virtual machine is probed.
        pub readiness_probe: Option<ReadinessProbe>,
        /// Which of Envoy's statistics are kept besides the usual ones.
        pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
        /// The application starts only when the proxy is ready.
        pub hold_application_until_proxy_starts: Option<bool>,
        /// More authorities that the proxy trusts.
        pub ca_certificates_pem: Vec<String>,
        /// The proxy's image.
        pub image: Option<ProxyImage>,
        /// Who computes with private keys.
        pub private_key_provider: Option<PrivateKeyProvider>,
        /// Headers that the proxy adds on its own.
        pub proxy_headers: Option<ProxyHeaders>,
    }

    /// Delivery of secrets; not used any more.
    pub struct Sds {
        /// Whether it is on.
        pub enabled: bool,
        /// The token's file.
        pub k8s_sa_jwt_path: String,
    }

    /// A service that proxies send things to.
    pub struct RemoteService {
        /// Its `host:port`.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// Probes on idle connections to it.
        pub tcp_keepalive: Option<TcpKeepalive>,
    }

    /// What stands before a gateway.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#Topology>
    pub struct Topology {
        /// Number of trusted proxies, which tells how many entries of `x-forwarded-for` are believed.
        pub num_trusted_proxies: u32,
        /// What is done with `x-forwarded-client-cert`.
        pub forward_client_cert_details: ForwardClientCertDetails,
        /// Connections start with a PROXY protocol header.
        pub proxy_protocol: Option<ProxyProtocolConfiguration>,
    }

    /// PROXY protocol; there is nothing to set.
    pub struct ProxyProtocolConfiguration {}

    /// Which of Envoy's statistics are kept besides the usual ones.
    pub struct ProxyStatsMatcher {
        /// Those whose name starts so.
        pub inclusion_prefixes: Vec<String>,
        /// Those whose name ends so.
        pub inclusion_suffixes: Vec<String>,
        /// Those whose name matches.
        pub inclusion_regexps: Vec<String>,
    }

    /// Who computes with private keys; one field is set.
    pub struct PrivateKeyProvider {
        /// The processor's vector instructions.
        pub cryptomb: Option<CryptoMb>,
        /// An accelerator card.
        pub qat: Option<Qat>,
    }

    /// The processor's vector instructions.
    pub struct CryptoMb {
        /// How long requests are gathered.
        pub poll_delay: Option<Duration>,
        /// The usual code is used where these are not there.
        pub fallback: Option<bool>,
    }

    /// An accelerator card.
    pub struct Qat {
        /// How long requests are gathered.
        pub poll_delay: Option<Duration>,
        /// The usual code is used where there is none.
        pub fallback: Option<bool>,
    }
}

names! {
    /// Where a proxy's name in traces comes from.
    pub enum TracingServiceName {
        /// Label `app` and namespace.
        AppLabelAndNamespace = 0 "APP_LABEL_AND_NAMESPACE",
        /// The canonical name.
        CanonicalNameOnly = 1 "CANONICAL_NAME_ONLY",
        /// The canonical name and namespace.
        CanonicalNameAndNamespace = 2 "CANONICAL_NAME_AND_NAMESPACE",
    }

    /// How the control plane is authenticated.
    pub enum AuthenticationPolicy {
        /// Not at all.
        None = 0 "NONE",
        /// By TLS with certificates of the mesh.
        MutualTls = 1 "MUTUAL_TLS",
        /// As the level above says.
        Inherit = 1000 "INHERIT",
    }

    /// How traffic is captured.
    pub enum InboundInterceptionMode {
        /// By redirection; the client's address is lost to the application.
        Redirect = 0 "REDIRECT",
        /// By transparent proxying, which keeps it.
        Tproxy = 1 "TPROXY",
        /// Not at all.
        None = 2 "NONE",
    }

    /// What is done with `x-forwarded-client-cert`.
    pub enum ForwardClientCertDetails {
        /// The default: gateways as `SANITIZE_SET`, sidecars as `APPEND_FORWARD`.
        Undefined = 0 "UNDEFINED",
        /// It is dropped.
        Sanitize = 1 "SANITIZE",
        /// It is kept when the client had a certificate.
        ForwardOnly = 2 "FORWARD_ONLY",
        /// The client's certificate is added when there is one.
        AppendForward = 3 "APPEND_FORWARD",
        /// It is replaced by the client's certificate when there is one.
        SanitizeSet = 4 "SANITIZE_SET",
        /// It is always kept.
        AlwaysForwardOnly = 5 "ALWAYS_FORWARD_ONLY",
    }
}
