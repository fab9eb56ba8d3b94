//! A small HTTP server for the programs of this module: HTTP/1.1 and HTTP/2 (also without TLS), any handler.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{TryStreamExt, future::BoxFuture, stream::BoxStream};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer on its way.
pub(super) type Answer = BoxFuture<'static, Response<Body>>;

/// How long a caller may take for TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted (as when files run out).
const PAUSE: Duration = Duration::from_millis(100);

/// What is known of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    /// The caller.
    pub(super) peer: SocketAddr,
    /// It is encrypted.
    pub(super) is_tls: bool,
}

/// Serves every connection of `listener` with `handler`, for ever.
pub(super) async fn serve<H>(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Arc<H>)
where
    H: Fn(Request<Incoming>, Connection) -> Answer + Send + Sync + 'static,
{
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "no TCP_NODELAY");
        }
        let (tls, handler) = (tls.clone(), handler.clone());
        tokio::spawn(async move {
            let connection = Connection { peer, is_tls: tls.is_some() };
            match tls {
                None => talk(stream, connection, handler).await,
                Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => talk(stream, connection, handler).await,
                    Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                },
            }
        });
    }
}

async fn talk<S, H>(stream: S, connection: Connection, handler: Arc<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>, Connection) -> Answer + Send + Sync + 'static,
{
    let service = service_fn(move |request| {
        let answer = handler(request, connection);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, peer = %connection.peer, "HTTP connection");
    }
}

/// A whole body.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body that comes in pieces.
pub(super) fn pieces(stream: BoxStream<'static, Bytes>) -> Body {
    use futures::StreamExt;
    StreamBody::new(stream.map(Ok::<_, io::Error>).map_ok(Frame::data)).boxed_unsync()
}

/// An answer with a type and a body.
pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(full(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    answer
}

/// Plain text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", body)
}
