//! Pods, and the pod specs in templates.

use serde_json::{Map, Value};

use super::{absent, items, object, text};
use crate::object::Object;

/// A pod by itself.
pub(super) fn pod(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = super::spec(whole) else { return };
    absent(spec, "enableServiceLinks", true);
    pod_spec(spec);
    let host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            requests_from_limits(container);
            if host {
                items(container, "ports").for_each(|port| {
                    let number = port.get("containerPort").cloned().unwrap_or_default();
                    absent(port, "hostPort", number);
                });
            }
        }
    }
}

/// Where a limit is given and no request, the request is the limit.
fn requests_from_limits(container: &mut Map<String, Value>) {
    let Some(resources) = object(container, "resources") else { return };
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    if let Some(requests) = object(resources, "requests") {
        for (name, quantity) in limits {
            absent(requests, &name, quantity);
        }
    }
}

/// A pod spec, of a pod or of a template.
pub(super) fn pod_spec(spec: &mut Map<String, Value>) {
    absent(spec, "restartPolicy", "Always");
    absent(spec, "terminationGracePeriodSeconds", 30);
    absent(spec, "dnsPolicy", "ClusterFirst");
    absent(spec, "securityContext", Map::new());
    absent(spec, "schedulerName", "default-scheduler");
    // The older name of the same field, still told by every server.
    let account = ["serviceAccountName", "serviceAccount"].map(|key| text(spec, key).to_owned());
    if let Some(account) = account.into_iter().find(|name| !name.is_empty()) {
        spec.insert("serviceAccountName".into(), account.as_str().into());
        spec.insert("serviceAccount".into(), account.into());
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        items(spec, list).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
}

fn container(container: &mut Map<String, Value>) {
    let policy = if pulls_always(text(container, "image")) { "Always" } else { "IfNotPresent" };
    absent(container, "imagePullPolicy", policy);
    absent(container, "terminationMessagePath", "/dev/termination-log");
    absent(container, "terminationMessagePolicy", "File");
    absent(container, "resources", Map::new());
    items(container, "ports").for_each(|port| absent(port, "protocol", "TCP"));
    for name in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let Some(Value::Object(probe)) = container.get_mut(name) else { continue };
        for (key, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            // Zero says "not given" here.
            if probe.get(key).is_none_or(|v| *v == 0) {
                probe.insert(key.into(), value.into());
            }
        }
        handler(probe);
        if let Some(Value::Object(grpc)) = probe.get_mut("grpc") {
            absent(grpc, "service", "");
        }
    }
    if let Some(Value::Object(lifecycle)) = container.get_mut("lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(Value::Object(hook)) = lifecycle.get_mut(hook) {
                handler(hook);
            }
        }
    }
    for variable in items(container, "env") {
        if let Some(Value::Object(from)) = variable.get_mut("valueFrom") {
            references(from);
        }
    }
}

/// An image without a tag, or with the tag `latest`, is pulled each time; one named by digest is not.
fn pulls_always(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    !last.contains('@') && matches!(last.split_once(':'), None | Some((_, "latest")))
}

fn handler(handler: &mut Map<String, Value>) {
    if let Some(Value::Object(get)) = handler.get_mut("httpGet") {
        absent(get, "path", "/");
        absent(get, "scheme", "HTTP");
    }
}

/// What a variable or a file takes from the pod.
fn references(from: &mut Map<String, Value>) {
    if let Some(Value::Object(field)) = from.get_mut("fieldRef") {
        absent(field, "apiVersion", "v1");
    }
    if let Some(Value::Object(resource)) = from.get_mut("resourceFieldRef") {
        absent(resource, "divisor", "0");
    }
}

fn volume(volume: &mut Map<String, Value>) {
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".into(), Map::new().into());
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(Value::Object(source)) = volume.get_mut(source) {
            absent(source, "defaultMode", 0o644);
            items(source, "items").for_each(references);
            for part in items(source, "sources") {
                if let Some(Value::Object(token)) = part.get_mut("serviceAccountToken") {
                    absent(token, "expirationSeconds", 3600);
                }
                if let Some(Value::Object(downward)) = part.get_mut("downwardAPI") {
                    items(downward, "items").for_each(references);
                }
            }
        }
    }
    if let Some(Value::Object(path)) = volume.get_mut("hostPath") {
        absent(path, "type", "");
    }
}
