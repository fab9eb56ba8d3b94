//! The service: one task for each stream, which asks its session and speaks the protocol.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#aggregated-discovery-service>

mod serve;
mod service;
mod stream;

use std::{pin::Pin, sync::Arc};

use futures::future::BoxFuture;
use mesh_proto::envoy::envoy::{
    config::core::v3::Node,
    service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer,
};
use tokio::sync::watch;

pub use self::serve::serve;
use crate::{
    machine::{Heard, Push, Record, Resource, Wanted},
    transport::Peer,
};

/// Boxed, so that sessions of all sources look alike.
pub type ResponseStream<T> = Pin<Box<dyn futures::Stream<Item = Result<T, tonic::Status>> + Send>>;

/// Who serves: decides on a caller, and opens a session for its stream.
pub trait Source: Send + Sync + 'static {
    /// Opens a session, after the first request of a stream told who its node is.
    ///
    /// The session starts at the world of this moment. An error ends the stream: `Unavailable` while not ready (clients
    /// come again), `PermissionDenied` for a caller whose certificate does not carry what its node claims.
    fn open<'a>(&'a self, caller: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, tonic::Status>>;

    /// What the server calls itself in responses (`control_plane.identifier`).
    fn name(&self) -> &str;
}

/// Whose stream it is.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// What the transport proved.
    pub peer: &'a Peer,
    /// What the client says of itself.
    pub node: &'a Node,
    /// Whether it speaks the delta flavour.
    pub is_delta: bool,
}

/// One stream's view of the world. Dropped when the stream ends.
pub trait Session: Send {
    /// Waits until resources may have changed, and moves the session to the newest world; false ends the stream.
    ///
    /// It may be dropped while it waits, and must then not have moved.
    fn changed(&mut self) -> BoxFuture<'_, bool>;

    /// Resources of a type, of the world that this session is at: those that `wanted` admits (more do no harm), or none
    /// when the type is not served to this client. All types of one push are asked without a move in between.
    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>>;

    /// Told of everything that was heard and sent; for status, metrics, logs.
    fn observe(&mut self, seen: Seen<'_>);
}

/// Something that happened on a stream.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A request came.
    Heard {
        /// Of this type.
        type_url: &'a str,
        /// What it meant.
        heard: &'a Heard,
        /// How the type stands now.
        record: &'a Record,
    },
    /// A response is on its way.
    Sent {
        /// What is in it.
        push: &'a Push,
        /// How the type stands now.
        record: &'a Record,
    },
}

/// The gRPC service over a source.
#[derive(Clone)]
pub struct Ads {
    source: Arc<dyn Source>,
    stop: watch::Receiver<bool>,
}

impl std::fmt::Debug for Ads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ads").field("source", &self.source.name()).finish_non_exhaustive()
    }
}

impl Ads {
    /// A service; all its streams end when `stop` becomes true (a tonic server waits for its streams before it ends).
    pub fn new(source: Arc<dyn Source>, stop: watch::Receiver<bool>) -> Self {
        Self { source, stop }
    }

    /// As a service for tonic's router.
    pub fn into_service(self) -> AggregatedDiscoveryServiceServer<Self> {
        AggregatedDiscoveryServiceServer::new(self).max_decoding_message_size(service::LARGEST_REQUEST)
    }
}
