//! One stream from its first request to its end.

use std::{sync::Arc, time::Duration};

use mesh_proto::envoy::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};
use tracing::debug;

use super::{Caller, Seen, Session, Source};
use crate::{
    machine::{Conversation, Push, Request, Resource, Supply, Wanted},
    transport::Peer,
};

/// An answer is waited for from once to twice as long before the type gets its next response.
const PATIENCE: Duration = Duration::from_secs(1);

/// One of the two flavours of the protocol.
pub(super) trait Flavour {
    type Request: Into<Request> + Send + 'static;
    type Response: Send + 'static;
    const IS_DELTA: bool;

    /// Takes the node out; clients may send it only once.
    fn node(request: &mut Self::Request) -> Option<Node>;
    fn response(push: Push, server: &str) -> Self::Response;
}

/// Differences only.
pub(super) struct Delta;
/// The state of the world.
pub(super) struct Whole;

impl Flavour for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const IS_DELTA: bool = true;

    fn node(request: &mut Self::Request) -> Option<Node> {
        request.node.take()
    }

    fn response(push: Push, server: &str) -> Self::Response {
        push.into_delta(server)
    }
}

impl Flavour for Whole {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const IS_DELTA: bool = false;

    fn node(request: &mut Self::Request) -> Option<Node> {
        request.node.take()
    }

    fn response(push: Push, server: &str) -> Self::Response {
        push.into_whole(server)
    }
}

struct Asking<'a>(&'a mut dyn Session);

impl Supply for Asking<'_> {
    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        self.0.resources(type_url, wanted)
    }
}

/// Serves a stream until its client leaves, its session ends or the server stops.
pub(super) async fn run<F: Flavour>(
    source: Arc<dyn Source>,
    peer: Peer,
    mut requests: Streaming<F::Request>,
    responses: &mpsc::Sender<Result<F::Response, Status>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Status> {
    let Some(mut first) = requests.message().await? else { return Ok(()) };
    let node = F::node(&mut first)
        .ok_or_else(|| Status::invalid_argument("the first request of a stream must carry its node"))?;
    let mut session = source.open(Caller { peer: &peer, node: &node, is_delta: F::IS_DELTA }).await?;
    let mut conversation = Conversation::new();
    hear(&mut conversation, &mut *session, first.into());
    let mut patience = tokio::time::interval(PATIENCE);
    loop {
        for push in conversation.pushes(&mut Asking(&mut *session)) {
            if let Some(record) = conversation.record(&push.type_url) {
                session.observe(Seen::Sent { push: &push, record });
            }
            if responses.send(Ok(F::response(push, source.name()))).await.is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => hear(&mut conversation, &mut *session, request.into()),
                Ok(None) => return Ok(()),
                Err(status) => {
                    debug!(node = node.id, %status, "a stream broke");
                    return Ok(());
                }
            },
            is_alive = session.changed() => {
                if !is_alive {
                    return Err(Status::unavailable("the session ended; come again"));
                }
                conversation.world_changed();
            }
            _ = patience.tick() => conversation.lose_patience(),
            _ = stop.wait_for(|stopped| *stopped) => return Err(Status::unavailable("the server stops; come again")),
        }
    }
}

fn hear(conversation: &mut Conversation, session: &mut dyn Session, request: Request) {
    let type_url = request.type_url.clone();
    let heard = conversation.hear(request);
    if let Some(record) = conversation.record(&type_url) {
        session.observe(Seen::Heard { type_url: &type_url, heard: &heard, record });
    }
}
