//! As much of HTTP/2 as one request and its answer need, without a library: generator and backend share a core, and the
//! proxy must not wait for them.
//!
//! <https://www.rfc-editor.org/rfc/rfc9113>, <https://www.rfc-editor.org/rfc/rfc7541>

use anyhow::{Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// How much may be sent before the peer gives more, and what it gets to give none for the rest of a measurement.
const WINDOW: u32 = 65_535;
const MORE: u32 = i32::MAX as u32 - WINDOW;

/// A head, as its first sending on a connection writes it, with strings that both sides remember, and as all further ones do.
pub(super) struct Block {
    first: Vec<u8>,
    again: Vec<u8>,
}

impl Block {
    /// Of fields without values of their own and of fields by the index of their name, all of the static table.
    pub(super) fn new(whole: &[u8], named: &[(u8, &str)]) -> Self {
        let (mut first, mut again): (Vec<u8>, Vec<u8>) = whole.iter().map(|index| (0x80 | index, 0x80 | index)).unzip();
        for (name, value) in named {
            // Values of up to 126 bytes.
            let [.., length] = value.len().to_be_bytes();
            first.extend([0x40 | name, length]);
            first.extend(value.bytes());
        }
        // What was remembered last comes first behind the static table.
        let remembered: Vec<u8> = (62..).take(named.len()).collect();
        again.extend(remembered.iter().rev().map(|index| 0x80 | index));
        Self { first, again }
    }
}

/// What has come: a part of some stream.
pub(super) struct Part<'a> {
    pub(super) stream: u32,
    pub(super) content: Content<'a>,
    pub(super) is_last: bool,
}

pub(super) enum Content<'a> {
    /// A head, compressed.
    Head(&'a [u8]),
    /// How many bytes of a body.
    Body(usize),
}

impl Part<'_> {
    /// Whether it is a head of status 200.
    pub(super) fn is_ok(&self) -> bool {
        // Only changes of the table's size may come before the status.
        matches!(self.content, Content::Head(block) if block.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&0x88))
    }
}

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
    kept: usize,
    out: Vec<u8>,
    block: Block,
    is_used: bool,
    /// How many bytes of bodies the peer takes.
    pub(super) room: i64,
}

impl Wire {
    /// A client's.
    pub(super) async fn client(mut stream: TcpStream, block: Block) -> Result<Self> {
        stream.write_all(PREFACE).await?;
        Self::new(stream, block)
    }

    /// A server's.
    pub(super) async fn server(mut stream: TcpStream, block: Block) -> Result<Self> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        ensure!(preface == PREFACE, "the client does not speak HTTP/2");
        Self::new(stream, block)
    }

    fn new(stream: TcpStream, block: Block) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (input, out) = (vec![0; 64 << 10], Vec::new());
        let mut wire = Self { stream, input, kept: 0, out, block, is_used: false, room: i64::from(WINDOW) };
        put(&mut wire.out, SETTINGS, 0, 0, &[]);
        put(&mut wire.out, WINDOW_UPDATE, 0, 0, &MORE.to_be_bytes());
        Ok(wire)
    }

    /// Writes a head and a body, with the next turn. There must be room for the body.
    pub(super) fn send(&mut self, stream: u32, body: &[u8]) {
        let block = if self.is_used { &self.block.again } else { &self.block.first };
        put(&mut self.out, HEADERS, END_HEADERS, stream, block);
        self.is_used = true;
        put(&mut self.out, DATA, END_STREAM, stream, body);
        self.room -= i64::try_from(body.len()).unwrap_or(i64::MAX);
    }

    /// Writes what is to be written, and reads once. False: the peer has gone.
    pub(super) async fn turn(&mut self, mut take: impl FnMut(Part<'_>) -> Result<()>) -> Result<bool> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).await?;
            self.out.clear();
        }
        let read = self.stream.read(&mut self.input[self.kept..]).await?;
        if read == 0 {
            return Ok(false);
        }
        let (mut from, end) = (0, self.kept + read);
        while let Some(length) = frame(&self.input[from..end]) {
            let (head, payload) = self.input[from..from + length].split_at(9);
            from += length;
            let (kind, flags) = (head[3], head[4]);
            let number = |bytes: &[u8]| bytes.iter().take(4).fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
            let stream = number(&head[5..]);
            let is_last = flags & END_STREAM != 0;
            match kind {
                HEADERS => take(Part { stream, content: Content::Head(payload), is_last })?,
                DATA => take(Part { stream, content: Content::Body(payload.len()), is_last })?,
                SETTINGS if flags & ACK == 0 => put(&mut self.out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => put(&mut self.out, PING, ACK, 0, payload),
                WINDOW_UPDATE if stream == 0 => self.room += i64::from(number(payload)),
                RST_STREAM | GOAWAY => bail!("stream {stream} was broken off: {payload:?}"),
                _ => {}
            }
        }
        self.input.copy_within(from..end, 0);
        self.kept = end - from;
        Ok(true)
    }
}

/// The length of the frame in front, if all of it is there.
fn frame(bytes: &[u8]) -> Option<usize> {
    let [a, b, c, ..] = *bytes else { return None };
    let length = 9 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
    (bytes.len() >= length).then_some(length)
}

fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend([length[1], length[2], length[3], kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

#[cfg(test)]
mod tests;
