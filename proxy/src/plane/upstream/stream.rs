//! A connection that can be looked at while an HTTP codec owns it.

use std::{
    cell::RefCell,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::plane::io::Wire;

/// Shared by the codec, which reads and writes, and the pool, which wants to know whether the other end has hung up.
#[derive(Clone)]
pub(super) enum Shared {
    Plain(Rc<TcpStream>),
    /// Nobody else looks while the codec reads or writes: all of it is one thread's.
    Tls(Rc<RefCell<TokioIo<Wire<TcpStream>>>>),
}

impl Shared {
    pub(super) fn new(wire: Wire<TcpStream>) -> Self {
        match wire {
            Wire::Plain(stream) => Self::Plain(Rc::new(stream)),
            tls @ Wire::Tls(_) => Self::Tls(Rc::new(RefCell::new(TokioIo::new(tls)))),
        }
    }

    /// Whether nothing has come, not even the end: what an idle connection looks like that may be used once more.
    ///
    /// The codec learns of the end when the runtime gets to it; a request that was sent until then would be lost.
    pub(super) fn is_quiet(&self) -> bool {
        let is_quiet = |stream: &TcpStream| {
            let mut byte = [MaybeUninit::<u8>::uninit()];
            matches!(SockRef::from(stream).peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        };
        match self {
            Self::Plain(stream) => is_quiet(stream),
            Self::Tls(stream) => is_quiet(stream.borrow().inner().tcp()),
        }
    }
}

impl Read for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let stream = match &*self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => return Pin::new(&mut *stream.borrow_mut()).poll_read(cx, out),
        };
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let mut buffer = [MaybeUninit::<u8>::uninit(); 16 << 10];
            let fits = out.remaining().min(buffer.len());
            let mut chunk = tokio::io::ReadBuf::uninit(&mut buffer[..fits]);
            match stream.try_read_buf(&mut chunk) {
                Ok(_) => {
                    out.put_slice(chunk.filled());
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = match &*self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => return Pin::new(&mut *stream.borrow_mut()).poll_write(cx, bytes),
        };
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(&mut *stream.borrow_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self {
            Self::Plain(stream) => Poll::Ready(SockRef::from(&**stream).shutdown(std::net::Shutdown::Write)),
            Self::Tls(stream) => Pin::new(&mut *stream.borrow_mut()).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = match &*self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => return Pin::new(&mut *stream.borrow_mut()).poll_write_vectored(cx, slices),
        };
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}
