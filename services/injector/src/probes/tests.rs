use serde_json::{Value, json};

use crate::tests::{World, container, environment, productpage};

fn probed() -> Value {
    let mut pod = productpage();
    let app = &mut pod["spec"]["containers"][0];
    app["ports"] = json!([{ "containerPort": 9080, "name": "web" }]);
    app["livenessProbe"] = json!({
        "httpGet": { "path": "/live", "port": "web", "scheme": "HTTPS", "host": "elsewhere", "httpHeaders": [{ "name": "X", "value": "y" }] },
        "timeoutSeconds": 2, "periodSeconds": 7, "x-new": 1,
    });
    app["readinessProbe"] = json!({ "tcpSocket": { "port": 9080 }, "failureThreshold": 5 });
    app["startupProbe"] = json!({ "grpc": { "port": 9090, "service": "s" } });
    app["lifecycle"] = json!({ "preStop": { "httpGet": { "path": "/bye", "port": 9080 } }, "postStart": { "exec": { "command": ["true"] } } });
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({
        "name": "second", "image": "x", "livenessProbe": { "exec": { "command": ["true"] } },
        "readinessProbe": { "httpGet": { "port": 15020, "path": "/healthz/ready" } },
    }));
    pod["spec"]["initContainers"] = json!([
        { "name": "helper", "image": "x", "restartPolicy": "Always", "startupProbe": { "tcpSocket": { "port": 1 } } },
        { "name": "once", "image": "x" },
    ]);
    pod
}

#[test]
fn the_kubelet_asks_the_agent() {
    let injected = World::default().injected(&probed());
    let app = container(&injected, "containers", "productpage");
    let at = |word: &str| format!("/app-health/productpage/{word}");
    assert_eq!(
        app["livenessProbe"],
        json!({
            "httpGet": { "path": at("livez"), "port": 15020, "httpHeaders": [{ "name": "X", "value": "y" }] },
            "timeoutSeconds": 2, "periodSeconds": 7, "x-new": 1,
        })
    );
    assert_eq!(
        app["readinessProbe"],
        json!({ "httpGet": { "path": at("readyz"), "port": 15020 }, "failureThreshold": 5 })
    );
    assert_eq!(app["startupProbe"], json!({ "httpGet": { "path": at("startupz"), "port": 15020 } }));
    assert_eq!(
        app["lifecycle"]["preStop"],
        json!({ "httpGet": { "path": "/app-lifecycle/productpage/prestopz", "port": 15020 } })
    );
    assert_eq!(app["lifecycle"]["postStart"], json!({ "exec": { "command": ["true"] } }));
    let second = container(&injected, "containers", "second");
    assert_eq!(second["livenessProbe"], json!({ "exec": { "command": ["true"] } }));
    assert_eq!(second["readinessProbe"]["httpGet"]["path"], "/healthz/ready");
}

#[test]
fn the_agent_knows_what_to_ask() {
    let injected = World::default().injected(&probed());
    let proxy = container(&injected, "containers", "istio-proxy");
    let probers: Value = serde_json::from_str(environment(proxy)["ISTIO_KUBE_APP_PROBERS"]).unwrap();
    assert_eq!(
        probers,
        json!({
            "/app-health/productpage/livez": {
                "httpGet": { "path": "/live", "port": 9080, "scheme": "HTTPS", "host": "elsewhere", "httpHeaders": [{ "name": "X", "value": "y" }] },
                "timeoutSeconds": 2,
            },
            "/app-health/productpage/readyz": { "tcpSocket": { "port": 9080 } },
            "/app-health/productpage/startupz": { "grpc": { "port": 9090, "service": "s" } },
            "/app-lifecycle/productpage/prestopz": { "httpGet": { "path": "/bye", "port": 9080 } },
            "/app-health/helper/startupz": { "tcpSocket": { "port": 1 } },
        })
    );
}

#[test]
fn probes_stay_where_nobody_wants_them_rewritten() {
    let mut pod = probed();
    pod["metadata"]["annotations"]["sidecar.istio.io/rewriteAppHTTPProbers"] = "false".into();
    let injected = World::default().injected(&pod);
    assert_eq!(
        container(&injected, "containers", "productpage")["livenessProbe"],
        pod["spec"]["containers"][0]["livenessProbe"]
    );
    assert!(!environment(container(&injected, "containers", "istio-proxy")).contains_key("ISTIO_KUBE_APP_PROBERS"));
}
