//! The ca's own certificate: from itself, as everybody's.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_pki::{CsrError, Key, KeyError, KeyKind, WorkloadCert, WorkloadCertError, csr, schedule};
use mesh_tls::Credentials;
use mesh_types::SpiffeId;
use tokio::sync::watch;

use crate::{SignError, Signer};

/// How soon a failure is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// Why the ca has no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// No key.
    #[error("the ca's own key could not be made")]
    Key(#[from] KeyError),
    /// No request.
    #[error("the ca's own signing request could not be made")]
    Request(#[from] CsrError),
    /// Not signed.
    #[error("the ca could not sign its own certificate")]
    Sign(#[from] SignError),
    /// Not proven.
    #[error("the ca's own certificate is not taken")]
    Certificate(#[from] WorkloadCertError),
}

/// Makes a certificate for `id` and renews it, in a task that ends when nobody holds the credentials any more.
///
/// # Errors
/// The first one cannot be made.
pub fn keep_serving_certificate(signer: Signer, id: SpiffeId) -> Result<Credentials, ServingError> {
    let first = make(&signer, &id)?;
    let mut renewal = renewal(&first);
    let (writer, cert) = watch::channel(Some(Arc::new(first)));
    let roots = watch::channel(signer.authority().roots().clone()).1;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = writer.closed() => return,
                () = tokio::time::sleep(renewal) => {}
            }
            match make(&signer, &id) {
                Ok(cert) => {
                    renewal = self::renewal(&cert);
                    writer.send_replace(Some(Arc::new(cert)));
                }
                Err(error) => {
                    tracing::error!(%error, "the ca's own certificate could not be renewed");
                    renewal = RETRY;
                }
            }
        }
    });
    Ok(Credentials { cert, roots })
}

fn renewal(cert: &WorkloadCert) -> Duration {
    let at = schedule::renew_at(cert.not_before(), cert.not_after(), schedule::RATIO, 0.0);
    at.duration_since(SystemTime::now()).unwrap_or(RETRY)
}

fn make(signer: &Signer, id: &SpiffeId) -> Result<WorkloadCert, ServingError> {
    let key = Key::generate(KeyKind::P256)?;
    let now = SystemTime::now();
    let issued = signer.sign(id, &csr::request(&key, id)?, 0, now)?;
    Ok(WorkloadCert::parse(&issued.chain.concat(), &key, id, signer.authority().roots(), now)?)
}
