//! What a container's main process prints: into its log, and to those who are attached.

use std::{io, sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::{Mutex as AsyncMutex, watch},
    time,
};

use super::log::{Source, Writer};

/// An attached caller who takes nothing for so long is let go; until then the container waits for him, as a program
/// waits for a slow terminal.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listeners of one stream of the main process.
type Listeners = AsyncMutex<Vec<DuplexStream>>;

/// Where output goes.
#[derive(Debug)]
pub(super) struct Output {
    log: Mutex<Writer>,
    stdout: Listeners,
    stderr: Listeners,
    ended: watch::Sender<bool>,
}

impl Output {
    pub(super) fn new(log: Writer) -> Self {
        Self {
            log: Mutex::new(log),
            stdout: Listeners::default(),
            stderr: Listeners::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Whether the log is complete; it counts as changed whenever the log has grown.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// There will be no more.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    fn listeners(&self, source: Source) -> &Listeners {
        match source {
            Source::Stdout => &self.stdout,
            Source::Stderr => &self.stderr,
        }
    }

    /// A reader of what comes from now on.
    pub(super) async fn listen(&self, source: Source) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.listeners(source).lock().await.push(ours);
        theirs
    }

    /// Copies a stream until its end. Reading a terminal whose last user is gone fails; that is an end, too.
    pub(super) async fn pump(&self, source: Source, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let count = stream.read(&mut buffer).await.unwrap_or(0);
            let chunk = &buffer[..count];
            if let Err(error) = self.keep(source, chunk) {
                tracing::warn!(%error, "a container's output was not kept");
            }
            if count == 0 {
                break;
            }
            self.tell(source, chunk).await;
        }
        self.listeners(source).lock().await.clear();
    }

    fn keep(&self, source: Source, chunk: &[u8]) -> io::Result<()> {
        let mut log = self.log.lock().map_err(|_| io::Error::other("its log is broken"))?;
        if chunk.is_empty() {
            log.finish(source)?
        } else {
            log.write(source, chunk)?
        }
        drop(log);
        self.ended.send_modify(|_| {});
        Ok(())
    }

    async fn tell(&self, source: Source, chunk: &[u8]) {
        let mut listeners = self.listeners(source).lock().await;
        let mut index = 0;
        while index < listeners.len() {
            let sent = time::timeout(PATIENCE, listeners[index].write_all(chunk)).await;
            if matches!(sent, Ok(Ok(()))) {
                index += 1;
            } else {
                drop(listeners.swap_remove(index));
            }
        }
    }
}
