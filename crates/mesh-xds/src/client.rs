//! The delta client: keeps one stream to a server, over as many connections as it takes.
//!
//! [`start`] spawns its task. What is wanted goes in by a [`Subscriber`], what came goes out by [`Events`]; the task ends
//! when either side is dropped.

mod dial;
mod events;
mod task;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mesh_proto::envoy::envoy::config::core::v3::Node;
use tokio::sync::mpsc;

pub use self::{
    dial::{Dial, DialError, Plaintext, Tls, TlsDialError},
    events::{Event, Events, Update},
};
use crate::machine::{Refused, Wanted};

/// Events that wait for their reader before the stream is not read any more.
const WAITING: usize = 16;

/// What a client needs to know.
#[derive(Debug)]
pub struct Settings {
    /// Sent with the first request of each stream.
    pub node: Node,
    /// Between attempts to connect.
    pub backoff: Backoff,
}

/// How long to wait between attempts: `first`, then twice as long each time up to `most`, each shortened by a random
/// part of up to a half. A stream that brought something resets it.
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
    /// A random number from 0 to 1, again at each call.
    pub jitter: Box<dyn FnMut() -> f64 + Send>,
}

impl Backoff {
    /// A tenth of a second up to two seconds, as a mesh wants it. While the server is replaced its Service may lead to the
    /// old one for a moment; a pod that ends at the same time serves on for five seconds, and all must hear of it by then.
    pub fn new(jitter: impl FnMut() -> f64 + Send + 'static) -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(2), jitter: Box::new(jitter) }
    }

    /// The wait after so many failures in a row.
    fn wait(&mut self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.min(16)).min(self.most);
        doubled.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0)
    }
}

impl std::fmt::Debug for Backoff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backoff").field("first", &self.first).field("most", &self.most).finish_non_exhaustive()
    }
}

/// Says what is wanted. Wishes outlive connections.
#[derive(Clone, Debug)]
pub struct Subscriber {
    wishes: mpsc::UnboundedSender<(String, Wanted)>,
}

impl Subscriber {
    /// Wants all resources of a type.
    pub fn everything(&self, type_url: &str) {
        self.want(type_url, Wanted::everything());
    }

    /// Wants exactly these resources of a type, from now on; those that are not among them any more are given up without
    /// a word about their removal.
    pub fn names(&self, type_url: &str, names: BTreeSet<Arc<str>>) {
        self.want(type_url, Wanted { all: false, names });
    }

    /// Sets what is wanted of a type. The order in which types are first wanted does not matter.
    pub fn want(&self, type_url: &str, wanted: Wanted) {
        // A client that has ended wants nothing.
        drop(self.wishes.send((type_url.to_owned(), wanted)));
    }
}

/// Starts a client on the current runtime.
pub fn start(dial: impl Dial, settings: Settings) -> (Subscriber, Events) {
    let (wishes, wished) = mpsc::unbounded_channel();
    let (events, happened) = mpsc::channel(WAITING);
    tokio::spawn(task::run(Arc::new(dial), settings, wished, events));
    (Subscriber { wishes }, Events::new(happened))
}

/// What became of an update.
type Verdict = Result<(), Fault>;

#[derive(Debug)]
enum Fault {
    Resources(Vec<Refused>),
    Whole(String),
}
