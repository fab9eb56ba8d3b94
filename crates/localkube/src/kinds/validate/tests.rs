use serde_json::{Value, json};

use super::of;
use crate::{kinds::defaults, object::Object};

fn object(kind: &str, value: Value) -> Object {
    let mut object = Object::new(value).unwrap();
    defaults::of(kind)(&mut object, None);
    object
}

fn texts(kind: &str, value: Value) -> Vec<String> {
    let causes = of(kind)(&object(kind, value), None);
    causes.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
}

fn changed(kind: &str, old: Value, new: Value) -> Vec<String> {
    let causes = of(kind)(&object(kind, new), Some(&object(kind, old)));
    causes.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
}

#[test]
fn pods_need_containers_with_names_images_and_volumes() {
    assert_eq!(texts("Pod", json!({"spec": {}})), ["spec.containers: Required value"]);
    let container = json!({"name": "a", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/x"}]});
    let pod = json!({"spec": {"containers": [container, {"name": "a"}], "restartPolicy": "Often"}});
    assert_eq!(
        texts("Pod", pod),
        [
            "spec.restartPolicy: Unsupported value: \"Often\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
            "spec.containers[1].name: Duplicate value: \"a\"",
            "spec.containers[1].image: Required value",
        ]
    );
    let ports = json!([{"containerPort": 70000}, {"name": "http", "protocol": "X"}]);
    let pod = json!({"spec": {"containers": [{"name": "a", "image": "i", "ports": ports}]}});
    assert_eq!(
        texts("Pod", pod),
        [
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            "spec.containers[0].ports[1].containerPort: Required value",
            "spec.containers[0].ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ]
    );
}

#[test]
fn pods_that_exist_take_new_images_and_a_node_and_little_else() {
    let pod = |image: &str, node: &str, host: bool| {
        json!({"spec": {"containers": [{"name": "a", "image": image, "imagePullPolicy": "Always"}],
            "nodeName": node, "hostNetwork": host}})
    };
    assert_eq!(changed("Pod", pod("i:1", "", false), pod("i:2", "node-1", false)), [""; 0]);
    let found = changed("Pod", pod("i:1", "node-1", false), pod("i:1", "node-2", false));
    assert!(found[0].starts_with("spec: Forbidden: pod updates may not change fields other than"), "{found:?}");
    assert_eq!(changed("Pod", pod("i", "node-1", false), pod("i", "node-1", true)).len(), 1);
}

#[test]
fn deployments_select_their_template() {
    let deployment = |selector: Value, label: &str| {
        let template =
            json!({"metadata": {"labels": {"app": label}}, "spec": {"containers": [{"name": "a", "image": "i"}]}});
        json!({"spec": {"selector": selector, "template": template}})
    };
    let a = json!({"matchLabels": {"app": "a"}});
    assert_eq!(texts("Deployment", deployment(a.clone(), "a")), [""; 0]);
    assert_eq!(
        texts("Deployment", deployment(a.clone(), "b")),
        ["spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"b\"}: `selector` does not match \
          template `labels`"]
    );
    assert_eq!(texts("Deployment", deployment(Value::Null, "b")), ["spec.selector: Required value"]);
    let b = json!({"matchLabels": {"app": "b"}});
    assert_eq!(
        changed("Deployment", deployment(a, "a"), deployment(b, "b")),
        ["spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"app\":\"b\"}, \
          MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable"]
    );
}

#[test]
fn jobs_end() {
    let job = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "i"}]}}}});
    let expected = "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
    assert_eq!(texts("Job", job), [expected]);
    let counted = |completions: u8| {
        json!({"spec": {"completions": completions,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]}}}})
    };
    let why = "spec.completions: Invalid value: 2: field is immutable";
    assert_eq!(changed("Job", counted(1), counted(2)), [why]);
}

#[test]
fn nodes_keep_what_they_were_given() {
    let node = |range: &str| json!({"spec": {"podCIDR": range}});
    let why = "spec.podCIDR: Forbidden: node updates may not change podCIDR except from \"\" to valid";
    assert_eq!(changed("Node", node("10.244.0.0/24"), node("10.0.0.0/24")), [why]);
    assert_eq!(changed("Node", json!({}), node("10.244.0.0/24")), [""; 0]);
}

#[test]
fn services_name_their_ports() {
    let service = json!({"spec": {"ports": [{"port": 80, "name": "x"}, {"port": 0}]}});
    assert_eq!(
        texts("Service", service),
        [
            "spec.ports[1].name: Required value",
            "spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[1].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        ]
    );
    assert_eq!(texts("Service", json!({"spec": {}})), ["spec.ports: Required value"]);
    assert_eq!(texts("Service", json!({"spec": {"clusterIP": "None"}})), [""; 0]);
    let families =
        json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"], "ports": [{"port": 80}]});
    assert_eq!(
        texts("Service", json!({ "spec": families })),
        [
            "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
            "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
        ]
    );
}

#[test]
fn data_has_keys_that_can_be_file_names() {
    let found = texts("ConfigMap", json!({"data": {"a/b": "x"}}));
    assert!(found[0].starts_with("data[a/b]: Invalid value: \"a/b\": a valid config key must consist of"), "{found:?}");
    let tls = texts("Secret", json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}));
    assert_eq!(tls, ["data[tls.key]: Required value"]);
    let large = json!({"data": {"a": "x".repeat(1024 * 1024 + 1)}});
    assert_eq!(texts("ConfigMap", large), ["data: Too long: may not be more than 1048576 bytes"]);
    let (old, new) = (json!({"immutable": true, "data": {"a": "1"}}), json!({"immutable": true, "data": {"a": "2"}}));
    let why = "data: Forbidden: field is immutable when `immutable` is set";
    assert_eq!(changed("ConfigMap", old, new), [why]);
}

#[test]
fn webhooks_that_need_cel_are_refused() {
    let hook = |name: &str, conditions: Value| {
        json!({"webhooks": [{"name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://h/x"}, "matchConditions": conditions}]})
    };
    assert_eq!(texts("MutatingWebhookConfiguration", hook("a.b.c", json!([]))), [""; 0]);
    let found = texts("MutatingWebhookConfiguration", hook("a.b.c", json!([{"name": "x", "expression": "true"}])));
    assert!(
        found[0].starts_with("webhooks[0].matchConditions: Forbidden: this cluster does not evaluate CEL"),
        "{found:?}"
    );
    let rule =
        "webhooks[0].name: Invalid value: \"a\": should be a domain with at least three segments separated by dots";
    assert_eq!(texts("ValidatingWebhookConfiguration", hook("a", json!([]))), [rule]);
}
