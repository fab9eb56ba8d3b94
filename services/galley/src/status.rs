//! Writes what was found of objects into their status, when this galley leads.
//!
//! A write changes the object and so comes back as an input; what is found then stands there already, so nothing is
//! written. Those who do not lead keep what they would write, until they see that the leader did.

mod whole;

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, api::DynamicObject};
use mesh_bootstrap::Drain;
use mesh_kube::{Key, status};
use mesh_model::config::Kind;
use tokio::{
    sync::{mpsc, watch},
    time,
};

use crate::{
    metrics::Metrics,
    source::cluster::resource_of,
    world::{Finding, Report},
};

/// After a write that failed for a reason that may pass.
const AGAIN: Duration = Duration::from_secs(2);

/// Writes statuses.
pub struct Writer {
    /// Of the cluster.
    pub client: Client,
    /// From the world.
    pub reports: mpsc::UnboundedReceiver<Report>,
    /// Whether this galley leads.
    pub leads: watch::Receiver<bool>,
    /// What is counted.
    pub metrics: Metrics,
}

/// What is to be written.
type Pending = BTreeMap<(Kind, Key), Finding>;

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes until the drain begins.
    pub async fn run(mut self, drain: Drain) {
        let mut pending = Pending::new();
        loop {
            let leads = *self.leads.borrow_and_update();
            let failed = leads && !self.write_all(&mut pending, &drain).await;
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => note(&mut pending, report),
                    None => return,
                },
                Ok(()) = self.leads.changed() => {}
                () = time::sleep(AGAIN), if failed => {}
                () = drain.requested() => return,
            }
            while let Ok(report) = self.reports.try_recv() {
                note(&mut pending, report);
            }
        }
    }

    /// False: something failed that may pass.
    async fn write_all(&self, pending: &mut Pending, drain: &Drain) -> bool {
        let mut all_written = true;
        let objects: Vec<(Kind, Key)> = pending.keys().cloned().collect();
        for object in objects {
            if drain.is_requested() || !*self.leads.borrow() {
                return true;
            }
            let Some(finding) = pending.get(&object) else { continue };
            if self.write(&object, finding).await { drop(pending.remove(&object)) } else { all_written = false }
        }
        all_written
    }

    /// Writes one. False: it failed for a reason that may pass.
    async fn write(&self, (kind, key): &(Kind, Key), finding: &Finding) -> bool {
        let Some(patch) = whole::wanted(finding, Timestamp::now()) else { return true };
        let (client, resource) = (self.client.clone(), resource_of(*kind));
        let api: Api<DynamicObject> = match key.namespace.as_str() {
            "" => Api::all_with(client, &resource),
            namespace => Api::namespaced_with(client, namespace, &resource),
        };
        match status::write(&api, &key.name, &finding.resource_version, patch).await {
            Ok(()) => {
                self.metrics.status_written("written");
                true
            }
            // It changed or went meanwhile: the informer tells, and what is found then is written then.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.metrics.status_written("overtaken");
                true
            }
            Err(error) => {
                self.metrics.status_written("failed");
                let error: &dyn std::error::Error = &error;
                tracing::warn!(%kind, object = %key, error, "its status cannot be written; trying again");
                false
            }
        }
    }
}

fn note(pending: &mut Pending, report: Report) {
    let object = (report.kind, report.key);
    match report.finding.filter(|finding| whole::wanted(finding, Timestamp::UNIX_EPOCH).is_some()) {
        Some(finding) => drop(pending.insert(object, finding)),
        None => drop(pending.remove(&object)),
    }
}
