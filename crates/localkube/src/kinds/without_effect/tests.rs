use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    Object::new(value).unwrap()
}

#[test]
fn each_field_without_effect_is_named_once() {
    let spec = json!({
        "setHostnameAsFQDN": true,
        "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}},
        "initContainers": [{"name": "i", "securityContext": {"seLinuxOptions": {"level": "s0"}}}],
        "containers": [
            {"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]},
            {"name": "b", "volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}]},
        ],
    });
    let fields = [
        "setHostnameAsFQDN",
        "securityContext.seccompProfile",
        "initContainers[0].securityContext.seLinuxOptions",
        "containers[0].ports[1].hostPort",
        "containers[1].volumeMounts[0].mountPropagation",
    ];
    let told = |prefix: &str| fields.map(|f| format!("{prefix}.{f}: has no effect in localkube")).to_vec();
    let pod = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": spec}));
    assert_eq!(warnings("Pod", &pod), told("spec"));
    let deployment = object(json!({"metadata": {}, "spec": {"template": {"spec": spec}}}));
    assert_eq!(warnings("Deployment", &deployment), told("spec.template.spec"));
    assert_eq!(warnings("Gateway", &deployment), Vec::<String>::new());
}

#[test]
fn defaults_say_nothing() {
    let pod = object(json!({"metadata": {}, "spec": {
        "setHostnameAsFQDN": false,
        "ephemeralContainers": [],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "ports": [{"hostPort": 0}], "volumeMounts": [{"mountPropagation": "None"}]}],
    }}));
    assert_eq!(warnings("Pod", &pod), Vec::<String>::new());
}
