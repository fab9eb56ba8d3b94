use std::{net::SocketAddr, time::Instant};

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use mesh_bootstrap::Drain;
use serde_json::json;
use tokio::net::TcpStream;

use super::*;
use crate::plane::{
    control::{self, Control, ControlPorts, ControlSettings},
    testing::{Pilot, Sent, cluster, endpoints, eventually, listener, routes, shared, world_where},
};

struct Scene {
    pilot: Pilot,
    shared: Arc<Shared>,
    control: Control,
    drain: Drain,
}

fn bootstrap() -> Value {
    let socket = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    let of = |address: Value| json!({ "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] });
    json!({
        "node": { "id": "me" },
        "static_resources": {
            "clusters": [
                { "name": "prometheus_stats", "type": "STATIC", "load_assignment": of(socket(15000)) },
                { "name": "xds-grpc", "type": "STATIC", "load_assignment": of(json!({ "pipe": { "path": "./XDS" } })) },
            ],
            "listeners": [{ "address": socket(15090) }],
        },
    })
}

/// A control side that was sent these; it takes one worker to be live.
async fn start(sent: impl IntoIterator<Item = Sent>) -> Scene {
    let (pilot, shared, drain) = (Pilot::start().await, shared(), Drain::new());
    pilot.send(|mesh| mesh.extend(sent));
    let settings = ControlSettings {
        ports: ControlPorts { admin: 0, health: 0, prometheus: 0 },
        workers: 1,
        bootstrap: bootstrap(),
        logs: None,
        drain: drain.clone(),
        ready: Arc::new(|| Box::pin(std::future::ready(Err("not yet".to_owned())))),
        began: Instant::now(),
    };
    let node =
        json!({ "id": "me", "cluster": "web.shop", "metadata": { "NAMESPACE": "shop", "LIST": [1, true, null] } });
    let control = control::start(shared.clone(), settings, pilot.dial(), node).await.unwrap();
    world_where(&shared, |world| world.generation > 0).await;
    Scene { pilot, shared, control, drain }
}

/// A small mesh.
async fn mesh() -> Scene {
    start([
        cluster("outbound|80||a"),
        endpoints("outbound|80||a", &["10.0.0.1", "fd00::2"]),
        listener("0.0.0.0_80", 80, "80", |_| {}),
        routes("80", "outbound|80||a"),
    ])
    .await
}

async fn ask(method: &str, to: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(path).header("host", "test");
    let reply = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

impl Scene {
    async fn get(&self, path: &str) -> String {
        let (status, text) = ask("GET", self.control.admin, path).await;
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await).unwrap()
    }

    async fn post(&self, path: &str) -> (u16, String) {
        ask("POST", self.control.admin, path).await
    }
}

/// The section of a dump whose type has this name.
fn section<'a>(dump: &'a Value, name: &str) -> &'a Value {
    let kind = format!("type.googleapis.com/envoy.admin.v3.{name}");
    dump["configs"].as_array().unwrap().iter().find(|section| section["@type"] == *kind).unwrap_or(&Value::Null)
}

/// What was called is told by cluster, what was out of scope by address and name.
#[tokio::test]
async fn calls_are_told_in_scope_and_out_of_it() {
    let scene = mesh().await;
    let stats = |name: &str| scene.shared.stats.cluster(&name.into());
    stats("outbound|80||a").upstream_rq_total.add(3);
    stats("outbound|443||b").upstream_cx_none_healthy.add(1);
    stats("outbound|90||idle");
    stats("PassthroughCluster").upstream_cx_total.add(9);
    let missed = scene.shared.reasons.memory();
    missed.note(([10, 96, 0, 1], 80).into(), Some("x.test"), mesh_snapshot::Reason::Passthrough);
    let told = scene.json("/lateen/scope").await;
    let called = json!([{ "cluster": "outbound|443||b", "calls": 1 }, { "cluster": "outbound|80||a", "calls": 3 }]);
    assert_eq!(told["called"], called);
    assert_eq!(told["misses"], 1);
    let call = &told["missed"][0];
    assert_eq!((&call["address"], &call["host"]), (&json!("10.96.0.1:80"), &json!("x.test")));
    assert_eq!((&call["reason"], &call["calls"]), (&json!("PASSTHROUGH"), &json!(1)));
    assert!(call["lastSeen"].as_u64().unwrap() > 1_700_000_000);
}

#[tokio::test]
async fn the_configuration_is_dumped_as_tools_read_it() {
    let scene = mesh().await;
    let dump = scene.json("/config_dump").await;
    let names: Vec<&str> = dump["configs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["@type"].as_str().unwrap().rsplit('.').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "BootstrapConfigDump",
            "ClustersConfigDump",
            "ListenersConfigDump",
            "ScopedRoutesConfigDump",
            "RoutesConfigDump",
            "SecretsConfigDump"
        ]
    );
    assert_eq!(section(&dump, "BootstrapConfigDump")["bootstrap"]["node"]["id"], "me");
    let clusters = section(&dump, "ClustersConfigDump");
    assert_eq!(clusters["static_clusters"][1]["cluster"]["name"], "xds-grpc");
    let cluster = &clusters["dynamic_active_clusters"][0];
    assert_eq!(cluster["cluster"]["@type"], "type.googleapis.com/envoy.config.cluster.v3.Cluster");
    assert_eq!((&cluster["cluster"]["name"], &cluster["cluster"]["type"]), (&json!("outbound|80||a"), &json!("EDS")));
    assert!(cluster["version_info"].is_string() && cluster["last_updated"].as_str().unwrap().ends_with('Z'));
    let listener = &section(&dump, "ListenersConfigDump")["dynamic_listeners"][0];
    assert_eq!(listener["name"], "0.0.0.0_80");
    let active = &listener["active_state"]["listener"];
    assert_eq!(active["address"]["socket_address"], json!({ "address": "0.0.0.0", "port_value": 80 }));
    let manager = &active["filter_chains"][0]["filters"][0]["typed_config"];
    assert!(manager["@type"].as_str().unwrap().ends_with(".HttpConnectionManager"));
    assert_eq!(manager["rds"]["route_config_name"], "80");
    let host = &section(&dump, "RoutesConfigDump")["dynamic_route_configs"][0]["route_config"]["virtual_hosts"][0];
    assert_eq!((&host["name"], &host["domains"]), (&json!("all"), &json!(["*"])));
    let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": "outbound|80||a" } });
    assert_eq!(host["routes"], json!([route]));
}

#[tokio::test]
async fn parts_of_a_dump_can_be_asked_for() {
    let scene = mesh().await;
    let eds = scene.json("/config_dump?include_eds").await;
    let endpoints = &section(&eds, "EndpointsConfigDump")["dynamic_endpoint_configs"][0]["endpoint_config"];
    assert_eq!(endpoints["endpoints"][0]["lb_endpoints"].as_array().unwrap().len(), 2);
    let items = scene.json("/config_dump?resource=dynamic_active_clusters&mask=cluster.name").await;
    let kind = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster";
    let inner = json!({ "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "outbound|80||a" });
    assert_eq!(items, json!({ "configs": [{ "@type": kind, "cluster": inner }] }));
    let named = scene.json("/config_dump?name_regex=xds").await;
    let clusters = section(&named, "ClustersConfigDump");
    assert_eq!(clusters["static_clusters"].as_array().unwrap().len(), 1);
    assert!(clusters.get("dynamic_active_clusters").is_none());
    assert_eq!(ask("GET", scene.control.admin, "/config_dump?resource=none").await.0, 404);
    assert_eq!(ask("GET", scene.control.admin, "/config_dump?name_regex=(").await.0, 400);
}

#[tokio::test]
async fn what_was_refused_is_shown_beside_what_is_in_force() {
    let scene = mesh().await;
    scene.pilot.send(|mesh| mesh.extend([listener("0.0.0.0_80", 81, "80", |l| l.filter_chains.clear())]));
    scene.pilot.refusal().await;
    let dump = scene.json("/config_dump").await;
    let listener = &section(&dump, "ListenersConfigDump")["dynamic_listeners"][0];
    assert_eq!(listener["active_state"]["listener"]["address"]["socket_address"]["port_value"], 80);
    let error = &listener["error_state"];
    assert_eq!(error["details"], "filter_chains: has none");
    assert_eq!(error["failed_configuration"]["address"]["socket_address"]["port_value"], 81);
    assert_ne!(error["version_info"], listener["active_state"]["version_info"]);
}

#[tokio::test]
async fn clusters_and_listeners_are_told() {
    let scene = mesh().await;
    let clusters = scene.json("/clusters?format=json").await;
    let names: Vec<&str> =
        clusters["cluster_statuses"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["outbound|80||a", "prometheus_stats", "xds-grpc"]);
    let host = &clusters["cluster_statuses"][0]["host_statuses"][0];
    assert_eq!(host["address"]["socket_address"], json!({ "address": "10.0.0.1", "port_value": 80 }));
    assert_eq!(host["health_status"], json!({ "eds_health_status": "HEALTHY" }));
    assert_eq!(clusters["cluster_statuses"][2]["host_statuses"][0]["address"]["pipe"]["path"], "./XDS");
    let text = scene.get("/clusters").await;
    for line in [
        "outbound|80||a::10.0.0.1:80::health_flags::healthy\n",
        "outbound|80||a::[fd00::2]:80::rq_active::0\n",
        "xds-grpc::./XDS::health_flags::healthy\n",
        "outbound|80||a::default_priority::max_connections::",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert_eq!(scene.get("/listeners").await, "0.0.0.0_80::0.0.0.0:80\n127.0.0.1_15090::127.0.0.1:15090\n");
    let listeners = scene.json("/listeners?format=json").await;
    assert_eq!(listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"], 80);
}

#[tokio::test]
async fn readiness_needs_a_world_and_workers() {
    let scene = mesh().await;
    const STATS: &str = "/stats?filter=^(server\\.state|listener_manager\\.workers_started|cluster_manager\\.cds\\.update_(success|rejected)|listener_manager\\.lds\\.update_(success|rejected))$";
    let stats = STATS.replace('\\', "%5C").replace('^', "%5E").replace('|', "%7C");
    let seen = scene.get(&stats).await;
    assert!(seen.contains("listener_manager.workers_started: 0\n") && seen.contains("server.state: 3\n"), "{seen}");
    assert_eq!(ask("GET", scene.control.admin, "/ready").await, (503, "INITIALIZING\n".to_owned()));
    scene.shared.life.worker_started();
    let seen = scene.get(&stats).await;
    assert_eq!(seen.lines().count(), 6, "{seen}");
    for line in [
        "cluster_manager.cds.update_success: 1",
        "listener_manager.lds.update_success: 1",
        "listener_manager.workers_started: 1",
        "server.state: 0",
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} is not in {seen}");
    }
    assert_eq!(scene.get("/ready").await, "LIVE\n");
    assert_eq!(scene.json("/server_info").await["state"], "LIVE");
    assert_eq!(scene.post("/healthcheck/fail").await, (200, "OK\n".to_owned()));
    assert_eq!(ask("GET", scene.control.admin, "/ready").await, (503, "DRAINING\n".to_owned()));
    scene.post("/healthcheck/ok").await;
    assert_eq!(scene.get("/ready").await, "LIVE\n");
    assert_eq!(scene.post("/reset_counters").await, (200, "OK\n".to_owned()));
    let stats = scene.get("/stats?filter=lds%7Cconnected_state").await;
    assert!(stats.contains("lds.update_success: 0\n") && stats.contains("connected_state: 1\n"), "{stats}");
}

#[tokio::test]
async fn the_end_is_begun_by_post_only() {
    let scene = mesh().await;
    assert_eq!(ask("GET", scene.control.admin, "/quitquitquit").await.0, 405);
    let draining = scene.shared.life.draining();
    assert!(!*draining.borrow());
    scene.post("/drain_listeners?graceful").await;
    assert!(*draining.borrow());
    assert!(!scene.drain.is_requested());
    scene.post("/quitquitquit").await;
    eventually(|| scene.drain.is_requested().then_some(())).await;
    assert_eq!(scene.post("/logging?level=debug").await.0, 400, "logs were not given to it");
    assert_eq!(ask("GET", scene.control.admin, "/nonsense").await.0, 404);
    assert!(scene.get("/help").await.contains("/config_dump"));
}

#[tokio::test]
async fn health_and_metrics_have_their_ports() {
    let scene = mesh().await;
    let health = SocketAddr::from(([127, 0, 0, 1], scene.control.health.port()));
    assert_eq!(ask("GET", health, "/healthz/ready").await, (503, "not yet\n".to_owned()));
    assert_eq!(ask("GET", health, "/").await.0, 404);
    let metrics = SocketAddr::from(([127, 0, 0, 1], scene.control.prometheus.port()));
    let (status, text) = ask("GET", metrics, "/stats/prometheus").await;
    assert_eq!(status, 200);
    assert!(text.contains("\nenvoy_server_live{} 1\n"), "{text}");
    assert!(text.contains("envoy_cluster_membership_total{cluster_name=\"outbound|80||a\"} 2\n"), "{text}");
    assert_eq!(scene.get("/stats/prometheus").await.lines().count(), text.lines().count());
    assert_eq!(
        scene.json("/stats?format=json&filter=server.live").await["stats"][0],
        json!({ "name": "server.live", "value": 1 })
    );
}
