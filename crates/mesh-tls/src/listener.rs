//! A TCP listener whose connections are TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// A client that does not finish its handshake within this time is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Handshaken connections that may wait for the server.
const BACKLOG: usize = 64;

/// How long to pause when the process has no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections and shakes hands with many clients at once; a slow one keeps nobody waiting.
#[derive(Debug)]
pub struct TlsListener {
    ready: mpsc::Receiver<Accepted>,
    address: SocketAddr,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// Who called.
    pub from: SocketAddr,
}

impl TlsListener {
    /// Accepts on `listener` from now on, until it is dropped.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(BACKLOG);
        tokio::spawn(accept_all(listener, TlsAcceptor::from(config), sender));
        Ok(Self { ready, address })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. None: the listener has ended.
    pub async fn accept(&mut self) -> Option<Accepted> {
        self.ready.recv().await
    }

    /// As tonic's `serve_with_incoming` takes it.
    pub fn into_stream(self) -> impl tokio_stream::Stream<Item = io::Result<TlsStream<TcpStream>>> + Send + 'static {
        ReceiverStream::new(self.ready).map(|accepted| Ok(accepted.stream))
    }
}

async fn accept_all(listener: TcpListener, acceptor: TlsAcceptor, sender: mpsc::Sender<Accepted>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = sender.closed() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                tokio::spawn(shake_hands(stream, from, acceptor.clone(), sender.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                time::sleep(PAUSE).await;
            }
        }
    }
}

async fn shake_hands(stream: TcpStream, from: SocketAddr, acceptor: TlsAcceptor, sender: mpsc::Sender<Accepted>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    match time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            if sender.send(Accepted { stream, from }).await.is_err() {
                tracing::debug!(%from, "the server ended before it took this connection");
            }
        }
        Ok(Err(error)) => tracing::info!(%from, %error, "a TLS handshake failed"),
        Err(_) => tracing::info!(%from, "a TLS handshake took too long"),
    }
}

#[cfg(test)]
mod tests;
