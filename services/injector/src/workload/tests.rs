use serde_json::{Value, json};

use super::*;

fn of(metadata: Value) -> (String, String) {
    let workload = Workload::of(&serde_json::from_value(json!({ "metadata": metadata })).unwrap());
    (workload.kind, workload.name)
}

fn owned(kind: &str, name: &str, labels: Value) -> (String, String) {
    let owner = json!({ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true });
    of(json!({ "ownerReferences": [owner], "labels": labels }))
}

#[test]
fn the_owner_that_people_know_is_found() {
    let is = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    assert_eq!(owned("ReplicaSet", "web-v1-abc", json!({ "pod-template-hash": "abc" })), is("Deployment", "web-v1"));
    assert_eq!(owned("ReplicaSet", "web", json!({})), is("ReplicaSet", "web"));
    assert_eq!(owned("ReplicaSet", "web-x", json!({ "rollouts-pod-template-hash": "x" })), is("Rollout", "web"));
    assert_eq!(owned("Job", "backup-29012345", json!({})), is("CronJob", "backup"));
    assert_eq!(owned("Job", "backup-once", json!({})), is("Job", "backup-once"));
    assert_eq!(owned("StatefulSet", "db", json!({})), is("StatefulSet", "db"));
    assert_eq!(of(json!({ "name": "shell" })), is("Pod", "shell"));
    assert_eq!(of(json!({ "generateName": "shell-" })), is("Pod", "shell"));
}

#[test]
fn canonical_names_fit_into_a_label() {
    let workload = Workload { api_version: "v1".into(), kind: "Pod".into(), name: format!("{}-tail", "n".repeat(62)) };
    assert_eq!(workload.canonical_name(&BTreeMap::new()), "n".repeat(62));
    let labels: BTreeMap<String, String> =
        [("app", "a"), ("app.kubernetes.io/name", "b")].map(|(k, v)| (k.into(), v.into())).into();
    assert_eq!(workload.canonical_name(&labels), "b");
    assert_eq!(canonical_revision(&labels), "latest");
    assert_eq!(workload.owner("ns"), format!("kubernetes://apis/v1/namespaces/ns/pods/{}", workload.name));
}
