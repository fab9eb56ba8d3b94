//! Envoy's first configuration: who it is, where pilot is, and the listeners that are there before pilot answers.
//!
//! Names of clusters and listeners are Istio's, because people and tools look for them.
//! <https://github.com/istio/istio/blob/1.25.1/tools/packaging/common/envoy_bootstrap.json>

use serde_json::{Value, json};

use super::settings::Settings;

/// The bootstrap, as JSON.
pub(crate) fn render(settings: &Settings, node: &Value) -> Value {
    let v6 = settings.node.ip.is_ipv6();
    let (any, here) = if v6 { ("::", "::1") } else { ("0.0.0.0", "127.0.0.1") };
    let ports = settings.ports;
    json!({
        "node": node,
        "overload_manager": overload_manager(),
        "layered_runtime": layered_runtime(),
        "stats_config": stats_config(),
        "admin": { "address": address("127.0.0.1", ports.admin) },
        "dynamic_resources": dynamic_resources(),
        "static_resources": {
            "clusters": [
                static_cluster("prometheus_stats", "127.0.0.1", ports.admin),
                static_cluster("agent", here, ports.status),
                socket_cluster("sds-grpc", Settings::SDS),
                socket_cluster("xds-grpc", Settings::XDS),
            ],
            "listeners": [
                listener(any, ports.prometheus, "prometheus_stats", "/stats/prometheus"),
                listener(any, ports.health, "agent", "/healthz/ready"),
            ],
        },
    })
}

/// Connections are limited by the machine, not by Envoy.
fn overload_manager() -> Value {
    json!({ "resource_monitors": [{
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": "2147483647",
        },
    }] })
}

/// Regexes of Istio's length are permitted.
fn layered_runtime() -> Value {
    json!({ "layers": [
        { "name": "global config", "static_layer": {
            "re2.max_program_size.error_level": "32768",
            "envoy.reloadable_features.http_reject_path_with_fragment": "false",
        } },
        { "name": "admin", "admin_layer": {} },
    ] })
}

/// Tags are cut out of names where Istio's are: a cluster's name holds dots.
fn stats_config() -> Value {
    json!({
        "use_all_default_tags": false,
        "stats_tags": [
            { "tag_name": "cluster_name", "regex": r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)" },
            { "tag_name": "tcp_prefix", "regex": r"^tcp\.((.*?)\.)\w+?$" },
            { "tag_name": "response_code", "regex": r"_rq(_(\d{3}))$" },
            { "tag_name": "response_code_class", "regex": r"_rq(_(\dxx))$" },
            { "tag_name": "http_conn_manager_prefix", "regex": r"^http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)" },
            { "tag_name": "http_conn_manager_prefix", "regex": r"^http\.((outbound_.+?|inbound_.+?|stats)\.)" },
            { "tag_name": "listener_address", "regex": r"^listener\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)" },
        ],
    })
}

fn dynamic_resources() -> Value {
    // No timeout: a proxy without configuration must not open its listeners.
    let ads = json!({ "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" });
    json!({
        "lds_config": ads,
        "cds_config": ads,
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "set_node_on_first_message_only": true,
            "transport_api_version": "V3",
            // By itself Envoy waits up to 30 seconds. A pod that ends serves on for five: by then all must have heard of it.
            "grpc_services": [{ "envoy_grpc": {
                "cluster_name": "xds-grpc",
                "retry_policy": { "retry_back_off": { "base_interval": "0.1s", "max_interval": "2s" } },
            } }],
        },
    })
}

fn address(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "protocol": "TCP", "address": host, "port_value": port } })
}

fn cluster(name: &str, address: &Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

fn static_cluster(name: &str, host: &str, port: u16) -> Value {
    cluster(name, &address(host, port))
}

/// gRPC over a unix socket. The pings reach through the agent to pilot, so that a dead pilot is noticed.
fn socket_cluster(name: &str, path: &str) -> Value {
    let mut cluster = cluster(name, &json!({ "pipe": { "path": path } }));
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {
                "connection_keepalive": { "interval": "30s", "timeout": "10s" },
            } },
        },
    });
    cluster
}

/// A listener that answers one path, from one cluster.
fn listener(host: &str, port: u16, cluster: &str, path: &str) -> Value {
    json!({
        "address": address(host, port),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "codec_type": "AUTO",
                "stat_prefix": cluster,
                "route_config": { "virtual_hosts": [{
                    "name": "backend",
                    "domains": ["*"],
                    "routes": [{ "match": { "prefix": path }, "route": { "cluster": cluster } }],
                }] },
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
                }],
            },
        }] }],
    })
}

#[cfg(test)]
mod tests;
