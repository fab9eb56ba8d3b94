//! A folder of YAML, served over ADS: what is right arrives, what is wrong is reported and holds up nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test fail as the test does")]

use std::{fs, path::Path, time::Duration};

use clap::Parser;
use galley::{app, options::Options};
use mesh_bootstrap::{Admin, Drain};
use mesh_proto::{envoy::envoy::config::core::v3::Node, mcp, registry, type_url, unpack};
use mesh_xds::client::{self, Backoff, Event, Plaintext, Settings, Update};
use tokio::time::timeout;

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  clusterIP: 10.96.0.7
  ports: [{name: http, port: 9080}]
";

const ROUTE: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}}]}]
";

const WRONG: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wrong, namespace: default}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}, weight: -1}]}]
";

const ROUTES: &str = "networking.istio.io/v1/VirtualService";

async fn start(folder: &Path) -> (app::Running, Drain, Admin) {
    let folder = folder.to_str().unwrap();
    let ports = ["--mcp-port=0", "--webhook-port=0", "--admin-port=0"];
    let options = Options::parse_from(["galley", "--plaintext", "--config-dir", folder].into_iter().chain(ports));
    let (admin, drain) = (Admin::new("galley", None), Drain::new());
    let running = app::start(&options, &admin, &drain).await.expect("galley starts");
    (running, drain, admin)
}

/// Names of the resources of the next update of a type, changed and removed; updates of other types are taken too.
async fn next(events: &mut client::Events, type_url: &str) -> (Vec<mesh_xds::Resource>, Vec<String>) {
    loop {
        let event = timeout(Duration::from_secs(10), events.next()).await.expect("in time").expect("a client at work");
        let Event::Update(update) = event else { continue };
        let Update { type_url: found, changed, removed, .. } = &update;
        let (found, answer) = (found.clone(), (changed.clone(), removed.clone()));
        update.done(Ok(()));
        if found == type_url {
            return answer;
        }
    }
}

fn names(resources: &[mesh_xds::Resource]) -> Vec<&str> {
    resources.iter().map(|resource| &*resource.name).collect()
}

#[tokio::test]
async fn what_is_right_flows_and_what_is_wrong_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("service.yaml"), SERVICE).unwrap();
    fs::write(folder.path().join("routes.yaml"), format!("{WRONG}---{ROUTE}")).unwrap();
    fs::write(folder.path().join("broken.yaml"), "a: [").unwrap();
    let (running, drain, admin) = start(folder.path()).await;

    let dial = client::Plaintext::new(format!("127.0.0.1:{}", running.mcp.port()));
    let node = Node { id: "pilot".to_owned(), ..Node::default() };
    let (subscriber, mut events) = client::start(dial, Settings { node, backoff: Backoff::new(|| 0.5) });
    subscriber.everything(type_url::SERVICE);
    let (services, _) = next(&mut events, type_url::SERVICE).await;
    let envelope: mcp::Resource = unpack(&services[0].body).unwrap();
    let service: registry::Service = unpack(&envelope.body.unwrap()).unwrap();
    assert_eq!(
        (service.host.as_str(), service.vips),
        ("reviews.default.svc.cluster.local", vec!["10.96.0.7".to_owned()])
    );

    subscriber.everything(ROUTES);
    let (routes, _) = next(&mut events, ROUTES).await;
    assert_eq!(names(&routes), ["default/reviews"]);
    assert!(admin.readiness.is_ready());
    let issues = running.published.borrow().issues.clone();
    assert!(issues["VirtualService/default/wrong"][0].contains("weight"), "{issues:?}");
    assert!(issues.keys().any(|file| file.ends_with("broken.yaml")), "{issues:?}");

    // The wrong one is mended, the right one goes.
    fs::write(folder.path().join("routes.yaml"), WRONG.replace("-1", "1000")).unwrap();
    let (routes, removed) = next(&mut events, ROUTES).await;
    assert_eq!((names(&routes), removed), (vec!["default/wrong"], vec!["default/reviews".to_owned()]));

    drain.begin();
    assert!(drain.finished(Duration::from_secs(10)).await, "everything ends");
}

#[tokio::test]
async fn types_that_nobody_wrote_anything_of_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (running, drain, _admin) = start(folder.path()).await;
    let node = Node { id: "pilot".to_owned(), ..Node::default() };
    let dial = Plaintext::new(format!("127.0.0.1:{}", running.mcp.port()));
    let (subscriber, mut events) = client::start(dial, Settings { node, backoff: Backoff::new(|| 0.5) });
    for type_url in [ROUTES, type_url::REGISTRY_SECRET, type_url::ENDPOINTS] {
        subscriber.everything(type_url);
        assert_eq!(next(&mut events, type_url).await, (vec![], vec![]), "{type_url}");
    }
    subscriber.everything(type_url::MESH_CONFIG);
    assert_eq!(names(&next(&mut events, type_url::MESH_CONFIG).await.0), ["istio"]);
    drain.begin();
}

const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: tls}}]
---
apiVersion: v1
kind: Pod
metadata: {name: ingress, namespace: edge, labels: {istio: ingressgateway}}
spec: {containers: []}
status: {podIP: 10.1.0.9, phase: Running}
---
apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: edge}
type: kubernetes.io/tls
stringData: {tls.crt: a chain, tls.key: a key}
";

#[tokio::test]
async fn secrets_do_not_go_to_readers_that_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.yaml"), GATEWAY).unwrap();
    let (running, drain, _admin) = start(folder.path()).await;
    let node = Node { id: "pilot".to_owned(), ..Node::default() };
    let dial = Plaintext::new(format!("127.0.0.1:{}", running.mcp.port()));
    let (subscriber, mut events) = client::start(dial, Settings { node, backoff: Backoff::new(|| 0.5) });
    subscriber.everything(type_url::REGISTRY_SECRET);
    assert_eq!(next(&mut events, type_url::REGISTRY_SECRET).await, (vec![], vec![]));
    let published = running.published.borrow().clone();
    let secret: Vec<_> = published.types[type_url::REGISTRY_SECRET].values().collect();
    assert_eq!(&*secret[0].name, "edge/tls");
    let envelope: mcp::Resource = unpack(&secret[0].body).unwrap();
    let secret: registry::Secret = unpack(&envelope.body.unwrap()).unwrap();
    assert_eq!(secret.data["tls.key"], b"a key");
    drain.begin();
}
