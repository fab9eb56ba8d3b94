//! Pods: the service account and its token, tolerations of short node failures, and the first status.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    api::{Api, verbs::random_suffix},
    object::Object,
    status::Status,
    store::{Resource, Stored},
};

/// Where a pod finds its token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The `default` account of a new namespace is made by a controller; a pod may be ahead of it by so many looks.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Completes a new pod.
pub(super) async fn complete(api: &Api, pod: &mut Object) -> Result<(), Status> {
    // A mirror of a static pod is not given anything.
    if pod.annotation("kubernetes.io/config.mirror").is_none() {
        service_account(api, pod).await?;
    }
    prioritize(pod)?;
    tolerate(pod);
    let class = quality(pod);
    pod.set("status", json!({"phase": "Pending", "qosClass": class}));
    Ok(())
}

async fn service_account(api: &Api, pod: &mut Object) -> Result<(), Status> {
    let mut name = pod.text("/spec/serviceAccountName").to_owned();
    if name.is_empty() {
        name = Some(pod.text("/spec/serviceAccount")).filter(|n| !n.is_empty()).unwrap_or("default").to_owned();
    }
    let account = find(api, pod.namespace(), &name).await.ok_or_else(|| {
        let why =
            format!("error looking up service account {}/{name}: serviceaccount \"{name}\" not found", pod.namespace());
        Status::forbidden("", "pods", pod.name(), &why)
    })?;
    let wants = |object: &Object, pointer: &str| object.at(pointer).and_then(Value::as_bool);
    let mounts = wants(pod, "/spec/automountServiceAccountToken")
        .or(wants(&account.object, "/automountServiceAccountToken"))
        .unwrap_or(true);
    let pull = account.object.at("/imagePullSecrets").cloned();
    let spec = &mut pod.value_mut()["spec"];
    spec["serviceAccountName"] = name.as_str().into();
    spec["serviceAccount"] = name.into();
    if let (None, Some(pull)) = (spec["imagePullSecrets"].as_array().filter(|list| !list.is_empty()), pull) {
        spec["imagePullSecrets"] = pull;
    }
    if mounts {
        mount_token(spec);
    }
    Ok(())
}

async fn find(api: &Api, namespace: &str, name: &str) -> Option<Arc<Stored>> {
    let looks = if name == "default" { LOOKS } else { 1 };
    for look in 0..looks {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let found = api.store().get(&Resource::new("", "serviceaccounts"), namespace, name);
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Mounts a projected token into every container that has nothing at that path.
fn mount_token(spec: &mut Value) {
    let present = spec["volumes"].as_array().into_iter().flatten();
    let present = present.filter_map(|v| v["name"].as_str()).find(|name| name.starts_with("kube-api-access-"));
    let (name, new) = match present {
        Some(name) => (name.to_owned(), false),
        None => (format!("kube-api-access-{}", random_suffix()), true),
    };
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = &mut container["volumeMounts"];
            if mounts.as_array().into_iter().flatten().any(|m| m["mountPath"] == TOKEN_PATH) {
                continue;
            }
            push(mounts, json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
            mounted = true;
        }
    }
    if mounted && new {
        let root = json!({"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]});
        let namespace =
            json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
        let sources = json!([
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": root},
            {"downwardAPI": {"items": [namespace]}},
        ]);
        push(&mut spec["volumes"], json!({"name": name, "projected": {"defaultMode": 420, "sources": sources}}));
    }
}

/// The priority classes that every cluster has; no others are served.
const PRIORITIES: [(&str, i64); 3] =
    [("", 0), ("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

fn prioritize(pod: &mut Object) -> Result<(), Status> {
    let class = pod.text("/spec/priorityClassName");
    let Some((_, priority)) = PRIORITIES.iter().find(|(name, _)| *name == class) else {
        let why = format!("no PriorityClass with name {class} was found");
        return Err(Status::forbidden("", "pods", pod.name(), &why));
    };
    let spec = &mut pod.value_mut()["spec"];
    spec["priority"] = json!(priority);
    if spec["preemptionPolicy"].is_null() {
        spec["preemptionPolicy"] = json!("PreemptLowerPriority");
    }
    Ok(())
}

/// A node may be away for five minutes before its pods go.
fn tolerate(pod: &mut Object) {
    let tolerations = &mut pod.value_mut()["spec"]["tolerations"];
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let has = tolerations.as_array().into_iter().flatten().any(|t| {
            let matches_key =
                t["key"] == key || (t["key"].as_str().unwrap_or("").is_empty() && t["operator"] == "Exists");
            let effect = t["effect"].as_str().unwrap_or("");
            matches_key && (effect == "NoExecute" || effect.is_empty())
        });
        if !has {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            push(tolerations, toleration);
        }
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = json!([item]),
    }
}

/// `Guaranteed`: every container has limits on cpu and memory, equal to its requests. `BestEffort`: none has either.
fn quality(pod: &Object) -> &'static str {
    let containers = ["/spec/initContainers", "/spec/containers"];
    let containers = containers.iter().filter_map(|p| pod.at(p)).filter_map(Value::as_array).flatten();
    let (mut any, mut all) = (false, true);
    for container in containers {
        for resource in ["cpu", "memory"] {
            let of = |kind: &str| container["resources"][kind].get(resource);
            any |= of("limits").is_some() || of("requests").is_some();
            all &= of("limits").is_some_and(|limit| of("requests").is_none_or(|request| request == limit));
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests;
