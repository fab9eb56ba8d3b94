//! `localkube status`.

use std::io::Write;

use anyhow::bail;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, api::ListParams};

use super::{
    cluster::is_node_ready,
    instance::{Instance, Name},
    kubeconfig,
};

/// Prints what runs; fails when the instance is not up.
pub fn main(name: &Name) -> anyhow::Result<()> {
    let instance = Instance::new(name);
    if !instance.folder().exists() || !instance.is_running()? {
        bail!("instance \"{name}\" is not up; start it with `localkube up --name {name}`");
    }
    let facts = instance.facts()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (nodes, pods) = runtime.block_on(async {
        let client = kubeconfig::client(&instance.kubeconfig()).await?;
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?.items;
        let pods = Api::<Pod>::all(client).list(&ListParams::default()).await?.items;
        anyhow::Ok((nodes, pods))
    })?;
    let mut out = std::io::stdout();
    writeln!(out, "instance    {name}, pid {}", facts.pid)?;
    writeln!(out, "api         {}", facts.api)?;
    writeln!(out, "kubeconfig  {}", instance.kubeconfig().display())?;
    writeln!(out, "log         {}", instance.log().display())?;
    writeln!(out, "nodes       {} of {} ready", nodes.iter().filter(|n| is_node_ready(n)).count(), nodes.len())?;
    writeln!(out, "pods        {} of {} ready", pods.iter().filter(|p| is_pod_ready(p)).count(), pods.len())?;
    Ok(())
}

fn is_pod_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|list| list.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}
