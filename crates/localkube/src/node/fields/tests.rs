use k8s_openapi::{
    api::core::v1::{Container, ObjectFieldSelector, Pod, ResourceFieldSelector},
    apimachinery::pkg::api::resource::Quantity,
};
use serde_json::json;

use super::{Facts, field, nanos, resource};

fn facts() -> Facts {
    let allocatable = [("cpu", "2"), ("memory", "4Gi")];
    Facts {
        pod_ip: "10.244.0.5".into(),
        host_ip: "172.18.0.2".into(),
        allocatable: allocatable.map(|(k, v)| (k.to_owned(), Quantity(v.to_owned()))).into(),
    }
}

#[test]
fn fields_of_a_pod() {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": "say \"x\""}},
        "spec": {"nodeName": "node-1", "serviceAccountName": "sa", "containers": []},
    }))
    .unwrap();
    let get = |path: &str| {
        field(&ObjectFieldSelector { api_version: None, field_path: path.to_owned() }, &pod, &facts()).unwrap()
    };
    assert_eq!(get("metadata.name"), "p");
    assert_eq!(get("metadata.labels['b']"), "2");
    assert_eq!(get("metadata.annotations['missing']"), "");
    assert_eq!(get("metadata.labels"), "a=\"say \\\"x\\\"\"\nb=\"2\"");
    assert_eq!(get("status.podIP"), "10.244.0.5");
    assert_eq!(get("status.hostIP"), "172.18.0.2");
    assert_eq!(get("spec.serviceAccountName"), "sa");
}

#[test]
fn resources_are_divided_and_rounded_up() {
    let container: Container = serde_json::from_value(json!({
        "name": "c", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}},
    }))
    .unwrap();
    let get = |resource_name: &str, divisor: &str| {
        let divisor = Some(Quantity(divisor.to_owned()));
        let selector = ResourceFieldSelector { container_name: None, divisor, resource: resource_name.to_owned() };
        resource(&selector, &container, &facts()).unwrap()
    };
    assert_eq!(get("limits.cpu", "0"), "2");
    assert_eq!(get("limits.cpu", "1m"), "1500");
    assert_eq!(get("limits.memory", "1Mi"), "4096", "the node's, when no limit is set");
    assert_eq!(get("requests.memory", "0"), "67108864");
    assert_eq!(get("requests.cpu", "1"), "0");
}

#[test]
fn quantities() {
    assert_eq!(nanos("0.5"), Some(500_000_000));
    assert_eq!(nanos("1e3"), Some(1_000_000_000_000));
    assert_eq!(nanos("100m"), Some(100_000_000));
    assert_eq!(nanos("2E"), Some(2_000_000_000_000_000_000_000_000_000));
    assert_eq!(nanos("x"), None);
}
