//! The agent of one node: it registers the node, and gives every pod that is bound to it a task.

use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::api::resource::Quantity};
use tokio::{task::JoinSet, time::interval};

use super::{
    agents::Agents,
    images::Catalogue,
    pod::{self, Wish},
};
use crate::{
    api::auth::Authenticator,
    client::Client,
    net::topology::{Network, PodNet},
    status::Status,
    store::{Change, Event, Resource},
};

pub mod machine;
mod register;

/// How often pods are compared with the API, for deletions that a slow reader was not told of.
const AUDIT: Duration = Duration::from_secs(30);

/// What an agent is made from, and what the node's pods share.
#[derive(Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its number, from 0.
    pub index: usize,
    /// The API, as the kubelet.
    pub client: Client,
    /// The cluster's network.
    pub network: Network,
    /// The node's own place in it.
    pub net: PodNet,
    /// The images.
    pub catalogue: Catalogue,
    /// Makes tokens for pods.
    pub authenticator: Authenticator,
    /// A folder of its own, for volumes and logs.
    pub folder: PathBuf,
    /// localkube's program, which is also every container's first: `/proc/self/exe`.
    pub program: PathBuf,
    /// What it has to give.
    pub allocatable: BTreeMap<String, Quantity>,
}

impl Node {
    /// What a pod asks for that this node cannot do, as the text of an event.
    pub fn unsupported(&self, pod: &Pod) -> Option<String> {
        let spec = pod.spec.as_ref()?;
        let asked = [
            ("shareProcessNamespace", spec.share_process_namespace == Some(true)),
            ("hostPID", spec.host_pid == Some(true)),
            ("hostIPC", spec.host_ipc == Some(true)),
        ];
        if let Some((field, _)) = asked.iter().find(|(_, asked)| *asked) {
            return Some(format!("localkube does not support spec.{field}: remove it from the pod"));
        }
        let sysctls = spec.security_context.iter().flat_map(|s| s.sysctls.iter().flatten());
        let foreign = sysctls.map(|s| s.name.replace('/', ".")).find(|name| !name.starts_with("net."))?;
        Some(format!("forbidden sysctl: {foreign:?} not allowlisted"))
    }

    /// Applies the pod's `net.*` sysctls in its namespace.
    pub fn set_sysctls(&self, pod: &Pod, net: &PodNet) -> io::Result<()> {
        let context = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
        let wanted: Vec<_> = context.iter().flat_map(|s| s.sysctls.iter().flatten()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        net.netns.run(|| {
            for sysctl in wanted {
                let path = format!("/proc/sys/{}", sysctl.name.replace('.', "/"));
                let failed = |e: io::Error| io::Error::other(format!("sysctl {}={}: {e}", sysctl.name, sysctl.value));
                fs::write(path, &sysctl.value).map_err(failed)?;
            }
            Ok(())
        })
    }
}

/// Runs the agent of one node, as long as the cluster lives. Pods become visible to `agents`.
pub async fn run(node: Node, agents: Agents) -> Result<(), Status> {
    let node = Arc::new(node);
    // Nothing of an earlier life is of use: the API has forgotten it too.
    match fs::remove_dir_all(node.folder.join("pods")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(%error, "old pods not removed"),
        _ => {}
    }
    register::register(&node).await?;
    let watching = node.client.clone();
    tokio::select! {
        never = register::keep_alive(&node) => never,
        done = follow_pods(&node, &agents) => done,
        done = follow_sources(watching, &node.name, &agents) => done,
    }
}

async fn follow_pods(node: &Arc<Node>, agents: &Agents) -> Result<(), Status> {
    let mut changes = node.client.api().store().follow(vec![Resource::new("", "pods")]);
    let mut tasks = JoinSet::new();
    let mut audit = interval(AUDIT);
    loop {
        tokio::select! {
            news = changes.next() => for (_, Event { change, object: stored, .. }) in news {
                let object = &stored.object;
                if object.text("/spec/nodeName") != node.name {
                    continue;
                }
                let Ok(pod) = object.to_typed().map(Arc::<Pod>::new) else { continue };
                let uid = object.uid().to_owned();
                match agents.get(&uid) {
                    Some(handle) => {
                        handle.wish.send_replace(Wish { pod, gone: change == Change::Deleted });
                    }
                    None if change == Change::Deleted => {}
                    // Nothing of it runs (any more); only finalizers can still hold the object.
                    None if pod.metadata.deletion_timestamp.is_some() => pod::delete_object(node, &pod).await,
                    None => {
                        let (handle, task) = pod::spawn(node.clone(), pod);
                        agents.insert(&uid, &node.name, handle);
                        tasks.spawn(async move {
                            task.await;
                            uid
                        });
                    }
                }
            },
            Some(ended) = tasks.join_next() => match ended {
                Ok(uid) => agents.remove(&uid),
                Err(error) => tracing::error!(%error, "a pod's task has failed"),
            },
            _ = audit.tick() => agents.audit(&node.name)?,
        }
    }
}

/// Tells pods when a ConfigMap or Secret of their namespace has changed.
async fn follow_sources(client: Client, node: &str, agents: &Agents) -> Result<(), Status> {
    let resources = ["configmaps", "secrets"].map(|plural| Resource::new("", plural));
    let mut changes = client.api().store().follow(resources.into());
    loop {
        for (_, event) in changes.next().await {
            agents.refresh(node, event.object.object.namespace());
        }
    }
}
