//! Messages of gRPC, counted as their bytes pass by.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::sync::Arc;

use super::series::MessageCounts;

/// The bytes before each message: whether it is compressed, and its length in four bytes.
const PREFIX: u8 = 5;

/// The messages of one call, both ways.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// Of this call alone, until it is known in whose name they count.
    counts: Arc<MessageCounts>,
    is_reported: bool,
    request: Frames,
    /// None unless the answer is gRPC.
    response: Option<Frames>,
}

impl Messages {
    /// A piece of the request's body.
    pub(crate) fn request(&mut self, piece: &[u8]) {
        self.counts.request.add(self.request.begun(piece));
    }

    /// A piece of the answer's body.
    pub(crate) fn response(&mut self, piece: &[u8]) {
        if let Some(frames) = &mut self.response {
            self.counts.response.add(frames.begun(piece));
        }
    }

    /// Counts what there was, and what comes, in the series that is found, which is asked for once; `answered`: an answer
    /// of gRPC begins.
    pub(crate) fn report(&mut self, answered: bool, find: impl FnOnce() -> Arc<MessageCounts>) {
        if std::mem::replace(&mut self.is_reported, true) {
            return;
        }
        let series = find();
        series.request.add(self.counts.request.get());
        self.counts = series;
        self.response = answered.then(Frames::default);
    }
}

/// Finds where messages begin in a body that comes in pieces. As Envoy does, it takes a message that is cut off for one.
#[derive(Debug, Default)]
struct Frames {
    /// How many bytes of a prefix have come: fewer than [`PREFIX`].
    prefix: u8,
    /// How many bytes of the message are yet to come, when its prefix is complete; until then what was read of it.
    length: u32,
}

impl Frames {
    /// How many messages begin in the next piece.
    fn begun(&mut self, mut piece: &[u8]) -> u64 {
        let mut begun = 0;
        while let [byte, rest @ ..] = piece {
            if self.prefix == 0 && self.length > 0 {
                let skipped = piece.len().min(self.length as usize);
                self.length -= skipped as u32;
                piece = &piece[skipped..];
                continue;
            }
            match self.prefix {
                0 => begun += 1,
                _ => self.length = self.length << 8 | u32::from(*byte),
            }
            self.prefix = (self.prefix + 1) % PREFIX;
            piece = rest;
        }
        begun
    }
}

#[cfg(test)]
mod tests;
