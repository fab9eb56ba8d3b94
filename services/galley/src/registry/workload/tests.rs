use serde_json::{Value, json};

use super::*;

/// A running pod `default/reviews-v1-7d9c-x2x4z`, changed by a JSON merge.
fn pod(change: Value) -> Pod {
    let mut pod = json!({
        "metadata": { "name": "reviews-v1-7d9c-x2x4z", "namespace": "default" },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "reviews", "ports": [
            { "name": "web", "containerPort": 9080 }, { "containerPort": 9443 },
        ] }] },
        "status": { "phase": "Running", "podIP": "10.0.0.7", "podIPs": [{ "ip": "10.0.0.7" }, { "ip": "fd00::7" }] },
    });
    merge(&mut pod, change);
    serde_json::from_value(pod).expect("a Pod")
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

fn converted(change: Value) -> registry::Workload {
    placed(record(&pod(change)).expect("a record"), Some(&Locality::parse("eu/eu-1")))
}

#[test]
fn a_plain_pod() {
    let name = "reviews-v1-7d9c-x2x4z".to_owned();
    assert_eq!(
        converted(json!({})),
        registry::Workload {
            name: name.clone(),
            namespace: "default".to_owned(),
            addresses: vec!["10.0.0.7".to_owned(), "fd00::7".to_owned()],
            account: "default".to_owned(),
            node: "node-1".to_owned(),
            locality: "eu/eu-1".to_owned(),
            workload_name: name.clone(),
            canonical_name: name,
            canonical_revision: "latest".to_owned(),
            named_ports: [("web".to_owned(), 9080)].into(),
            ..registry::Workload::default()
        }
    );
}

#[test]
fn pods_that_nobody_can_reach_have_no_record() {
    let table = [
        json!({ "status": { "podIP": null, "podIPs": null } }),
        json!({ "status": { "phase": "Succeeded" } }),
        json!({ "status": { "phase": "Failed" } }),
    ];
    for change in table {
        assert_eq!(record(&pod(change.clone())), None, "{change}");
    }
}

#[test]
fn workloads_are_named_after_what_made_them() {
    let table = [
        ("reviews-v1-7d9c-", "ReplicaSet", "reviews-v1-7d9c", json!({ "pod-template-hash": "7d9c" }), "reviews-v1"),
        ("a-5f-", "ReplicaSet", "a-5f", json!({ "rollouts-pod-template-hash": "5f" }), "a"),
        ("own-", "ReplicaSet", "own", json!({}), "own"),
        ("web-", "StatefulSet", "web", json!({}), "web"),
        ("agent-", "DaemonSet", "agent", json!({}), "agent"),
        ("c-28-", "Job", "clean-28374650", json!({}), "clean"),
        ("once-", "Job", "once", json!({}), "once"),
        ("once-1-", "Job", "once-123", json!({}), "once-123"),
        ("dc-1-", "ReplicationController", "dc-1", json!({ "deploymentconfig": "dc" }), "dc"),
        ("", "ReplicaSet", "reviews-v1-7d9c", json!({ "pod-template-hash": "7d9c" }), "reviews-v1-7d9c-x2x4z"),
    ];
    for (generate_name, kind, owner, labels, expected) in table {
        let record = converted(json!({ "metadata": {
            "generateName": generate_name, "labels": labels,
            "ownerReferences": [{ "apiVersion": "v1", "kind": kind, "name": owner, "uid": "u", "controller": true }],
        } }));
        assert_eq!(record.workload_name, expected, "{kind} {owner}");
    }
}

#[test]
fn canonical_names() {
    let table = [
        (json!({ "app": "reviews", "version": "v1" }), "reviews", "v1"),
        (json!({ "app": "a", "app.kubernetes.io/name": "b", "app.kubernetes.io/version": "2" }), "b", "2"),
        (
            json!({ "app": "a", "service.istio.io/canonical-name": "c", "service.istio.io/canonical-revision": "3" }),
            "c",
            "3",
        ),
    ];
    for (labels, name, revision) in table {
        let record = converted(json!({ "metadata": { "labels": labels } }));
        assert_eq!((record.canonical_name.as_str(), record.canonical_revision.as_str()), (name, revision), "{labels}");
    }
}

#[test]
fn labels_annotations_and_readiness() {
    let record = converted(json!({
        "metadata": {
            "labels": { "security.istio.io/tlsMode": "istio", "istio-locality": "us.us-2.rack-1" },
            "annotations": { "lateen.io/data-plane": "envoy", "sidecar.istio.io/inject": "true", "kubectl": "no" },
        },
        "spec": { "serviceAccountName": "bookinfo-reviews", "hostNetwork": true },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    }));
    assert!(record.mesh_tls && record.host_network && record.ready);
    assert_eq!((record.account.as_str(), record.locality.as_str()), ("bookinfo-reviews", "us/us-2/rack-1"));
    assert_eq!(record.annotations.keys().collect::<Vec<_>>(), ["lateen.io/data-plane", "sidecar.istio.io/inject"]);
}
