use serde_json::{Value, json};

use super::*;

fn slice(endpoints: Value, ports: Value) -> EndpointSlice {
    let slice = json!({
        "metadata": { "name": "reviews-abc", "namespace": "default", "labels": { SERVICE: "reviews" } },
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    });
    serde_json::from_value(slice).expect("an EndpointSlice")
}

fn converted(slices: &[EndpointSlice]) -> Vec<registry::Endpoint> {
    let workload_at = |address: &str| (address == "10.0.0.9").then(|| "default/by-address".to_owned());
    record("reviews.default.svc.cluster.local", "default", slices, workload_at).endpoints
}

#[test]
fn a_pod_behind_a_service() {
    let slice = slice(
        json!([{
            "addresses": ["10.0.0.7"], "nodeName": "node-1", "hostname": "r-0",
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "targetRef": { "kind": "Pod", "name": "reviews-v1-abc", "namespace": "default" },
        }]),
        json!([{ "name": "http", "port": 9080, "protocol": "TCP" }]),
    );
    assert_eq!(service_of(&slice), Some("reviews"));
    assert!(!needs_addresses(&slice));
    assert_eq!(
        converted(&[slice]),
        [registry::Endpoint {
            address: "10.0.0.7".to_owned(),
            ports: [("http".to_owned(), 9080)].into(),
            ready: true,
            draining: false,
            workload: "default/reviews-v1-abc".to_owned(),
            node: "node-1".to_owned(),
            hostname: "r-0".to_owned(),
        }]
    );
}

#[test]
fn conditions() {
    // ready, serving, terminating: is ready, is draining
    let table = [
        (json!({}), true, false),
        (json!({ "ready": true, "serving": true, "terminating": false }), true, false),
        (json!({ "ready": false, "serving": false, "terminating": false }), false, false),
        (json!({ "ready": false, "serving": true, "terminating": true }), false, true),
        (json!({ "ready": false, "serving": false, "terminating": true }), false, false),
        (json!({ "ready": true, "serving": true, "terminating": true }), true, true),
    ];
    for (conditions, ready, draining) in table {
        let endpoints = json!([{ "addresses": ["10.0.0.7"], "conditions": conditions }]);
        let found = converted(&[slice(endpoints, json!([]))]);
        assert_eq!((found[0].ready, found[0].draining), (ready, draining), "{conditions}");
    }
}

#[test]
fn slices_add_up_sorted_by_address() {
    let one = slice(
        json!([{ "addresses": ["10.0.0.8"] }, { "addresses": ["10.0.0.7"] }]),
        json!([{ "name": "a", "port": 1 }]),
    );
    let two = slice(
        json!([{ "addresses": ["10.0.0.8"], "conditions": { "ready": false } }]),
        json!([{ "name": "b", "port": 2 }]),
    );
    let found = converted(&[one, two]);
    let short: Vec<_> = found.iter().map(|e| (e.address.as_str(), e.ports.len(), e.ready)).collect();
    assert_eq!(short, [("10.0.0.7", 1, true), ("10.0.0.8", 2, true)]);
}

#[test]
fn an_endpoint_that_names_nobody_is_found_by_its_address() {
    let slice = slice(json!([{ "addresses": ["10.0.0.9"] }, { "addresses": ["192.0.2.1"] }]), json!([]));
    assert!(needs_addresses(&slice));
    let found: Vec<_> = converted(&[slice]).into_iter().map(|e| e.workload).collect();
    assert_eq!(found, ["default/by-address", ""]);
}

#[test]
fn names_instead_of_addresses_are_left_out() {
    let mut named = slice(json!([{ "addresses": ["example.org"] }]), json!([]));
    named.address_type = "FQDN".to_owned();
    assert!(converted(&[named]).is_empty());
}
