//! The door to pilot: MCP over delta ADS.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use mesh_proto::type_url;
use mesh_types::SpiffeId;
use mesh_xds::{
    Resource, Wanted,
    machine::Heard,
    server::{Caller, Seen, Session, Source},
};
use tokio::sync::watch;
use tonic::Status;

use crate::published::Published;

/// Who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever connects; for tests.
    Anybody,
    /// This workload, by its certificate.
    Only(SpiffeId),
}

/// Serves what is published.
#[derive(Debug)]
pub struct Server {
    published: watch::Receiver<Arc<Published>>,
    readers: Readers,
}

impl Server {
    /// A source for [`mesh_xds::server::serve`].
    pub fn new(published: watch::Receiver<Arc<Published>>, readers: Readers) -> Self {
        Self { published, readers }
    }

    fn admit(&self, caller: &Caller<'_>) -> Result<(), Status> {
        let Readers::Only(reader) = &self.readers else { return Ok(()) };
        match &caller.peer.identity {
            Some(identity) if identity == reader => Ok(()),
            identity => {
                let found = identity.as_ref().map_or("a caller without a certificate".to_owned(), ToString::to_string);
                tracing::warn!(caller = found, "refused: only {reader} may read the mesh's configuration");
                Err(Status::permission_denied(format!("only {reader} may read here, and this is {found}")))
            }
        }
    }
}

impl Source for Server {
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, Status>> {
        let opened = self.admit(&caller).and_then(|()| {
            let mut published = self.published.clone();
            let now = published.borrow_and_update().clone();
            if !now.is_complete {
                return Err(Status::unavailable("the cluster is still being listed"));
            }
            tracing::info!(node = caller.node.id, peer = ?caller.peer.address, "a reader came");
            let node = caller.node.id.clone();
            let may_have_secrets = self.readers != Readers::Anybody;
            Ok(Box::new(Reading { published, now, node, may_have_secrets }) as Box<dyn Session>)
        });
        async { opened }.boxed()
    }

    fn name(&self) -> &'static str {
        "galley"
    }
}

/// One reader's stream.
struct Reading {
    published: watch::Receiver<Arc<Published>>,
    now: Arc<Published>,
    node: String,
    /// Only a reader that has proved who it is.
    may_have_secrets: bool,
}

impl Session for Reading {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        async {
            if self.published.changed().await.is_err() {
                return false;
            }
            self.now = self.published.borrow_and_update().clone();
            true
        }
        .boxed()
    }

    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        let resources = self.now.types.get(type_url)?;
        if type_url == type_url::REGISTRY_SECRET && !self.may_have_secrets {
            return Some(Vec::new());
        }
        Some(if wanted.all {
            resources.values().cloned().collect()
        } else {
            wanted.names.iter().filter_map(|name| resources.get(name)).cloned().collect()
        })
    }

    fn observe(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Heard { type_url, heard: Heard::Refused(reason), .. } => {
                tracing::warn!(node = self.node, type_url, reason, "a reader refused resources");
            }
            Seen::Heard { .. } => {}
            // Not the bodies: there are Secrets among them.
            Seen::Sent { push, .. } => {
                let (changed, removed) = (push.resources.len(), push.removed.len());
                tracing::debug!(node = self.node, type_url = push.type_url, changed, removed, "sent");
            }
        }
    }
}
