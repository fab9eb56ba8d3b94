//! The two methods of the service.

use mesh_proto::envoy::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    aggregated_discovery_service_server::AggregatedDiscoveryService,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{
    Ads, ResponseStream,
    stream::{self, Flavour},
};
use crate::transport::Peer;

/// A reconnecting client lists all that it holds: about 100 bytes for each resource.
pub(super) const LARGEST_REQUEST: usize = 64 << 20;

/// Responses that wait for a slow reader. A type has one in flight, so this holds more types than anybody asks for.
const WAITING: usize = 64;

impl Ads {
    fn converse<F: Flavour>(&self, request: Request<Streaming<F::Request>>) -> Response<ResponseStream<F::Response>> {
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        let (responses, waiting) = mpsc::channel(WAITING);
        let (source, stop) = (self.source.clone(), self.stop.clone());
        tokio::spawn(async move {
            let outcome = stream::run::<F>(source, peer, request.into_inner(), &responses, stop).await;
            if let Err(status) = outcome {
                // A client that is gone needs no reason.
                drop(responses.send(Err(status)).await);
            }
        });
        Response::new(Box::pin(ReceiverStream::new(waiting)))
    }
}

#[async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = ResponseStream<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = ResponseStream<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(self.converse::<stream::Whole>(request))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(self.converse::<stream::Delta>(request))
    }
}
