//! How far the data plane is: not started, at work, draining.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use tokio::sync::watch;

/// The state of the data plane's life.
#[derive(Debug, Default)]
pub(crate) struct Life {
    workers: AtomicU32,
    draining: watch::Sender<bool>,
    /// The same, for those who ask before each answer.
    is_draining: AtomicBool,
    failing_health: watch::Sender<bool>,
}

impl Life {
    /// A worker has opened its sockets.
    pub(crate) fn worker_started(&self) {
        self.workers.fetch_add(1, Relaxed);
    }

    /// How many workers have opened their sockets.
    pub(crate) fn workers(&self) -> u32 {
        self.workers.load(Relaxed)
    }

    /// Listeners are to close gently: connections end after their current request.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Relaxed);
        self.draining.send_replace(true);
    }

    /// Whether that was asked for.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Relaxed)
    }

    /// Word of it.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Health checks are to fail from now on, or again not.
    pub(crate) fn fail_health(&self, fail: bool) {
        self.failing_health.send_replace(fail);
    }

    /// Whether health checks are to fail.
    pub(crate) fn is_failing_health(&self) -> bool {
        *self.failing_health.borrow()
    }
}
