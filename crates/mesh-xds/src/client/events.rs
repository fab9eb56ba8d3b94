//! What a client hands out.

use tokio::sync::mpsc;

use super::{Fault, Verdict};
use crate::machine::{Receipt, Refused, Resource};

/// Something that a client's owner wants to know.
#[derive(Debug)]
pub enum Event {
    /// A stream was opened.
    Connected,
    /// There is no stream (any more); the client tries again by itself, and what was held stays held.
    Lost {
        /// For the log.
        reason: String,
    },
    /// The server sent something.
    Update(Update),
}

/// The reader's side of a client.
#[derive(Debug)]
pub struct Events {
    happened: mpsc::Receiver<Event>,
}

impl Events {
    pub(super) fn new(happened: mpsc::Receiver<Event>) -> Self {
        Self { happened }
    }

    /// The next event; none when the client has ended because nobody can subscribe any more.
    pub async fn next(&mut self) -> Option<Event> {
        self.happened.recv().await
    }
}

/// What changed of one type. The first update of a type on a client that held nothing of it brings all there is.
///
/// Answer it by [`Update::done`] or [`Update::refuse`]; one that is dropped counts as refused.
#[derive(Debug)]
pub struct Update {
    /// The type.
    pub type_url: String,
    /// New, changed, or sent again.
    pub changed: Vec<Resource>,
    /// Names that are no more, or that were asked for and never were.
    pub removed: Vec<String>,
    receipt: Receipt,
    stream: u64,
    verdicts: Option<mpsc::UnboundedSender<Settled>>,
}

/// A verdict on its way back to the stream.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) receipt: Receipt,
    pub(super) stream: u64,
    pub(super) verdict: Verdict,
}

impl Update {
    pub(super) fn new(
        changed: Vec<Resource>,
        receipt: Receipt,
        stream: u64,
        verdicts: mpsc::UnboundedSender<Settled>,
    ) -> Self {
        let (type_url, removed) = (receipt.type_url.clone(), receipt.removed.clone());
        Self { type_url, changed, removed, receipt, stream, verdicts: Some(verdicts) }
    }

    /// Answers: all was taken, or all but these.
    pub fn done(mut self, result: Result<(), Vec<Refused>>) {
        self.settle(match result {
            Err(refused) if !refused.is_empty() => Err(Fault::Resources(refused)),
            _ => Ok(()),
        });
    }

    /// Answers: nothing of it was taken.
    pub fn refuse(mut self, reason: impl Into<String>) {
        self.settle(Err(Fault::Whole(reason.into())));
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(verdicts) = self.verdicts.take() {
            let receipt = std::mem::take(&mut self.receipt);
            // The client may have ended meanwhile; then nobody waits for an answer.
            drop(verdicts.send(Settled { receipt, stream: self.stream, verdict }));
        }
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        self.settle(Err(Fault::Whole("the update was dropped by its receiver".to_owned())));
    }
}
