//! `/clusters`: every cluster with its endpoints, as they are at the moment.

use std::{collections::BTreeMap, fmt::Write, net::SocketAddr};

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use mesh_snapshot::{Cluster, Host, Resource, Tick};
use serde_json::{Value, json};

use super::{Admin, listeners::Wish};

pub(super) async fn page(State(admin): State<Admin>, Query(wish): Query<Wish>) -> Response {
    let world = admin.shared.world.current();
    let now = Tick::after(admin.began.elapsed());
    let mut clusters: Vec<_> = world.clusters().collect();
    clusters.sort_unstable_by_key(|cluster| &cluster.config.name);
    if wish.is_json() {
        let fixed = admin.static_clusters().map(static_status);
        let all: Vec<Value> = clusters.iter().map(|cluster| status(cluster, now)).chain(fixed).collect();
        return Json(json!({ "cluster_statuses": all })).into_response();
    }
    let mut text = String::new();
    for cluster in clusters {
        lines(&mut text, cluster, now);
    }
    for cluster in admin.static_clusters() {
        static_lines(&mut text, cluster);
    }
    text.into_response()
}

impl Admin {
    /// Clusters of the bootstrap, as stock Envoy would have them.
    pub(super) fn static_clusters(&self) -> impl Iterator<Item = &Value> {
        self.bootstrap["static_resources"]["clusters"].as_array().into_iter().flatten()
    }
}

/// The limits of a cluster and how much of them is taken, by Envoy's names.
fn limits(cluster: &Cluster) -> [(&'static str, u32, u32); 4] {
    let limits = &cluster.config.limits;
    [
        ("max_connections", limits.connections, cluster.taken(Resource::Connection)),
        ("max_pending_requests", limits.pending, cluster.taken(Resource::Pending)),
        ("max_requests", limits.requests, cluster.taken(Resource::Request)),
        ("max_retries", limits.retries, cluster.taken(Resource::Retry)),
    ]
}

fn status(cluster: &Cluster, now: Tick) -> Value {
    let limits: BTreeMap<_, _> = limits(cluster).into_iter().map(|(name, limit, _)| (name, limit)).collect();
    let mut thresholds = json!(limits);
    thresholds["priority"] = json!("DEFAULT");
    let hosts: Vec<Value> = cluster.hosts().map(|(priority, host)| host_status(cluster, priority, host, now)).collect();
    json!({
        "name": *cluster.config.name,
        "observability_name": *cluster.config.name,
        "added_via_api": true,
        "circuit_breakers": { "thresholds": [thresholds] },
        "host_statuses": hosts,
    })
}

fn host_status(cluster: &Cluster, priority: usize, host: &Host, now: Tick) -> Value {
    let mut status = json!({
        "address": socket(host.address),
        "stats": [{ "name": "rq_active", "type": "GAUGE", "value": host.active().to_string() }],
        "health_status": { "eds_health_status": if host.healthy { "HEALTHY" } else { "UNHEALTHY" } },
        "weight": host.weight,
        "priority": priority,
        "hostname": host.hostname.as_deref().unwrap_or_default(),
        "locality": {
            "region": host.locality.region,
            "zone": host.locality.zone,
            "sub_zone": host.locality.sub_zone,
        },
    });
    if cluster.is_away(host, now) {
        status["health_status"]["failed_outlier_check"] = json!(true);
    }
    status
}

/// An address in Envoy's form.
pub(super) fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// Endpoints of a cluster as it is written.
fn static_endpoints(cluster: &Value) -> impl Iterator<Item = &Value> {
    let places = cluster["load_assignment"]["endpoints"].as_array().into_iter().flatten();
    let endpoints = places.flat_map(|place| place["lb_endpoints"].as_array().into_iter().flatten());
    endpoints.map(|endpoint| &endpoint["endpoint"]["address"])
}

fn static_status(cluster: &Value) -> Value {
    let host = |address: &Value| json!({ "address": address, "health_status": { "eds_health_status": "HEALTHY" }, "weight": 1 });
    json!({
        "name": cluster["name"],
        "observability_name": cluster["name"],
        "host_statuses": static_endpoints(cluster).map(host).collect::<Vec<_>>(),
    })
}

fn lines(text: &mut String, cluster: &Cluster, now: Tick) {
    let name = &cluster.config.name;
    let _infallible = writeln!(text, "{name}::observability_name::{name}");
    for (limit, value, _) in limits(cluster) {
        let _infallible = writeln!(text, "{name}::default_priority::{limit}::{value}");
    }
    let _infallible = writeln!(text, "{name}::added_via_api::true");
    for (priority, host) in cluster.hosts() {
        let health = match (host.healthy, cluster.is_away(host, now)) {
            (true, false) => "healthy",
            (true, true) => "/failed_outlier_check",
            (false, false) => "/failed_eds_health",
            (false, true) => "/failed_outlier_check/failed_eds_health",
        };
        let hostname = host.hostname.as_deref().unwrap_or_default();
        let facts: [(&str, &dyn std::fmt::Display); 8] = [
            ("rq_active", &host.active()),
            ("hostname", &hostname),
            ("health_flags", &health),
            ("weight", &host.weight),
            ("region", &host.locality.region),
            ("zone", &host.locality.zone),
            ("sub_zone", &host.locality.sub_zone),
            ("priority", &priority),
        ];
        for (fact, value) in facts {
            let _infallible = writeln!(text, "{name}::{}::{fact}::{value}", host.address);
        }
    }
}

fn static_lines(text: &mut String, cluster: &Value) {
    let name = cluster["name"].as_str().unwrap_or_default();
    let _infallible = writeln!(text, "{name}::observability_name::{name}\n{name}::added_via_api::false");
    for address in static_endpoints(cluster) {
        let socket = &address["socket_address"];
        let pipe = address.pointer("/pipe/path").and_then(Value::as_str).map(str::to_owned);
        let shown = pipe
            .unwrap_or_else(|| format!("{}:{}", socket["address"].as_str().unwrap_or_default(), socket["port_value"]));
        let _infallible = writeln!(text, "{name}::{shown}::health_flags::healthy");
    }
}
