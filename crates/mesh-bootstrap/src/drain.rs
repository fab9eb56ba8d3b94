//! The gentle end of a program.

use std::{future::Future, io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Says that the program is to end, and knows the tasks that finish their work first. Clones are the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// One that begins by [`Drain::begin`] only.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that begins at the first SIGTERM or SIGINT.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub fn on_signals() -> io::Result<Self> {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let drain = Self::new();
        let begun = drain.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = int.recv() => "SIGINT",
                () = begun.requested() => return,
            };
            tracing::info!(signal = name, "ending");
            begun.begin();
        });
        Ok(drain)
    }

    /// Asks everybody to end.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Waits until somebody asked to end.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether somebody asked to end.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// For code that takes a token.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task that [`Drain::finished`] waits for.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Waits for the tasks, at most for `patience`. False: some were still at work.
    pub async fn finished(&self, patience: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests;
