use std::time::Duration;

use serde_json::{Value, json};

use super::distribute;
use crate::fake_api::FakeApi;

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/istio-ca-root-cert")
}

fn map(namespace: &str, text: &str) -> Value {
    json!({
        "metadata": { "name": "istio-ca-root-cert", "namespace": namespace, "labels": { "mine": "yes" } },
        "data": { "root-cert.pem": text, "other": "kept" }
    })
}

#[tokio::test]
async fn each_namespace_is_told_once() {
    let api = FakeApi::default();
    {
        let mut objects = api.objects.lock().unwrap();
        for name in ["new", "wrong", "right", "kube-system", "ending"] {
            let mut namespace = json!({ "metadata": { "name": name } });
            if name == "ending" {
                namespace["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            objects.insert(format!("/api/v1/namespaces/{name}"), namespace);
        }
        objects.insert(path("wrong"), map("wrong", "old"));
        objects.insert(path("right"), map("right", "ROOTS"));
    }
    let task = tokio::spawn(distribute(api.client(), "ROOTS".to_owned()));
    let told = async {
        loop {
            let done = api.writes.lock().unwrap().len() >= 2;
            if done {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    task.abort();
    let mut writes = api.writes.lock().unwrap().clone();
    writes.sort();
    assert_eq!(
        writes,
        ["PATCH /api/v1/namespaces/wrong/configmaps/istio-ca-root-cert", "POST /api/v1/namespaces/new/configmaps"]
    );
    let objects = api.objects.lock().unwrap();
    assert_eq!(objects[&path("new")]["metadata"]["labels"]["istio.io/config"], "true");
    for name in ["new", "wrong", "right"] {
        assert_eq!(objects[&path(name)]["data"]["root-cert.pem"], "ROOTS", "{name}");
    }
    assert_eq!(objects[&path("wrong")]["data"]["other"], "kept");
}
