//! A listener that serves nothing but discovery.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use tonic::transport::Server;

use super::{Ads, Source};
use crate::transport::{Greet, connections};

/// Serves a source on a listener until `stop` completes, then ends its streams.
///
/// # Errors
/// The transport gave up; connections that fail do not count.
pub async fn serve(
    listener: TcpListener,
    greet: impl Greet,
    source: Arc<dyn Source>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), tonic::transport::Error> {
    let (stopping, stopped) = watch::channel(false);
    let ended = async move {
        stop.await;
        stopping.send_replace(true);
    };
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .initial_stream_window_size(Some(1 << 20))
        .initial_connection_window_size(Some(1 << 20))
        .add_service(Ads::new(source, stopped).into_service())
        .serve_with_incoming_shutdown(connections(listener, greet), ended)
        .await
}
