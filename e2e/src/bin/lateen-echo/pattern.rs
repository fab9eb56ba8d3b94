//! Bodies whose every byte is known: numbered blocks.

use std::{convert::Infallible, sync::LazyLock};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::{Stream, stream};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};

/// Length of a block.
const BLOCK: usize = 64 * 1024;

/// A block without its number.
static BLANK: LazyLock<Vec<u8>> = LazyLock::new(|| (0..BLOCK).map(|at| (at % 251) as u8).collect());

/// A block begins with its number, so that none can stand for another.
fn block(number: u64) -> Vec<u8> {
    let mut block = BLANK.clone();
    block[..8].copy_from_slice(&number.to_be_bytes());
    block
}

/// The first `length` bytes, as chunks.
pub(crate) fn chunks(length: u64) -> impl Iterator<Item = Bytes> + Send {
    (0..length.div_ceil(BLOCK as u64)).map(move |number| {
        let left = length - number * BLOCK as u64;
        let mut bytes = Bytes::from(block(number));
        bytes.truncate(usize::try_from(left).unwrap_or(BLOCK));
        bytes
    })
}

/// The first `length` bytes, as a body.
pub(crate) fn frames(length: u64) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    stream::iter(chunks(length).map(|chunk| Ok(Frame::data(chunk))))
}

/// Compares what comes with what should.
#[derive(Default)]
pub(crate) struct Checker {
    seen: u64,
    block: Vec<u8>,
}

impl Checker {
    /// Takes the next bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let at = (self.seen % BLOCK as u64) as usize;
            if at == 0 {
                self.block = block(self.seen / BLOCK as u64);
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - at));
            ensure!(
                now == &self.block[at..at + now.len()],
                "a byte between {} and the next {} differs",
                self.seen,
                now.len()
            );
            self.seen += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// How many came.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Fails unless exactly `length` bytes came.
    pub(crate) fn finish(&self, length: u64) -> Result<()> {
        ensure!(self.seen == length, "{} of {length} bytes came", self.seen);
        Ok(())
    }
}

/// Reads a body to its end, and gives its trailers.
pub(crate) async fn check<B>(mut body: B, checker: &mut Checker) -> Result<http::HeaderMap>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    let mut trailers = http::HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => checker.take(&data)?,
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok(trailers)
}
