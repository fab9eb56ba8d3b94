//! Every refusal has its code, names the object that decided, and tells nobody but the workload's own application.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    certs::socket,
    dynamic,
    rig::{Answer, HCM, Rig, answer, cluster, echo, get, http2, merge, nobody, upstream},
};

const SIDECAR: &str = "sidecar~127.0.0.1~web-1.shop~shop.svc.cluster.local";
const ROUTER: &str = "router~127.0.0.1~gateway-1.istio-system~istio-system.svc.cluster.local";
const FAULT: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";

/// Metadata that names an object.
fn by(object: &str, path: &str) -> Value {
    json!({ "filter_metadata": { "lateen": { "object": object, "path": path } } })
}

/// A cluster whose object is its own name.
fn of(name: &str, at: &[SocketAddr], more: Value) -> Value {
    let mut more = more;
    let object = format!("DestinationRule/shop/{}", name.to_lowercase());
    merge(&mut more, json!({ "metadata": by(&object, "spec") }));
    cluster(name, at, more)
}

/// A log of JSON lines with what these tests ask for.
fn log(file: &Path) -> Value {
    json!([{ "name": "file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": file.to_str().unwrap(),
        "log_format": { "json_format": { "path": "%REQ(:PATH)%", "code": "%RESPONSE_CODE%", "flags": "%RESPONSE_FLAGS%" } },
    } }])
}

async fn lines(file: &Path, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {count} lines: {:?}", std::fs::read_to_string(file));
}

/// Takes connections and says this, once something was asked; then ends them.
async fn says(text: &'static str) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut first = [0; 16];
            stream.read_exact(&mut first).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    address
}

/// Takes connections and says nothing.
async fn silent() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(socket.accept().await.unwrap());
        }
    });
    address
}

/// Speaks HTTP/2 as far as refusing the first stream (RFC 9113, 7).
async fn refuses() -> SocketAddr {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const REFUSED: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            stream.write_all(&SETTINGS).await.unwrap();
            let mut heard = Vec::new();
            // The head of a request is a frame of type 1 on stream 1.
            while !heard.windows(6).any(|w| w[0] == 1 && w[2..] == [0, 0, 0, 1]) {
                stream.read_buf(&mut heard).await.unwrap();
            }
            stream.write_all(&REFUSED).await.unwrap();
            tokio::spawn(async move { drop(stream.read_to_end(&mut heard).await) });
        }
    });
    address
}

/// A listener whose queue is full: the kernel answers no more connections. Holds what fills it.
async fn full() -> (SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        held.push(connected.unwrap());
    }
    std::mem::forget(listener);
    (address, held)
}

async fn clusters() -> Vec<Value> {
    let broken = upstream(|_, _| answer(500, "")).await;
    let forger = upstream(|_, _| {
        let mut answer = answer(200, "");
        answer.headers_mut().insert("x-lateen-reason", "NO_ROUTE".parse().unwrap());
        answer
    });
    let sick = json!({
        "common_lb_config": { "healthy_panic_threshold": { "value": 0 } },
        "load_assignment": { "cluster_name": "unready", "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": super::rig::address(nobody()) }, "health_status": "UNHEALTHY" },
        ] }] },
    });
    let ejecting = json!({
        "common_lb_config": { "healthy_panic_threshold": { "value": 0 } },
        "outlier_detection": { "consecutive_5xx": 1, "enforcing_success_rate": 0, "max_ejection_percent": 100 },
    });
    let mut refused = cluster("refused", &[], json!({}));
    refused["metadata"] = by("DestinationRule/shop/refused", "spec.tls");
    refused["metadata"]["filter_metadata"]["lateen"]["refused"] = json!("it cannot be done");
    let tls = |context: Value| json!({ "transport_socket": socket("UpstreamTlsContext", context) });
    let secret = json!({ "common_tls_context": { "tls_certificate_sds_secret_configs": [
        { "name": "none", "sds_config": { "ads": {}, "resource_api_version": "V3" } },
    ] } });
    let mut named = dynamic::cluster(1);
    named["name"] = json!("named");
    let lateen = &mut named["metadata"]["filter_metadata"]["lateen"];
    merge(lateen, json!({ "object": "ServiceEntry/shop/named", "path": "spec.hosts" }));
    let (full, held) = full().await;
    // As long as the tests run.
    std::mem::forget(held);
    vec![
        named,
        of("plain", &[says("HTTP/1.1 200 OK\r\n\r\n").await], tls(json!({}))),
        of("keyless", &[echo().await], tls(secret)),
        of("crowded", &[full], json!({ "connect_timeout": "0.05s" })),
        of("unwilling", &[refuses().await], http2()),
        of("garbled", &[says("no such protocol\r\n\r\n").await], json!({})),
        of("good", &[echo().await], json!({})),
        of("empty", &[], json!({})),
        of("unready", &[], sick),
        of("ejected", &[broken], ejecting),
        of("full", &[echo().await], json!({ "circuit_breakers": { "thresholds": [{ "max_requests": 0 }] } })),
        of("nobody", &[nobody()], json!({})),
        of("ended", &[says("").await], json!({})),
        of("silent", &[silent().await], json!({})),
        of("forger", &[forger.await], json!({})),
        refused,
        of("PassthroughCluster", &[echo().await], json!({})),
        of("BlackHoleCluster", &[], json!({})),
    ]
}

fn routes() -> Value {
    let to = |path: &str, cluster: &str, more: Value| {
        let mut route = json!({ "match": { "prefix": path }, "route": { "cluster": cluster, "timeout": "0s" },
            "metadata": by("VirtualService/shop/v", &format!("spec of {path}")) });
        merge(&mut route["route"], more);
        route
    };
    let fault = |path: &str, fault: Value| {
        let mut route = to(path, "good", json!({}));
        let mut fault = fault;
        merge(&mut fault, json!({ "@type": FAULT }));
        route["typed_per_filter_config"] = json!({ "fault": fault });
        route
    };
    let always = json!({ "numerator": 100 });
    json!([
        to("/good", "good", json!({})),
        to("/lost", "nowhere", json!({})),
        to("/refused", "refused", json!({})),
        to("/empty", "empty", json!({})),
        to("/unready", "unready", json!({})),
        to("/ejected", "ejected", json!({})),
        to("/full", "full", json!({})),
        to("/nobody", "nobody", json!({})),
        to("/ended", "ended", json!({})),
        to("/forger", "forger", json!({})),
        to("/plain", "plain", json!({})),
        to("/keyless", "keyless", json!({})),
        to("/crowded", "crowded", json!({})),
        to("/unwilling", "unwilling", json!({})),
        to("/garbled", "garbled", json!({})),
        to("/late", "silent", json!({ "timeout": "0.05s" })),
        to("/idle", "silent", json!({ "idle_timeout": "0.05s" })),
        to(
            "/try",
            "silent",
            json!({ "retry_policy": { "retry_on": "reset", "num_retries": 1, "per_try_timeout": "0.05s" } })
        ),
        fault("/abort", json!({ "abort": { "http_status": 418, "percentage": always } })),
        fault("/delay", json!({ "delay": { "fixed_delay": "0.001s", "percentage": always } })),
    ])
}

/// A listener with hosts `test`, `left` (out of scope, let through) and `blocked` (out of scope, refused).
fn listener(file: &Path) -> Value {
    let host = |name: &str, domain: &str, routes: Value| json!({ "name": name, "domains": [domain], "routes": routes });
    let filter = |name: &str, config: &str| json!({ "name": name, "typed_config": { "@type": format!("type.googleapis.com/{config}") } });
    let everything = json!({ "prefix": "/" });
    let mut test = host("test:80", "test", routes());
    test["metadata"] = by("VirtualService/shop/v", "spec.hosts");
    let manager = json!({
        "@type": HCM, "stat_prefix": "test", "access_log": log(file), "normalize_path": true, "request_timeout": "0.3s",
        "route_config": { "name": "test", "virtual_hosts": [
            test,
            json!({ "name": "named", "domains": ["evil.net", "b.example.org", "far.example.org"],
                "routes": [{ "match": everything, "route": { "cluster": "named" } }] }),
            host("allow_any", "left", json!([{ "match": everything, "route": { "cluster": "PassthroughCluster" } }])),
            host("block_all", "blocked", json!([{ "match": everything, "direct_response": { "status": 502 } }])),
        ] },
        "http_filters": [
            filter("fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
            filter("router", "envoy.extensions.filters.http.router.v3.Router"),
        ],
    });
    json!({
        "metadata": by("Gateway/shop/g", "spec.servers[0]"),
        "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": manager }] }],
    })
}

/// Host and path of a call; status, code and object of what comes of it.
const CASES: &[(&str, &str, u16, &str, &str)] = &[
    ("other", "/", 404, "NO_HOST", "Gateway shop/g spec.servers[0]"),
    ("test", "/none", 404, "NO_ROUTE", "VirtualService shop/v spec.hosts"),
    ("test", "/lost", 503, "NO_CLUSTER", "VirtualService shop/v spec of /lost"),
    ("test", "/refused", 503, "CLUSTER_REFUSED", "DestinationRule shop/refused spec.tls"),
    ("test", "/empty", 503, "NO_ENDPOINT", "DestinationRule shop/empty spec"),
    ("test", "/unready", 503, "NOT_READY", "DestinationRule shop/unready spec"),
    ("test", "/ejected", 503, "ALL_EJECTED", "DestinationRule shop/ejected spec"),
    ("test", "/full", 503, "OVERFLOW", "DestinationRule shop/full spec"),
    ("test", "/nobody", 503, "CONNECT_FAILED", "DestinationRule shop/nobody spec"),
    ("test", "/ended", 503, "UPSTREAM_ENDED", "DestinationRule shop/ended spec"),
    ("test", "/plain", 503, "TLS_FAILED", "DestinationRule shop/plain spec"),
    ("test", "/keyless", 503, "NO_SECRET", "DestinationRule shop/keyless spec"),
    ("test", "/crowded", 503, "CONNECT_TIMEOUT", "DestinationRule shop/crowded spec"),
    ("test", "/unwilling", 503, "UPSTREAM_RESET", "DestinationRule shop/unwilling spec"),
    ("test", "/garbled", 502, "UPSTREAM_PROTOCOL", "DestinationRule shop/garbled spec"),
    ("evil.net", "/", 503, "FOREIGN_HOST", "ServiceEntry shop/named spec.hosts"),
    ("b.example.org", "/", 503, "NO_ADDRESS", "ServiceEntry shop/named spec.hosts"),
    ("far.example.org", "/", 503, "PRIVATE_ADDRESS", "ServiceEntry shop/named spec.hosts"),
    ("test", "/late", 504, "ROUTE_TIMEOUT", "VirtualService shop/v spec of /late"),
    ("test", "/try", 504, "TRY_TIMEOUT", "VirtualService shop/v spec of /try"),
    ("test", "/idle", 504, "IDLE_TIMEOUT", ""),
    ("test", "/abort", 418, "FAULT_ABORT", "VirtualService shop/v spec of /abort"),
    ("test", "/delay", 200, "FAULT_DELAY", "VirtualService shop/v spec of /delay"),
    ("test", "/../../x", 400, "BAD_REQUEST", ""),
    ("test", "/good upgrade", 403, "UPGRADE_REFUSED", "VirtualService shop/v spec of /good"),
    ("left", "/", 200, "PASSTHROUGH", "DestinationRule shop/passthroughcluster spec"),
    ("blocked", "/", 502, "BLACKHOLE", "DestinationRule shop/blackholecluster spec"),
    ("test", "/forger", 200, "", ""),
    ("test", "/good", 200, "", ""),
];

async fn call(rig: &Rig, host: &str, path: &str) -> Answer {
    let (path, upgrade) = path.strip_suffix(" upgrade").map_or((path, false), |path| (path, true));
    let mut request = get(path);
    request.headers_mut().insert("host", host.parse().unwrap());
    *request.uri_mut() = path.parse().unwrap();
    if upgrade {
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        request.headers_mut().insert("upgrade", "other".parse().unwrap());
    }
    rig.ask(request).await
}

/// Calls everything; gives the log's lines.
async fn call_all(id: &str, more: Value, header: bool) -> (Rig, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let mut listener = listener(&file);
    merge(&mut listener, more);
    let rig = Rig::of(id, listener, &clusters().await).await;
    drop(rig.shared.names.start(dynamic::Names));
    // The endpoint of `ejected` is sent home by its first answer.
    assert_eq!(call(&rig, "test", "/ejected").await.status, 500);
    for (host, path, status, code, _) in CASES {
        let answer = call(&rig, host, path).await;
        assert_eq!(answer.status.as_u16(), *status, "{host} {path}");
        assert_eq!(answer.header("x-lateen-reason"), if header { *code } else { "" }, "{host} {path}");
    }
    let lines = lines(&file, CASES.len() + 1).await;
    (rig, lines)
}

fn counted(rig: &Rig, reason: &str, direction: &str) -> bool {
    let mut text = String::new();
    rig.shared.reasons.prometheus(&mut text);
    text.contains(&format!("lateen_reasons_total{{reason=\"{reason}\",direction=\"{direction}\"}} 1\n"))
}

#[tokio::test]
async fn a_caller_is_told_by_its_own_proxy_and_everybody_finds_it_in_the_log() {
    let (rig, lines) = call_all(SIDECAR, json!({ "traffic_direction": "OUTBOUND" }), true).await;
    for ((host, path, _, code, object), line) in CASES.iter().zip(&lines[1..]) {
        let of = |key: &str| line[key].as_str().unwrap_or_default();
        assert_eq!((of("reason"), of("reason_object")), (*code, *object), "{host} {path}: {line}");
        assert_eq!(code.is_empty(), !counted(&rig, code, "outbound"), "{host} {path}");
        let told = !code.is_empty();
        assert_eq!(told, !of("reason_hint").is_empty(), "{line}");
        let command = format!("lateenctl explain web-1.shop GET http://127.0.0.1:{}", rig.port);
        assert_eq!(told, of("reason_try").starts_with(&command), "{line}");
        assert!(
            !told || of("reason_try").ends_with(&format!(" -H 'host: {host}'")) || *code == "BAD_REQUEST",
            "{line}"
        );
    }
    let missed: Vec<_> = rig.shared.reasons.missed().into_iter().map(|call| (call.host, call.reason.code())).collect();
    assert_eq!(missed.len(), 2);
    assert!(missed.contains(&(Some("left".into()), "PASSTHROUGH")), "{missed:?}");
    assert!(missed.contains(&(Some("blocked".into()), "BLACKHOLE")), "{missed:?}");
    assert_eq!(rig.shared.reasons.scope_misses(), 2);
}

#[tokio::test]
async fn a_request_that_does_not_arrive_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let mut listener = listener(&file);
    merge(&mut listener, json!({ "traffic_direction": "OUTBOUND" }));
    let rig = Rig::of(SIDECAR, listener, &clusters().await).await;
    let mut stream = rig.connect().await;
    stream.write_all(b"POST /good HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n1").await.unwrap();
    let mut heard = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut heard)).await.unwrap().unwrap();
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    assert!(heard.contains("\r\nx-lateen-reason: REQUEST_TIMEOUT\r\n"), "{heard}");
    assert_eq!(lines(&file, 1).await[0]["reason"], "REQUEST_TIMEOUT");
    assert!(counted(&rig, "REQUEST_TIMEOUT", "outbound"));
}

/// Every code of the table is tried here.
#[test]
fn no_reason_is_left_out() {
    let tried = CASES.iter().map(|(.., code, _)| *code).chain(BYTES.iter().map(|(_, _, code, _)| *code));
    let tried: std::collections::BTreeSet<&str> = tried.chain(["NO_FILTER_CHAIN", "REQUEST_TIMEOUT", ""]).collect();
    let all = mesh_snapshot::Reason::ALL.iter().map(|reason| reason.code()).chain([""]).collect();
    assert_eq!(tried, all);
}

#[tokio::test]
async fn a_gateway_tells_no_client() {
    let (rig, lines) = call_all(ROUTER, json!({ "traffic_direction": "OUTBOUND" }), false).await;
    let (refused, codes) = (&lines[1..], CASES.iter().map(|(.., code, _)| *code));
    assert!(refused.iter().zip(codes).all(|(line, code)| line["reason"].as_str().unwrap_or_default() == code));
    assert!(counted(&rig, "NO_ROUTE", "outbound"));
}

#[tokio::test]
async fn the_proxy_of_the_called_tells_no_caller() {
    let (rig, lines) = call_all(SIDECAR, json!({ "traffic_direction": "INBOUND" }), false).await;
    assert!(counted(&rig, "NO_ROUTE", "inbound") && !counted(&rig, "NO_ROUTE", "outbound"));
    // What a workload is asked is no call of its own, and cannot be explained as one.
    assert!(rig.shared.reasons.missed().is_empty());
    assert!(lines.iter().all(|line| line["reason_try"].is_null()), "{lines:?}");
}

/// Bytes: a chain's name and cluster; code and object.
const BYTES: &[(&str, &str, &str, &str)] = &[
    ("", "nowhere", "NO_CLUSTER", "VirtualService shop/v spec.tcp[0]"),
    ("", "empty", "NO_ENDPOINT", "DestinationRule shop/empty spec"),
    ("", "nobody", "CONNECT_FAILED", "DestinationRule shop/nobody spec"),
    ("", "BlackHoleCluster", "BLACKHOLE", "DestinationRule shop/blackholecluster spec"),
    ("virtualOutbound-blackhole", "BlackHoleCluster", "OWN_PORT", ""),
    ("", "PassthroughCluster", "PASSTHROUGH", "DestinationRule shop/passthroughcluster spec"),
    ("", "good", "", ""),
];

#[tokio::test]
async fn where_bytes_are_passed_on_the_log_and_the_counter_tell() {
    let folder = tempfile::tempdir().unwrap();
    let clusters = clusters().await;
    for (number, (name, cluster, code, object)) in BYTES.iter().enumerate() {
        let file = folder.path().join(number.to_string());
        let proxy = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "a", "cluster": cluster, "access_log": log(&file) });
        let chain = json!({ "name": name, "metadata": by("VirtualService/shop/v", "spec.tcp[0]"),
            "filters": [{ "name": "tcp", "typed_config": proxy }] });
        let rig = Rig::of(SIDECAR, json!({ "filter_chains": [chain] }), &clusters).await;
        ask_bytes(&rig).await;
        let line = &lines(&file, 1).await[0];
        let of = |key: &str| line[key].as_str().unwrap_or_default();
        assert_eq!((of("reason"), of("reason_object")), (*code, *object), "{cluster}: {line}");
        assert_eq!(code.is_empty(), !counted(&rig, code, "outbound"), "{cluster}");
        let command = format!("lateenctl explain web-1.shop GET tcp://127.0.0.1:{}", rig.port);
        assert_eq!(of("reason_try"), if code.is_empty() { "" } else { &command });
        let misses = usize::from(["BLACKHOLE", "PASSTHROUGH"].contains(code));
        assert_eq!(rig.shared.reasons.missed().len(), misses, "{cluster}");
    }
}

#[tokio::test]
async fn a_connection_that_no_chain_takes_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let mut listener = listener(&file);
    listener["access_log"] = log(&file);
    listener["filter_chains"][0]["filter_chain_match"] = json!({ "server_names": ["a.test"] });
    let rig = Rig::of(SIDECAR, listener, &clusters().await).await;
    ask_bytes(&rig).await;
    let line = &lines(&file, 1).await[0];
    assert_eq!((&line["reason"], &line["flags"]), (&json!("NO_FILTER_CHAIN"), &json!("NR")));
    assert_eq!(line["reason_object"], "Gateway shop/g spec.servers[0]");
    assert!(counted(&rig, "NO_FILTER_CHAIN", "outbound"));
}

/// Sends something and waits for the end.
async fn ask_bytes(rig: &Rig) {
    // A reset may be seen by any of these, even before the connection is given out.
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await else { return };
    drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await);
    drop(stream.read_to_end(&mut Vec::new()).await);
}
