use serde_json::json;

use super::*;
use crate::{DestinationRule, Object, ServiceEntry, VirtualService, object::Generation};

#[test]
fn the_table_is_complete_and_in_order() {
    let (theirs, istios): (Vec<&KindInfo>, Vec<&KindInfo>) =
        KINDS.iter().partition(|info| info.group == gateway_api::GROUP);
    assert!(istios.is_sorted_by_key(|info| info.kind), "{istios:?}");
    assert!(theirs.is_sorted_by_key(|info| info.kind.to_lowercase()), "{theirs:?}");
    assert_eq!((istios.len(), theirs.len()), (14, 6));
    assert_eq!(VirtualService::INFO.api_version(), "networking.istio.io/v1");
    assert_eq!(VirtualService::VERSION, "v1");
    assert_eq!(DestinationRule::SHORT_NAMES, ["dr"]);
    for info in KINDS {
        assert!(info.serves(&info.api_version(), info.kind));
        assert_eq!(info.versions.iter().filter(|v| v.storage).count(), 1, "{}", info.kind);
    }
}

#[test]
fn a_word_of_two_groups_is_two_kinds() {
    let object = |version: &str| json!({ "apiVersion": version, "kind": "Gateway" });
    let group = |version| kind_of(&object(version)).map(|info| info.group);
    assert_eq!(group("networking.istio.io/v1beta1"), Some("networking.istio.io"));
    assert_eq!(group("gateway.networking.k8s.io/v1beta1"), Some("gateway.networking.k8s.io"));
    assert_eq!(group("gateway.networking.k8s.io/v1alpha3"), None);
}

#[test]
fn an_objects_kind_is_found_in_every_version_that_is_served() {
    let object = |version: &str| json!({ "apiVersion": version, "kind": "VirtualService" });
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let found = kind_of(&object(&format!("networking.istio.io/{version}"))).unwrap();
        assert_eq!(found.plural, "virtualservices");
    }
    for version in ["networking.istio.io/v2", "networking.istio.io", "networking.istio.iov1", "v1", ""] {
        assert!(kind_of(&object(version)).is_none(), "{version}");
    }
}

#[test]
fn unknown_fields_are_listed_with_their_paths() {
    let object = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": "a" },
        "specs": {},
        "spec": { "hosts": ["a"], "http": [{ "match": [{ "uri": { "exact": "/a" }, "path": {} }] }] },
    });
    assert_eq!(unknown_fields(kind_of(&object).unwrap(), &object), ["specs", "spec.http[0].match[0].path"]);
}

#[test]
fn an_object_keeps_what_kubernetes_gave_it() {
    let json = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {
            "name": "a", "namespace": "b", "generation": 3, "uid": "u", "resourceVersion": "9",
            "creationTimestamp": "2025-01-01T00:00:00Z", "generateName": "a-", "managedFields": [{ "manager": "kubectl" }],
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "x", "controller": true }],
        },
        "spec": { "hosts": ["a.example"] },
        "status": {
            "observedGeneration": "2",
            "addresses": [{ "value": "240.240.0.1", "host": "a.example" }],
            "conditions": [{ "type": "Accepted", "status": "True", "observedGeneration": 2 }],
        },
    });
    let object: Object<ServiceEntry> = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(object.status.as_ref().unwrap().observed_generation, Some(Generation(2)));
    let mut again = serde_json::to_value(object).unwrap();
    again["status"]["observedGeneration"] = json!("2");
    assert_eq!(again, json);
}

#[test]
fn a_new_object_says_what_it_is() {
    let object =
        Object::new("default", "reviews", DestinationRule { host: "reviews".to_owned(), ..Default::default() });
    let expected = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": { "name": "reviews", "namespace": "default" },
        "spec": { "host": "reviews" },
    });
    assert_eq!(serde_json::to_value(object).unwrap(), expected);
}
