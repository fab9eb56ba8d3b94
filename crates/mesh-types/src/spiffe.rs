//! Who a workload is.

use std::{fmt, str::FromStr};

/// `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.
///
/// <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>, with the path that Istio uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    trust_domain: String,
    namespace: String,
    account: String,
}

/// A text that is no workload identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identity of the form spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT")]
pub struct BadSpiffeId(String);

impl SpiffeId {
    /// Puts an identity together.
    ///
    /// # Errors
    /// A part is empty or holds a character that SPIFFE forbids in a path segment or trust domain.
    pub fn new(trust_domain: &str, namespace: &str, account: &str) -> Result<Self, BadSpiffeId> {
        let good =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let id = Self {
            trust_domain: trust_domain.to_owned(),
            namespace: namespace.to_owned(),
            account: account.to_owned(),
        };
        if [trust_domain, namespace, account].into_iter().all(good) { Ok(id) } else { Err(BadSpiffeId(id.to_string())) }
    }

    /// Such as `cluster.local`.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The namespace of the service account.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The service account.
    pub fn account(&self) -> &str {
        &self.account
    }
}

impl FromStr for SpiffeId {
    type Err = BadSpiffeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadSpiffeId(text.to_owned());
        let rest = text.strip_prefix("spiffe://").ok_or_else(bad)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", account] = parts[..] else { return Err(bad()) };
        Self::new(trust_domain, namespace, account)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.account)
    }
}

#[cfg(test)]
mod tests;
