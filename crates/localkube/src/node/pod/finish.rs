//! The end of a pod: its containers in order, its network and volumes, at last the object.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use nix::sys::signal::Signal;
use tokio::sync::watch;

use super::{Task, Wish, all, stop::Stopping};
use crate::{
    api::verbs::DeleteOptions,
    node::{access::Exit, kubelet::Node, status::is_sidecar},
};

/// Tells the API that nothing of a pod is left.
pub async fn delete_object(node: &Node, pod: &Pod) {
    let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name) else { return };
    let options = DeleteOptions { grace_period: Some(0), uid: pod.metadata.uid.clone(), ..DeleteOptions::default() };
    match node.client.delete::<Pod>(namespace, name, &options).await {
        // Another pod has its name now.
        Err(error) if !error.is_conflict() => tracing::warn!(%error, namespace, name, "pod object not deleted"),
        _ => {}
    }
}

impl Task {
    /// Stops everything, reports it, and clears up; then waits for the object to be deleted, if it is not yet.
    pub(super) async fn finish(mut self) {
        if let Some(starting) = self.starting.take()
            && let Ok(Ok(container)) = starting.await
        {
            container.signal(Signal::SIGKILL);
            container.wait().await;
        }
        self.stop_all().await;
        self.view().observed.over = true;
        self.publish().await;
        let pod = self.pod();
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        self.net = None;
        self.view().net = None;
        if pod.spec.as_ref().and_then(|s| s.host_network) != Some(true) {
            self.node.network.detach(&self.node.name, &uid).await;
        }
        self.volumes.remove();
        // An error means that nobody can tell us any more: the node goes down.
        let gone = self.wish.wait_for(Wish::is_ending).await.map_or(true, |wish| wish.gone);
        if !gone {
            delete_object(&self.node, &pod).await;
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %self.folder.display(), "pod folder not removed");
            }
            _ => {}
        }
    }

    /// Main containers together, then sidecars one by one, the last first.
    async fn stop_all(&mut self) {
        let pod = self.pod();
        let empty = PodSpec::default();
        let spec = pod.spec.as_ref().unwrap_or(&empty);
        for slot in self.slots.values_mut() {
            slot.stop_probes();
        }
        let (until, deadline) = watch::channel(self.patience());
        let (ended, progress) = watch::channel(0_usize);
        let sidecar = |name: &str| spec.init_containers.iter().flatten().any(|c| c.name == name && is_sidecar(c));
        let mut live: Vec<_> = all(spec).filter_map(|c| self.reach(c)).collect();
        live.sort_by_key(|reach| sidecar(&reach.spec.name));
        let mains = live.iter().take_while(|reach| !sidecar(&reach.spec.name)).count();
        live[mains..].reverse();
        let mut leaving: FuturesUnordered<BoxFuture<'_, (String, Exit)>> = FuturesUnordered::new();
        for (index, reach) in live.into_iter().enumerate() {
            let name = reach.spec.name.clone();
            self.event("Normal", "Killing", &format!("Stopping container {name}")).await;
            let before = if index < mains { 0 } else { index };
            let mut progress = progress.clone();
            let stopping = Stopping { node: self.node.clone(), pod: pod.clone(), reach, until: deadline.clone() };
            leaving.push(Box::pin(async move {
                let turn = async move {
                    drop(progress.wait_for(|ended| *ended >= before).await);
                };
                (name, stopping.stop(turn).await)
            }));
        }
        loop {
            tokio::select! {
                left = leaving.next() => {
                    let Some((name, exit)) = left else { break };
                    self.ended(&name, exit);
                    ended.send_modify(|count| *count += 1);
                    self.publish().await;
                }
                Ok(()) = self.wish.changed() => {
                    let sooner = self.patience();
                    until.send_if_modified(|at| {
                        let earlier = sooner < *at;
                        *at = sooner.min(*at);
                        earlier
                    });
                }
            }
        }
    }

    /// When patience with the containers ends, by what the API says now.
    fn patience(&self) -> Instant {
        let wish = self.wish.borrow();
        let asked = wish.pod.metadata.deletion_grace_period_seconds;
        let own = wish.pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds);
        let seconds = if wish.gone { 0 } else { asked.or(own).unwrap_or(30) };
        Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}
