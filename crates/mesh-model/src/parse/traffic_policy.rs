//! What a client keeps to: limits, ejection, TLS, tunnels.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU32};

use istio_api::traffic_policy as api;

use super::{
    at::At,
    load_balancer::load_balancer,
    tls::client_tls,
    words::{host, port, time, time_or_zero},
};
use crate::config::{
    ConnectionPool, H2Upgrade, HttpPool, OutlierDetection, PolicyBlocks, ProxyProtocol, TcpKeepalive, TcpPool,
    TrafficPolicy, Tunnel, TunnelProtocol,
};

pub(super) fn traffic_policy(given: &api::TrafficPolicy, at: &At<'_>) -> TrafficPolicy {
    if *given == api::TrafficPolicy::default() {
        at.error("the policy is empty", "set one of its blocks, or leave it out");
    }
    if given.tunnel.is_some() && given.proxy_protocol.is_some() {
        at.error("tunnel and proxyProtocol cannot stand together", "keep one of them");
    }
    let blocks = blocks(
        given.load_balancer.as_ref(),
        given.connection_pool.as_ref(),
        given.outlier_detection.as_ref(),
        given.tls.as_ref(),
        at,
    );
    TrafficPolicy {
        blocks,
        ports: ports(&given.port_level_settings, &at.field("portLevelSettings")),
        tunnel: given.tunnel.as_ref().and_then(|t| tunnel(t, &at.field("tunnel"))),
        proxy_protocol: given.proxy_protocol.as_ref().map(|p| match p.version {
            api::ProxyProtocolVersion::V1 => ProxyProtocol::V1,
            api::ProxyProtocolVersion::V2 => ProxyProtocol::V2,
        }),
    }
}

fn blocks(
    lb: Option<&api::LoadBalancerSettings>,
    pool: Option<&api::ConnectionPoolSettings>,
    outlier: Option<&api::OutlierDetection>,
    tls: Option<&api::ClientTlsSettings>,
    at: &At<'_>,
) -> PolicyBlocks {
    PolicyBlocks {
        load_balancer: lb.map(|l| load_balancer(l, outlier.is_some(), &at.field("loadBalancer"))),
        connection_pool: pool.map(|p| connection_pool(p, &at.field("connectionPool"))),
        outlier_detection: outlier.map(|o| outlier_detection(o, &at.field("outlierDetection"))),
        tls: tls.and_then(|t| client_tls(t, &at.field("tls"))),
    }
}

fn ports(given: &[api::PortTrafficPolicy], at: &At<'_>) -> BTreeMap<crate::config::PortNumber, PolicyBlocks> {
    let mut found = BTreeMap::new();
    for (index, policy) in given.iter().enumerate() {
        let at = &at.index(index);
        let number = policy.port.as_ref().and_then(|p| port(p.number, &at.field("port").field("number")));
        if policy.port.is_none() {
            at.field("port").error("the policy is for no port", "set port.number");
        }
        let blocks = blocks(
            policy.load_balancer.as_ref(),
            policy.connection_pool.as_ref(),
            policy.outlier_detection.as_ref(),
            policy.tls.as_ref(),
            at,
        );
        let alone = api::PortTrafficPolicy { port: policy.port.clone(), ..Default::default() };
        if *policy == alone {
            at.error("the policy of the port is empty", "set one of its blocks, or leave it out");
        }
        if let Some(number) = number
            && found.insert(number, blocks).is_some()
        {
            at.field("port").error(format!("port {number} has a policy already"), "put both into one");
        }
    }
    found
}

fn limit(number: i32, at: &At<'_>) -> Option<NonZeroU32> {
    let Ok(limit) = u32::try_from(number) else {
        at.error(format!("{number} is no limit"), "write a number above 0, or 0 for none");
        return None;
    };
    NonZeroU32::new(limit)
}

/// Limits of connections and requests; also those of a Sidecar.
pub(super) fn connection_pool(given: &api::ConnectionPoolSettings, at: &At<'_>) -> ConnectionPool {
    if given.tcp.is_none() && given.http.is_none() {
        at.error("the limits are empty", "set tcp or http, or leave them out");
    }
    ConnectionPool {
        tcp: given.tcp.as_ref().map(|t| tcp_pool(t, &at.field("tcp"))).unwrap_or_default(),
        http: given.http.as_ref().map(|h| http_pool(h, &at.field("http"))).unwrap_or_default(),
    }
}

fn tcp_pool(given: &api::TcpSettings, at: &At<'_>) -> TcpPool {
    TcpPool {
        max_connections: limit(given.max_connections, &at.field("maxConnections")),
        connect_timeout: time(given.connect_timeout, &at.field("connectTimeout")),
        keepalive: given.tcp_keepalive.as_ref().map(|k| keepalive(k, &at.field("tcpKeepalive"))),
        max_connection_duration: time(given.max_connection_duration, &at.field("maxConnectionDuration")),
        idle_timeout: time_or_zero(given.idle_timeout, &at.field("idleTimeout")),
    }
}

/// The system's probes of idle connections; also those of the mesh's settings.
pub(super) fn keepalive(given: &api::TcpKeepalive, at: &At<'_>) -> TcpKeepalive {
    TcpKeepalive {
        probes: NonZeroU32::new(given.probes),
        time: time(given.time, &at.field("time")),
        interval: time(given.interval, &at.field("interval")),
    }
}

fn http_pool(given: &api::HttpSettings, at: &At<'_>) -> HttpPool {
    if given.use_client_protocol && given.h2_upgrade_policy == api::H2UpgradePolicy::Upgrade {
        at.field("useClientProtocol").error(
            "the client's protocol cannot be kept and upgraded",
            "remove useClientProtocol, or set h2UpgradePolicy to DO_NOT_UPGRADE",
        );
    }
    HttpPool {
        max_pending_requests: limit(given.http1_max_pending_requests, &at.field("http1MaxPendingRequests")),
        max_requests: limit(given.http2_max_requests, &at.field("http2MaxRequests")),
        max_requests_per_connection: limit(given.max_requests_per_connection, &at.field("maxRequestsPerConnection")),
        max_retries: limit(given.max_retries, &at.field("maxRetries")),
        idle_timeout: time(given.idle_timeout, &at.field("idleTimeout")),
        h2_upgrade: match given.h2_upgrade_policy {
            api::H2UpgradePolicy::Default => None,
            api::H2UpgradePolicy::DoNotUpgrade => Some(H2Upgrade::Never),
            api::H2UpgradePolicy::Upgrade => Some(H2Upgrade::Always),
        },
        use_client_protocol: given.use_client_protocol,
        max_concurrent_streams: limit(given.max_concurrent_streams, &at.field("maxConcurrentStreams")),
    }
}

fn outlier_detection(given: &api::OutlierDetection, at: &At<'_>) -> OutlierDetection {
    let old = u32::try_from(given.consecutive_errors).unwrap_or(0);
    if given.consecutive_errors != 0 {
        at.field("consecutiveErrors")
            .warn("consecutiveErrors is an old form", "write consecutiveGatewayErrors or consecutive5xxErrors");
    }
    if !given.split_external_local_origin_errors && given.consecutive_local_origin_failures.unwrap_or(0) > 0 {
        at.field("consecutiveLocalOriginFailures").error(
            "failures to connect are not counted apart",
            "set splitExternalLocalOriginErrors, or remove the field",
        );
    }
    OutlierDetection {
        split_local_errors: given.split_external_local_origin_errors,
        consecutive_local_failures: given.consecutive_local_origin_failures,
        consecutive_gateway_errors: given.consecutive_gateway_errors.or((old > 0).then_some(old)),
        consecutive_5xx: given.consecutive_5xx_errors,
        interval: time(given.interval, &at.field("interval")),
        base_ejection_time: time(given.base_ejection_time, &at.field("baseEjectionTime")),
        max_ejection_percent: whole_percent(given.max_ejection_percent, &at.field("maxEjectionPercent")),
        min_health_percent: whole_percent(given.min_health_percent, &at.field("minHealthPercent")),
    }
}

/// Whole per cent, of which 0 is the default.
fn whole_percent(number: i32, at: &At<'_>) -> Option<u8> {
    let percent = u8::try_from(number).ok().filter(|p| *p <= 100);
    if percent.is_none() {
        at.error(format!("{number} is no share"), "write a number of per cent from 0 to 100");
    }
    percent.filter(|p| *p > 0)
}

fn tunnel(given: &api::TunnelSettings, at: &At<'_>) -> Option<Tunnel> {
    let protocol = match given.protocol.as_str() {
        "" | "CONNECT" => TunnelProtocol::Connect,
        "POST" => TunnelProtocol::Post,
        other => {
            at.field("protocol").error(format!("`{other}` opens no tunnel"), "write CONNECT or POST");
            TunnelProtocol::Connect
        }
    };
    let host_at = &at.field("targetHost");
    if given.target_host.parse::<IpAddr>().is_err() && host(&given.target_host, host_at)?.is_wildcard() {
        host_at.error("a tunnel leads to one host", "write a name or an address");
    }
    let target_port = port(given.target_port, &at.field("targetPort"))?;
    Some(Tunnel { protocol, target_host: given.target_host.clone(), target_port })
}
