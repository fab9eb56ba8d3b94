//! What a client keeps to when it calls a service.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use super::{ClientTls, Percent, PortNumber};

/// Policy of a destination.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrafficPolicy {
    /// Of ports that [`Self::ports`] does not name.
    pub blocks: PolicyBlocks,
    /// By port of the service; stands instead of [`Self::blocks`] as a whole.
    pub ports: BTreeMap<PortNumber, PolicyBlocks>,
    /// Through a proxy.
    pub tunnel: Option<Tunnel>,
    /// Header before the first byte.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// The four blocks that both a destination and a single port can have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PolicyBlocks {
    /// Which endpoint.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests.
    pub connection_pool: Option<ConnectionPool>,
    /// Which endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// Whether it is TLS. Absent: the mesh decides.
    pub tls: Option<ClientTls>,
}

/// Which endpoint a request goes to.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#LoadBalancerSettings>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LoadBalancer {
    /// Absent: least requests.
    pub algorithm: Option<LbAlgorithm>,
    /// Absent: the mesh's.
    pub locality: Option<LocalityLb>,
    /// How new endpoints are spared.
    pub warmup: Option<Warmup>,
}

/// How endpoints are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum LbAlgorithm {
    /// The one of two with fewer requests under way; also Istio's deprecated LEAST_CONN.
    #[default]
    LeastRequest,
    /// Any.
    Random,
    /// In turn.
    RoundRobin,
    /// The address that the client dialled.
    Passthrough,
    /// The same for the same key.
    ConsistentHash {
        /// What is hashed.
        key: HashKey,
        /// Where the hash is looked up.
        table: HashTable,
    },
}

/// What keeps requests together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HashKey {
    /// Value of a header of the request.
    Header(String),
    /// A cookie; made when `ttl` is there and the client has none.
    Cookie {
        /// Its name.
        name: String,
        /// Its path; may be empty.
        path: String,
        /// Absent: the cookie is not made; 0: for the session.
        ttl: Option<Duration>,
    },
    /// The client's address.
    SourceIp,
    /// A parameter of the query.
    QueryParameter(String),
}

/// Envoy's two tables of consistent hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashTable {
    /// With at least so many entries.
    Ring {
        /// Istio's default is 1024.
        minimum_size: u64,
    },
    /// With so many entries.
    Maglev {
        /// A prime below 5000011.
        table_size: u64,
    },
}

/// Which localities are preferred.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#LocalityLoadBalancerSetting>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalityLb {
    /// Absent: the mesh's.
    pub enabled: Option<bool>,
    /// How they are ranked.
    pub rule: LocalityRule,
}

/// How localities are ranked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum LocalityRule {
    /// Near before far.
    #[default]
    Nearest,
    /// By share: from a locality (`region/zone/*`), to localities, in whole per cent that sum to 100.
    Distribute(Vec<(String, BTreeMap<String, u32>)>),
    /// By `priority` if there is one; else near before far, then along `regions`. At least one of the two is not empty.
    Failover {
        /// Regions that stand in for others.
        regions: Vec<FailoverRule>,
        /// Endpoints that share more of these with the client, from the first on, come first (`label` or
        /// `label=value`). Not empty: these alone rank.
        priority: Vec<String>,
    },
}

/// Where a region's traffic goes when the region is down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FailoverRule {
    /// A region.
    pub from: String,
    /// Another.
    pub to: String,
}

/// Sparing of new endpoints.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#WarmupConfiguration>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Warmup {
    /// How long an endpoint is new.
    pub duration: Duration,
    /// What it gets at least; Istio's default is 10 %.
    pub minimum: Percent,
    /// How fast its share grows, in thousandths; 1000 (the default) is evenly.
    pub aggression_thousandths: u32,
}

/// How many connections and requests at a time.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#ConnectionPoolSettings>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionPool {
    /// Of every protocol.
    pub tcp: TcpPool,
    /// Of HTTP.
    pub http: HttpPool,
}

/// Settings of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpPool {
    /// Absent: as many as there are.
    pub max_connections: Option<NonZeroU32>,
    /// Absent: the mesh's.
    pub connect_timeout: Option<Duration>,
    /// Absent: the mesh's.
    pub keepalive: Option<TcpKeepalive>,
    /// Absent: for ever.
    pub max_connection_duration: Option<Duration>,
    /// Absent: an hour (Envoy's); zero: never.
    pub idle_timeout: Option<Duration>,
}

/// The system's probes of idle connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpKeepalive {
    /// Lost ones before the connection is dead; absent: the system's default.
    pub probes: Option<NonZeroU32>,
    /// Idle time before the first; absent: the system's default.
    pub time: Option<Duration>,
    /// Between two; absent: the system's default.
    pub interval: Option<Duration>,
}

/// Settings of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpPool {
    /// Requests that wait for a connection; absent: as many as there are.
    pub max_pending_requests: Option<NonZeroU32>,
    /// Requests under way; absent: as many as there are.
    pub max_requests: Option<NonZeroU32>,
    /// Absent: as many as there are.
    pub max_requests_per_connection: Option<NonZeroU32>,
    /// Retries under way; absent: as many as there are.
    pub max_retries: Option<NonZeroU32>,
    /// Absent: an hour (Envoy's).
    pub idle_timeout: Option<Duration>,
    /// Absent: the mesh's.
    pub h2_upgrade: Option<H2Upgrade>,
    /// Speak to the server what the client spoke.
    pub use_client_protocol: bool,
    /// Of one HTTP/2 connection; absent: as many as there are.
    pub max_concurrent_streams: Option<NonZeroU32>,
}

/// Whether HTTP/1.1 becomes HTTP/2 on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum H2Upgrade {
    /// No.
    Never,
    /// Yes.
    Always,
}

/// When an endpoint is left out for a while. Absent fields: Envoy's defaults.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#OutlierDetection>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutlierDetection {
    /// Count failures to connect apart from answers.
    pub split_local_errors: bool,
    /// Failures to connect in a row, when they are counted apart.
    pub consecutive_local_failures: Option<u32>,
    /// 502, 503, 504 in a row; 0 switches it off.
    pub consecutive_gateway_errors: Option<u32>,
    /// 5xx in a row; 0 switches it off.
    pub consecutive_5xx: Option<u32>,
    /// Between two looks.
    pub interval: Option<Duration>,
    /// Of the first time; each further time is longer by it.
    pub base_ejection_time: Option<Duration>,
    /// Of the endpoints, 0 to 100.
    pub max_ejection_percent: Option<u8>,
    /// Below this share of healthy endpoints all are used, 0 to 100.
    pub min_health_percent: Option<u8>,
}

/// A way through a proxy that understands CONNECT or POST.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy-TunnelSettings>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// How it is asked for.
    pub protocol: TunnelProtocol,
    /// A name or an address.
    pub target_host: String,
    /// The port there.
    pub target_port: PortNumber,
}

/// How a tunnel is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelProtocol {
    /// CONNECT.
    #[default]
    Connect,
    /// POST.
    Post,
}

/// Version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyProtocol {
    /// Text.
    V1,
    /// Binary.
    V2,
}
