//! The thread that writes, and how far it is.

use std::{
    collections::HashMap,
    fmt::Display,
    fs::{File, OpenOptions},
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::Receiver,
    },
    time::Duration,
};

/// Some lines for one path.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) path: Arc<str>,
    pub(super) text: String,
}

impl Chunk {
    /// Leaves an empty one behind.
    pub(super) fn take(&mut self) -> Self {
        Self { path: self.path.clone(), text: std::mem::take(&mut self.text) }
    }
}

/// How far the writer is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Chunks that were handed over and are not done with.
    open: Mutex<u64>,
    done: Condvar,
    lost: AtomicU64,
}

impl Progress {
    pub(super) fn handed_over(&self) {
        *self.open() += 1;
    }

    /// A chunk is written or dropped.
    pub(super) fn done(&self) {
        let mut open = self.open();
        *open -= 1;
        if *open == 0 {
            self.done.notify_all();
        }
    }

    /// Whether nothing is open, at the latest after so long.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let waited = self.done.wait_timeout_while(self.open(), patience, |open| *open > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    /// Drops lines; says so the first time.
    pub(super) fn lose(&self, chunk: &Chunk, why: &dyn Display) {
        let lines = chunk.text.matches('\n').count().try_into().unwrap_or(u64::MAX);
        if self.lost.fetch_add(lines, Relaxed) == 0 {
            tracing::warn!(path = &*chunk.path, %why, "lines of the access log are dropped, and counted from now on");
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, u64> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a path leads.
enum Sink {
    Stdout,
    Stderr,
    File(File),
    /// It could not be opened, and is not tried again.
    Nowhere(io::Error),
}

impl Sink {
    fn open(path: &str) -> Self {
        match path {
            "/dev/stdout" => Self::Stdout,
            "/dev/stderr" => Self::Stderr,
            _ => OpenOptions::new().append(true).create(true).open(path).map_or_else(Self::Nowhere, Self::File),
        }
    }

    /// Writes all of it, or says why not.
    fn write(&mut self, text: &str) -> Result<(), String> {
        let written = match self {
            Self::Stdout => all(&mut io::stdout().lock(), text),
            Self::Stderr => all(&mut io::stderr().lock(), text),
            Self::File(file) => all(file, text),
            Self::Nowhere(error) => return Err(error.to_string()),
        };
        written.map_err(|error| error.to_string())
    }
}

fn all(to: &mut dyn Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// Writes what comes until nobody is left who could hand anything over.
pub(super) fn run(chunks: &Receiver<Chunk>, progress: &Progress) {
    let mut sinks: HashMap<Arc<str>, Sink> = HashMap::new();
    for chunk in chunks {
        let sink = sinks.entry(chunk.path.clone()).or_insert_with(|| Sink::open(&chunk.path));
        if let Err(why) = sink.write(&chunk.text) {
            progress.lose(&chunk, &why);
        }
        progress.done();
    }
}
