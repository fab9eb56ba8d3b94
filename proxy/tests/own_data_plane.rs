//! The program with its own data plane, against a pilot of the test's own.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::{fs, net::TcpListener as StdListener, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use mesh_proto::{Any, json::Messages, type_url};
use mesh_xds::{
    Resource, Wanted,
    server::{self, Caller, Seen, Session, Source},
    transport::Plaintext,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};

/// Clusters of the mesh, each with endpoints; as many as bookinfo and its neighbours make.
const CLUSTERS: u16 = 40;

/// A mesh of HTTP services: a cluster and an address of its own for each, and one route table for all.
struct Mesh(Vec<(&'static str, Arc<Resource>)>);

/// A mesh, as one role of proxies sees it.
struct View(Arc<Mesh>, &'static str);

fn mesh() -> Mesh {
    let messages = Messages::new().unwrap();
    let pack = |kind: &'static str, name: String, mut message: Value| {
        message["@type"] = json!(kind);
        let body: Any = messages.pack(&message).unwrap();
        (kind, Arc::new(Resource::new(name, body)))
    };
    let name = |i: u16| format!("outbound|9080||service-{i}.shop.svc.cluster.local");
    let socket = |host: &str, port: u16| json!({ "socket_address": { "address": host, "port_value": port } });
    let clusters = (0..CLUSTERS).map(|i| {
        let eds = json!({ "name": name(i), "type": "EDS", "eds_cluster_config": { "eds_config": { "ads": {} } } });
        pack(type_url::CLUSTER, name(i), eds)
    });
    let endpoints = (0..CLUSTERS).map(|i| {
        let hosts: Vec<Value> =
            (1..4).map(|h| json!({ "endpoint": { "address": socket(&format!("10.1.{i}.{h}"), 9080) } })).collect();
        let assignment = json!({ "cluster_name": name(i), "endpoints": [{ "lb_endpoints": hosts }] });
        pack(type_url::ENDPOINT, name(i), assignment)
    });
    let hosts: Vec<Value> = (0..CLUSTERS)
        .map(|i| {
            let route = json!({ "match": { "prefix": "/" }, "route": { "cluster": name(i), "timeout": "0s" } });
            json!({ "name": format!("service-{i}"), "domains": [format!("service-{i}")], "routes": [route] })
        })
        .collect();
    let table = pack(type_url::ROUTE, "9080".to_owned(), json!({ "name": "9080", "virtual_hosts": hosts }));
    let listeners = (0..CLUSTERS).map(|i| {
        let of = |kind: &str| json!(format!("type.googleapis.com/envoy.extensions.filters.{kind}"));
        let manager = json!({
            "@type": of("network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "outbound",
            "rds": { "route_config_name": "9080", "config_source": { "ads": {} } },
            "http_filters": [{ "name": "router", "typed_config": { "@type": of("http.router.v3.Router") } }],
        });
        let listener = format!("10.2.0.{i}_9080");
        let message = json!({
            "name": listener,
            // One is reached by a socket of its own, as the one is that takes a pod's traffic.
            "address": if i == 0 { socket("127.0.0.1", free_port()) } else { socket(&format!("10.2.0.{i}"), 9080) },
            "bind_to_port": i == 0,
            "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
        });
        pack(type_url::LISTENER, listener, message)
    });
    Mesh(clusters.chain(endpoints).chain(listeners).chain([table]).collect())
}

impl Source for View {
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, tonic::Status>> {
        assert_eq!(caller.node.id, format!("{}~127.0.0.1~web-1.shop~shop.svc.cluster.local", self.1));
        Box::pin(async { Ok(Box::new(Self(self.0.clone(), self.1)) as Box<dyn Session>) })
    }

    fn name(&self) -> &str {
        "test"
    }
}

impl Session for View {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::pending())
    }

    fn resources(&mut self, kind: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        let mine = self.0.0.iter().filter(|(of, resource)| *of == kind && wanted.admits(&resource.name));
        Some(mine.map(|(_, resource)| resource.clone()).collect())
    }

    fn observe(&mut self, _: Seen<'_>) {}
}

fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Proxy {
    child: Child,
    admin: u16,
    health: u16,
}

async fn start(role: &'static str, mesh: Mesh) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pilot = listener.local_addr().unwrap();
    let source = Arc::new(View(Arc::new(mesh), role));
    tokio::spawn(async move { server::serve(listener, Plaintext, source, std::future::pending()).await });
    let [admin, status, health, prometheus] = [(); 4].map(|()| free_port());
    let config = json!({
        "discoveryAddress": pilot.to_string(),
        "controlPlaneAuthPolicy": "NONE",
        "proxyAdminPort": admin,
        "statusPort": status,
        "terminationDrainDuration": "0.2s",
        "concurrency": 1,
    });
    let child = Command::new(env!("CARGO_BIN_EXE_lateen-proxy"))
        .args(["proxy", role, "--domain", "shop.svc.cluster.local"])
        .env("LATEEN_ROOT", env!("CARGO_TARGET_TMPDIR"))
        .env("POD_NAME", "web-1")
        .env("POD_NAMESPACE", "shop")
        .env("INSTANCE_IP", "127.0.0.1")
        .env("PROXY_CONFIG", config.to_string())
        .env("ENVOY_STATUS_PORT", health.to_string())
        .env("ENVOY_PROMETHEUS_PORT", prometheus.to_string())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    Proxy { child, admin, health }
}

async fn ask(method: &str, port: u16, path: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(path).header("host", "test");
    let reply = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.ok()?;
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

impl Proxy {
    async fn ready(&self) {
        let asking = async {
            while !matches!(ask("GET", self.health, "/healthz/ready").await, Some((200, _))) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(60), asking).await.unwrap();
    }

    /// Ends it, as a preStop hook may.
    async fn quit(&mut self) {
        assert_eq!(ask("POST", self.admin, "/quitquitquit").await.unwrap(), (200, "OK\n".to_owned()));
        let exit = timeout(Duration::from_secs(20), self.child.wait()).await.unwrap().unwrap();
        assert!(exit.success(), "{exit}");
    }

    /// Kilobytes of memory that are the process's own, without the program's text.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

#[tokio::test]
async fn it_is_ready_with_its_whole_mesh_and_a_dump_leaves_little_behind() {
    let mut proxy = start("sidecar", mesh()).await;
    proxy.ready().await;
    let idle = proxy.memory();
    let mut dump = String::new();
    for _ in 0..5 {
        dump = ask("GET", proxy.admin, "/config_dump?include_eds").await.unwrap().1;
    }
    let dump: Value = serde_json::from_str(&dump).unwrap();
    let count = |kind: &str, list: &str| {
        let section = dump["configs"].as_array().unwrap().iter().find(|s| s["@type"].as_str().unwrap().ends_with(kind));
        section.unwrap()[list].as_array().unwrap().len()
    };
    let all = usize::from(CLUSTERS);
    assert_eq!(count("ClustersConfigDump", "dynamic_active_clusters"), all);
    assert_eq!(count("EndpointsConfigDump", "dynamic_endpoint_configs"), all);
    assert_eq!(count("ListenersConfigDump", "dynamic_listeners"), all);
    // The thread that wrote the last one may still be at it.
    let mut after = proxy.memory();
    for _ in 0..100 {
        after = after.min(proxy.memory());
        sleep(Duration::from_millis(20)).await;
    }
    println!("own memory: {idle} kB idle, {after} kB after five dumps");
    assert!(after < idle + (4 << 10), "{idle} kB idle, {after} kB after five dumps");

    proxy.quit().await;
}

#[tokio::test]
async fn a_gateway_without_gateways_is_ready_and_listens_nowhere() {
    let mut proxy = start("router", Mesh(Vec::new())).await;
    proxy.ready().await;
    let stats = ask("GET", proxy.admin, "/stats?filter=listener").await.unwrap().1;
    for line in ["listener_manager.lds.update_success: 1\n", "listener_manager.listener_create_success: 0\n"] {
        assert!(stats.contains(line), "{stats}");
    }
    let info: Value = serde_json::from_str(&ask("GET", proxy.admin, "/server_info").await.unwrap().1).unwrap();
    assert_eq!(info["node"]["id"], "router~127.0.0.1~web-1.shop~shop.svc.cluster.local");
    proxy.quit().await;
}
