//! MeshConfig: the settings of the whole mesh, key `mesh` of the ConfigMap `istio`.
//!
//! <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/>

use std::collections::BTreeMap;

use crate::{
    declare::{message, names},
    duration::Duration,
    sidecar::OutboundTrafficPolicyMode,
    traffic_policy::{ClientTlsSettings, LocalityLbSetting, TcpKeepalive},
    virtual_service::HttpRetry,
};

mod networks;
mod provider;
mod proxy;
mod proxy_headers;
mod tracing;

pub use networks::{MeshNetworks, Network, NetworkEndpoints, NetworkGateway};
pub use provider::{
    DatadogProvider, DynatraceApi, DynatraceSampler, EnvoyExtAuthzGrpcProvider, EnvoyExtAuthzHttpProvider,
    EnvoyFileAccessLogProvider, EnvoyHttpAlsProvider, EnvoyOtelAlsProvider, EnvoyTcpAlsProvider, ExtAuthzRequestBody,
    ExtensionProvider, GrpcService, HttpHeader, HttpService, LightstepProvider, LogFormat, OpenCensusProvider,
    OpenTelemetryProvider, PrometheusProvider, ResourceDetector, ResourceDetectors, SkyWalkingProvider,
    StackdriverLogging, StackdriverProvider, ZipkinProvider,
};
pub use proxy::{
    AuthenticationPolicy, CryptoMb, ForwardClientCertDetails, InboundInterceptionMode, PrivateKeyProvider, ProxyConfig,
    ProxyProtocolConfiguration, ProxyStatsMatcher, Qat, RemoteService, Sds, Topology, TracingServiceName,
};
pub use proxy_headers::{
    MetadataExchangeHeaders, MetadataExchangeMode, ProxyHeaders, ServerHeader, SetCurrentClientCertDetails,
    SwitchedHeader,
};
pub use tracing::{
    CustomTag, DatadogTracer, EnvironmentTag, HeaderTag, LightstepTracer, LiteralTag, OpenCensusTracer,
    StackdriverTracer, TraceContext, Tracing, ZipkinTracer,
};

message! {
    /// The settings of the whole mesh.
    ///
    /// What is absent here has the default that `mesh-model` fills in. In documents that are laid over each other, the
    /// later replaces fields whole.
    pub struct MeshConfig {
        /// Port of the proxies' catch-all listener for what goes out; 15001 when zero.
        pub proxy_listen_port: i32,
        /// Port of the proxies' catch-all listener for what comes in; 15006 when zero.
        pub proxy_inbound_listen_port: i32,
        /// Port of an HTTP proxy that applications can be pointed at; none when zero.
        pub proxy_http_port: i32,
        /// How long proxies try to connect; 10 s when absent.
        pub connect_timeout: Option<Duration>,
        /// How long a proxy waits for a connection's first bytes, to see what it speaks; forever when zero.
        pub protocol_detection_timeout: Option<Duration>,
        /// Probes on idle connections to services.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// The class of Ingress objects that are served; `istio` when empty.
        pub ingress_class: String,
        /// The Service whose address Ingress objects get; `istio-ingressgateway` when empty.
        pub ingress_service: String,
        /// Which Ingress objects are served.
        pub ingress_controller_mode: IngressControllerMode,
        /// The label `istio` of the gateway that serves Ingress objects; `ingressgateway` when empty.
        pub ingress_selector: String,
        /// Whether proxies trace requests.
        pub enable_tracing: Option<bool>,
        /// The file of the access log, `/dev/stdout` for the container's own; no log when empty.
        pub access_log_file: String,
        /// The format of its lines, as Envoy writes it; the default format when empty.
        pub access_log_format: String,
        /// Whether its lines are text or JSON.
        pub access_log_encoding: AccessLogEncoding,
        /// Access logs are sent to the service of `defaultConfig.envoyAccessLogService`.
        pub enable_envoy_access_log_service: bool,
        /// Listeners themselves write no access log (for connections that match nothing).
        pub disable_envoy_listener_log: bool,
        /// Settings of each proxy.
        pub default_config: Option<ProxyConfig>,
        /// What happens to traffic for hosts that the mesh does not know.
        pub outbound_traffic_policy: Option<MeshOutboundTrafficPolicy>,
        /// What happens to traffic for ports that no service names.
        pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
        /// Where the control plane takes its configuration from; Kubernetes when empty.
        pub config_sources: Vec<ConfigSource>,
        /// Whether clients use the mesh's TLS towards every workload that can; yes when absent.
        pub enable_auto_mtls: Option<bool>,
        /// The root of the mesh's identities; `cluster.local` when empty.
        pub trust_domain: String,
        /// Other roots that count as the same.
        pub trust_domain_aliases: Vec<String>,
        /// More authorities that workloads trust.
        pub ca_certificates: Vec<CertificateData>,
        /// `exportTo` of services that name none; `*` when empty.
        pub default_service_export_to: Vec<String>,
        /// `exportTo` of VirtualServices that name none; `*` when empty.
        pub default_virtual_service_export_to: Vec<String>,
        /// `exportTo` of DestinationRules that name none; `*` when empty.
        pub default_destination_rule_export_to: Vec<String>,
        /// The namespace whose objects apply to the whole mesh; the control plane's own when empty.
        pub root_namespace: String,
        /// Preference by place, for services that set none.
        pub locality_lb_setting: Option<LocalityLbSetting>,
        /// How often names are looked up whose answer says nothing about it; 60 s when absent.
        pub dns_refresh_rate: Option<Duration>,
        /// Whether HTTP/1.1 is carried on as HTTP/2 between proxies.
        pub h2_upgrade_policy: MeshH2UpgradePolicy,
        /// How statistics of what comes in are named: a text with `%SERVICE%`, `%SERVICE_FQDN%`, `%SERVICE_PORT%`,
        /// `%TARGET_PORT%`, `%SERVICE_PORT_NAME%`.
        pub inbound_cluster_stat_name: String,
        /// How statistics of what goes out are named; as above, and `%SUBSET_NAME%`.
        pub outbound_cluster_stat_name: String,
        /// Not used any more.
        pub certificates: Vec<Certificate>,
        /// Settings of single services.
        pub service_settings: Vec<ServiceSettings>,
        /// Proxies serve their application's metrics together with their own; yes when absent.
        pub enable_prometheus_merge: Option<bool>,
        /// Not used any more.
        pub verify_certificate_at_client: Option<bool>,
        /// The authority that signs, when it is not the mesh's own.
        pub ca: Option<Ca>,
        /// Named services that extend the mesh: tracers, loggers, authorizers.
        pub extension_providers: Vec<ExtensionProvider>,
        /// Those that are used where Telemetry names none.
        pub default_providers: Option<DefaultProviders>,
        /// The namespaces that the control plane looks at; all when empty.
        pub discovery_selectors: Vec<MeshLabelSelector>,
        /// How paths are cleaned up before they are matched.
        pub path_normalization: Option<ProxyPathNormalization>,
        /// Retries of routes that set none; two, on failures to connect and the like, when absent.
        pub default_http_retry_policy: Option<HttpRetry>,
        /// TLS between workloads of the mesh.
        #[serde(rename = "meshMTLS")]
        pub mesh_mtls: Option<MeshTlsConfig>,
        /// TLS everywhere else.
        pub tls_defaults: Option<MeshTlsConfig>,
    }

    /// What happens to traffic for hosts that the mesh does not know.
    pub struct MeshOutboundTrafficPolicy {
        /// Whether it is let through. (The mesh's default, when the whole policy is absent, is `ALLOW_ANY`.)
        pub mode: OutboundTrafficPolicyMode,
    }

    /// What happens to traffic for ports that no service names.
    pub struct InboundTrafficPolicy {
        /// Where it goes.
        pub mode: InboundTrafficPolicyMode,
    }

    /// Where the control plane takes its configuration from.
    pub struct ConfigSource {
        /// `fs:///path`, `k8s://`, `xds://host:port`.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// What is asked for; everything when empty.
        pub subscribed_resources: Vec<ConfigSourceResource>,
    }

    /// Authorities that workloads trust; either `pem` or `spiffeBundleUrl` is set.
    pub struct CertificateData {
        /// Certificates as text.
        pub pem: Option<String>,
        /// A URL that serves them.
        pub spiffe_bundle_url: Option<String>,
        /// Kubernetes signers whose certificates these check.
        pub cert_signers: Vec<String>,
        /// The trust domains that they speak for; the mesh's own when empty.
        pub trust_domains: Vec<String>,
    }

    /// A certificate for the control plane's own services; not used any more.
    pub struct Certificate {
        /// The Secret that it is written to.
        pub secret_name: String,
        /// Its names.
        pub dns_names: Vec<String>,
    }

    /// Settings of single services.
    pub struct ServiceSettings {
        /// The settings.
        pub settings: Option<ServiceSettingsValues>,
        /// The services: host names, `*.` names too.
        pub hosts: Vec<String>,
    }

    /// What can be set for single services.
    pub struct ServiceSettingsValues {
        /// Its clients use only endpoints of their own cluster.
        pub cluster_local: bool,
    }

    /// The authority that signs, when it is not the mesh's own.
    pub struct Ca {
        /// Its `host:port`.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// How long an answer may take; 10 s when absent.
        pub request_timeout: Option<Duration>,
        /// The control plane asks it on behalf of the proxies.
        pub istiod_side: bool,
    }

    /// Providers that are used where Telemetry names none.
    pub struct DefaultProviders {
        /// Tracers.
        pub tracing: Vec<String>,
        /// Receivers of metrics.
        pub metrics: Vec<String>,
        /// Access logs.
        pub access_logging: Vec<String>,
    }

    /// Kubernetes' selector of labels. All of it must hold.
    pub struct MeshLabelSelector {
        /// Labels with exactly these values.
        pub match_labels: BTreeMap<String, String>,
        /// Other conditions.
        pub match_expressions: Vec<MeshLabelSelectorRequirement>,
    }

    /// A condition on one label.
    pub struct MeshLabelSelectorRequirement {
        /// The label.
        pub key: String,
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String,
        /// Values for `In` and `NotIn`.
        pub values: Vec<String>,
    }

    /// How paths are cleaned up before they are matched.
    pub struct ProxyPathNormalization {
        /// How much.
        pub normalization: PathNormalizationType,
    }

    /// Limits of TLS.
    pub struct MeshTlsConfig {
        /// Lowest version.
        pub min_protocol_version: MeshTlsProtocol,
        /// Curves for the key exchange.
        pub ecdh_curves: Vec<String>,
        /// Cipher suites below TLS 1.3, by OpenSSL's names.
        pub cipher_suites: Vec<String>,
    }
}

names! {
    /// Which Ingress objects are served.
    pub enum IngressControllerMode {
        /// As `STRICT`.
        Unspecified = 0 "UNSPECIFIED",
        /// None.
        Off = 1 "OFF",
        /// Those of the mesh's class and those without class.
        Default = 2 "DEFAULT",
        /// Those of the mesh's class.
        Strict = 3 "STRICT",
    }

    /// How lines of the access log are written.
    pub enum AccessLogEncoding {
        /// As text.
        Text = 0 "TEXT",
        /// As JSON.
        Json = 1 "JSON",
    }

    /// Where traffic goes for ports that no service names.
    pub enum InboundTrafficPolicyMode {
        /// To the address that the client called.
        Passthrough = 0 "PASSTHROUGH",
        /// To the same port on localhost.
        Localhost = 1 "LOCALHOST",
    }

    /// Whether HTTP/1.1 is carried on as HTTP/2 between proxies.
    pub enum MeshH2UpgradePolicy {
        /// No.
        DoNotUpgrade = 0 "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = 1 "UPGRADE",
    }

    /// What a source of configuration is asked for.
    pub enum ConfigSourceResource {
        /// Services.
        ServiceRegistry = 0 "SERVICE_REGISTRY",
    }

    /// How much paths are cleaned up.
    pub enum PathNormalizationType {
        /// As `BASE`.
        Default = 0 "DEFAULT",
        /// Not at all.
        None = 1 "NONE",
        /// By RFC 3986, and `\` becomes `/`.
        Base = 2 "BASE",
        /// And several `/` become one.
        MergeSlashes = 3 "MERGE_SLASHES",
        /// And `%2F` and `%5C` are decoded before.
        DecodeAndMergeSlashes = 4 "DECODE_AND_MERGE_SLASHES",
    }

    /// Versions of TLS.
    pub enum MeshTlsProtocol {
        /// The default.
        TlsAuto = 0 "TLS_AUTO",
        /// 1.2.
        TlsV1_2 = 1 "TLSV1_2",
        /// 1.3.
        TlsV1_3 = 2 "TLSV1_3",
    }
}
