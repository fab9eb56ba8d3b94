//! Pods that are gateways.

use super::*;

/// A pod as `lateenctl install`, or a chart, makes one: `istio-proxy` is all that runs in it.
fn gateway(container: Value) -> Value {
    let mut proxy = json!({ "name": "istio-proxy", "image": "auto" });
    proxy.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "istio-ingressgateway-7c4f-",
            "labels": { "app": "istio-ingressgateway", "istio": "ingressgateway", "sidecar.istio.io/inject": "true", "pod-template-hash": "7c4f" },
            "annotations": { "inject.istio.io/templates": "gateway" },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "istio-ingressgateway-7c4f", "uid": "1", "controller": true,
            }],
        },
        "spec": { "containers": [proxy] },
    })
}

/// A mesh in whose root namespace nobody opted in: the pod asks for itself.
fn injected(pod: &Value) -> Value {
    World { labels: Labels::default(), ..World::default() }.injected(pod)
}

fn proxy(container_: Value) -> Value {
    container(&injected(&gateway(container_)), "containers", "istio-proxy").clone()
}

#[test]
fn it_becomes_a_router_that_captures_nothing() {
    let pod = injected(&gateway(json!({ "ports": [{ "containerPort": 8080, "protocol": "TCP" }] })));
    assert_eq!(pod["spec"]["initContainers"], Value::Null);
    assert_eq!(pod["spec"]["containers"].as_array().unwrap().len(), 1);
    let proxy = container(&pod, "containers", "istio-proxy");
    assert_eq!(proxy["image"], "lateen/proxy:test");
    assert_eq!(
        proxy["args"],
        json!([
            "proxy",
            "router",
            "--domain",
            "$(POD_NAMESPACE).svc.cluster.local",
            "--proxyLogLevel=warning",
            "--proxyComponentLogLevel=misc:error",
            "--log_output_level=default:info",
        ])
    );
    assert_eq!(proxy["lifecycle"], Value::Null, "nobody waits for it");
    for probe in ["startupProbe", "readinessProbe"] {
        assert_eq!(proxy[probe]["httpGet"], json!({ "path": "/healthz/ready", "port": 15021 }));
    }
    let security = &proxy["securityContext"];
    assert_eq!((&security["runAsUser"], &security["capabilities"]), (&json!(1337), &json!({ "drop": ["ALL"] })));
    assert_eq!(
        pod["spec"]["securityContext"],
        json!({ "sysctls": [{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "0" }] })
    );
    let ports: Vec<_> = proxy["ports"].as_array().unwrap().iter().map(|port| &port["containerPort"]).collect();
    assert_eq!(ports, [15090, 8080]);
    let env = environment(proxy);
    assert!(env["ISTIO_META_POD_PORTS"].contains("8080"), "{}", env["ISTIO_META_POD_PORTS"]);
    assert_eq!((env["ISTIO_META_APP_CONTAINERS"], env["ISTIO_META_WORKLOAD_NAME"]), ("", "istio-ingressgateway"));
    let mounts = proxy["volumeMounts"].as_array().unwrap();
    for volume in ["istio-token", "istiod-ca-cert", "istio-podinfo", "istio-envoy"] {
        assert_eq!(container(&pod, "volumes", volume)["name"], volume);
        assert!(mounts.iter().any(|mount| mount["name"] == volume), "{volume}");
    }
}

#[test]
fn its_labels_are_those_of_a_gateway() {
    let pod = injected(&gateway(json!({})));
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["service.istio.io/canonical-name"], "istio-ingressgateway");
    assert_eq!(
        (&labels["service.istio.io/canonical-revision"], &labels["istio.io/rev"]),
        (&json!("latest"), &json!("default"))
    );
    assert_eq!(labels["security.istio.io/tlsMode"], Value::Null, "its Gateways say what it takes");
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(
        (&annotations["prometheus.io/port"], &annotations["istio.io/rev"]),
        (&json!("15020"), &json!("default"))
    );
    assert_eq!(annotations["kubectl.kubernetes.io/default-container"], Value::Null);
    assert!(annotations["sidecar.istio.io/status"].as_str().unwrap().contains("\"initContainers\":[]"));
}

#[test]
fn what_the_pod_gives_wins() {
    let own = json!({
        "image": "example.org/mesh/proxy:mine",
        "resources": { "requests": { "cpu": "10m" } },
        "securityContext": { "readOnlyRootFilesystem": false },
        "env": [{ "name": "ISTIO_META_UNPRIVILEGED_POD", "value": "true" }, { "name": "TRUST_DOMAIN", "value": "mine" }],
        "readinessProbe": { "periodSeconds": 2 },
    });
    let mut pod = gateway(own);
    pod["metadata"]["annotations"]["prometheus.io/port"] = "9000".into();
    pod["spec"]["securityContext"] = json!({
        "runAsGroup": 7, "sysctls": [{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "80" }],
    });
    pod["spec"]["volumes"] = json!([{ "name": "istio-podinfo", "emptyDir": {} }]);
    let security = pod["spec"]["securityContext"].clone();
    let pod = injected(&pod);
    assert_eq!(pod["spec"]["securityContext"], security);
    assert_eq!(pod["metadata"]["annotations"]["prometheus.io/port"], "9000");
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    assert_eq!(volumes.iter().filter(|volume| volume["name"] == "istio-podinfo").count(), 1);
    let proxy = container(&pod, "containers", "istio-proxy");
    assert_eq!(proxy["image"], "example.org/mesh/proxy:mine");
    assert_eq!(proxy["resources"], json!({ "requests": { "cpu": "10m" } }), "no limits beside them");
    assert_eq!(proxy["securityContext"]["readOnlyRootFilesystem"], false);
    assert_eq!(proxy["securityContext"]["runAsUser"], 1337);
    assert_eq!(
        (&proxy["readinessProbe"]["periodSeconds"], &proxy["readinessProbe"]["failureThreshold"]),
        (&json!(2), &json!(4))
    );
    let env = environment(proxy);
    assert_eq!((env["TRUST_DOMAIN"], env["ISTIO_META_UNPRIVILEGED_POD"]), ("mine", "true"));
}

#[test]
fn resources_that_nobody_gives_are_the_meshs() {
    assert_eq!(proxy(json!({}))["resources"]["limits"], json!({ "cpu": "2", "memory": "1Gi" }));
}

#[test]
fn what_is_for_sidecars_alone_changes_nothing() {
    let mut world = World { labels: Labels::default(), ..World::default() };
    world.settings.native_sidecars = true;
    let mut pod = gateway(json!({}));
    pod["metadata"]["annotations"]["sidecar.istio.io/interceptionMode"] = "TPROXY".into();
    let probe = json!({ "httpGet": { "path": "/live", "port": 9000 } });
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "helper", "livenessProbe": probe }));
    let pod = world.injected(&pod);
    assert_eq!(pod["spec"]["initContainers"], Value::Null);
    assert_eq!(container(&pod, "containers", "helper")["livenessProbe"], probe);
    assert_eq!(container(&pod, "containers", "istio-proxy")["securityContext"]["runAsUser"], 1337);
}
