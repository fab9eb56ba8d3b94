//! Connections, in the clear or in TLS, with what was already read of them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

/// A connection of a client.
pub(crate) type Io = Wire<Seen>;

/// A connection whose bytes are passed as they are, or that is one end of TLS.
#[derive(Debug)]
pub(crate) enum Wire<T> {
    /// In the clear.
    Plain(T),
    /// In TLS.
    Tls(Box<TlsStream<T>>),
}

/// A client's connection, of which something may have been read already.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What the inspection read.
    first: Bytes,
    stream: TcpStream,
}

impl Seen {
    /// With the bytes that were read of it.
    pub(crate) fn new(first: Bytes, stream: TcpStream) -> Self {
        Self { first, stream }
    }
}

impl<T> Wire<T> {
    fn inner(&self) -> &T {
        match self {
            Self::Plain(inner) => inner,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl Wire<Seen> {
    /// Closes with a reset, so that the client does not take the end for an answer.
    pub(crate) fn reset(self) {
        mark_reset(&self.inner().stream);
    }
}

impl Wire<TcpStream> {
    /// The connection below TLS.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.inner()
    }
}

/// Closes a connection with a reset.
pub(crate) fn reset(stream: TcpStream) {
    mark_reset(&stream);
}

/// From now on the end of the connection is a reset. If the system does not want to, it is closed gently.
fn mark_reset(stream: &TcpStream) {
    drop(socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)));
}

impl AsyncRead for Seen {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, out);
        }
        let fits = self.first.len().min(out.remaining());
        out.put_slice(&self.first[..fits]);
        self.first.advance(fits);
        if self.first.is_empty() {
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Seen {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = match self.get_mut() {
            Self::Plain(stream) => return Pin::new(stream).poll_read(cx, out),
            Self::Tls(stream) => stream,
        };
        match ready!(Pin::new(stream).poll_read(cx, out)) {
            // Many peers hang up without TLS's own word for it; that is their end, as Envoy sees it, too.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
