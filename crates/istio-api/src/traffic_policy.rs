//! How a client treats a service: pools, balancing, ejection, TLS. Shared by DestinationRule, Sidecar and MeshConfig.
//!
//! <https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy>

use std::collections::BTreeMap;

use crate::{
    common::PortSelector,
    declare::{message, names},
    duration::Duration,
};

message! {
    /// What applies to the traffic for a host or for one of its subsets.
    pub struct TrafficPolicy {
        /// Which endpoint a request or connection gets.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// How much may be open at a time.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is left out for a while.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the service.
        pub tls: Option<ClientTlsSettings>,
        /// Policies of single ports. Such a policy replaces this one whole for its port.
        #[schemars(length(max = 4096))]
        pub port_level_settings: Vec<PortTrafficPolicy>,
        /// TCP is carried through an HTTP tunnel. Not together with `proxyProtocol`.
        pub tunnel: Option<TunnelSettings>,
        /// Connections to the service start with a PROXY protocol header.
        pub proxy_protocol: Option<ProxyProtocol>,
    }

    /// What applies to the traffic for one port.
    pub struct PortTrafficPolicy {
        /// The service's port.
        pub port: Option<PortSelector>,
        /// Which endpoint a request or connection gets.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// How much may be open at a time.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When an endpoint is left out for a while.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the service.
        pub tls: Option<ClientTlsSettings>,
    }

    /// An HTTP tunnel for TCP.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy-TunnelSettings>
    #[schemars(extend("required" = ["targetHost", "targetPort"]))]
    pub struct TunnelSettings {
        /// `CONNECT` (also when empty) or `POST`.
        pub protocol: String,
        /// The host that the tunnel leads to: a name or an address.
        pub target_host: String,
        /// The port that the tunnel leads to.
        pub target_port: u32,
    }

    /// The PROXY protocol header that a connection starts with.
    pub struct ProxyProtocol {
        /// The header's version.
        pub version: ProxyProtocolVersion,
    }

    /// Balancing. At most one of `simple` and `consistentHash` is set.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#LoadBalancerSettings>
    pub struct LoadBalancerSettings {
        /// A rule that needs no settings.
        pub simple: Option<SimpleLb>,
        /// Equal requests go to equal endpoints.
        pub consistent_hash: Option<ConsistentHashLb>,
        /// Preference by place, instead of the mesh's setting.
        pub locality_lb_setting: Option<LocalityLbSetting>,
        /// Old form of `warmup.duration`.
        pub warmup_duration_secs: Option<Duration>,
        /// A new endpoint gets its full share only after a while.
        pub warmup: Option<WarmupConfiguration>,
    }

    /// Balancing by a hash of the request. One key and at most one algorithm are set.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#LoadBalancerSettings-ConsistentHashLB>
    pub struct ConsistentHashLb {
        /// Key: the value of this header.
        pub http_header_name: Option<String>,
        /// Key: the value of a cookie, which is made when it is not there.
        pub http_cookie: Option<HttpCookie>,
        /// Key: the client's address.
        pub use_source_ip: Option<bool>,
        /// Key: the value of this query parameter.
        pub http_query_parameter_name: Option<String>,
        /// Algorithm: a ring of hashes (also when none is named).
        pub ring_hash: Option<RingHash>,
        /// Algorithm: Maglev.
        pub maglev: Option<MagLev>,
        /// Old form of `ringHash.minimumRingSize`.
        #[schemars(range(min = 0))]
        pub minimum_ring_size: u64,
    }

    /// A cookie that keeps a client with its endpoint.
    #[schemars(extend("required" = ["name"]))]
    pub struct HttpCookie {
        /// The cookie's name.
        pub name: String,
        /// The path that it is set for.
        pub path: String,
        /// How long it lives; zero: as long as the browser's session.
        pub ttl: Option<Duration>,
    }

    /// The ring's size.
    pub struct RingHash {
        /// At least so many places are on the ring; 1024 when zero.
        pub minimum_ring_size: u64,
    }

    /// The table's size.
    pub struct MagLev {
        /// A prime number of places; 65537 when zero.
        pub table_size: u64,
    }

    /// A new endpoint's slow start.
    #[schemars(extend("required" = ["duration"]))]
    pub struct WarmupConfiguration {
        /// After this time it has its full share.
        pub duration: Option<Duration>,
        /// The share in percent that it starts with; 10 when absent.
        #[schemars(range(min = 0.0, max = 100.0), extend("nullable" = true))]
        pub minimum_percent: Option<f64>,
        /// How fast the share grows: 1 (also when absent) is a straight line, more starts slower.
        #[schemars(range(min = 1.0), extend("nullable" = true))]
        pub aggression: Option<f64>,
    }

    /// Preference by place. At most one of `distribute`, `failover` and `failoverPriority` has entries.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#LocalityLoadBalancerSetting>
    pub struct LocalityLbSetting {
        /// Shares of places, by the client's place.
        pub distribute: Vec<LocalityDistribute>,
        /// The region that stands in when the client's own has no healthy endpoint.
        pub failover: Vec<LocalityFailover>,
        /// Labels by which endpoints are ranked: the more of them, from the front, equal the client's, the better.
        pub failover_priority: Vec<String>,
        /// Whether places count at all; absent: as the mesh says.
        #[schemars(extend("nullable" = true))]
        pub enabled: Option<bool>,
    }

    /// Where the traffic of one place goes.
    pub struct LocalityDistribute {
        /// The client's place `region/zone/subzone`, each part may be `*`.
        pub from: String,
        /// Places and their shares, which sum up to 100.
        pub to: BTreeMap<String, u32>,
    }

    /// The region that stands in for another.
    pub struct LocalityFailover {
        /// The region that fails.
        pub from: String,
        /// The region that takes over.
        pub to: String,
    }

    /// Limits of what is open at a time.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#ConnectionPoolSettings>
    pub struct ConnectionPoolSettings {
        /// Limits of connections.
        pub tcp: Option<TcpSettings>,
        /// Limits of requests.
        pub http: Option<HttpSettings>,
    }

    /// Limits of connections.
    pub struct TcpSettings {
        /// Most connections to a host; no limit when zero.
        pub max_connections: i32,
        /// How long connecting may take; 10 s when absent.
        pub connect_timeout: Option<Duration>,
        /// Probes on idle connections.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// A connection is closed after this time, used or not.
        pub max_connection_duration: Option<Duration>,
        /// A TCP connection without traffic is closed after this time; 1 h when absent, never when zero.
        pub idle_timeout: Option<Duration>,
    }

    /// Probes on idle connections. What is absent is the operating system's.
    pub struct TcpKeepalive {
        /// So many unanswered probes end the connection.
        pub probes: u32,
        /// Idle time before the first probe.
        pub time: Option<Duration>,
        /// Time between probes.
        pub interval: Option<Duration>,
    }

    /// Limits of requests.
    pub struct HttpSettings {
        /// Most requests that wait for a connection; no limit when zero.
        pub http1_max_pending_requests: i32,
        /// Most requests under way; no limit when zero.
        pub http2_max_requests: i32,
        /// A connection is closed after so many requests; 1 means no reuse, zero no limit.
        pub max_requests_per_connection: i32,
        /// Most retries under way; no limit when zero.
        pub max_retries: i32,
        /// A connection without requests is closed after this time; 1 h when absent.
        pub idle_timeout: Option<Duration>,
        /// Whether HTTP/1.1 is carried on as HTTP/2.
        pub h2_upgrade_policy: H2UpgradePolicy,
        /// The client's own HTTP version is kept. Not together with an upgrade.
        pub use_client_protocol: bool,
        /// Most streams on one HTTP/2 connection; 2^31-1 when zero.
        pub max_concurrent_streams: i32,
    }

    /// When an endpoint is left out for a while.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#OutlierDetection>
    pub struct OutlierDetection {
        /// Old form of `consecutiveGatewayErrors`.
        pub consecutive_errors: i32,
        /// Errors that happen before an answer comes are counted on their own.
        pub split_external_local_origin_errors: bool,
        /// So many of those errors in a row eject; 5 when absent.
        #[schemars(extend("nullable" = true))]
        pub consecutive_local_origin_failures: Option<u32>,
        /// So many 502, 503 or 504 in a row eject; off when absent or zero.
        #[schemars(extend("nullable" = true))]
        pub consecutive_gateway_errors: Option<u32>,
        /// So many 5xx in a row eject; 5 when absent, off when zero.
        #[serde(rename = "consecutive5xxErrors")]
        #[schemars(extend("nullable" = true))]
        pub consecutive_5xx_errors: Option<u32>,
        /// Time between sweeps; 10 s when absent.
        pub interval: Option<Duration>,
        /// Time out for the first ejection, grows with each further; 30 s when absent.
        pub base_ejection_time: Option<Duration>,
        /// Most endpoints out at a time, in percent; 10 when zero.
        pub max_ejection_percent: i32,
        /// Below this share of healthy endpoints, in percent, ejections no longer count; off when zero.
        pub min_health_percent: i32,
    }

    /// TLS towards a service.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings>
    pub struct ClientTlsSettings {
        /// Whether and how.
        pub mode: ClientTlsMode,
        /// `MUTUAL`: file with the client's certificate chain.
        pub client_certificate: String,
        /// `MUTUAL`: file with the client's key.
        pub private_key: String,
        /// File with the authorities that the server's certificate is checked against.
        pub ca_certificates: String,
        /// Secret with certificate, key and authorities, instead of files.
        pub credential_name: String,
        /// One of these names must be in the server's certificate.
        pub subject_alt_names: Vec<String>,
        /// The server name that is sent; the host when empty.
        pub sni: String,
        /// The server's certificate is not checked.
        #[schemars(extend("nullable" = true))]
        pub insecure_skip_verify: Option<bool>,
        /// File with the list of revoked certificates.
        pub ca_crl: String,
    }
}

names! {
    /// Balancing rules that need no settings.
    pub enum SimpleLb {
        /// The platform's own choice, which is least request.
        Unspecified = 0 "UNSPECIFIED",
        /// Old name of least request.
        LeastConn = 1 "LEAST_CONN",
        /// Any healthy endpoint.
        Random = 2 "RANDOM",
        /// The address that the client asked for, without balancing.
        Passthrough = 3 "PASSTHROUGH",
        /// Each in turn.
        RoundRobin = 4 "ROUND_ROBIN",
        /// Of two at random, the one with fewer requests under way.
        LeastRequest = 5 "LEAST_REQUEST",
    }

    /// Whether HTTP/1.1 is carried on as HTTP/2.
    pub enum H2UpgradePolicy {
        /// As the mesh says.
        Default = 0 "DEFAULT",
        /// No.
        DoNotUpgrade = 1 "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = 2 "UPGRADE",
    }

    /// Whether and how a client speaks TLS.
    pub enum ClientTlsMode {
        /// Plain text.
        Disable = 0 "DISABLE",
        /// TLS without a client certificate.
        Simple = 1 "SIMPLE",
        /// TLS with a client certificate that the user supplies.
        Mutual = 2 "MUTUAL",
        /// TLS with the workload's own certificate from the mesh.
        IstioMutual = 3 "ISTIO_MUTUAL",
    }

    /// Versions of the PROXY protocol.
    pub enum ProxyProtocolVersion {
        /// The text form.
        V1 = 0 "V1",
        /// The binary form.
        V2 = 1 "V2",
    }
}
