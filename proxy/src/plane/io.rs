//! A connection, with what was already read of it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct Io {
    /// What the inspection read.
    first: Bytes,
    stream: TcpStream,
}

impl Io {
    /// With the bytes that were read of it.
    pub(crate) fn new(first: Bytes, stream: TcpStream) -> Self {
        Self { first, stream }
    }

    /// Closes with a reset, so that the client does not take the end for an answer.
    pub(crate) fn reset(self) {
        reset(self.stream);
    }
}

/// Closes a connection with a reset.
pub(crate) fn reset(stream: TcpStream) {
    // If the system does not want to, it is closed gently.
    drop(socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)));
}

impl AsyncRead for Io {
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

impl AsyncWrite for Io {
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
