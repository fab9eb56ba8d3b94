//! Connections of a server, and who is at their other end.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, future::BoxFuture};
use mesh_types::SpiffeId;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tracing::debug;

/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that wait until the server looks at them.
const WAITING: usize = 64;

/// The peer of a connection, as far as the transport proved it.
///
/// It is in the extensions of each gRPC request that came over a [`Connection`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where the connection comes from.
    pub address: Option<SocketAddr>,
    /// From its verified certificate; none on a plaintext connection.
    pub identity: Option<SpiffeId>,
}

/// Bytes of a connection, behind TLS or not.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What a TCP connection becomes once its handshake is done.
pub type Greeted = io::Result<(Box<dyn Io>, Option<SpiffeId>)>;

/// The handshake that a server asks of each connection.
pub trait Greet: Send + Sync + 'static {
    /// Shakes hands; the identity is the one that the peer proved.
    fn greet(&self, tcp: TcpStream) -> BoxFuture<'_, Greeted>;
}

/// No handshake, no identity.
#[derive(Clone, Copy, Debug)]
pub struct Plaintext;

impl Greet for Plaintext {
    fn greet(&self, tcp: TcpStream) -> BoxFuture<'_, Greeted> {
        Box::pin(async { Ok((Box::new(tcp) as Box<dyn Io>, None)) })
    }
}

/// TLS; the identity is that of the peer's certificate, if it showed one.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

impl Tls {
    /// By a configuration of [`mesh_tls::server_config`] with ALPN [`mesh_tls::alpn::H2`], which decides who is let in.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self { acceptor: TlsAcceptor::from(config) }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Greet for Tls {
    fn greet(&self, tcp: TcpStream) -> BoxFuture<'_, Greeted> {
        Box::pin(async {
            let stream = self.acceptor.accept(tcp).await?;
            let identity = mesh_tls::peer_identity(stream.get_ref().1.peer_certificates().unwrap_or_default());
            Ok((Box::new(stream) as Box<dyn Io>, identity))
        })
    }
}

/// A connection with its peer.
pub struct Connection {
    io: Box<dyn Io>,
    peer: Peer,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Connections as they finish their handshakes; slow ones hold up nobody. For `serve_with_incoming` of tonic's server.
pub fn connections(listener: TcpListener, greet: impl Greet) -> impl Stream<Item = io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(WAITING);
    tokio::spawn(accept(listener, Arc::new(greet), ready));
    ReceiverStream::new(connections)
}

async fn accept(listener: TcpListener, greet: Arc<dyn Greet>, ready: mpsc::Sender<io::Result<Connection>>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let Ok((tcp, address)) = accepted else {
            // Out of file descriptors, as a rule: others must end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (greet, ready) = (greet.clone(), ready.clone());
        tokio::spawn(async move {
            drop(tcp.set_nodelay(true));
            let outcome = tokio::time::timeout(HANDSHAKE, greet.greet(tcp)).await;
            match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok((io, identity)) => {
                    let connection = Connection { io, peer: Peer { address: Some(address), identity } };
                    // A server that has stopped takes no connection.
                    drop(ready.send(Ok(connection)).await);
                }
                Err(error) => debug!(%address, %error, "a handshake failed"),
            }
        });
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
