//! The task around the [`World`]: takes inputs in bursts, and publishes what follows from each burst.

use std::{sync::Arc, time::Duration};

use mesh_bootstrap::Gate;
use tokio::{
    sync::{mpsc, watch},
    time::{self, Instant},
};

use crate::{
    input::Input,
    metrics::Metrics,
    published::Published,
    world::{Fleet, Report, World},
};

/// A burst ends when nothing more comes for this long (objects that are applied together come together) ..
const QUIET: Duration = Duration::from_millis(5);
/// .. or after this long: a change is not to wait for the next.
const LONGEST: Duration = Duration::from_millis(50);

/// Where things go.
#[derive(Debug)]
pub struct Outlets {
    /// To readers.
    pub published: watch::Sender<Arc<Published>>,
    /// To who makes proxies of Gateways, if there is one.
    pub fleet: Option<watch::Sender<Arc<Fleet>>>,
    /// To the status writer, if there is one.
    pub reports: Option<mpsc::UnboundedSender<Report>>,
    /// Opens when every collection was listed.
    pub gate: Gate,
    /// What is counted.
    pub metrics: Metrics,
}

/// Runs until all sources have ended.
pub async fn run(mut world: World, mut inputs: mpsc::Receiver<Input>, outlets: Outlets) {
    while let Some(first) = inputs.recv().await {
        world.hear(first);
        let end = Instant::now() + LONGEST;
        while let Ok(Some(input)) = time::timeout_at(end.min(Instant::now() + QUIET), inputs.recv()).await {
            world.hear(input);
        }
        let was_complete = outlets.published.borrow().is_complete;
        if let Some(published) = world.settle() {
            outlets.metrics.serving(&published);
            if published.is_complete && !was_complete {
                tracing::info!("everything is listed");
                outlets.gate.open();
            }
            outlets.published.send_replace(Arc::new(published));
        }
        if let Some(sender) = &outlets.fleet {
            let fleet = world.fleet();
            sender.send_if_modified(|before| {
                let is_new = *before != fleet;
                *before = fleet;
                is_new
            });
        }
        for report in world.take_reports() {
            if outlets.reports.as_ref().is_some_and(|reports| reports.send(report).is_err()) {
                tracing::debug!("nobody writes statuses any more");
            }
        }
    }
}
