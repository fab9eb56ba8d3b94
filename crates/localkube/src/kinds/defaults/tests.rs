use serde_json::{Value, json};

use super::of;
use crate::object::Object;

fn filled(kind: &str, value: Value) -> Value {
    let mut object = Object::new(value).unwrap();
    of(kind)(&mut object, None);
    let once = object.clone();
    of(kind)(&mut object, None);
    assert_eq!(once, object, "defaults must not change what has them");
    object.into_value()
}

#[test]
fn pod_gets_what_kubectl_shows() {
    let probe = json!({"httpGet": {"port": 80}});
    let container = json!({
        "name": "a", "image": "nginx", "ports": [{"containerPort": 80}], "readinessProbe": probe,
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}},
    });
    let volumes =
        json!([{"name": "tmp"}, {"name": "c", "configMap": {"name": "c"}}, {"name": "h", "hostPath": {"path": "/"}}]);
    let pod =
        filled("Pod", json!({"spec": {"containers": [container], "volumes": volumes, "serviceAccountName": "sa"}}));
    assert_eq!(
        pod["spec"],
        json!({
            "containers": [{
                "name": "a", "image": "nginx", "imagePullPolicy": "Always",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "readinessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                    "successThreshold": 1, "failureThreshold": 3,
                },
                "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP", "apiVersion": "v1"}}}],
                "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Mi", "cpu": "1"}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "volumes": [
                {"name": "tmp", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c", "defaultMode": 420}},
                {"name": "h", "hostPath": {"path": "/", "type": ""}},
            ],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "securityContext": {}, "schedulerName": "default-scheduler", "enableServiceLinks": true,
            "serviceAccountName": "sa", "serviceAccount": "sa",
        })
    );
}

#[test]
fn images_are_pulled_always_without_a_fixed_tag() {
    let policy = |image: &str| {
        let pod = filled("Pod", json!({"spec": {"containers": [{"image": image}]}}));
        pod["spec"]["containers"][0]["imagePullPolicy"].as_str().unwrap().to_owned()
    };
    for image in ["a", "h:5000/a", "a:latest", "h/b/a:latest"] {
        assert_eq!(policy(image), "Always", "{image}");
    }
    for image in ["a:1", "h:5000/a:1", "a@sha256:0", "a:latest@sha256:0"] {
        assert_eq!(policy(image), "IfNotPresent", "{image}");
    }
}

#[test]
fn deployment_rolls_by_quarters() {
    let deployment = filled("Deployment", json!({"spec": {"template": {"spec": {"containers": []}}}}));
    let spec = &deployment["spec"];
    assert_eq!((&spec["replicas"], &spec["revisionHistoryLimit"]), (&json!(1), &json!(10)));
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}});
    assert_eq!(spec["strategy"], strategy);
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Always");
    assert_eq!(spec["template"]["spec"].get("enableServiceLinks"), None);
    let recreate = filled("Deployment", json!({"spec": {"strategy": {"type": "Recreate"}}}));
    assert_eq!(recreate["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn job_selects_its_pods_by_uid() {
    let job = filled(
        "Job",
        json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}),
    );
    assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
    let labels = json!({
        "a": "b", "batch.kubernetes.io/controller-uid": "u", "controller-uid": "u",
        "batch.kubernetes.io/job-name": "j", "job-name": "j",
    });
    assert_eq!(job["spec"]["template"]["metadata"]["labels"], labels);
    assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
    let spec = &job["spec"];
    assert_eq!((&spec["completions"], &spec["parallelism"], &spec["backoffLimit"]), (&json!(1), &json!(1), &json!(6)));
}

#[test]
fn service_defaults_depend_on_its_type() {
    let ports = json!([{"port": 80}, {"port": 81, "targetPort": "web", "protocol": "UDP"}]);
    let plain = filled("Service", json!({"spec": {"ports": ports}}));
    assert_eq!(
        plain["spec"],
        json!({
            "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [
                {"port": 80, "protocol": "TCP", "targetPort": 80},
                {"port": 81, "targetPort": "web", "protocol": "UDP"},
            ],
        })
    );
    let balanced = filled("Service", json!({"spec": {"type": "LoadBalancer"}}));
    assert_eq!(balanced["spec"]["allocateLoadBalancerNodePorts"], true);
    assert_eq!(balanced["spec"]["externalTrafficPolicy"], "Cluster");
    let named = filled("Service", json!({"spec": {"type": "ExternalName"}}));
    assert_eq!(named["spec"].get("internalTrafficPolicy"), None);
}

#[test]
fn secret_text_becomes_data() {
    let secret = filled("Secret", json!({"data": {"a": "eA=="}, "stringData": {"b": "y"}}));
    assert_eq!(secret, json!({"metadata": {}, "type": "Opaque", "data": {"a": "eA==", "b": "eQ=="}}));
}

#[test]
fn webhooks_and_definitions_get_theirs() {
    let hooks = json!({"webhooks": [{"clientConfig": {"service": {}}, "rules": [{}]}]});
    let hook = filled("MutatingWebhookConfiguration", hooks)["webhooks"][0].clone();
    assert_eq!(hook["failurePolicy"], "Fail");
    assert_eq!(hook["reinvocationPolicy"], "Never");
    assert_eq!(hook["clientConfig"]["service"]["port"], 443);
    assert_eq!(hook["rules"][0]["scope"], "*");
    let crd = filled("CustomResourceDefinition", json!({"spec": {"names": {"kind": "VirtualService"}}}));
    let names = json!({"kind": "VirtualService", "singular": "virtualservice", "listKind": "VirtualServiceList"});
    assert_eq!(crd["spec"]["names"], names);
    assert_eq!(crd["spec"]["conversion"], json!({"strategy": "None"}));
}
