//! The program with stock Envoy, against a ca and a pilot of the test's own. Runs where `LATEEN_ENVOY` names Envoy's
//! program; elsewhere it says that it was not run.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::{
    convert::Infallible,
    env, fs,
    future::Future,
    net::TcpListener as StdListener,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use axum::{Router, http::HeaderMap, routing::get};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use mesh_identity::Credentials;
use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};
use mesh_proto::{
    ca::{CertificateRequest, CertificateResponse},
    type_url,
};
use mesh_tls::{Clients, Peers, TlsListener, alpn, server_config};
use mesh_xds::{
    Resource, Wanted,
    server::{Ads, Caller, Seen, Session, Source},
};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
    time::{sleep, timeout},
};
use tonic::{Request, Response, Status, body::Body, server::NamedService, transport::Server};
use tonic_prost::ProstCodec;

/// The control plane's only opinion: there are no clusters and no listeners.
struct EmptyMesh;

struct Nothing;

impl Source for EmptyMesh {
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, Status>> {
        assert_eq!(caller.node.id, "sidecar~127.0.0.1~web-1.shop~shop.svc.cluster.local");
        Box::pin(async { Ok(Box::new(Nothing) as Box<dyn Session>) })
    }

    fn name(&self) -> &str {
        "test"
    }
}

impl Session for Nothing {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::pending())
    }

    fn resources(&mut self, kind: &str, _: &Wanted) -> Option<Vec<Arc<Resource>>> {
        [type_url::CLUSTER, type_url::LISTENER].contains(&kind).then(Vec::new)
    }

    fn observe(&mut self, _: Seen<'_>) {}
}

#[derive(Clone)]
struct Ca(Arc<Authority>);

impl NamedService for Ca {
    const NAME: &'static str = "istio.v1.auth.IstioCertificateService";
}

impl tower::Service<http::Request<Body>> for Ca {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let authority = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<CertificateResponse, CertificateRequest>::new());
            let answer = tower::service_fn(move |request: Request<CertificateRequest>| {
                let csr = Csr::parse(&request.get_ref().csr).unwrap();
                let issued = authority.issue(&csr, &grant("seller"), SystemTime::now()).unwrap();
                let cert_chain = issued.chain.into_iter().chain([issued.roots]).collect();
                std::future::ready(Ok::<_, Status>(Response::new(CertificateResponse { cert_chain })))
            });
            Ok(grpc.unary(answer, request).await)
        })
    }
}

fn grant(account: &str) -> Grant {
    let id = mesh_types::SpiffeId::new("cluster.local", "shop", account).unwrap();
    Grant { id, dns_names: vec!["localhost".to_owned()], lifetime: Duration::from_secs(3600) }
}

/// Where the ca and pilot listen, and the roots that vouch for them.
async fn control_plane() -> (String, String) {
    let authority = Arc::new(Authority::generate("cluster.local", SystemTime::now()).unwrap());
    let (key, mut own) = (Key::generate(KeyKind::P256).unwrap(), grant("pilot"));
    own.dns_names = vec!["localhost".to_owned()];
    let request = Csr::parse(&csr::request(&key, &own.id).unwrap()).unwrap();
    let issued = authority.issue(&request, &own, SystemTime::now()).unwrap();
    let cert =
        WorkloadCert::parse(&issued.chain.concat(), &key, &own.id, authority.roots(), SystemTime::now()).unwrap();
    let shown = Credentials::fixed(Some(cert), authority.roots().clone());
    let config = server_config(&shown, Clients::Optional(Peers::domain("cluster.local")), &[alpn::H2]).unwrap();
    let listener = TlsListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), config).unwrap();
    let address = format!("localhost:{}", listener.local_addr().port());
    let (stop, stopped) = watch::channel(false);
    let ads = Ads::new(Arc::new(EmptyMesh), stopped).into_service();
    tokio::spawn(async move {
        let _stays = stop;
        Server::builder().add_service(ads).add_service(Ca(authority)).serve_with_incoming(listener.into_stream()).await
    });
    (address, issued.roots)
}

struct Proxy {
    child: Child,
    status: u16,
    health: u16,
    admin: u16,
    _root: TempDir,
}

fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn write(root: &Path, file: &str, text: &str) {
    let file = root.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Starts the program; none without Envoy.
async fn start() -> Option<Proxy> {
    let Ok(envoy) = env::var("LATEEN_ENVOY") else {
        eprintln!("not run: LATEEN_ENVOY names no program");
        return None;
    };
    let (address, roots) = control_plane().await;
    let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = application.local_addr().unwrap().port();
    let router = Router::new()
        .route("/metrics", get(async || "app_requests_total 7\n"))
        .route("/healthy", get(async |headers: HeaderMap| headers["user-agent"].to_str().unwrap().to_owned()));
    tokio::spawn(async move { axum::serve(application, router).await });
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "var/run/secrets/istio/root-cert.pem", &roots);
    write(root.path(), "var/run/secrets/tokens/istio-token", "token");
    write(root.path(), "etc/istio/pod/labels", "app=\"web\"\n");
    let [admin, status, health, prometheus] = [(); 4].map(|()| free_port());
    let proxy_config = format!(
        r#"{{"discoveryAddress":"{address}","statusPort":{status},"proxyAdminPort":{admin},"terminationDrainDuration":"0.2s","concurrency":1}}"#
    );
    let child = Command::new(env!("CARGO_BIN_EXE_lateen-proxy"))
        .args(["proxy", "sidecar", "--domain", "shop.svc.cluster.local", "--proxyLogLevel=warning,misc:error"])
        .env("LATEEN_ROOT", root.path())
        .env("LATEEN_ENVOY", envoy)
        .env("LATEEN_DATA_PLANE", "envoy")
        .env("POD_NAME", "web-1")
        .env("POD_NAMESPACE", "shop")
        .env("INSTANCE_IP", "127.0.0.1")
        .env("SERVICE_ACCOUNT", "seller")
        .env("CA_ADDR", &address)
        .env("PROXY_CONFIG", proxy_config)
        .env("ENVOY_STATUS_PORT", health.to_string())
        .env("ENVOY_PROMETHEUS_PORT", prometheus.to_string())
        .env("ISTIO_PROMETHEUS_ANNOTATIONS", format!(r#"{{"scrape":"true","path":"","port":"{app}"}}"#))
        .env(
            "ISTIO_KUBE_APP_PROBERS",
            format!(r#"{{"/app-health/web/livez":{{"httpGet":{{"path":"/healthy","port":{app}}}}}}}"#),
        )
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    Some(Proxy { child, status, health, admin, _root: root })
}

async fn ask(method: &str, port: u16, path: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request =
        http::Request::builder().method(method).uri(path).header("host", "test").header("user-agent", "probe");
    let reply = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.ok()?;
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}

impl Proxy {
    /// Waits as the kubelet does: through Envoy's listener.
    async fn ready(&self) {
        let port = self.health.to_string();
        let url = format!("http://localhost:{port}/healthz/ready");
        let wait = Command::new(env!("CARGO_BIN_EXE_lateen-proxy"))
            .args(["wait", "--timeoutSeconds", "60", "--periodMillis", "50", "--url", &url])
            .status();
        assert!(wait.await.unwrap().success());
    }
}

#[tokio::test]
async fn envoy_is_ready_asked_and_ended() {
    let Some(mut proxy) = start().await else { return };
    proxy.ready().await;

    let (status, text) = ask("GET", proxy.status, "/stats/prometheus").await.unwrap();
    assert_eq!(status, 200);
    for line in [
        "istio_agent_xds_connects_total 1\n",
        "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n",
        "app_requests_total 7\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert_eq!(ask("GET", proxy.status, "/app-health/web/livez").await.unwrap(), (200, "probe".to_owned()));
    assert_eq!(ask("GET", proxy.status, "/app-health/web/readyz").await.unwrap().0, 404);

    let port = format!("--debug-port={}", proxy.admin);
    let dump = Command::new(env!("CARGO_BIN_EXE_lateen-proxy")).args(["request", &port, "GET", "config_dump"]).output();
    let dump = String::from_utf8(dump.await.unwrap().stdout).unwrap();
    assert!(dump.contains("\"cluster\": \"web.shop\""), "{dump}");

    assert_eq!(ask("POST", proxy.status, "/quitquitquit").await.unwrap(), (200, "OK".to_owned()));
    let exit = timeout(Duration::from_secs(20), proxy.child.wait()).await.unwrap().unwrap();
    assert!(exit.success(), "{exit}");
    assert!(ask("GET", proxy.admin, "/ready").await.is_none(), "Envoy has ended too");
}

#[tokio::test]
async fn the_agent_ends_with_its_envoy() {
    let Some(mut proxy) = start().await else { return };
    proxy.ready().await;
    ask("POST", proxy.admin, "/quitquitquit").await;
    let exit = timeout(Duration::from_secs(20), proxy.child.wait()).await.unwrap().unwrap();
    assert_eq!(exit.code(), Some(1));
    sleep(Duration::from_millis(10)).await;
    assert!(ask("GET", proxy.status, "/healthz/ready").await.is_none());
}
