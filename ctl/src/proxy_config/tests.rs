use serde_json::json;

use super::*;

fn lines(view: &View) -> Vec<Vec<String>> {
    let text = view.table.to_string();
    let cells = |line: &str| line.split("     ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect();
    text.lines().skip(1).map(cells).collect()
}

fn dump() -> Value {
    let istio = |kind: &str, name: &str| json!({ "filter_metadata": { "istio": { "config": format!("/apis/networking.istio.io/v1/namespaces/shop/{kind}/{name}") } } });
    let tcp =
        |cluster: &str| json!({ "filters": [{ "typed_config": { "@type": "x/envoy.TcpProxy", "cluster": cluster } }] });
    let mut raw = tcp("outbound|3306||db.shop.svc.cluster.local");
    raw["filter_chain_match"] = json!({ "transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"],
        "prefix_ranges": [{ "address_prefix": "10.0.0.1", "prefix_len": 32 }], "destination_port": 3306 });
    let http = json!({ "filters": [{ "typed_config": { "@type": "x/envoy.HttpConnectionManager", "rds": { "route_config_name": "9080" } } }] });
    let route = json!({ "match": { "prefix": "/api", "headers": [{ "name": ":method", "string_match": { "exact": "GET" } }] },
        "metadata": istio("virtual-service", "reviews") });
    json!({ "configs": [
        { "@type": "x/envoy.admin.v3.BootstrapConfigDump", "bootstrap": { "node": { "id": "me" } } },
        { "@type": "x/envoy.admin.v3.ClustersConfigDump",
          "static_clusters": [{ "cluster": { "name": "agent" } }],
          "dynamic_active_clusters": [{ "cluster": { "name": "outbound|9080|v1|reviews.shop.svc.cluster.local", "type": "EDS", "metadata": istio("destination-rule", "reviews") } }] },
        { "@type": "x/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [
          { "active_state": { "listener": { "address": { "socket_address": { "address": "0.0.0.0", "port_value": 9080 } }, "filter_chains": [http], "default_filter_chain": tcp("PassthroughCluster") } } },
          { "active_state": { "listener": { "address": { "socket_address": { "address": "10.0.0.1", "port_value": 3306 } }, "filter_chains": [raw] } } }] },
        { "@type": "x/envoy.admin.v3.ScopedRoutesConfigDump" },
        { "@type": "x/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [{ "route_config": { "name": "9080", "virtual_hosts": [
          { "name": "reviews:9080", "domains": ["reviews", "reviews:9080", "reviews.shop", "10.0.0.9"], "routes": [route] },
          { "name": "empty", "domains": ["*"] }] } }] },
    ] })
}

#[test]
fn clusters_are_told_by_service() {
    let all = clusters(&dump(), &ClusterFilter::default());
    assert_eq!(
        lines(&all),
        [
            vec!["agent", "-", "-", "-", "STATIC"],
            vec!["reviews.shop.svc.cluster.local", "9080", "v1", "outbound", "EDS", "reviews.shop"]
        ]
    );
    let filter = ClusterFilter { port: Some(9080), ..ClusterFilter::default() };
    assert_eq!(clusters(&dump(), &filter).objects.len(), 1);
}

#[test]
fn listeners_are_told_by_chain() {
    let all = listeners(&dump(), &ListenerFilter::default());
    assert_eq!(
        lines(&all),
        [
            vec![
                "10.0.0.1",
                "3306",
                "Trans: raw_buffer; App: http/1.1,h2c; Addr: 10.0.0.1:3306",
                "Cluster: outbound|3306||db.shop.svc.cluster.local"
            ],
            vec!["0.0.0.0", "9080", "ALL", "Route: 9080"],
            vec!["0.0.0.0", "9080", "ALL", "PassthroughCluster"],
        ]
    );
    let http = ListenerFilter { kind: Some("http".to_owned()), ..ListenerFilter::default() };
    assert_eq!(listeners(&dump(), &http).objects.len(), 1);
}

#[test]
fn routes_are_told_by_host() {
    let all = routes(&dump(), None);
    assert_eq!(
        lines(&all),
        [
            vec!["9080", "reviews:9080", "reviews, reviews.shop + 1 more...", "/api* GET", "reviews.shop"],
            vec!["9080", "empty", "*", "/*", "404"],
        ]
    );
    assert!(routes(&dump(), Some("80")).table.is_empty());
}

#[test]
fn endpoints_are_told_by_address() {
    let host = |address: Value, status: &str, failed: bool| json!({ "address": address, "health_status": { "eds_health_status": status, "failed_outlier_check": failed } });
    let socket = |address: &str| json!({ "socket_address": { "address": address, "port_value": 9080 } });
    let answer = json!({ "cluster_statuses": [
        { "name": "outbound|9080||reviews", "host_statuses": [host(socket("10.1.0.2"), "HEALTHY", true), host(socket("fd00::2"), "UNHEALTHY", false)] },
        { "name": "sds-grpc", "host_statuses": [host(json!({ "pipe": { "path": "/sds" } }), "HEALTHY", false)] },
    ] });
    let all = endpoints(&answer, &EndpointFilter::default());
    assert_eq!(
        lines(&all),
        [
            vec!["10.1.0.2:9080", "HEALTHY", "FAILED", "outbound|9080||reviews"],
            vec!["[fd00::2]:9080", "UNHEALTHY", "OK", "outbound|9080||reviews"],
            vec!["unix:///sds", "HEALTHY", "OK", "sds-grpc"],
        ]
    );
    let port = |port: u16| json!({ "address": { "socket_address": { "address": "10.244.2.28", "port_value": port } } });
    let ports =
        json!({ "cluster_statuses": [{ "name": "a", "host_statuses": [port(15021), port(8443), port(8080)] }] });
    let sorted = endpoints(&ports, &EndpointFilter::default());
    let ports = lines(&sorted).into_iter().map(|row| row[0].clone());
    assert!(ports.eq(["10.244.2.28:8080", "10.244.2.28:8443", "10.244.2.28:15021"]), "{sorted:?}");
    let sick = EndpointFilter { status: Some("unhealthy".to_owned()), ..EndpointFilter::default() };
    assert_eq!(endpoints(&answer, &sick).objects.len(), 1);
}

#[test]
fn the_bootstrap_is_found() {
    assert_eq!(bootstrap(&dump()).unwrap()["bootstrap"]["node"]["id"], "me");
}
