//! Passing bytes both ways.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How much is read at once. One buffer serves all connections of a worker: only what a receiver does not take at once
/// is kept, so that a silent connection costs nothing.
const AT_ONCE: usize = 64 << 10;
/// How often bytes are told of while they flow.
const REPORT: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; AT_ONCE].into());
}

/// What was passed.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// From the client to the server.
    pub(crate) up: u64,
    /// From the server to the client.
    pub(crate) down: u64,
    /// Why it ended, if both sides did not simply finish.
    pub(crate) end: Option<End>,
}

/// An end before both sides have finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A connection broke.
    Broken,
    /// Nothing came for too long.
    Silence,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    /// Read, but not written yet.
    left: Vec<u8>,
    written: usize,
    total: u64,
    ended: bool,
    shut: bool,
}

impl Pipe {
    /// Ready when the source has ended and the sink knows.
    fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.left.len() {
                let wrote = ready!(Pin::new(&mut *sink).poll_write(cx, &self.left[self.written..]))?;
                self.count(wrote)?;
                self.written += wrote;
            }
            if !self.left.is_empty() {
                (self.left, self.written) = (Vec::new(), 0);
            }
            if self.shut {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                ready!(Pin::new(&mut *sink).poll_shutdown(cx))?;
                self.shut = true;
                return Poll::Ready(Ok(()));
            }
            let read = SCRATCH.with_borrow_mut(|scratch| self.poll_once(cx, source, sink, scratch));
            match read {
                Poll::Ready(done) => done?,
                Poll::Pending => {
                    // What was written may still wait in a buffer of the sink's own.
                    ready!(Pin::new(&mut *sink).poll_flush(cx))?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads once, and writes as much of it as the sink takes.
    fn poll_once<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(source).poll_read(cx, &mut buffer))?;
        let mut bytes = buffer.filled();
        self.ended = bytes.is_empty();
        while !bytes.is_empty() {
            match Pin::new(&mut *sink).poll_write(cx, bytes) {
                Poll::Ready(wrote) => {
                    let wrote = wrote?;
                    self.count(wrote)?;
                    bytes = &bytes[wrote..];
                }
                Poll::Pending => {
                    self.left = bytes.to_vec();
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn count(&mut self, wrote: usize) -> io::Result<()> {
        self.total += wrote as u64;
        if wrote == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}

/// Passes bytes until both sides have finished, one breaks, or nothing came for `idle`. `note` is told from time to time
/// how many bytes have gone up and down since it was last told, and at the end.
pub(crate) async fn both_ways<A, B>(
    mut client: A,
    mut server: B,
    idle: Option<Duration>,
    mut note: impl FnMut(u64, u64),
) -> Passed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Pipe::default(), Pipe::default());
    let mut silence = idle.map(Silence::new);
    let (mut told, mut last) = ((0, 0), Instant::now());
    let end = poll_fn(|cx| {
        let (first, second) = (up.poll(cx, &mut client, &mut server), down.poll(cx, &mut server, &mut client));
        let passed = (up.total, down.total);
        if passed != told && last.elapsed() > REPORT {
            note(passed.0 - told.0, passed.1 - told.1);
            (told, last) = (passed, Instant::now());
        }
        match (first, second) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(Some(End::Broken)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(None),
            _ => match &mut silence {
                Some(silence) => silence.poll(cx, passed.0 + passed.1).map(|()| Some(End::Silence)),
                None => Poll::Pending,
            },
        }
    })
    .await;
    note(up.total - told.0, down.total - told.1);
    Passed { up: up.total, down: down.total, end }
}

/// Wakes once an interval and looks whether anything has passed since.
struct Silence {
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    seen: u64,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: Box::pin(sleep(limit)), seen: 0 }
    }

    fn poll(&mut self, cx: &mut Context<'_>, passed: u64) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if passed == self.seen {
                return Poll::Ready(());
            }
            self.seen = passed;
            self.timer.as_mut().reset(tokio::time::Instant::now() + self.limit);
        }
    }
}

#[cfg(test)]
mod tests;
