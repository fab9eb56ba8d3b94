use super::*;

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "x" }] } } },
    })
}

fn inject_it(document: &Value) -> (Value, Vec<String>) {
    inject(document, &MeshConfig::default(), &Settings::default()).unwrap()
}

#[test]
fn the_pod_of_a_deployment_gets_a_proxy_that_knows_its_owner() {
    let (result, said) = inject_it(&deployment());
    let proxy = &result["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(proxy["name"], "istio-proxy");
    let owner = proxy["env"].as_array().unwrap().iter().find(|v| v["name"] == "ISTIO_META_OWNER").unwrap();
    assert_eq!(owner["value"], "kubernetes://apis/apps/v1/namespaces/shop/deployments/web");
    assert!(said.is_empty());
}

#[test]
fn a_second_time_changes_nothing_and_says_so() {
    let (once, _) = inject_it(&deployment());
    let (twice, said) = inject_it(&once);
    assert_eq!(once, twice);
    assert!(said[0].contains("already"), "{said:?}");
}

#[test]
fn other_documents_stay_and_lists_are_walked() {
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" } });
    let (result, _) = inject_it(&json!({ "kind": "List", "items": [service, deployment()] }));
    assert_eq!(result["items"][0], service);
    assert_eq!(result["items"][1]["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
}
