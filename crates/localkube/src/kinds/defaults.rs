//! What Kubernetes fills in where an object of a built-in kind says nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::object::Object;

mod job;
mod pod;

/// Sets `key` where it is absent or null.
fn absent(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let entry = map.entry(key).or_insert(Value::Null);
    if entry.is_null() {
        *entry = value.into();
    }
}

/// The object at `key`, made when absent; None when something else is there.
fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    absent(map, key, Map::new());
    map.get_mut(key)?.as_object_mut()
}

/// The objects in the list at `key`; none when it is absent.
fn items<'a>(map: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn root(whole: &mut Object) -> Option<&mut Map<String, Value>> {
    whole.value_mut().as_object_mut()
}

fn spec(whole: &mut Object) -> Option<&mut Map<String, Value>> {
    object(root(whole)?, "spec")
}

/// The default function of a built-in kind.
pub fn of(kind: &str) -> fn(&mut Object, Option<&Object>) {
    match kind {
        "Pod" => pod::pod,
        "Deployment" => deployment,
        "ReplicaSet" => replica_set,
        "Job" => job::job,
        "Service" => service,
        "Secret" => secret,
        "Endpoints" => endpoints,
        "EndpointSlice" => endpoint_slice,
        "HorizontalPodAutoscaler" => autoscaler,
        "NetworkPolicy" => network_policy,
        "MutatingWebhookConfiguration" => mutating_webhooks,
        "ValidatingWebhookConfiguration" => validating_webhooks,
        "CustomResourceDefinition" => definition,
        "RoleBinding" | "ClusterRoleBinding" => binding,
        _ => |_, _| {},
    }
}

/// The pod spec in a template, with its defaults.
fn template(spec: &mut Map<String, Value>) {
    if let Some(template) = object(spec, "template") {
        absent(template, "metadata", Map::new());
        if let Some(inner) = object(template, "spec") {
            pod::pod_spec(inner);
        }
    }
}

fn deployment(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = spec(whole) else { return };
    absent(spec, "replicas", 1);
    absent(spec, "revisionHistoryLimit", 10);
    absent(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = object(spec, "strategy") {
        absent(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = object(strategy, "rollingUpdate")
        {
            absent(rolling, "maxUnavailable", "25%");
            absent(rolling, "maxSurge", "25%");
        }
    }
    template(spec);
}

fn replica_set(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = spec(whole) else { return };
    absent(spec, "replicas", 1);
    template(spec);
}

fn service(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = spec(whole) else { return };
    absent(spec, "sessionAffinity", "None");
    absent(spec, "type", "ClusterIP");
    if text(spec, "sessionAffinity") == "ClientIP"
        && let Some(client) = object(spec, "sessionAffinityConfig").and_then(|config| object(config, "clientIP"))
    {
        absent(client, "timeoutSeconds", 10_800);
    }
    for port in items(spec, "ports") {
        absent(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or_default();
        // Zero and "" say "not given", as an absent target does.
        if port.get("targetPort").is_none_or(|t| t.is_null() || *t == 0 || *t == "") {
            port.insert("targetPort".into(), number);
        }
    }
    let kind = text(spec, "type").to_owned();
    if kind != "ExternalName" {
        absent(spec, "internalTrafficPolicy", "Cluster");
        absent(spec, "ipFamilies", json!(["IPv4"]));
        absent(spec, "ipFamilyPolicy", "SingleStack");
    }
    if kind == "NodePort" || kind == "LoadBalancer" {
        absent(spec, "externalTrafficPolicy", "Cluster");
    } else {
        spec.remove("externalTrafficPolicy");
    }
    if kind == "LoadBalancer" {
        absent(spec, "allocateLoadBalancerNodePorts", true);
    } else {
        spec.remove("allocateLoadBalancerNodePorts");
    }
    if let Some(status) = root(whole).and_then(|root| object(root, "status")) {
        absent(status, "loadBalancer", Map::new());
    }
}

fn secret(whole: &mut Object, _old: Option<&Object>) {
    let Some(root) = root(whole) else { return };
    absent(root, "type", "Opaque");
    if let Some(Value::Object(plain)) = root.remove("stringData")
        && let Some(data) = object(root, "data")
    {
        for (key, value) in plain {
            data.insert(key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
        }
    }
}

fn endpoints(whole: &mut Object, _old: Option<&Object>) {
    let Some(root) = root(whole) else { return };
    for subset in items(root, "subsets") {
        items(subset, "ports").for_each(|port| absent(port, "protocol", "TCP"));
    }
}

fn endpoint_slice(whole: &mut Object, _old: Option<&Object>) {
    let Some(root) = root(whole) else { return };
    for port in items(root, "ports") {
        absent(port, "name", "");
        absent(port, "protocol", "TCP");
    }
}

fn autoscaler(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = spec(whole) else { return };
    absent(spec, "minReplicas", 1);
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        spec.insert("metrics".into(), json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    }
}

fn network_policy(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = spec(whole) else { return };
    absent(spec, "podSelector", Map::new());
    let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    absent(spec, "policyTypes", if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            items(rule, "ports").for_each(|port| absent(port, "protocol", "TCP"));
        }
    }
}

fn webhooks(whole: &mut Object, mutating: bool) {
    let Some(root) = root(whole) else { return };
    for webhook in items(root, "webhooks") {
        absent(webhook, "failurePolicy", "Fail");
        absent(webhook, "matchPolicy", "Equivalent");
        absent(webhook, "namespaceSelector", Map::new());
        absent(webhook, "objectSelector", Map::new());
        absent(webhook, "timeoutSeconds", 10);
        if mutating {
            absent(webhook, "reinvocationPolicy", "Never");
        }
        if let Some(Value::Object(client)) = webhook.get_mut("clientConfig")
            && let Some(Value::Object(service)) = client.get_mut("service")
        {
            absent(service, "port", 443);
        }
        items(webhook, "rules").for_each(|rule| absent(rule, "scope", "*"));
    }
}

fn mutating_webhooks(whole: &mut Object, _old: Option<&Object>) {
    webhooks(whole, true);
}

fn validating_webhooks(whole: &mut Object, _old: Option<&Object>) {
    webhooks(whole, false);
}

fn definition(whole: &mut Object, _old: Option<&Object>) {
    let Some(spec) = spec(whole) else { return };
    if let Some(conversion) = object(spec, "conversion") {
        absent(conversion, "strategy", "None");
    }
    if let Some(names) = object(spec, "names") {
        let kind = text(names, "kind").to_owned();
        absent(names, "singular", kind.to_lowercase());
        absent(names, "listKind", format!("{kind}List"));
    }
    for version in items(spec, "versions") {
        for flag in ["served", "storage"] {
            absent(version, flag, false);
        }
        for column in items(version, "additionalPrinterColumns") {
            if column.get("priority") == Some(&json!(0)) {
                column.remove("priority");
            }
        }
    }
}

fn binding(whole: &mut Object, _old: Option<&Object>) {
    let Some(root) = root(whole) else { return };
    const GROUP: &str = "rbac.authorization.k8s.io";
    if let Some(Value::Object(role)) = root.get_mut("roleRef") {
        absent(role, "apiGroup", GROUP);
    }
    for subject in items(root, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            absent(subject, "apiGroup", GROUP);
        }
    }
}

#[cfg(test)]
mod tests;
