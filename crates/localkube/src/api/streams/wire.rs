//! A connection that carries several numbered streams, whatever the framing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    time,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message, Utf8Bytes,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// The most that is sent in one piece.
pub(super) const PIECE: usize = 32 * 1024;
/// How long to wait for the other side to close, too.
const FAREWELL: Duration = Duration::from_secs(2);
/// First byte of a message that ends a stream, in `v5.channel.k8s.io`.
const CLOSE: u8 = 255;

/// What comes from the client. The end of the queue is the end of the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A new stream with its headers (SPDY only; elsewhere the numbers have fixed meanings).
    Open(u32, Vec<(String, String)>),
    /// Bytes of a stream.
    Data(u32, Bytes),
    /// The client sends no more on this stream.
    End(u32),
}

/// What goes to the client. Dropping the sender closes the connection after all that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// Bytes of a stream.
    Data(u32, Bytes),
    /// No more will be sent on this stream.
    End(u32),
}

/// Our end of a connection.
pub(super) struct Wire {
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
}

/// The two queues between a framing and its user.
pub(super) fn queues() -> (Wire, mpsc::Sender<Incoming>, mpsc::Receiver<Outgoing>) {
    let (arrive, incoming) = mpsc::channel(16);
    let (outgoing, leave) = mpsc::channel(16);
    (Wire { incoming, outgoing }, arrive, leave)
}

/// A WebSocket in which each message begins with its stream's number.
pub(super) fn numbered<S>(socket: WebSocketStream<S>) -> Wire
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (wire, arrive, mut leave) = queues();
    let (mut sink, mut stream) = socket.split();
    let read = async move {
        while let Some(Ok(message)) = stream.next().await {
            let mut bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => Bytes::from(text),
                _ => continue,
            };
            let Some(first) = (!bytes.is_empty()).then(|| bytes.split_to(1)[0]) else { continue };
            let event = match bytes.first() {
                Some(stream) if first == CLOSE => Incoming::End(u32::from(*stream)),
                Some(_) => Incoming::Data(u32::from(first), bytes),
                None => continue,
            };
            // Read on when nobody listens any more: the client's close is still to come.
            let _unheard = arrive.send(event).await;
        }
    };
    let write = async move {
        while let Some(event) = leave.recv().await {
            let Outgoing::Data(stream, bytes) = event else { continue };
            let mut message = BytesMut::with_capacity(bytes.len() + 1);
            message.extend_from_slice(&[u8::try_from(stream).unwrap_or(CLOSE)]);
            message.extend_from_slice(&bytes);
            if sink.send(Message::Binary(message.freeze())).await.is_err() {
                return;
            }
        }
        // The client may have closed first.
        let _closed = sink.send(goodbye()).await;
    };
    tokio::spawn(both(read, write));
    wire
}

/// A WebSocket that carries one stream of bytes, cut into messages anyhow.
pub(super) fn tunnel<S>(socket: WebSocketStream<S>) -> DuplexStream
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (theirs, ours) = tokio::io::duplex(2 * PIECE);
    let (mut from, mut to) = tokio::io::split(ours);
    let (mut sink, mut stream) = socket.split();
    let read = async move {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Binary(bytes) = message
                && to.write_all(&bytes).await.is_err()
            {
                break;
            }
        }
        // The user may have gone.
        let _closed = to.shutdown().await;
    };
    let write = async move {
        let mut buffer = BytesMut::with_capacity(PIECE);
        while let Ok(1..) = from.read_buf(&mut buffer).await {
            if sink.send(Message::Binary(buffer.split().freeze())).await.is_err() {
                return;
            }
            buffer.reserve(PIECE);
        }
        let _closed = sink.send(goodbye()).await;
    };
    tokio::spawn(both(read, write));
    theirs
}

/// The end as planned: without a code, clients take it for an accident.
fn goodbye() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() }))
}

/// Reads and writes; when there is no more to write, the client has a moment to close.
pub(super) async fn both(read: impl Future<Output = ()>, write: impl Future<Output = ()>) {
    tokio::pin!(read, write);
    tokio::select! {
        () = &mut read => {}
        () = &mut write => {
            let _late = time::timeout(FAREWELL, read).await;
        }
    }
}
