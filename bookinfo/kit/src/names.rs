//! Names of other services, asked of DNS now and then instead of before each call.
//!
//! A lost datagram costs a resolver five seconds, longer than any call here may take; whoever asks hundreds of times a
//! second will lose some. So an answer counts for [`FRESH`], and after that for as long as the next one is on its way.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
    vec,
};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::lookup_host;

/// How long an answer counts without being asked for again.
const FRESH: Duration = Duration::from_secs(5);

type Resolving = std::pin::Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>;

/// Names and their addresses. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Names {
    known: Arc<Mutex<HashMap<String, Known>>>,
}

struct Known {
    addresses: Vec<SocketAddr>,
    until: Instant,
    /// The next answer is on its way.
    is_asked: bool,
}

impl Names {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn resolve(self, name: String) -> io::Result<Vec<SocketAddr>> {
        match self.recall(&name, Instant::now()) {
            Some((addresses, is_due)) => {
                if is_due {
                    tokio::spawn(self.ask(name));
                }
                Ok(addresses)
            }
            None => self.ask(name).await,
        }
    }

    /// What is known of a name, and whether it is this caller's turn to ask again.
    fn recall(&self, name: &str, now: Instant) -> Option<(Vec<SocketAddr>, bool)> {
        let mut all = self.known();
        let known = all.get_mut(name)?;
        let is_due = now >= known.until && !known.is_asked;
        known.is_asked |= is_due;
        Some((known.addresses.clone(), is_due))
    }

    async fn ask(self, name: String) -> io::Result<Vec<SocketAddr>> {
        let answer = lookup_host((name.as_str(), 0)).await.map(Iterator::collect::<Vec<_>>);
        let until = Instant::now() + FRESH;
        let mut all = self.known();
        match &answer {
            Ok(addresses) => {
                all.insert(name, Known { addresses: addresses.clone(), until, is_asked: false });
            }
            // The last good answer stays in force.
            Err(error) => {
                tracing::warn!(%error, name, "a name cannot be resolved");
                if let Some(known) = all.get_mut(&name) {
                    (known.until, known.is_asked) = (until, false);
                }
            }
        }
        answer
    }
}

impl tower::Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move { names.resolve(name.as_str().to_owned()).await.map(Vec::into_iter) })
    }
}

#[cfg(test)]
mod tests;
