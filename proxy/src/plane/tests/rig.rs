//! A worker with a configuration of the test's own, upstreams, and a client.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use mesh_proto::{json::Messages, type_url};
use mesh_snapshot::{Kind, Snapshot, Store};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::plane::{Logs, Names, Reasons, Shared, Stats, Telemetry, Workload, World, life::Life, worker};

/// Where the access log of [`listener`] goes if a test wants one.
pub(super) const HCM: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A data plane of one worker.
pub(super) struct Rig {
    pub(super) shared: Arc<Shared>,
    pub(super) port: u16,
    store: Mutex<Store>,
    _worker: worker::Running,
}

impl Rig {
    /// Of a sidecar, with one listener (its address is put in) and clusters.
    pub(super) async fn new(listener: Value, clusters: &[Value]) -> Self {
        Self::of("sidecar~127.0.0.1~a.b~b.svc.cluster.local", listener, clusters).await
    }

    /// Of the proxy with this node id.
    pub(super) async fn of(id: &str, listener: Value, clusters: &[Value]) -> Self {
        let shared = Arc::new(Shared {
            started: Instant::now(),
            world: World::default(),
            names: Names::default(),
            life: Life::default(),
            stats: Arc::<Stats>::default(),
            telemetry: Arc::new(Telemetry::new(Workload::default(), id)),
            logs: Logs::default(),
            reasons: Reasons::new(id),
        });
        let worker = worker::start(shared.clone(), 0).unwrap();
        let rig = Self { shared, port: free_port(), store: Mutex::default(), _worker: worker };
        rig.configure(listener, clusters);
        for _ in 0..200 {
            if rig.shared.life.workers() > 0 {
                return rig;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the worker does not start");
    }

    /// Another configuration in place of the first.
    pub(super) fn configure(&self, mut listener: Value, clusters: &[Value]) {
        let messages = Messages::new().unwrap();
        let mut store = self.store.lock().unwrap();
        for cluster in clusters {
            let mut cluster = cluster.clone();
            cluster["@type"] = json!(type_url::CLUSTER);
            let name = cluster["name"].as_str().unwrap().to_owned();
            store.put(Kind::Cluster, &name, &messages.pack(&cluster).unwrap()).unwrap();
        }
        listener["@type"] = json!(type_url::LISTENER);
        listener["name"] = json!("test");
        listener["address"] = address((Ipv4Addr::LOCALHOST, self.port).into());
        store.put(Kind::Listener, "test", &messages.pack(&listener).unwrap()).unwrap();
        let snapshot = store.build(&self.shared.world.current());
        assert!(snapshot.listener("test").is_some());
        self.shared.world.publish(snapshot);
    }

    /// Sends a secret, in place of an earlier one of that name.
    pub(super) fn secret(&self, name: &str, secret: Value) {
        self.try_secret(name, secret).unwrap();
    }

    pub(super) fn try_secret(&self, name: &str, mut secret: Value) -> Result<(), mesh_snapshot::Refused> {
        secret["@type"] = json!(type_url::SECRET);
        secret["name"] = json!(name);
        let mut store = self.store.lock().unwrap();
        store.put(Kind::Secret, name, &Messages::new().unwrap().pack(&secret).unwrap())?;
        self.shared.world.publish(store.build(&self.shared.world.current()));
        Ok(())
    }

    /// A listener beside the first one, at an address of its own; None takes it away again.
    pub(super) fn listen(&self, at: SocketAddr, listener: Option<Value>) {
        let mut store = self.store.lock().unwrap();
        let name = format!("test-{at}");
        match listener {
            Some(mut listener) => {
                listener["@type"] = json!(type_url::LISTENER);
                listener["name"] = json!(name);
                listener["address"] = address(at);
                store.put(Kind::Listener, &name, &Messages::new().unwrap().pack(&listener).unwrap()).unwrap();
            }
            None => store.remove(Kind::Listener, &name),
        }
        self.shared.world.publish(store.build(&self.shared.world.current()));
    }

    /// Asks by HTTP/1.1, on a connection of its own.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = self.connect().await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Answer::read(sender.send_request(request).await.unwrap()).await
    }

    /// Asks by HTTP/2.
    pub(super) async fn ask_http2(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = self.connect().await;
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Answer::read(sender.send_request(request).await.unwrap()).await
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(get(path)).await
    }

    /// The value of a counter.
    pub(super) fn stat(&self, name: &str) -> u64 {
        let mut found = None;
        self.shared.stats.visit(&mut |known, value| {
            if known == name {
                found = Some(value);
            }
        });
        found.unwrap_or_else(|| panic!("no statistic {name}"))
    }

    /// The snapshot in force.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.world.current()
    }
}

/// An answer that has come whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(super) fn get(path: &str) -> Request<Full<Bytes>> {
    request("GET", path, "")
}

pub(super) fn request(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://test{path}");
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    Request::builder().method(method).uri(uri).header("host", "test").body(body).unwrap()
}

/// An upstream that answers HTTP/1.1 and HTTP/2 in the clear.
pub(super) async fn upstream<F>(answer: F) -> SocketAddr
where
    F: Fn(&Parts, &Bytes) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    Ok::<_, Infallible>(answer(&parts, &body))
                }
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
            });
        }
    });
    address
}

/// An upstream that answers with what it was asked: a line of method, path and version, then the headers, then the body.
pub(super) async fn echo() -> SocketAddr {
    upstream(|parts, body| {
        let mut text = format!("{} {} {:?}\n", parts.method, parts.uri.path_and_query().unwrap(), parts.version);
        if let Some(authority) = parts.uri.authority() {
            text.push_str(&format!("host: {authority}\n"));
        }
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        text.push('\n');
        text.push_str(std::str::from_utf8(body).unwrap());
        answer(200, &text)
    })
    .await
}

pub(super) fn answer(status: u16, body: &str) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    Response::builder().status(status).body(body).unwrap()
}

/// An address where nobody listens.
pub(super) fn nobody() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

fn free_port() -> u16 {
    StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub(super) fn address(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}

/// A cluster of these addresses, with further fields.
pub(super) fn cluster(name: &str, at: &[SocketAddr], more: Value) -> Value {
    let endpoints: Vec<Value> = at.iter().map(|at| json!({ "endpoint": { "address": address(*at) } })).collect();
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": endpoints }] },
    });
    merge(&mut cluster, more);
    cluster
}

/// The options of a cluster that speaks HTTP/2.
pub(super) fn http2() -> Value {
    json!({ "typed_extension_protocol_options": { OPTIONS: {
        "@type": format!("type.googleapis.com/{OPTIONS}"),
        "explicit_http_config": { "http2_protocol_options": {} },
    } } })
}

/// A listener whose one virtual host has these routes; with further fields of the connection manager.
pub(super) fn listener(routes: Value, more: Value) -> Value {
    let filter = |name: &str, config: &str| json!({ "name": name, "typed_config": { "@type": format!("type.googleapis.com/{config}") } });
    let mut manager = json!({
        "@type": HCM,
        "stat_prefix": "test",
        "stream_idle_timeout": "0s",
        "normalize_path": true,
        "http_protocol_options": { "accept_http_10": true },
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "route_config": {
            "name": "test",
            "virtual_hosts": [{
                "name": "test:80", "domains": ["*"], "routes": routes, "include_request_attempt_count": true,
            }],
        },
        "http_filters": [
            filter("fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
            filter("cors", "envoy.extensions.filters.http.cors.v3.Cors"),
            filter("router", "envoy.extensions.filters.http.router.v3.Router"),
        ],
    });
    merge(&mut manager, more);
    json!({
        "listener_filters": [{ "name": "http", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
        } }],
        "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": manager }] }],
    })
}

/// All paths go to one cluster, with further fields of the action.
pub(super) fn all_to(cluster: &str, more: Value) -> Value {
    let mut action = json!({ "cluster": cluster, "timeout": "0s" });
    merge(&mut action, more);
    json!([{ "name": "all", "match": { "prefix": "/" }, "route": action }])
}

/// Puts fields into an object.
pub(super) fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}
