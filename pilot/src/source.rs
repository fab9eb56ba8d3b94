//! Pilot as a source of discovery: a session for each proxy.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use mesh_xds::{
    Resource, Wanted,
    machine::Heard,
    server::{Caller, Seen, Session, Source},
};
use tonic::Status;
use tracing::{debug, info, warn};

use crate::{
    auth,
    generate::Generation,
    metrics::{Metrics, short},
    proxies::{Place, Proxies},
    world::{World, Worlds},
};

/// What proxies connect to.
#[derive(Clone, Debug)]
pub struct Pilot {
    /// The newest world.
    pub worlds: Worlds,
    /// Who is connected.
    pub proxies: Proxies,
    /// What is counted.
    pub metrics: Metrics,
    /// Name of this instance, such as its pod's.
    pub name: Arc<str>,
    /// Proxies without a certificate are believed; of the plaintext port only.
    pub plaintext: bool,
}

impl Source for Pilot {
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, Status>> {
        Box::pin(async move { self.session(caller).map(|session| Box::new(session) as Box<dyn Session>) })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Pilot {
    fn session(&self, caller: Caller<'_>) -> Result<ProxySession, Status> {
        let id = auth::admit(caller.peer, caller.node, self.plaintext).map_err(|denied| {
            warn!(node = caller.node.id, address = ?caller.peer.address, %denied, "a proxy was turned away");
            Status::permission_denied(denied.to_string())
        })?;
        let mut worlds = self.worlds.clone();
        let world = worlds.borrow_and_update().clone();
        let world =
            world.ok_or_else(|| Status::unavailable("pilot is not ready: galley has not told everything yet"))?;
        let account: Option<Arc<str>> = caller.peer.identity.as_ref().map(|identity| identity.account().into());
        let place = self.proxies.enter(id, caller.node.clone(), account.clone(), caller.peer.address);
        info!(proxy = place.proxy().name(), is_delta = caller.is_delta, "a proxy connected");
        let generation = Generation::new(caller.node, account);
        Ok(ProxySession {
            place,
            generation,
            worlds,
            world,
            metrics: self.metrics.clone(),
            is_update: false,
            in_flight: BTreeMap::new(),
        })
    }
}

/// One proxy's stream.
struct ProxySession {
    place: Place,
    generation: Generation,
    worlds: Worlds,
    world: Arc<World>,
    metrics: Metrics,
    /// Whether the world moved since the proxy connected.
    is_update: bool,
    /// When the change came in that each unanswered response tells of, by type.
    in_flight: BTreeMap<String, Instant>,
}

impl Session for ProxySession {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            if self.worlds.changed().await.is_err() {
                return false;
            }
            if let Some(world) = self.worlds.borrow_and_update().clone() {
                self.world = world;
                self.is_update = true;
            }
            true
        })
    }

    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        self.place.wants(type_url, wanted);
        self.generation.resources(&self.world, type_url, wanted)
    }

    fn observe(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Sent { push, record } => {
                self.place.sent(push, record);
                self.metrics.sent(&push.type_url);
                if self.is_update {
                    self.in_flight.insert(push.type_url.clone(), self.world.since);
                }
                debug!(
                    proxy = self.place.proxy().name(),
                    kind = short(&push.type_url),
                    resources = push.resources.len(),
                    removed = push.removed.len(),
                    world = self.world.version,
                    "sent"
                );
            }
            Seen::Heard { type_url, heard, record } => {
                self.place.heard(type_url, heard, record);
                self.heard(type_url, heard);
            }
        }
    }
}

impl ProxySession {
    fn heard(&mut self, type_url: &str, heard: &Heard) {
        match heard {
            Heard::Accepted => {
                if let Some(since) = self.in_flight.remove(type_url) {
                    self.metrics.converged(since.elapsed().max(Duration::ZERO));
                }
            }
            Heard::Refused(reason) => {
                self.in_flight.remove(type_url);
                self.metrics.refused(type_url);
                warn!(
                    proxy = self.place.proxy().name(),
                    kind = short(type_url),
                    reason,
                    "a proxy refused what it was sent; it keeps what it had"
                );
            }
            Heard::Asked | Heard::Stale => {}
        }
    }
}

impl Drop for ProxySession {
    fn drop(&mut self) {
        info!(proxy = self.place.proxy().name(), "a proxy disconnected");
    }
}
