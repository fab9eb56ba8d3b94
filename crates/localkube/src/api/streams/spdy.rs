//! SPDY/3.1, as much as port-forward and old clients of exec need: streams that the client opens, data, and their ends.
//!
//! There is no flow control by windows: the clients that still speak SPDY to Kubernetes know none either.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use self::headers::{Packer, Unpacker};
use super::wire::{self, Incoming, Outgoing, Wire};

mod headers;

const VERSION: u16 = 3;
/// The flag of a stream's last frame.
const LAST: u8 = 1;
/// More in one frame is a mistake or malice.
const FRAME_MAX: usize = 1 << 22;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

/// Something for the writing side.
enum Reply {
    Open(u32),
    Ping(u32),
}

/// A frame as it is on the wire.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Data { stream: u32, last: bool, bytes: Bytes },
    Control { kind: u16, flags: u8, body: Bytes },
}

/// Speaks SPDY on a connection.
pub(super) fn streams<S>(connection: S) -> Wire
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (wire, arrive, leave) = wire::queues();
    let (from, to) = tokio::io::split(connection);
    let (reply, replies) = mpsc::channel(16);
    let read = async move {
        if let Err(error) = read(from, &arrive, &reply).await {
            tracing::debug!(%error, "a SPDY connection broke");
        }
    };
    let write = async move {
        if let Err(error) = write(to, leave, replies).await {
            tracing::debug!(%error, "a SPDY connection broke");
        }
    };
    tokio::spawn(wire::both(read, write));
    wire
}

async fn read(
    mut from: impl AsyncRead + Unpin,
    arrive: &mpsc::Sender<Incoming>,
    reply: &mpsc::Sender<Reply>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let mut unpacker = Unpacker::default();
    loop {
        while let Some(frame) = take_frame(&mut buffer)? {
            let (answer, events) = understand(frame, &mut unpacker)?;
            if let Some(answer) = answer {
                reply.send(answer).await.map_err(io::Error::other)?;
            }
            for event in events {
                // Read on when nobody listens any more: the client's close is still to come.
                let _unheard = arrive.send(event).await;
            }
        }
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// What a frame means: an answer by the framing itself, and what its user learns.
fn understand(frame: Frame, unpacker: &mut Unpacker) -> io::Result<(Option<Reply>, Vec<Incoming>)> {
    let mut events = Vec::new();
    let (kind, flags, mut body) = match frame {
        Frame::Data { stream, last, bytes } => {
            if !bytes.is_empty() {
                events.push(Incoming::Data(stream, bytes));
            }
            if last {
                events.push(Incoming::End(stream));
            }
            return Ok((None, events));
        }
        Frame::Control { kind, flags, body } => (kind, flags, body),
    };
    let mut answer = None;
    match kind {
        SYN_STREAM => {
            let stream = number(&mut body)?;
            // The stream it belongs to (none ever does), priority and slot.
            body.try_get_u32().and_then(|_| body.try_get_u16())?;
            events.push(Incoming::Open(stream, unpacker.unpack(&body)?));
            if flags & LAST != 0 {
                events.push(Incoming::End(stream));
            }
            answer = Some(Reply::Open(stream));
        }
        // All header blocks are one compressed text, so this one must be read although it says nothing.
        HEADERS => {
            number(&mut body)?;
            unpacker.unpack(&body)?;
        }
        RST_STREAM => events.push(Incoming::End(number(&mut body)?)),
        PING => answer = Some(Reply::Ping(body.try_get_u32()?)),
        GOAWAY => tracing::trace!("the SPDY client will open no more streams"),
        _ => {}
    }
    Ok((answer, events))
}

fn number(body: &mut Bytes) -> io::Result<u32> {
    Ok(body.try_get_u32()? & 0x7fff_ffff)
}

/// Takes a whole frame off the front, if there is one.
fn take_frame(buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
    let Some(mut head) = buffer.get(..8) else { return Ok(None) };
    let (first, second) = (head.get_u32(), head.get_u32());
    let (flags, length) = ((second >> 24) as u8, (second & 0x00ff_ffff) as usize);
    if length > FRAME_MAX {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    if buffer.len() < 8 + length {
        return Ok(None);
    }
    buffer.advance(8);
    let body = buffer.split_to(length).freeze();
    if first >> 31 == 0 {
        return Ok(Some(Frame::Data { stream: first, last: flags & LAST != 0, bytes: body }));
    }
    let (version, kind) = ((first >> 16) as u16 & 0x7fff, first as u16);
    if version != VERSION {
        return Err(io::Error::other(format!("SPDY version {version}, not {VERSION}")));
    }
    Ok(Some(Frame::Control { kind, flags, body }))
}

async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut leave: mpsc::Receiver<Outgoing>,
    mut replies: mpsc::Receiver<Reply>,
) -> io::Result<()> {
    let mut packer = Packer::new()?;
    loop {
        let mut frame = BytesMut::new();
        tokio::select! {
            // First of all, so that a stream is accepted before there is data on it.
            biased;
            Some(reply) = replies.recv() => match reply {
                Reply::Open(stream) => {
                    let none = packer.pack_none()?;
                    control(&mut frame, SYN_REPLY, 4 + none.len());
                    frame.put_u32(stream);
                    frame.put_slice(&none);
                }
                Reply::Ping(id) => {
                    control(&mut frame, PING, 4);
                    frame.put_u32(id);
                }
            },
            event = leave.recv() => match event {
                Some(Outgoing::Data(stream, bytes)) => data(&mut frame, stream, 0, &bytes),
                Some(Outgoing::End(stream)) => data(&mut frame, stream, LAST, &[]),
                None => return to.shutdown().await,
            },
        }
        to.write_all(&frame).await?;
        to.flush().await?;
    }
}

fn control(frame: &mut BytesMut, kind: u16, length: usize) {
    frame.put_u16(0x8000 | VERSION);
    frame.put_u16(kind);
    // Without flags: the length has 24 bits, and what is sent here is small.
    frame.put_u32(u32::try_from(length).unwrap_or(0));
}

fn data(frame: &mut BytesMut, stream: u32, flags: u8, bytes: &[u8]) {
    frame.put_u32(stream);
    frame.put_u8(flags);
    // At most `wire::PIECE`.
    frame.put_uint(bytes.len() as u64, 3);
    frame.put_slice(bytes);
}

#[cfg(test)]
mod tests;
