//! The controllers: each keeps one promise of Kubernetes, by comparing what is with what should be.
//!
//! All are level-triggered: [`engine`] turns changes of the store into keys, and a reconciler looks at the present state
//! of one key and takes the next step. Nothing is remembered between two steps but what the objects say.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{api::Api, client::Client, status::Status};

pub mod bootstrap;
mod deployment;
mod endpoints;
mod engine;
mod garbage;
mod job;
mod mirroring;
mod namespace;
mod nodes;
mod pods;
mod replicaset;
pub mod scheduler;
mod slices;
mod sweep;

use engine::{Engine, Next};

/// What the controllers need to know of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The cluster's CA certificate in PEM, published to every namespace as ConfigMap `kube-root-ca.crt`.
    pub ca_pem: String,
}

/// Runs every controller until `stop` is cancelled. The tasks are spawned on `tasks`, so that a caller can wait for them.
pub fn run(api: &Api, settings: Settings, stop: &CancellationToken, tasks: &TaskTracker) {
    let client = |component: &str| Client::new(api.clone(), component);
    let engines: Vec<Engine> = vec![
        deployment::engine(client("deployment-controller")),
        replicaset::engine(client("replicaset-controller")),
        job::engine(client("job-controller")),
        endpoints::engine(client("endpoint-controller")),
        slices::engine(client("endpointslice-controller")),
        mirroring::engine(client("endpointslicemirroring-controller")),
        scheduler::engine(client("default-scheduler")),
        garbage::engine(client("generic-garbage-collector")),
        namespace::engine(client("namespace-controller")),
        namespace::furnishing_engine(client("service-account-controller"), Arc::new(settings)),
        nodes::engine(client("node-controller")),
        sweep::pods_engine(client("pod-garbage-collector")),
        sweep::jobs_engine(client("ttl-after-finished-controller")),
        sweep::events_engine(client("event-ttl")),
    ];
    for engine in engines {
        let stop = stop.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(engine.run()).await;
        });
    }
}

/// What a reconciler gives back.
type Outcome = Result<Next, Status>;

/// A whole number of seconds, none for a negative one.
fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests;
