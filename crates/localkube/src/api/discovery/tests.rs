use serde_json::{Value, json};

use super::{AGGREGATED, respond, version_rank};
use crate::kinds::Kinds;

fn body(path: &str) -> Value {
    respond(path, "application/json", &Kinds::default().served()).unwrap().body
}

#[test]
fn versions_are_ordered_as_kubernetes_prefers_them() {
    let mut versions = ["foo10", "v1beta2", "v12alpha1", "v10", "v3beta1", "v11alpha2", "foo1", "v2", "v1", "v11beta2"];
    versions.sort_by_key(|v| std::cmp::Reverse(version_rank(v)));
    let expected = ["v10", "v2", "v1", "v11beta2", "v3beta1", "v1beta2", "v12alpha1", "v11alpha2", "foo1", "foo10"];
    assert_eq!(versions, expected);
}

#[test]
fn core_lists_pods_with_their_subresources() {
    let list = body("/api/v1");
    let names: Vec<&str> = list["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    for name in ["pods", "pods/log", "pods/exec", "pods/status", "pods/eviction", "serviceaccounts/token"] {
        assert!(names.contains(&name), "{name} missing in {names:?}");
    }
    let eviction = list["resources"].as_array().unwrap().iter().find(|r| r["name"] == "pods/eviction").unwrap();
    assert_eq!((&eviction["group"], &eviction["kind"]), (&json!("policy"), &json!("Eviction")));
}

#[test]
fn groups_name_their_preferred_version() {
    let apps = body("/apis/apps");
    assert_eq!(apps["preferredVersion"], json!({"groupVersion": "apps/v1", "version": "v1"}));
    let names: Vec<Value> = body("/apis")["groups"].as_array().unwrap().iter().map(|g| g["name"].clone()).collect();
    assert!(names.contains(&json!("authorization.k8s.io")) && !names.contains(&json!("")));
}

#[test]
fn aggregated_form_is_given_to_those_who_accept_it() {
    let served = Kinds::default().served();
    let answer = respond("/apis", &format!("{AGGREGATED},application/json"), &served).unwrap();
    assert_eq!(answer.content_type, AGGREGATED);
    let apps = answer.body["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps").unwrap();
    let resources = apps["versions"][0]["resources"].as_array().unwrap();
    let deployments = resources.iter().find(|r| r["resource"] == "deployments").unwrap();
    assert_eq!(deployments["shortNames"], json!(["deploy"]));
    assert_eq!(deployments["subresources"][0]["responseKind"]["kind"], "Scale");
    let old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    assert_eq!(respond("/apis", old, &served).unwrap().content_type, "application/json");
}

#[test]
fn the_root_names_what_there_is() {
    let root = body("/");
    let paths: Vec<&str> = root["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    for path in ["/api/v1", "/apis/apps", "/apis/apps/v1", "/version"] {
        assert!(paths.contains(&path), "{path} missing in {paths:?}");
    }
}

#[test]
fn other_paths_are_left_to_others() {
    let served = Kinds::default().served();
    for path in ["/apis/nope", "/apis/apps/v9", "/api/v1/pods", "/version"] {
        assert_eq!(respond(path, "", &served), None, "{path}");
    }
}
