//! A request and its answer over HTTP/2.
//!
//! The task of the request speaks to its stream itself: between it and the connection there is no dispatcher, no channel
//! and, unless a body is slow to come, no further task.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use bytes::Bytes;
use h2::{
    Reason, SendStream,
    client::{self, ResponseFuture, SendRequest},
};
use http::{HeaderValue, Method, Request, Response, header, request::Parts};
use http_body::Body as _;
use tokio::{net::TcpStream, task::AbortHandle};

use super::Arriving;
use crate::plane::{body::Body, gather::Gather, io::Wire, worker::spawn};

/// What a peer may send before it has to wait, per stream and per connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The largest head of an answer.
const HEAD: u32 = 16 << 10;
/// Bytes of a stream that wait to be written, at most.
const WAITING: usize = 1 << 20;

/// Begins HTTP/2: what sends requests, and what reads and writes for them.
pub(super) async fn open(
    stream: Gather<Wire<TcpStream>>,
) -> Result<(SendRequest<Bytes>, client::Connection<Gather<Wire<TcpStream>>>), h2::Error> {
    client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD)
        .max_send_buffer_size(WAITING)
        .enable_push(false)
        .handshake(stream)
        .await
}

/// Whether a connection takes one more request; an error: it is over, and nothing was sent.
pub(super) async fn ready(sender: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
    poll_fn(|cx| sender.poll_ready(cx)).await
}

/// Sends a request, and waits for its answer. The connection must be ready.
pub(super) async fn send(
    sender: &mut SendRequest<Bytes>,
    request: Box<Request<Body>>,
) -> Result<Response<Arriving>, h2::Error> {
    let (answer, rest) = begin(sender, *request)?;
    let sending = match rest {
        Some((body, stream)) => pass_on(body, stream).await,
        None => None,
    };
    let answer = answer.await;
    // From now on the body is sent to its end, whatever becomes of the answer.
    if let Some(sending) = sending {
        sending.detach();
    }
    let (head, stream) = answer?.into_parts();
    let body = Arriving::http2(&head.headers, stream);
    Ok(Response::from_parts(head, body))
}

/// A body that is still to be sent, and its way.
type Rest = Option<(Body, SendStream<Bytes>)>;

/// Sends the head; gives what the answer is awaited by.
fn begin(sender: &mut SendRequest<Bytes>, request: Request<Body>) -> Result<(ResponseFuture, Rest), h2::Error> {
    let (mut head, body) = request.into_parts();
    tell_length(&mut head, &body);
    let is_whole = body.is_end_stream();
    let (answer, stream) = sender.send_request(Request::from_parts(head, ()), is_whole)?;
    Ok((answer, (!is_whole).then_some((body, stream))))
}

/// Says how long the body is, if that is known and was not said.
fn tell_length(head: &mut Parts, body: &Body) {
    let Some(length) = body.size_hint().exact() else { return };
    let has_meaning = !matches!(head.method, Method::GET | Method::HEAD | Method::DELETE | Method::CONNECT);
    if (length > 0 || has_meaning) && !head.headers.contains_key(header::CONTENT_LENGTH) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// A body on its way. Dropped, its stream is broken off.
struct Sending(Option<AbortHandle>);

impl Sending {
    fn detach(mut self) {
        self.0 = None;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// Passes a body on: what is there at once, and the rest on a task of its own.
async fn pass_on(body: Body, stream: SendStream<Bytes>) -> Option<Sending> {
    let mut passing = Box::pin(pass(body, stream));
    let is_done = poll_fn(|cx| Poll::Ready(passing.as_mut().poll(cx).is_ready())).await;
    (!is_done).then(|| Sending(Some(spawn(passing))))
}

async fn pass(mut body: Body, mut stream: SendStream<Bytes>) {
    // The peer has broken off, or the body has: the request's own task learns of it by the answer that fails to come.
    if let Err(reason) = pass_frames(&mut body, &mut stream).await {
        stream.send_reset(reason);
    }
}

async fn pass_frames(body: &mut Body, stream: &mut SendStream<Bytes>) -> Result<(), Reason> {
    let reason = |error: h2::Error| error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    loop {
        let frame = poll_fn(|cx| match stream.poll_reset(cx) {
            Poll::Ready(reset) => Poll::Ready(Err(reset.unwrap_or_else(reason))),
            Poll::Pending => {
                Pin::new(&mut *body).poll_frame(cx).map(|frame| frame.transpose().map_err(|_| Reason::CANCEL))
            }
        });
        let Some(frame) = frame.await? else { return stream.send_data(Bytes::new(), true).map_err(reason) };
        match frame.into_data() {
            Ok(data) => {
                let is_last = body.is_end_stream();
                room(stream, data.len()).await?;
                stream.send_data(data, is_last).map_err(reason)?;
                if is_last {
                    return Ok(());
                }
            }
            Err(frame) => {
                let Ok(trailers) = frame.into_trailers() else { continue };
                stream.reserve_capacity(0);
                return stream.send_trailers(trailers).map_err(reason);
            }
        }
    }
}

/// Waits until the peer takes more. One byte is asked for: the rest follows as room comes, and meanwhile the connection's
/// room is left to other streams.
async fn room(stream: &mut SendStream<Bytes>, length: usize) -> Result<(), Reason> {
    if length == 0 {
        return Ok(());
    }
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.reason().unwrap_or(Reason::INTERNAL_ERROR)),
            None => return Err(Reason::CANCEL),
        }
    }
    Ok(())
}
