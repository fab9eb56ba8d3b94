//! Bodies, as both ends of the proxy see them.

use std::{
    cell::{Cell, RefCell, RefMut},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;

use super::{http::ResponseBody, telemetry::Messages};

/// Why a body ends before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection that it comes from broke.
    #[error("the body was cut off")]
    Cut(#[from] hyper::Error),
    /// The stream that it comes from was reset.
    #[error("the body was broken off")]
    Reset(#[from] h2::Error),
    /// It took too long.
    #[error("the body took too long")]
    Late,
    /// The request is being sent once more, elsewhere.
    #[error("the request is sent elsewhere")]
    Superseded,
}

/// A body on its way to a client or to an upstream.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// All of it.
    Full(Bytes),
    /// As it comes from a client.
    Request(RequestBody),
    /// As it comes from an upstream.
    Response(Box<ResponseBody>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Request(body) => Pin::new(body).poll_frame(cx),
            Self::Response(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Request(body) => body.is_end_stream(),
            Self::Response(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Request(body) => body.size_hint(),
            Self::Response(body) => body.size_hint(),
        }
    }
}

/// How far the body of a request has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: Cell<u64>,
    ended: Cell<Option<Instant>>,
    broken: Cell<bool>,
    end: Notify,
    /// Of a call by gRPC.
    messages: RefCell<Option<Box<Messages>>>,
}

impl Progress {
    /// Of a request; `complete`: it has no body.
    pub(crate) fn new(complete: bool) -> Rc<Self> {
        let progress = Self::default();
        progress.ended.set(complete.then(Instant::now));
        Rc::new(progress)
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// So many more, which came after the request had become something else.
    pub(crate) fn add(&self, more: u64) {
        self.bytes.set(self.bytes.get() + more);
    }

    /// When all of it had come.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.ended.get()
    }

    /// Whether the client broke off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Waits until all of it has come.
    pub(crate) async fn end(&self) -> Instant {
        loop {
            let notified = self.end.notified();
            if let Some(when) = self.ended.get() {
                return when;
            }
            notified.await;
        }
    }

    /// From now on messages of gRPC are counted, too.
    pub(crate) fn count_messages(&self) {
        self.messages.replace(Some(Box::default()));
    }

    /// The messages of gRPC, if they are counted.
    pub(crate) fn messages(&self) -> Option<RefMut<'_, Messages>> {
        RefMut::filter_map(self.messages.borrow_mut(), |messages| messages.as_deref_mut()).ok()
    }

    fn note(&self, frame: Option<&Result<Frame<Bytes>, hyper::Error>>) {
        match frame {
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { return };
                self.add(data.len() as u64);
                if let Some(mut messages) = self.messages() {
                    messages.request(data);
                }
            }
            Some(Err(_)) => self.broken.set(true),
            None => {
                self.ended.set(Some(self.ended.get().unwrap_or_else(Instant::now)));
                self.end.notify_waiters();
            }
        }
    }
}

/// What is kept of a request's body so that it can be sent again, at most: Envoy's buffer of a connection.
const KEPT: usize = 1 << 20;

/// How long a copy waits for its original.
const COPY_PATIENCE: Duration = Duration::from_secs(60);

/// The body of a request: read once from its client, and sent as often as it is still whole in memory.
pub(crate) struct RequestBody {
    source: Rc<RefCell<Source>>,
    /// How many frames this sending has given.
    given: usize,
    sending: u32,
    progress: Rc<Progress>,
}

struct Source {
    incoming: Incoming,
    /// Frames that were read; none when the body is not kept (any more).
    kept: Option<Vec<Piece>>,
    size: usize,
    ended: bool,
    /// How often it was begun anew: only the newest sending may read.
    sendings: u32,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl RequestBody {
    /// Of a client; `keep`: it may have to be sent again.
    pub(crate) fn new(incoming: Incoming, keep: bool, progress: Rc<Progress>) -> Self {
        let source = Source { incoming, kept: keep.then(Vec::new), size: 0, ended: false, sendings: 0 };
        Self { source: Rc::new(RefCell::new(source)), given: 0, sending: 0, progress }
    }

    /// What a further sending is made of.
    pub(crate) fn replay(&self) -> Replay {
        Replay { source: self.source.clone(), progress: self.progress.clone() }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let source = &mut *self.source.borrow_mut();
        if self.sending != source.sendings {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        if let Some(piece) = source.kept.as_ref().and_then(|kept| kept.get(self.given)) {
            self.given += 1;
            return Poll::Ready(Some(Ok(piece.clone().into_frame())));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut source.incoming).poll_frame(cx));
        self.progress.note(frame.as_ref());
        match &frame {
            Some(Ok(frame)) => {
                source.keep(frame);
                self.given += 1;
                // A body whose length is known ends with its last byte, not with the next question.
                if source.incoming.is_end_stream() {
                    source.ended = true;
                    self.progress.note(None);
                }
            }
            Some(Err(_)) => source.kept = None,
            None => source.ended = true,
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Cut)))
    }
}

impl Source {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = &mut self.kept else { return };
        self.size += frame.data_ref().map_or(0, Bytes::len);
        if self.size > KEPT {
            self.kept = None;
        } else if let Some(data) = frame.data_ref() {
            kept.push(Piece::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            kept.push(Piece::Trailers(trailers.clone()));
        }
    }
}

impl Piece {
    fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(bytes) => Frame::data(bytes),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

/// The body of a request, as far as it can be sent again.
pub(crate) struct Replay {
    source: Rc<RefCell<Source>>,
    progress: Rc<Progress>,
}

impl Replay {
    /// Whether all of it so far is in memory.
    pub(crate) fn is_whole(&self) -> bool {
        self.source.borrow().kept.is_some()
    }

    /// From the beginning again; earlier sendings get nothing more.
    pub(crate) fn again(&self) -> RequestBody {
        let mut source = self.source.borrow_mut();
        source.sendings += 1;
        let sending = source.sendings;
        RequestBody { source: self.source.clone(), given: 0, sending, progress: self.progress.clone() }
    }

    /// It will not be sent again: what comes is not kept any more. What is kept has been sent by now, or is lost.
    pub(crate) fn forget(&self) {
        let mut source = self.source.borrow_mut();
        if source.ended {
            source.kept = None;
        } else {
            source.size = KEPT;
        }
    }

    /// All of it as one piece, once it has come and if it is still in memory; for copies.
    pub(crate) async fn copy(self) -> Option<Bytes> {
        tokio::time::timeout(COPY_PATIENCE, self.progress.end()).await.ok()?;
        let source = self.source.borrow();
        let pieces = source.kept.as_ref()?.iter().filter_map(|piece| match piece {
            Piece::Data(bytes) => Some(&bytes[..]),
            Piece::Trailers(_) => None,
        });
        Some(pieces.collect::<Vec<_>>().concat().into())
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_source(cx)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.borrow();
        source.ended && source.kept.as_ref().is_none_or(|kept| self.given >= kept.len())
    }

    fn size_hint(&self) -> SizeHint {
        // The rest of what comes is known to the source; what was kept and is sent again comes before it.
        let source = self.source.borrow();
        let again: u64 = source.kept.iter().flat_map(|kept| kept.iter().skip(self.given)).map(Piece::len).sum();
        let rest = source.incoming.size_hint();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + again),
            None => SizeHint::default(),
        }
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Trailers(_) => 0,
        }
    }
}
