//! Puts the mesh into a cluster, waits until it works, and takes it out again.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use serde_json::Value;

use crate::{
    cluster::{Cluster, ClusterError},
    manifests::{self, Part},
    options::{Direction, NAMESPACE, Options},
};

/// How often a thing that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Why the mesh is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The cluster refuses.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The objects cannot be written as JSON.
    #[error("the manifests cannot be made")]
    Manifests(#[from] serde_json::Error),
    /// Something takes too long.
    #[error("{what} is not ready after {seconds} s{hint}; --readiness-timeout gives it more time")]
    NotReady {
        /// What.
        what: String,
        /// How long.
        seconds: u64,
        /// What its pods say.
        hint: String,
    },
    /// Nobody reads what is said.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Applies everything in order and waits until the control plane and the gateways are ready.
pub async fn install(
    cluster: &Cluster,
    options: &Options,
    patience: Duration,
    out: &mut impl Write,
) -> Result<(), InstallError> {
    for note in &options.notes {
        writeln!(out, "! {note}")?;
    }
    let objects = manifests::core(options)?;
    let (kinds, rest): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| object["kind"] == "CustomResourceDefinition");
    for kind in &kinds {
        cluster.apply(kind).await?;
    }
    for kind in &kinds {
        wait(cluster, kind, patience, established).await?;
    }
    writeln!(out, "✔ Kinds installed ({} definitions)", kinds.len())?;
    for object in &rest {
        cluster.apply(object).await?;
    }
    writeln!(out, "✔ Istio core installed ⛵️")?;
    for part in Part::ALL {
        let named = |object: &&&Value| object["kind"] == "Deployment" && object["metadata"]["name"] == part.name();
        if let Some(deployment) = rest.iter().find(named) {
            wait(cluster, deployment, patience, rolled_out).await?;
            writeln!(out, "✔ {} ready", part.name())?;
        }
    }
    writeln!(out, "✔ Istiod installed 🧠 (as galley, pilot and ca)")?;
    gateways(cluster, options, patience, out).await?;
    writeln!(out, "✔ Installation complete")?;
    Ok(())
}

/// Applies the gateways and waits for them; takes away those that were installed and are not wanted any more.
async fn gateways(
    cluster: &Cluster,
    options: &Options,
    patience: Duration,
    out: &mut impl Write,
) -> Result<(), InstallError> {
    let objects = manifests::gateways(options)?;
    let is_wanted = |old: &Value| objects.iter().any(|new| new["kind"] == old["kind"] && place(new) == place(old));
    for old in installed_gateways(cluster).await?.iter().filter(|old| !is_wanted(old)) {
        remove(cluster, old, out).await?;
    }
    if objects.is_empty() {
        return Ok(());
    }
    let core = manifests::core(options)?;
    // Their pods are made by injection: without it they would start as what they are not.
    for webhook in core.iter().filter(|object| object["kind"] == "MutatingWebhookConfiguration") {
        wait(cluster, webhook, patience, trusted).await?;
    }
    for object in &objects {
        cluster.apply(object).await?;
    }
    for deployment in objects.iter().filter(|object| object["kind"] == "Deployment") {
        wait(cluster, deployment, patience, rolled_out).await?;
        writeln!(out, "✔ {} ready", deployment["metadata"]["name"].as_str().unwrap_or_default())?;
    }
    for (direction, words) in
        [(Direction::Ingress, "Ingress gateways installed 🛬"), (Direction::Egress, "Egress gateways installed 🛫")]
    {
        if options.gateways.iter().any(|gateway| gateway.direction == direction) {
            writeln!(out, "✔ {words}")?;
        }
    }
    Ok(())
}

/// The objects of all gateways that are installed, wherever they are.
async fn installed_gateways(cluster: &Cluster) -> Result<Vec<Value>, ClusterError> {
    let mut found = Vec::new();
    for (version, kind) in manifests::GATEWAY_KINDS {
        found.extend(cluster.list(version, kind, &manifests::of_gateways()).await?);
    }
    Ok(found)
}

async fn remove(cluster: &Cluster, object: &Value, out: &mut impl Write) -> Result<(), InstallError> {
    if cluster.delete(object).await? {
        writeln!(out, "  Removed {}:{}.", object["kind"].as_str().unwrap_or_default(), place(object))?;
    }
    Ok(())
}

/// Deletes everything but the definitions of kinds, which would take all objects of those kinds along, and the namespace.
pub async fn uninstall(cluster: &Cluster, options: &Options, out: &mut impl Write) -> Result<(), InstallError> {
    let objects = manifests::core(options)?;
    let kept = |object: &&Value| object["kind"] == "CustomResourceDefinition" || object["kind"] == "Namespace";
    // The webhooks first: with galley gone they would keep pods from starting.
    for object in objects.iter().rev().filter(|object| !kept(object)) {
        remove(cluster, object, out).await?;
    }
    for object in installed_gateways(cluster).await? {
        remove(cluster, &object, out).await?;
    }
    writeln!(
        out,
        "✔ Uninstall complete (namespace {NAMESPACE}, definitions of kinds, and Secret istio-ca-secret stay)"
    )?;
    Ok(())
}

fn place(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let namespace = text("namespace");
    if namespace.is_empty() { text("name") } else { format!("{namespace}:{}", text("name")) }
}

async fn wait(
    cluster: &Cluster,
    object: &Value,
    patience: Duration,
    ready: fn(&Value) -> bool,
) -> Result<(), InstallError> {
    let end = Instant::now() + patience;
    loop {
        if cluster.get(object).await?.as_ref().is_some_and(ready) {
            return Ok(());
        }
        if Instant::now() >= end {
            let namespace = object["metadata"]["namespace"].as_str().filter(|_| object["kind"] == "Deployment");
            let hint = match namespace {
                Some(namespace) => troubles(cluster, namespace).await,
                None => String::new(),
            };
            let what = format!("{} {}", object["kind"].as_str().unwrap_or_default(), place(object));
            return Err(InstallError::NotReady { what, seconds: patience.as_secs(), hint });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// Whether all webhooks know whom they may trust: only then do they answer.
fn trusted(webhooks: &Value) -> bool {
    let webhooks = webhooks["webhooks"].as_array().into_iter().flatten();
    webhooks.into_iter().all(|webhook| webhook["clientConfig"]["caBundle"].as_str().is_some_and(|ca| !ca.is_empty()))
}

/// Whether the pods that run are those that were asked for last, and all of them answer.
fn rolled_out(deployment: &Value) -> bool {
    let (status, number) = (&deployment["status"], |value: &Value| value.as_i64().unwrap_or_default());
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    number(&status["observedGeneration"]) >= number(&deployment["metadata"]["generation"])
        && number(&status["updatedReplicas"]) == wanted
        && number(&status["availableReplicas"]) == wanted
        && number(&status["replicas"]) == wanted
}

/// What the pods of a namespace wait for, for a person who waits for them.
async fn troubles(cluster: &Cluster, namespace: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let Ok(pods) = pods.list(&ListParams::default()).await else { return String::new() };
    let mut found = Vec::new();
    for pod in pods.items {
        let name = pod.metadata.name.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        for container in status.container_statuses.into_iter().flatten().filter(|container| !container.ready) {
            let state = container.state.unwrap_or_default();
            let waiting = state.waiting.and_then(|waiting| waiting.message.or(waiting.reason));
            let ended = state.terminated.map(|ended| format!("ended with code {}", ended.exit_code));
            let why = waiting.or(ended).unwrap_or_else(|| "runs, and does not answer its probe".to_owned());
            found.push(format!("pod {name}: {why}"));
        }
    }
    if found.is_empty() { String::new() } else { format!(" ({})", found.join("; ")) }
}

#[cfg(test)]
mod tests;
