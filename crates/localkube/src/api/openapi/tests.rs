use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::respond;
use crate::kinds::Kinds;

fn document(path: &str) -> Value {
    respond(path, &Kinds::default().served()).unwrap()
}

/// Every `$ref` below `value`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("$ref") {
                assert_eq!(map.len(), 1, "something stands beside {target}");
                found.insert(target.clone());
            }
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

#[test]
fn every_document_of_the_index_is_served_and_closed() {
    let index = document("/openapi/v3");
    let roots = index["paths"].as_object().unwrap();
    assert!(roots.len() > 10, "{roots:?}");
    for (root, entry) in roots {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        assert!(url.starts_with(&format!("/openapi/v3/{root}?hash=")), "{url}");
        let document = document(&format!("/openapi/v3/{root}"));
        let mut targets = BTreeSet::new();
        references(&document, &mut targets);
        for target in targets {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{root}: {target} is not there");
        }
    }
}

#[test]
fn kinds_are_marked_and_patches_take_field_validation() {
    let apps = document("/openapi/v3/apis/apps/v1");
    let gvk = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    let schema = &apps["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(schema["x-kubernetes-group-version-kind"], json!([gvk]));
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], gvk);
    let names: Vec<&str> =
        patch["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"fieldValidation") && names.contains(&"dryRun"), "{names:?}");
    let collection = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"];
    assert_eq!(collection["post"]["x-kubernetes-group-version-kind"], gvk);
    assert_eq!(collection["get"]["x-kubernetes-action"], "list");
}

#[test]
fn other_paths_are_left_to_others() {
    let served = Kinds::default().served();
    for path in ["/openapi/v2", "/openapi/v3/apis/nope/v1", "/openapi/v3/api/v9"] {
        assert_eq!(respond(path, &served), None, "{path}");
    }
}
