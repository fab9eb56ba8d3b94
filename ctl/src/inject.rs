//! `kube-inject`: what the webhook would do, done to a file.

use injector::{Outcome, Request, Settings, Workload};
use istio_api::MeshConfig;
use mesh_types::Labels;
use serde_json::{Value, json};

/// Kinds that make pods, and where their pod stands.
const TEMPLATES: [(&str, &str); 7] = [
    ("Deployment", "/spec/template"),
    ("StatefulSet", "/spec/template"),
    ("DaemonSet", "/spec/template"),
    ("ReplicaSet", "/spec/template"),
    ("ReplicationController", "/spec/template"),
    ("Job", "/spec/template"),
    ("CronJob", "/spec/jobTemplate/spec/template"),
];

/// A document with the proxy added to the pods that it makes; other documents stay as they are. The second value says why
/// nothing was added, and what else there is to say.
pub fn inject(
    document: &Value,
    mesh: &MeshConfig,
    settings: &Settings,
) -> Result<(Value, Vec<String>), injector::InjectError> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    if kind == "List" {
        return list(document, mesh, settings);
    }
    let path =
        if kind == "Pod" { "" } else { TEMPLATES.iter().find(|(k, _)| *k == kind).map_or("/-", |(_, path)| *path) };
    let Some(pod) = document.pointer(path) else { return Ok((document.clone(), Vec::new())) };
    // Who asks for a file to be injected has opted in.
    let labels: Labels = [("istio-injection", "enabled")].into_iter().collect();
    let workload = Workload {
        api_version: document["apiVersion"].as_str().unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let outcome = injector::inject(&Request {
        pod,
        namespace: document["metadata"]["namespace"].as_str().unwrap_or("default"),
        namespace_labels: &labels,
        mesh,
        settings,
        proxy_configs: &[],
        workload: (kind != "Pod").then_some(&workload),
    })?;
    let mut result = document.clone();
    let said = |text: String| format!("{kind} {name}: {text}");
    match outcome {
        Outcome::Skipped(skip) => Ok((result, vec![said(format!("not injected: {skip}"))])),
        Outcome::Injected(injected) => {
            if let Some(slot) = result.pointer_mut(path) {
                *slot = injected.pod;
            }
            Ok((result, injected.warnings.into_iter().map(said).collect()))
        }
    }
}

fn list(
    document: &Value,
    mesh: &MeshConfig,
    settings: &Settings,
) -> Result<(Value, Vec<String>), injector::InjectError> {
    let (mut items, mut said) = (Vec::new(), Vec::new());
    for item in document["items"].as_array().into_iter().flatten() {
        let (item, words) = inject(item, mesh, settings)?;
        items.push(item);
        said.extend(words);
    }
    let mut result = document.clone();
    result["items"] = json!(items);
    Ok((result, said))
}

#[cfg(test)]
mod tests;
