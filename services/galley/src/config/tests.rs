use mesh_proto::{mcp, unpack};

use super::*;

fn object() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "VirtualService",
        "metadata": {
            "name": "reviews", "namespace": "default", "generation": 2, "resourceVersion": "17",
            "creationTimestamp": "1970-01-01T00:01:40Z", "labels": { "a": "b" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes" },
        },
        "spec": { "hosts": ["reviews"], "http": [{ "route": [{ "destination": { "host": "reviews" } }] }] },
        "status": { "conditions": [] },
    })
}

#[test]
fn an_object_travels_as_written_in_its_newest_version() {
    let resource = resource(Kind::VirtualService, &object());
    assert_eq!(&*resource.name, "default/reviews");
    let wrapped: mcp::Resource = unpack(&resource.body).expect("an envelope");
    let metadata = wrapped.metadata.expect("metadata");
    assert_eq!(metadata.create_time.map(|time| time.seconds), Some(100));
    assert_eq!(metadata.annotations.keys().collect::<Vec<_>>(), ["kept"]);
    let body: ConfigObject = unpack(&wrapped.body.expect("a body")).expect("an object");
    let json: Value = serde_json::from_str(&body.json).expect("JSON");
    assert_eq!(
        json,
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {
                "name": "reviews", "namespace": "default", "generation": 2, "creationTimestamp": "1970-01-01T00:01:40Z",
                "labels": { "a": "b" }, "annotations": { "kept": "yes" },
            },
            "spec": object()["spec"],
        })
    );
}

#[test]
fn versions_follow_the_meaning() {
    let version = |object: &Value| resource(Kind::VirtualService, object).version;
    let first = version(&object());
    let mut touched = object();
    touched["metadata"]["resourceVersion"] = "18".into();
    touched["status"] = json!({ "conditions": [{ "type": "Accepted" }] });
    assert_eq!(version(&touched), first, "a status is no change");
    touched["spec"]["hosts"] = json!(["ratings"]);
    assert_ne!(version(&touched), first);
}
