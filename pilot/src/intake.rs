//! From galley's resources to worlds.
//!
//! [`Intake`] is the state, pure; [`run`] is the task that feeds it.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use mesh_bootstrap::Gate;
use mesh_model::{
    push_context::PushContext,
    store::{self, ChangeSet, Store},
};
use mesh_proto::{UnpackError, mcp, type_url, unpack};
use mesh_xds::{
    Resource,
    client::{Event, Events, Subscriber, Update},
    machine::Refused,
};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::{
    debounce::{Debounce, Pace},
    metrics::Metrics,
    world::{Received, World},
};

/// What came from galley and what of it is not published yet.
#[derive(Debug)]
pub struct Intake {
    store: Store,
    changes: ChangeSet,
    received: Arc<Received>,
    /// Types that galley has said nothing of yet.
    awaited: BTreeSet<String>,
}

/// Why a resource was refused; the one of its name that was there before stays.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error("it is not in the envelope of the mesh configuration protocol")]
    Envelope(#[source] UnpackError),
    #[error("it cannot be read")]
    Read(#[source] store::ReadError),
}

impl Intake {
    /// Nothing is known; these types are awaited.
    pub fn new(types: impl IntoIterator<Item = String>) -> Self {
        Self {
            store: Store::default(),
            changes: ChangeSet::default(),
            received: Arc::default(),
            awaited: types.into_iter().collect(),
        }
    }

    /// Takes in what galley says of a type; gives what of it was refused.
    pub fn take(&mut self, type_url: &str, changed: &[Resource], removed: &[String]) -> Vec<Refused> {
        self.awaited.remove(type_url);
        let mut refused = Vec::new();
        for resource in changed {
            if let Err(error) = self.put(type_url, resource) {
                refused.push(Refused { name: resource.name.to_string(), reason: sentence(&error) });
            }
        }
        for name in removed {
            match store::read(type_url, name, None) {
                Ok(change) => {
                    self.store.apply_noting(change, &mut self.changes);
                    Arc::make_mut(&mut self.received).remove(&(type_url.into(), name.as_str().into()));
                }
                Err(error) => refused.push(Refused { name: name.clone(), reason: sentence(&error) }),
            }
        }
        refused
    }

    fn put(&mut self, type_url: &str, resource: &Resource) -> Result<(), IntakeError> {
        let envelope: mcp::Resource = unpack(&resource.body).map_err(IntakeError::Envelope)?;
        let change = store::read(type_url, &resource.name, envelope.body.as_ref()).map_err(IntakeError::Read)?;
        self.store.apply_noting(change, &mut self.changes);
        // What is kept for display holds no keys.
        if let Some(body) = envelope.body.filter(|_| type_url != type_url::REGISTRY_SECRET) {
            let key = (type_url.into(), resource.name.clone());
            Arc::make_mut(&mut self.received).insert(key, Arc::new(body));
        }
        Ok(())
    }

    /// Types that galley has not told of yet. Publishing before would take from proxies what they have.
    pub fn awaited(&self) -> &BTreeSet<String> {
        &self.awaited
    }

    /// Whether something is not published.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Makes the next world.
    pub fn publish(&mut self, before: Option<&World>, since: Instant) -> World {
        let changes = std::mem::take(&mut self.changes);
        let received = self.received.clone();
        match before {
            None => World::first(PushContext::build(&self.store), since, received),
            Some(world) => world.next(world.mesh.next(&self.store, &changes), &changes, since, received),
        }
    }
}

/// Keeps the worlds in step with galley, until its client ends.
///
/// Opens `gate` with the first world. While galley is away the last world stands.
pub async fn run(
    galley: (Subscriber, Events),
    worlds: watch::Sender<Option<Arc<World>>>,
    pace: Pace,
    metrics: Metrics,
    gate: Gate,
) {
    let (subscriber, mut events) = galley;
    let types = store::type_urls();
    types.iter().for_each(|type_url| subscriber.everything(type_url));
    let mut intake = Intake::new(types);
    let mut debounce = Debounce::new(pace);
    loop {
        let due = debounce.due().filter(|_| intake.awaited().is_empty());
        tokio::select! {
            event = events.next() => match event {
                None => return,
                Some(Event::Connected) => info!("connected to galley"),
                Some(Event::Lost { reason }) => warn!(reason, "no connection to galley; what is known stays in force"),
                Some(Event::Update(update)) => take(&mut intake, update, &mut debounce, &metrics),
            },
            () = until(due) => publish(&mut intake, &worlds, &mut debounce, &metrics, &gate),
        }
    }
}

fn take(intake: &mut Intake, update: Update, debounce: &mut Debounce, metrics: &Metrics) {
    let was_awaiting = !intake.awaited().is_empty();
    let refused = intake.take(&update.type_url, &update.changed, &update.removed);
    debug!(
        type_url = update.type_url,
        changed = update.changed.len(),
        removed = update.removed.len(),
        "heard from galley"
    );
    metrics.heard(&update.type_url);
    for resource in &refused {
        metrics.internal_error();
        warn!(type_url = update.type_url, resource = %resource, "refused; what was there before stays");
    }
    // The first world is due even when the mesh is empty.
    if intake.has_changes() || was_awaiting && intake.awaited().is_empty() {
        debounce.changed(Instant::now());
    }
    update.done(if refused.is_empty() { Ok(()) } else { Err(refused) });
}

fn publish(
    intake: &mut Intake,
    worlds: &watch::Sender<Option<Arc<World>>>,
    debounce: &mut Debounce,
    metrics: &Metrics,
    gate: &Gate,
) {
    let start = Instant::now();
    let since = debounce.publish(start).unwrap_or(start);
    let world = {
        let before = worlds.borrow();
        intake.publish(before.as_deref(), since)
    };
    metrics.published(&world, start.saturating_duration_since(since), start.elapsed());
    info!(version = world.version, services = world.mesh.services().len(), "a new world");
    worlds.send_replace(Some(Arc::new(world)));
    gate.open();
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// An error with its causes.
fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
