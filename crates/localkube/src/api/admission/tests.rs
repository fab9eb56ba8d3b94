use std::{convert::Infallible, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{
    api::{Api, Caller, WriteOptions, pki::Authority},
    object::Object,
    status::Status,
    store::Stored,
};

/// A webhook server that answers with what `answer` makes of the request; gives its URL and authority.
async fn server(tasks: &mut JoinSet<()>, answer: fn(&Value) -> Value) -> (String, String) {
    let authority = Authority::generate("hooks").unwrap();
    let tls = authority.server_config(&authority.server(&[], &[]).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
    let acceptor = TlsAcceptor::from(tls);
    tasks.spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let respond = service_fn(move |request: Request<Incoming>| async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let review: Value = serde_json::from_slice(&body).unwrap();
                    let mut response = answer(&review["request"]);
                    response["uid"] = review["request"]["uid"].clone();
                    let review =
                        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
                    Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(review.to_string()))))
                });
                let builder = hyper::server::conn::http1::Builder::new();
                builder.serve_connection(TokioIo::new(socket), respond).await.ok();
            });
        }
    });
    (url, STANDARD.encode(authority.certificate()))
}

async fn create(api: &Api, plural: &str, value: Value, dry_run: bool) -> Result<Arc<Stored>, Status> {
    let served = api.kinds().served();
    let kind = served.iter().find(|k| k.plural == plural).unwrap().clone();
    let options = WriteOptions { dry_run, ..WriteOptions::default() };
    api.create(&Caller::component("system:admin"), &kind, Object::new(value).unwrap(), &options).await
}

async fn configure(api: &Api, mutating: bool, (url, bundle): (String, String), more: Value) {
    let mut hook = json!({
        "name": "check.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": url, "caBundle": bundle},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    });
    more.as_object().unwrap().iter().for_each(|(key, value)| hook[key] = value.clone());
    let kind = if mutating { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" };
    let plural = format!("{}s", kind.to_lowercase());
    create(api, &plural, json!({"metadata": {"name": "hooks"}, "webhooks": [hook]}), false).await.unwrap();
}

fn map(name: &str, label: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "default", "labels": {"l": label}}, "data": {"a": "1"}})
}

#[tokio::test]
async fn mutating_webhooks_patch_what_they_select() {
    let (api, mut tasks) = (Api::default(), JoinSet::new());
    let server = server(&mut tasks, |request| {
        assert_eq!(request["kind"], json!({"group": "", "version": "v1", "kind": "ConfigMap"}));
        assert_eq!(request["userInfo"]["username"], "system:admin");
        let patch = json!([{"op": "add", "path": "/data/b", "value": "2"}]).to_string();
        json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch)})
    });
    let only = json!({"objectSelector": {"matchLabels": {"l": "yes"}}});
    configure(&api, true, server.await, only).await;
    let chosen = create(&api, "configmaps", map("a", "yes"), false).await.unwrap();
    assert_eq!(chosen.object.at("/data"), Some(&json!({"a": "1", "b": "2"})));
    let other = create(&api, "configmaps", map("b", "no"), false).await.unwrap();
    assert_eq!(other.object.at("/data"), Some(&json!({"a": "1"})));
}

#[tokio::test]
async fn validating_webhooks_deny_with_their_reason() {
    let (api, mut tasks) = (Api::default(), JoinSet::new());
    let server = server(&mut tasks, |_| json!({"allowed": false, "status": {"message": "not today", "code": 400}}));
    configure(&api, false, server.await, json!({})).await;
    let denied = create(&api, "configmaps", map("a", "x"), false).await.unwrap_err();
    let message = "admission webhook \"check.example.com\" denied the request: not today";
    assert_eq!((denied.code, denied.message.as_str()), (400, message));
}

#[tokio::test]
async fn failures_count_as_the_policy_says() {
    let nobody = || ("https://127.0.0.1:1/x".to_owned(), STANDARD.encode("nothing"));
    let api = Api::default();
    configure(&api, false, nobody(), json!({})).await;
    let failed = create(&api, "configmaps", map("a", "x"), false).await.unwrap_err();
    assert_eq!(failed.code, 500);
    let start = "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: Post \
                 \"https://127.0.0.1:1/x?timeout=10s\": dial tcp 127.0.0.1:1:";
    assert!(failed.message.starts_with(start), "{}", failed.message);
    let api = Api::default();
    configure(&api, false, nobody(), json!({"failurePolicy": "Ignore"})).await;
    create(&api, "configmaps", map("a", "x"), false).await.unwrap();
    let api = Api::default();
    let service = json!({"clientConfig": {"service": {"namespace": "default", "name": "gone"}}});
    configure(&api, false, nobody(), service).await;
    let failed = create(&api, "configmaps", map("a", "x"), false).await.unwrap_err();
    assert!(
        failed.message.ends_with("\"https://gone.default.svc:443/?timeout=10s\": service \"gone\" not found"),
        "{}",
        failed.message
    );
}
