//! Access logs: lines gathered by each worker, written by one thread.
//!
//! ```text
//!   worker ─ line() ─► text of each path ── 16 KiB, or a second ──► bounded channel ─► the writer's thread ─► files
//! ```
//!
//! A request never waits for a disk or for whoever reads the standard output: what finds no room is dropped and counted.

mod writer;

use std::{
    cell::RefCell,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use self::writer::{Chunk, Progress};

/// How much a worker gathers for a path before it hands it over.
const FULL: usize = 16 << 10;

/// How many chunks may wait for the writer.
const WAITING: usize = 256;

/// How long the end of the process waits for the writer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where lines go. Clones are the same. The writer's thread ends with the last of them and of their buffers.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    chunks: SyncSender<Chunk>,
    progress: Arc<Progress>,
}

impl Logs {
    /// With a writer's thread of its own.
    pub(crate) fn new() -> Self {
        let (chunks, waiting) = sync_channel(WAITING);
        let progress = Arc::<Progress>::default();
        let written = progress.clone();
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        if let Err(error) = thread.spawn(move || writer::run(&waiting, &written)) {
            // Without its receiver the channel takes nothing: lines are dropped and counted.
            tracing::warn!(%error, "no thread for access logs could be started; restart the proxy to get them back");
        }
        Self { chunks, progress }
    }

    /// One worker's way to the logs.
    pub(crate) fn buffer(&self) -> LogBuffer {
        LogBuffer { gathered: RefCell::default(), logs: self.clone() }
    }

    /// How many lines were dropped: nobody took them fast enough, or their file could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.progress.lost()
    }

    /// Waits until all that was handed over is written, but not for ever. For the end of the process: it blocks.
    pub(crate) fn drain(&self) {
        if !self.progress.wait(PATIENCE) {
            tracing::warn!(patience = ?PATIENCE, "access logs are not all written; nobody takes their lines");
        }
    }

    /// Never waits.
    fn hand_over(&self, chunk: Chunk) {
        self.progress.handed_over();
        if let Err(refused) = self.chunks.try_send(chunk) {
            let (TrySendError::Full(chunk) | TrySendError::Disconnected(chunk)) = refused;
            self.progress.lose(&chunk, &"the writer does not keep up");
            self.progress.done();
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self::new()
    }
}

/// Lines of one worker on their way. Not shared between threads.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    /// By path: there are one or two.
    gathered: RefCell<Vec<Chunk>>,
    logs: Logs,
}

impl LogBuffer {
    /// Appends what `render` writes (a line with its end) to the file at `path`, such as `/dev/stdout`. Never waits.
    pub(crate) fn line(&self, path: &str, render: impl FnOnce(&mut String)) {
        let mut gathered = self.gathered.borrow_mut();
        let at = gathered.iter().position(|chunk| &*chunk.path == path).unwrap_or_else(|| {
            gathered.push(Chunk { path: path.into(), text: String::new() });
            gathered.len() - 1
        });
        let chunk = &mut gathered[at];
        render(&mut chunk.text);
        if chunk.text.len() >= FULL {
            self.logs.hand_over(chunk.take());
        }
    }

    /// Hands over what has gathered; called once a second, and at the worker's end.
    pub(crate) fn flush(&self) {
        // A path that is not written to any more leaves nothing behind.
        for chunk in self.gathered.take() {
            if !chunk.text.is_empty() {
                self.logs.hand_over(chunk);
            }
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
