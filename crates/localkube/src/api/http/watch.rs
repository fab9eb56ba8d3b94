//! watch: the log of the store as a stream of `WatchEvent`s, a line each.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, stream};
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::shape::Shape;
use crate::{
    api::{Api, list::Selection},
    kinds::Kind,
    status::Status,
    store::{Change, Event, Stored, Watch},
};

/// How often a quiet watch tells the newest version.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(30);

/// What a watcher asked for.
pub(super) struct WatchOptions {
    /// Which objects.
    pub(super) selection: Selection,
    /// The version to go on from; None (also for version 0): from now, after one `ADDED` for each object.
    pub(super) from: Option<u64>,
    /// Whether `BOOKMARK`s are wanted.
    pub(super) bookmarks: bool,
    /// `sendInitialEvents`: a bookmark ends the first `ADDED` events.
    pub(super) mark_initial_end: bool,
    /// How long until the server ends the watch.
    pub(super) timeout: Duration,
    /// How objects are shown.
    pub(super) shape: Shape,
}

struct Feed {
    kind: Arc<Kind>,
    options: WatchOptions,
    watch: Watch,
    bookmark: Interval,
    deadline: Instant,
    ready: VecDeque<Bytes>,
    ended: bool,
}

/// The stream. A version that is too old gives one `ERROR` event, as a watch that falls behind does.
pub(super) fn watch(api: &Api, kind: &Arc<Kind>, options: WatchOptions) -> impl Stream<Item = Bytes> + Send + 'static {
    let resource = kind.resource();
    let mut ready = VecDeque::new();
    let from = options.from.unwrap_or_else(|| {
        let (present, revision) = api.store().list(&resource, options.selection.namespace.as_deref());
        let selected = present.into_iter().filter(|stored| options.selection.matches(&stored.object));
        ready.extend(selected.map(|stored| line("ADDED", &options.shape.one(kind, &stored))));
        if options.mark_initial_end {
            ready.push_back(mark(kind, revision, true));
        }
        revision
    });
    let current = api.store().revision();
    let begun = if from > current { Err(current) } else { api.store().watch(&resource, from).map_err(|e| e.oldest) };
    let timeout = options.timeout;
    let feed = match begun {
        Ok(watch) => {
            let mut bookmark = tokio::time::interval_at(Instant::now() + BOOKMARK_PERIOD, BOOKMARK_PERIOD);
            bookmark.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (kind, deadline) = (kind.clone(), Instant::now() + timeout);
            Some(Feed { kind, options, watch, bookmark, deadline, ready, ended: false })
        }
        Err(_) => None,
    };
    match feed {
        Some(feed) => stream::unfold(feed, |mut feed| async { feed.next().await.map(|piece| (piece, feed)) }).left(),
        None => {
            let gone = line("ERROR", Status::expired(current, from).to_value().to_string().as_bytes());
            stream::iter([gone]).right()
        }
    }
}

trait Either: Sized {
    fn left<B>(self) -> futures::future::Either<Self, B> {
        futures::future::Either::Left(self)
    }
    fn right<A>(self) -> futures::future::Either<A, Self> {
        futures::future::Either::Right(self)
    }
}

impl<S: Stream> Either for S {}

impl Feed {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                event = self.watch.next() => match event {
                    Ok(event) => self.ready.extend(self.seen(&event)),
                    Err(expired) => {
                        let status = Status::expired(expired.oldest, 0).to_value().to_string();
                        self.ready.push_back(line("ERROR", status.as_bytes()));
                        self.ended = true;
                    }
                },
                _ = self.bookmark.tick() => self.push_bookmark(),
                () = tokio::time::sleep_until(self.deadline) => {
                    self.push_bookmark();
                    self.ended = true;
                }
            }
        }
    }

    fn push_bookmark(&mut self) {
        if self.options.bookmarks
            && let Some(revision) = self.watch.caught_up()
        {
            self.ready.push_back(mark(&self.kind, revision, false));
        }
    }

    /// What a change is to this watcher: an object that leaves the selection is `DELETED` to it, in its last state
    /// inside.
    fn seen(&self, event: &Event) -> Option<Bytes> {
        let Feed { kind, options, .. } = self;
        let selects = |stored: &Arc<Stored>| options.selection.matches(&stored.object);
        let before = event.previous.as_ref().filter(|previous| selects(previous));
        let now = event.change != Change::Deleted && selects(&event.object);
        match (before, now) {
            (None, false) => None,
            (None, true) => Some(line("ADDED", &options.shape.one(kind, &event.object))),
            (Some(_), true) => Some(line("MODIFIED", &options.shape.one(kind, &event.object))),
            (Some(_), false) if event.change == Change::Deleted => {
                Some(line("DELETED", &options.shape.one(kind, &event.object)))
            }
            (Some(previous), false) => {
                let mut last = previous.object.clone();
                last.set_meta("resourceVersion", event.revision.to_string());
                Some(line("DELETED", &options.shape.one(kind, &Stored::unsaved(last))))
            }
        }
    }
}

fn line(change: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + 40);
    line.put_slice(b"{\"type\":\"");
    line.put_slice(change.as_bytes());
    line.put_slice(b"\",\"object\":");
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}

fn mark(kind: &Kind, revision: u64, initial_end: bool) -> Bytes {
    let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
    if initial_end {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    let object = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata});
    line("BOOKMARK", object.to_string().as_bytes())
}
