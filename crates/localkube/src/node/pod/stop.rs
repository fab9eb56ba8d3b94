//! Stopping containers: preStop, SIGTERM, patience, SIGKILL.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use nix::sys::signal::Signal;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Task, all, start::run_hook};
use crate::node::{
    access::Exit,
    handler::{Outcome, Reach},
    kubelet::Node,
    probe::Kind,
};

/// What a container still gets after its grace period was used up by its preStop hook.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// A container on its way out.
pub(super) struct Stopping {
    pub(super) node: Arc<Node>,
    pub(super) pod: Arc<Pod>,
    pub(super) reach: Reach,
    /// When patience ends. It may come nearer.
    pub(super) until: watch::Receiver<Instant>,
}

impl Stopping {
    /// Runs the preStop hook, waits for `turn`, asks the process to end, and in the end makes it.
    pub(super) async fn stop(mut self, turn: impl Future<Output = ()>) -> Exit {
        let container = self.reach.container.clone();
        let mut until = self.until.clone();
        let patient = *until.borrow_and_update() > Instant::now();
        if patient {
            tokio::select! {
                () = async {
                    self.say_goodbye().await;
                    turn.await;
                } => {}
                () = passed(&mut until) => {}
                // It may well end by itself meanwhile.
                exit = container.wait() => return exit,
            }
            container.signal(Signal::SIGTERM);
            tokio::select! {
                exit = container.wait() => return exit,
                _ = async { tokio::join!(passed(&mut self.until), sleep(LAST_CHANCE)) } => {}
            }
        }
        container.signal(Signal::SIGKILL);
        container.wait().await
    }

    async fn say_goodbye(&self) {
        let Some(hook) = self.reach.spec.lifecycle.as_ref().and_then(|l| l.pre_stop.clone()) else { return };
        match run_hook(&hook, &self.reach, Duration::from_secs(3600)).await {
            Outcome::Success => {}
            Outcome::Failure(text) | Outcome::Error(text) => {
                tracing::debug!(text, "preStop hook failed");
                self.node.client.event(&*self.pod, "Warning", "FailedPreStopHook", "PreStopHook failed").await;
            }
        }
    }
}

/// Resolves at the time in `until`, wherever that moves.
async fn passed(until: &mut watch::Receiver<Instant>) {
    loop {
        let at = *until.borrow_and_update();
        let left = at.saturating_duration_since(Instant::now());
        if let Ok(Ok(())) = timeout(left, until.changed()).await {
            continue;
        }
        sleep(at.saturating_duration_since(Instant::now())).await;
        return;
    }
}

impl Task {
    /// Stops one container while the pod goes on.
    pub(super) async fn kill(&mut self, name: &str, message: &str) {
        let pod = self.pod();
        let Some(spec) = pod.spec.as_ref().and_then(|s| all(s).find(|c| c.name == name)) else { return };
        let Some(reach) = self.reach(spec) else { return };
        if let Some(slot) = self.slots.get_mut(name) {
            slot.stop_probes();
        }
        self.event("Normal", "Killing", message).await;
        let probe = match self.sick.get(name) {
            Some(Kind::Startup) => spec.startup_probe.as_ref(),
            Some(_) => spec.liveness_probe.as_ref(),
            None => None,
        };
        let own = probe.and_then(|p| p.termination_grace_period_seconds);
        let grace = own.or(pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds)).unwrap_or(30);
        let (_until, until) = watch::channel(Instant::now() + Duration::from_secs(u64::try_from(grace).unwrap_or(0)));
        let stopping = Stopping { node: self.node.clone(), pod: pod.clone(), reach, until };
        let exit = stopping.stop(std::future::ready(())).await;
        self.ended(name, exit);
    }
}
