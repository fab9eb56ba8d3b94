use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Value, json};

use super::{Env, container_env, expand};
use crate::{api::Api, client::Client, node::fields::Facts};

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

async fn client() -> Client {
    let client = Client::new(Api::default(), "kubelet");
    client.create(&Namespace { metadata: named("n"), ..Namespace::default() }).await.unwrap();
    let typed = |value: Value| serde_json::from_value::<Service>(value).unwrap();
    for (namespace, name, ip) in
        [("default", "kubernetes", "10.96.0.1"), ("n", "my-db", "10.96.3.4"), ("n", "head", "None")]
    {
        let service = typed(json!({
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": ip, "ports": [{"name": "https", "port": 443, "protocol": "TCP"}]},
        }));
        client.create(&service).await.unwrap();
    }
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "cm", "namespace": "n"}, "data": {"a": "1", "b": "2"}}))
            .unwrap();
    client.create(&map).await.unwrap();
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "s", "namespace": "n"}, "data": {"pw": "aHVudGVy"}}))
            .unwrap();
    client.create(&secret).await.unwrap();
    client
}

async fn env_of(container: Value) -> Result<Env, String> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": [container]},
    }))
    .unwrap();
    let facts = Facts { pod_ip: "10.244.0.9".into(), ..Facts::default() };
    container_env(&client().await, &pod, &pod.spec.as_ref().unwrap().containers[0], &facts)
}

#[test]
fn expansion() {
    let lookup = |name: &str| (name == "A").then(|| "x".to_owned());
    for (text, expected) in [
        ("$(A)", "x"),
        ("pre-$(A)-$(B)", "pre-x-$(B)"),
        ("$$(A) costs $5", "$(A) costs $5"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$$$(A)", "$x"),
    ] {
        assert_eq!(expand(text, lookup), expected, "{text}");
    }
}

#[tokio::test]
async fn later_values_win_and_may_use_earlier_ones() {
    let env = env_of(json!({
        "name": "c",
        "envFrom": [{"prefix": "CM_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "none", "optional": true}}],
        "env": [
            {"name": "CM_a", "value": "own"},
            {"name": "URL", "value": "$(CM_a):$(CM_b):$(MY_DB_SERVICE_HOST):$(LATER)"},
            {"name": "LATER", "value": "z"},
            {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}},
            {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "zz", "optional": true}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
    }))
    .await
    .unwrap();
    assert_eq!(env.get("URL"), Some("own:2:10.96.3.4:$(LATER)"));
    assert_eq!(env.get("PW"), Some("hunter"));
    assert_eq!(env.get("IP"), Some("10.244.0.9"));
    assert_eq!(env.get("GONE"), None);
    assert_eq!(env.get("KUBERNETES_SERVICE_PORT_HTTPS"), Some("443"));
    assert_eq!(env.get("MY_DB_PORT_443_TCP"), Some("tcp://10.96.3.4:443"));
    assert_eq!(env.get("HEAD_SERVICE_HOST"), None, "headless services have no links");
}

#[tokio::test]
async fn what_is_missing_is_named_as_the_kubelet_does() {
    let error = |env: Value| async move { env_of(json!({"name": "c", "env": [env]})).await.unwrap_err() };
    let key = |kind: &str, name: &str, key: &str| json!({"name": "X", "valueFrom": {kind: {"name": name, "key": key}}});
    assert_eq!(error(key("configMapKeyRef", "no", "k")).await, "configmap \"no\" not found");
    assert_eq!(error(key("configMapKeyRef", "cm", "k")).await, "couldn't find key k in ConfigMap n/cm");
    assert_eq!(error(key("secretKeyRef", "no", "k")).await, "secret \"no\" not found");
    assert_eq!(error(key("secretKeyRef", "s", "k")).await, "couldn't find key k in Secret n/s");
    let from = env_of(json!({"name": "c", "envFrom": [{"configMapRef": {"name": "no"}}]})).await.unwrap_err();
    assert_eq!(from, "configmap \"no\" not found");
}
