//! The body of an answer, as it comes from an upstream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::plane::body::BodyError;

/// The body of an answer.
pub(crate) enum Arriving {
    /// By HTTP/1.
    Http1(Incoming),
    /// By HTTP/2.
    Http2 {
        /// Its stream.
        stream: RecvStream,
        /// How many bytes are still to come, if that was said.
        rest: Option<u64>,
        /// Only trailers can follow.
        is_read: bool,
    },
}

impl Arriving {
    /// Of an answer by HTTP/2.
    pub(super) fn http2(headers: &HeaderMap, stream: RecvStream) -> Self {
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let rest = said.or(stream.is_end_stream().then_some(0));
        Self::Http2 { stream, rest, is_read: false }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (stream, rest, is_read) = match &mut *self {
            Self::Http1(incoming) => {
                return Pin::new(incoming).poll_frame(cx).map_err(BodyError::Cut);
            }
            Self::Http2 { stream, rest, is_read } => (stream, rest, is_read),
        };
        if !*is_read {
            if let Some(data) = ready!(stream.poll_data(cx)) {
                return Poll::Ready(frame(data.map(|data| {
                    // What is passed on makes room for more; of a stream that has ended nobody wants to know.
                    stream.flow_control().release_capacity(data.len()).ok();
                    *rest = rest.map(|rest| rest.saturating_sub(data.len() as u64));
                    Some(Frame::data(data))
                })));
            }
            *is_read = true;
        }
        let trailers = ready!(stream.poll_trailers(cx));
        Poll::Ready(frame(trailers.map(|trailers| trailers.map(Frame::trailers))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2 { stream, .. } => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2 { rest, .. } => rest.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// An upstream that has answered early asks by a reset without an error to be sent no more of the request; its answer is
/// whole (RFC 9113, 8.1).
fn frame(read: Result<Option<Frame<Bytes>>, h2::Error>) -> Option<Result<Frame<Bytes>, BodyError>> {
    match read {
        Err(error) if error.reason() == Some(Reason::NO_ERROR) => None,
        read => read.map_err(BodyError::Reset).transpose(),
    }
}
