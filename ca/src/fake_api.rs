//! A Kubernetes API for tests: Secrets and ConfigMaps in memory, a list of namespaces, watches in which nothing happens.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

/// The state of the cluster.
#[derive(Clone, Default)]
pub(crate) struct FakeApi {
    /// By path, such as `/api/v1/namespaces/a/secrets/b`.
    pub(crate) objects: Arc<Mutex<BTreeMap<String, Value>>>,
    /// `METHOD PATH` of each request that writes.
    pub(crate) writes: Arc<Mutex<Vec<String>>>,
    /// Put there just before the next creation, by another replica.
    pub(crate) rival: Arc<Mutex<Option<(String, Value)>>>,
}

impl FakeApi {
    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if head.uri.query().unwrap_or_default().contains("watch=true") {
            return std::future::pending().await;
        }
        let path = head.uri.path().to_owned();
        if head.method != Method::GET {
            self.writes.lock().unwrap().push(format!("{} {path}", head.method));
        }
        let (code, answer) = match head.method {
            Method::GET if path.ends_with("/namespaces") || path.ends_with("/configmaps") => (200, self.list(&path)),
            Method::GET => self.get(&path),
            Method::POST => self.create(&path, body),
            Method::PATCH => self.patch(&path, &body),
            _ => failure(405, "MethodNotAllowed"),
        };
        Response::builder().status(code).body(Body::from(answer.to_string().into_bytes())).unwrap()
    }

    fn list(&self, path: &str) -> Value {
        let plural = path.rsplit('/').next().unwrap_or_default();
        let objects = self.objects.lock().unwrap();
        let depth = if plural == "namespaces" { 4 } else { 6 };
        let items: Vec<&Value> = objects
            .iter()
            .filter(|(path, _)| path.matches('/').count() == depth && path.contains(&format!("/{plural}/")))
            .map(|(_, object)| object)
            .collect();
        json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.objects.lock().unwrap().get(path).map_or_else(|| failure(404, "NotFound"), |object| (200, object.clone()))
    }

    fn create(&self, path: &str, mut body: Value) -> (u16, Value) {
        let mut objects = self.objects.lock().unwrap();
        objects.extend(self.rival.lock().unwrap().take());
        let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
        if objects.contains_key(&path) {
            return failure(409, "AlreadyExists");
        }
        body["metadata"]["namespace"] = json!(path.split('/').nth(4));
        objects.insert(path, body.clone());
        (201, body)
    }

    fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut objects = self.objects.lock().unwrap();
        let Some(object) = objects.get_mut(path) else { return failure(404, "NotFound") };
        for (key, value) in body["data"].as_object().unwrap() {
            object["data"][key] = value.clone();
        }
        (200, object.clone())
    }
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason }),
    )
}
