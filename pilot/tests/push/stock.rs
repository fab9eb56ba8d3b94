//! The same pilot with a real Envoy, when `LATEEN_ENVOY` names its binary.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use mesh_proto::type_url;
use pilot::proxies::Standing;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    mesh::{self, shop},
    support::{PATIENCE, Running, galley, pilot},
};

const TYPES: [&str; 4] = [type_url::CLUSTER, type_url::ENDPOINT, type_url::LISTENER, type_url::ROUTE];

fn bootstrap(pilot: SocketAddr, flavour: &str) -> Value {
    let source = json!({ "ads": {}, "resource_api_version": "V3" });
    let address = |a: SocketAddr| json!({ "socket_address": { "address": a.ip(), "port_value": a.port() } });
    json!({
        "node": {
            "id": "sidecar~10.0.0.1~productpage-v1.default~default.svc.cluster.local",
            "cluster": "productpage.default",
            "metadata": { "NAMESPACE": "default", "SERVICE_ACCOUNT": "productpage" },
        },
        "admin": { "address": address(([127, 0, 0, 1], 0).into()) },
        "dynamic_resources": {
            "ads_config": {
                "api_type": flavour,
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }],
            },
            "cds_config": source,
            "lds_config": source,
        },
        "static_resources": { "clusters": [{
            "name": "xds-grpc",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": { "http2_protocol_options": {} },
                },
            },
            "load_assignment": {
                "cluster_name": "xds-grpc",
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(pilot) } }] }],
            },
        }] },
    })
}

fn start(binary: &Path, folder: &Path, pilot: SocketAddr, flavour: &str) -> Child {
    let config = folder.join("bootstrap.json");
    std::fs::write(&config, bootstrap(pilot, flavour).to_string()).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Command::new(binary)
        .arg("-c")
        .arg(&config)
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"])
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until Envoy accepted the last response of a type, and that is another than `before`.
async fn accepted(running: &Running, type_url: &str, before: Option<&str>, log: &Path) -> Standing {
    let start = Instant::now();
    loop {
        let proxy = running.proxies.find("productpage-v1.default");
        let standing = proxy.and_then(|p| p.standings().remove(type_url)).unwrap_or_default();
        let record = &standing.record;
        assert_eq!(record.rejection, None, "Envoy refused what it was sent");
        if record.accepted.is_some() && record.accepted == record.sent && record.accepted.as_deref() != before {
            return standing;
        }
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(start.elapsed() < PATIENCE, "{type_url} was not accepted: {record:?}; Envoy says: {}", said());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ask(admin: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(admin.trim()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    answer
}

async fn follows(binary: &Path, flavour: &str) {
    let galley = galley(shop()).await;
    let running = pilot(galley.served.address, "127.0.0.1:0").await;
    let folder = std::env::temp_dir().join(format!("lateen-pilot-{flavour}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut envoy = start(binary, &folder, running.served.address, flavour);
    let log = folder.join("log");
    for type_url in TYPES {
        accepted(&running, type_url, None, &log).await;
    }

    let before = accepted(&running, type_url::ROUTE, None, &log).await.record.accepted;
    let start = Instant::now();
    galley.records.send_modify(|records| mesh::service(records, "ratings", "10.96.0.3", &[("v1", "10.0.0.5")]));
    accepted(&running, type_url::ROUTE, before.as_deref(), &log).await;
    assert!(start.elapsed() < Duration::from_millis(500), "{flavour}: {:?}", start.elapsed());

    // A cluster that changes while its endpoints do not must not stay warming.
    let before = accepted(&running, type_url::CLUSTER, None, &log).await.record.accepted;
    galley.records.send_modify(|records| mesh::speak_http2(records, "ratings"));
    accepted(&running, type_url::CLUSTER, before.as_deref(), &log).await;
    accepted(&running, type_url::ENDPOINT, None, &log).await;
    let admin = std::fs::read_to_string(folder.join("admin")).unwrap();
    let warming = ask(&admin, "/config_dump?resource=dynamic_warming_clusters").await;
    assert!(!warming.contains("outbound|"), "{flavour}: still warming: {warming}");
    let active = ask(&admin, "/config_dump?resource=dynamic_active_clusters&name_regex=.*ratings.*").await;
    assert!(active.contains("http2_protocol_options"), "{flavour}: {active}");
    envoy.kill().await.unwrap();
    running.end().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn stock_envoy_accepts_and_follows() {
    let Some(binary) = std::env::var_os("LATEEN_ENVOY") else {
        println!("not run: LATEEN_ENVOY names no Envoy");
        return;
    };
    if [15001, 15006].iter().any(|port| TcpListener::bind(("0.0.0.0", *port)).is_err()) {
        println!("not run: somebody listens on 15001 or 15006");
        return;
    }
    for flavour in ["DELTA_GRPC", "GRPC"] {
        follows(Path::new(&binary), flavour).await;
    }
}
