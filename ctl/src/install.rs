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
    options::{NAMESPACE, Options},
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

/// Applies everything in order and waits until the control plane is ready.
pub async fn install(
    cluster: &Cluster,
    options: &Options,
    patience: Duration,
    out: &mut impl Write,
) -> Result<(), InstallError> {
    for note in &options.notes {
        writeln!(out, "! {note}")?;
    }
    let objects = manifests::all(options)?;
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
    writeln!(out, "✔ Installation complete")?;
    Ok(())
}

/// Deletes everything but the definitions of kinds, which would take all objects of those kinds along, and the namespace.
pub async fn uninstall(cluster: &Cluster, options: &Options, out: &mut impl Write) -> Result<(), InstallError> {
    let objects = manifests::all(options)?;
    let kept = |object: &&Value| object["kind"] == "CustomResourceDefinition" || object["kind"] == "Namespace";
    // The webhooks first: with galley gone they would keep pods from starting.
    for object in objects.iter().rev().filter(|object| !kept(object)) {
        if cluster.delete(object).await? {
            writeln!(out, "  Removed {}:{}.", object["kind"].as_str().unwrap_or_default(), place(object))?;
        }
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
            let hint = if object["kind"] == "Deployment" { troubles(cluster).await } else { String::new() };
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

/// Whether the pods that run are those that were asked for last, and all of them answer.
fn rolled_out(deployment: &Value) -> bool {
    let (status, number) = (&deployment["status"], |value: &Value| value.as_i64().unwrap_or_default());
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    number(&status["observedGeneration"]) >= number(&deployment["metadata"]["generation"])
        && number(&status["updatedReplicas"]) == wanted
        && number(&status["availableReplicas"]) == wanted
        && number(&status["replicas"]) == wanted
}

/// What the control plane's pods wait for, for a person who waits for them.
async fn troubles(cluster: &Cluster) -> String {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
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
