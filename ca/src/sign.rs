//! What a certificate may say.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_pki::{Authority, Csr, CsrError, Grant, IssueError, Issued};
use mesh_types::SpiffeId;

use crate::Config;

/// Accounts of the control plane and the Services whose names they answer to, all in the ca's own namespace.
const CONTROL_PLANE: &[(&str, &[&str])] =
    &[("ca", &["ca"]), ("galley", &["galley", "istiod"]), ("pilot", &["pilot", "istiod"])];

/// Signs, within what was configured.
#[derive(Clone, Debug)]
pub struct Signer {
    authority: Arc<Authority>,
    namespace: String,
    domain: String,
    default_lifetime: Duration,
    max_lifetime: Duration,
}

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The request is none.
    #[error("the signing request is refused")]
    Csr(#[from] CsrError),
    /// Longer than permitted.
    #[error("a lifetime of {wished:?} is wished for, at most {longest:?} is granted")]
    Lifetime {
        /// Asked for.
        wished: Duration,
        /// The limit.
        longest: Duration,
    },
    /// The authority refuses.
    #[error("the certificate is not issued")]
    Issue(#[from] IssueError),
}

impl Signer {
    /// Signs with `authority` as `config` permits.
    pub fn new(authority: Arc<Authority>, config: &Config) -> Self {
        Self {
            authority,
            namespace: config.namespace.clone(),
            domain: config.domain.clone(),
            default_lifetime: config.default_lifetime(),
            max_lifetime: config.max_lifetime(),
        }
    }

    /// Signs for a caller. `seconds`: the wished lifetime, the default if it is not positive.
    ///
    /// # Errors
    /// The request is broken, names somebody else, or wishes for too much.
    pub fn sign(&self, caller: &SpiffeId, csr: &str, seconds: i64, now: SystemTime) -> Result<Issued, SignError> {
        let csr = Csr::parse(csr)?;
        let lifetime = match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
            _ => self.default_lifetime,
        };
        if lifetime > self.max_lifetime {
            return Err(SignError::Lifetime { wished: lifetime, longest: self.max_lifetime });
        }
        let grant = Grant { id: caller.clone(), dns_names: self.dns_names(caller), lifetime };
        Ok(self.authority.issue(&csr, &grant, now)?)
    }

    /// The names that clients may call this account's servers by: the control plane's only. Applications are known by
    /// their identity, and a name in a certificate would let them answer for others.
    pub fn dns_names(&self, id: &SpiffeId) -> Vec<String> {
        let services = CONTROL_PLANE
            .iter()
            .find(|(account, _)| id.namespace() == self.namespace && *account == id.account())
            .map_or(&[][..], |(_, services)| services);
        services
            .iter()
            .flat_map(|service| {
                let short = format!("{service}.{}.svc", self.namespace);
                [format!("{short}.{}", self.domain), short]
            })
            .collect()
    }

    /// What it signs with.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }
}

#[cfg(test)]
mod tests;
