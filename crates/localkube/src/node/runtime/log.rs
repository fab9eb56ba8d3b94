//! Container logs on disk, in the format of the Container Runtime Interface: `TIME stdout F text`.
//!
//! A line over 16 KiB, and a last one without an end, is cut into parts tagged `P`. A file that reaches 10 MiB moves to
//! `<log>.1`, over the one before, so a container keeps 20 MiB at most.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    node::access::{LogRequest, LogStream},
    status::Status,
};

const LINE_MAX: usize = 16 * 1024;
const FILE_MAX: u64 = 10 * 1024 * 1024;

/// Which stream of the main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
}

/// The writing end of one container's log.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    size: u64,
    /// Begun lines, of stdout and stderr.
    begun: [Vec<u8>; 2],
}

impl Writer {
    /// Opens the log at `path` to append; its folder is made.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, begun: Default::default() })
    }

    /// Adds output as it came.
    pub(super) fn write(&mut self, source: Source, chunk: &[u8]) -> io::Result<()> {
        let time = now();
        let mut records = Vec::with_capacity(chunk.len() + 64);
        let begun = &mut self.begun[source as usize];
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            let ended = begun.pop_if(|byte| *byte == b'\n').is_some();
            while begun.len() > LINE_MAX {
                let rest = begun.split_off(LINE_MAX);
                record(&mut records, &time, source, 'P', begun);
                *begun = rest;
            }
            if ended {
                record(&mut records, &time, source, 'F', begun);
                begun.clear();
            }
        }
        self.append(&records)
    }

    /// Writes a last line that has no end.
    pub(super) fn finish(&mut self, source: Source) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun[source as usize]);
        if begun.is_empty() {
            return Ok(());
        }
        let mut records = Vec::new();
        record(&mut records, &now(), source, 'P', &begun);
        self.append(&records)
    }

    fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if self.size >= FILE_MAX {
            fs::rename(&self.path, older(&self.path))?;
            self.file = File::options().create(true).append(true).open(&self.path)?;
            self.size = 0;
        }
        self.size += records.len() as u64;
        self.file.write_all(records)
    }
}

fn record(to: &mut Vec<u8>, time: &str, source: Source, tag: char, text: &[u8]) {
    let name = match source {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
    };
    to.extend_from_slice(format!("{time} {name} {tag} ").as_bytes());
    to.extend_from_slice(text);
    to.push(b'\n');
}

/// Of one width, so that times sort as text.
fn stamp(time: Timestamp) -> String {
    format!("{}.{:09}Z", time.strftime("%Y-%m-%dT%H:%M:%S"), time.subsec_nanosecond())
}

fn now() -> String {
    stamp(Timestamp::now())
}

fn older(path: &Path) -> PathBuf {
    super::session::beside(path, "1")
}

/// Reads a container's log. For `follow`, `ended` changes when there is more, and is true when there will be no more;
/// without it the stream ends where the log does now. A log that does not exist is empty.
pub(super) fn read(
    path: &Path,
    request: &LogRequest,
    ended: Option<watch::Receiver<bool>>,
) -> Result<LogStream, Status> {
    let filter = Filter::new(request)?;
    let (sender, receiver) = mpsc::channel(16);
    let (path, follow, tail) = (path.to_owned(), request.follow, request.tail_lines);
    tokio::spawn(async move {
        let reader = Reader { path, filter, sender, record: Vec::new() };
        // An error ends the stream: the caller is gone, or the log is.
        if let Err(error) = reader.run(tail, ended.filter(|_| follow)).await {
            tracing::debug!(%error, "a log stream ended early");
        }
    });
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

struct Filter {
    since: String,
    timestamps: bool,
    left: Option<usize>,
    /// The record before was a part, so this one goes on in its line.
    within: bool,
}

impl Filter {
    fn new(request: &LogRequest) -> Result<Self, Status> {
        let since = match (&request.since_time, request.since_seconds) {
            (Some(text), _) => {
                let time: Timestamp =
                    text.parse().map_err(|error| Status::bad_request(format!("sinceTime {text:?}: {error}")))?;
                stamp(time)
            }
            (None, Some(seconds)) => {
                stamp(Timestamp::now().saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN))
            }
            (None, None) => String::new(),
        };
        Ok(Self { since, timestamps: request.timestamps, left: request.limit_bytes, within: false })
    }

    /// Adds what a person sees of a record. False when he has had all that he asked for.
    fn show(&mut self, record: &[u8], to: &mut Vec<u8>) -> bool {
        let mut parts = record.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(_), Some(tag), Some(text)) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return true;
        };
        if time < self.since.as_bytes() {
            return true;
        }
        let start = to.len();
        if self.timestamps && !self.within {
            to.extend_from_slice(time);
            to.push(b' ');
        }
        self.within = tag == b"P";
        to.extend_from_slice(if self.within { text.strip_suffix(b"\n").unwrap_or(text) } else { text });
        let Some(left) = &mut self.left else { return true };
        to.truncate(start + (to.len() - start).min(*left));
        *left -= to.len() - start;
        *left > 0
    }
}

struct Reader {
    path: PathBuf,
    filter: Filter,
    sender: mpsc::Sender<Bytes>,
    /// The record being read; kept over the end of the file, where its writer may be in the midst of it.
    record: Vec<u8>,
}

impl Reader {
    async fn run(mut self, tail: Option<usize>, mut ended: Option<watch::Receiver<bool>>) -> io::Result<()> {
        let mut skip = match tail {
            Some(tail) => self.count()?.saturating_sub(tail),
            None => 0,
        };
        let old = File::open(older(&self.path)).ok();
        if let Some(old) = old
            && !self.copy(&mut BufReader::new(old), &mut skip).await?
        {
            return Ok(());
        }
        let Some(mut file) = open(&self.path)? else { return Ok(()) };
        loop {
            // Looked at before reading: what is written while we read wakes us again.
            let last = ended.as_mut().is_none_or(|ended| *ended.borrow_and_update());
            if !self.copy(&mut file, &mut skip).await? {
                return Ok(());
            }
            if is_moved(file.get_ref(), &self.path)? {
                let Some(next) = open(&self.path)? else { return Ok(()) };
                // The last records may have come between reading and moving.
                self.copy(&mut file, &mut skip).await?;
                file = next;
                continue;
            }
            let Some(ended) = ended.as_mut().filter(|_| !last) else { return Ok(()) };
            tokio::select! {
                changed = ended.changed() => changed.map_err(io::Error::other)?,
                () = self.sender.closed() => return Ok(()),
            }
        }
    }

    fn count(&self) -> io::Result<usize> {
        let mut count = 0;
        for path in [older(&self.path), self.path.clone()] {
            let Some(mut file) = open(&path)? else { continue };
            while file.skip_until(b'\n')? > 0 {
                count += 1;
            }
        }
        Ok(count)
    }

    /// Sends what is there, without the first `skip` records. False when no more is wanted.
    async fn copy(&mut self, file: &mut BufReader<File>, skip: &mut usize) -> io::Result<bool> {
        let (mut shown, mut wanted) = (Vec::new(), true);
        while wanted && file.read_until(b'\n', &mut self.record)? > 0 && self.record.ends_with(b"\n") {
            if *skip > 0 {
                *skip -= 1;
            } else {
                wanted = self.filter.show(&self.record, &mut shown);
            }
            self.record.clear();
            if shown.len() > 32 * 1024 || (!wanted && !shown.is_empty()) {
                self.send(&mut shown).await?;
            }
        }
        if !shown.is_empty() {
            self.send(&mut shown).await?;
        }
        Ok(wanted)
    }

    async fn send(&self, shown: &mut Vec<u8>) -> io::Result<()> {
        self.sender.send(Bytes::from(std::mem::take(shown))).await.map_err(io::Error::other)
    }
}

fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_moved(file: &File, path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path).is_ok_and(|there| file.metadata().is_ok_and(|here| here.ino() != there.ino())))
}
