//! The webhooks over real HTTPS: the certificate of the mesh, questions as the API server asks them.

use std::sync::Arc;

use galley::{
    metrics::Metrics,
    published::Published,
    webhooks::{
        inject::{Injection, PATIENCE},
        validate,
    },
};
use mesh_kube::webhook;
use mesh_model::parse::ParseContext;
use mesh_pki::{Authority, WorkloadCert};
use mesh_tls::{Clients, Credentials, Dialer, Servers, TlsListener, alpn, client_config, server_config};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};

use crate::certificates::{HOST, authority, certificate};

struct Hooks {
    address: String,
    authority: Authority,
    certificate: watch::Sender<Option<Arc<WorkloadCert>>>,
    stop: watch::Sender<bool>,
    _published: watch::Sender<Arc<Published>>,
}

/// Both webhooks, before there is a certificate. Namespace `in` opted into injection.
async fn serve() -> Hooks {
    let authority = authority();
    let (certificate, cert) = watch::channel(None);
    let credentials = Credentials { cert, roots: watch::channel(authority.roots().clone()).1 };
    let labels = [("istio-injection".to_owned(), "enabled".to_owned())].into();
    let namespaces = Arc::new([("in".to_owned(), labels), ("out".to_owned(), [].into())].into());
    let world = Published { is_complete: true, namespaces, ..Published::default() };
    let (sender, published) = watch::channel(Arc::new(world));
    let injection = Injection {
        published,
        settings: injector::Settings::default(),
        root_namespace: "istio-system".to_owned(),
        patience: PATIENCE,
        metrics: Metrics::default(),
    };
    let routes = webhook::routes("/validate", validate::judge(ParseContext::default(), Metrics::default()))
        .merge(webhook::routes("/inject", injection.judge()));
    let config = server_config(&credentials, Clients::Anonymous, &[alpn::H2, alpn::HTTP_1_1]).unwrap();
    let listener = TlsListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), config).unwrap();
    let address = listener.local_addr().to_string();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(webhook::serve(listener, routes, stopped));
    Hooks { address, authority, certificate, stop, _published: sender }
}

impl Hooks {
    async fn ask(&self, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let nobody = Credentials::fixed(None, self.authority.roots().clone());
        let config = client_config(&nobody, Servers::Named, &[alpn::HTTP_1_1]).unwrap();
        let mut stream = Dialer::with_name(&self.address, HOST, config).unwrap().connect().await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Ok((status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }

    async fn review(&self, path: &str, version: &str, request: Value) -> Value {
        let review = json!({ "apiVersion": version, "kind": "AdmissionReview", "request": request });
        let (status, body) = self.ask(path, &review.to_string()).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&answer["apiVersion"], &answer["response"]["uid"]), (&json!(version), &json!("u-1")));
        answer["response"].clone()
    }
}

fn route(weight: i64) -> Value {
    let routes = json!([
        { "destination": { "host": "reviews" }, "weight": weight }, { "destination": { "host": "b" }, "weight": 1 },
    ]);
    json!({
        "uid": "u-1", "operation": "CREATE", "name": "reviews", "namespace": "default",
        "kind": { "group": "networking.istio.io", "version": "v1alpha3", "kind": "VirtualService" },
        "object": {
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "VirtualService",
            "metadata": { "name": "reviews", "namespace": "default" },
            "spec": { "hosts": ["reviews"], "http": [{ "route": routes }] },
        },
    })
}

fn pod(namespace: &str) -> Value {
    json!({
        "uid": "u-1", "operation": "CREATE", "namespace": namespace,
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "object": {
            "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "a-" },
            "spec": { "containers": [{ "name": "app", "image": "app" }] },
        },
    })
}

#[tokio::test]
async fn questions_are_answered_once_there_is_a_certificate() {
    let hooks = serve().await;
    assert!(hooks.ask("/validate", "{}").await.is_err(), "no certificate yet");
    hooks.certificate.send_replace(Some(Arc::new(certificate(&hooks.authority, "galley"))));

    let passed = hooks.review("/validate", "admission.k8s.io/v1", route(1)).await;
    assert_eq!(passed, json!({ "uid": "u-1", "allowed": true }));
    let refused = hooks.review("/validate", "admission.k8s.io/v1beta1", route(-1)).await;
    assert_eq!(refused["allowed"], false);
    let message = refused["status"]["message"].as_str().expect("a message");
    assert!(message.contains("VirtualService/default/reviews: spec.http[0].route[0].weight"), "{message}");

    let injected = hooks.review("/inject/cluster/c1/net/n1", "admission.k8s.io/v1", pod("in")).await;
    assert_eq!((&injected["allowed"], &injected["patchType"]), (&json!(true), &json!("JSONPatch")));
    let left = hooks.review("/inject", "admission.k8s.io/v1", pod("out")).await;
    assert_eq!(left, json!({ "uid": "u-1", "allowed": true }));

    let (status, body) = hooks.ask("/validate", "nonsense").await.expect("an answer");
    assert_eq!((status, body.as_str()), (400, "the body is no AdmissionReview"));
}

#[tokio::test]
async fn a_renewed_certificate_counts_and_a_stopped_server_is_gone() {
    let hooks = serve().await;
    for _ in 0..2 {
        hooks.certificate.send_replace(Some(Arc::new(certificate(&hooks.authority, "galley"))));
        assert_eq!(hooks.review("/validate", "admission.k8s.io/v1", route(1)).await["allowed"], true);
    }
    hooks.stop.send_replace(true);
    hooks.stop.closed().await;
    assert!(hooks.ask("/validate", "{}").await.is_err());
}
