//! The life of a certificate in a process.

use std::{
    error::Error,
    fmt::Write,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_pki::{Key, TrustBundle, WorkloadCert, csr, schedule};
use mesh_tls::Credentials;
use tokio::{
    sync::watch,
    time::{self, Instant},
};

use crate::{
    AskError, Backoff, Settings,
    ask::{Answer, ask},
};

/// How often the file of the roots is looked at.
const ROOTS_INTERVAL: Duration = Duration::from_secs(10);

/// Waiting times after failures: short enough for a start where the ca comes up last.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Gets a certificate and keeps it fresh, in a task of its own that ends when nobody holds the credentials any more.
///
/// Must be called within a tokio runtime. [`Credentials::ready`] waits for the first certificate.
pub fn start(settings: Settings) -> Credentials {
    let (cert_writer, cert) = watch::channel(None);
    let (roots_writer, roots) = watch::channel(TrustBundle::default());
    let credentials = Credentials { cert, roots };
    let keeper = Keeper {
        settings,
        cert: cert_writer,
        roots: roots_writer,
        from_file: TrustBundle::default(),
        from_ca: TrustBundle::default(),
    };
    tokio::spawn(keeper.keep());
    credentials
}

/// The writer's side of the credentials.
struct Keeper {
    settings: Settings,
    cert: watch::Sender<Option<Arc<WorkloadCert>>>,
    roots: watch::Sender<TrustBundle>,
    from_file: TrustBundle,
    from_ca: TrustBundle,
}

impl Keeper {
    async fn keep(mut self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut next = Instant::now();
        let mut look = time::interval(ROOTS_INTERVAL);
        loop {
            tokio::select! {
                () = self.cert.closed() => return,
                _ = look.tick() => self.look_at_roots().await,
                () = time::sleep_until(next) => next = Instant::now() + self.renew(&mut backoff).await,
            }
        }
    }

    /// One attempt; says how long to wait until the next.
    async fn renew(&mut self, backoff: &mut Backoff) -> Duration {
        match self.attempt().await {
            Ok(cert) => {
                backoff.reset();
                let at = schedule::renew_at(cert.not_before(), cert.not_after(), schedule::RATIO, jitter());
                let wait = at.duration_since(SystemTime::now()).unwrap_or(FIRST_WAIT).max(FIRST_WAIT);
                tracing::info!(id = %cert.id(), renewal_in = ?wait, "a new certificate is in use");
                self.cert.send_replace(Some(Arc::new(cert)));
                wait
            }
            Err(error) => {
                let wait = backoff.next(rand::random());
                let left = self
                    .cert
                    .borrow()
                    .as_ref()
                    .map(|cert| cert.not_after().duration_since(SystemTime::now()).unwrap_or_default().as_secs());
                tracing::warn!(error = chain(&error), retry_in = ?wait, old_one_serves_seconds = ?left, "no new certificate");
                wait
            }
        }
    }

    async fn attempt(&mut self) -> Result<WorkloadCert, AskError> {
        if self.from_file.is_empty() {
            self.read_roots().await?;
        }
        let key = Key::generate(self.settings.key)?;
        let request = csr::request(&key, &self.settings.id)?;
        let credentials = Credentials { cert: self.cert.subscribe(), roots: self.roots.subscribe() };
        let Answer { chain, roots } = ask(&self.settings, &credentials, request).await?;
        self.from_ca = TrustBundle::parse(&roots)?;
        self.publish_roots();
        let trusted = self.roots.borrow().clone();
        Ok(WorkloadCert::parse(&chain, &key, &self.settings.id, &trusted, SystemTime::now())?)
    }

    async fn look_at_roots(&mut self) {
        if let Err(error) = self.read_roots().await {
            tracing::debug!(error = chain(&error), "the roots stay as they are");
        }
    }

    async fn read_roots(&mut self) -> Result<(), AskError> {
        let text = tokio::fs::read_to_string(&self.settings.root_file).await.map_err(AskError::RootFile)?;
        let roots = TrustBundle::parse(&text)?;
        // A file that is being written may be empty for a moment; whoever trusts nobody cannot recover.
        if !roots.is_empty() && roots != self.from_file {
            self.from_file = roots;
            self.publish_roots();
        }
        Ok(())
    }

    fn publish_roots(&self) {
        let roots = self.from_file.union(&self.from_ca);
        self.roots.send_if_modified(|current| {
            let changed = *current != roots;
            if changed {
                tracing::info!(roots = roots.certificates().len(), "new roots are trusted");
                *current = roots;
            }
            changed
        });
    }
}

fn jitter() -> f64 {
    rand::random_range(-schedule::JITTER..=schedule::JITTER)
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        write!(text, ": {error}").ok();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
