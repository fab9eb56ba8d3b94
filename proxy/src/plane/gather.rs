//! Writes of one turn, gathered into one.
//!
//! h2 flushes around each frame of data, and so gives a system call to each answer. A [`Gather`] keeps what is written until
//! the connection's own task has been polled, and [`turn`] writes it then: answers that were ready together share a write.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// From how many bytes on what waits is written at once.
const ENOUGH: usize = 32 << 10;

/// A connection that keeps what is written. Clones are the same connection.
pub(crate) struct Gather<T>(Rc<RefCell<Inner<T>>>);

struct Inner<T> {
    io: T,
    waiting: Vec<u8>,
    /// How much of it has been written.
    written: usize,
}

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Gather<T> {
    pub(crate) fn new(io: T) -> Self {
        Self(Rc::new(RefCell::new(Inner { io, waiting: Vec::new(), written: 0 })))
    }
}

/// Polls what writes to a connection until it ends; what each turn has written leaves with the turn.
pub(crate) async fn turn<T: AsyncWrite + Unpin, F: Future>(io: &Gather<T>, mut writer: Pin<&mut F>) -> F::Output {
    poll_fn(|cx| {
        let polled = writer.as_mut().poll(cx);
        // Whoever writes next, or reads, meets the error too.
        drop(io.0.borrow_mut().poll_write_out(cx));
        polled
    })
    .await
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.written = 0;
        self.waiting.clear();
        // An idle connection keeps no large buffer.
        if self.waiting.capacity() > ENOUGH {
            self.waiting = Vec::new();
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Makes room, if there is none.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.len() < ENOUGH { Poll::Ready(Ok(())) } else { self.poll_write_out(cx) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gather<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_read(cx, out)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        inner.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// With the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_write_out(cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        slices.iter().for_each(|slice| inner.waiting.extend_from_slice(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
