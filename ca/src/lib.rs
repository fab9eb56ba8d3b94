//! The mesh's certificate authority: it finds out who calls, and signs that they are who they are.
//!
//! It keeps the root in a Secret, tells every namespace about it in a ConfigMap, and answers `CreateCertificate` as
//! Istio's does. Identity comes from the caller, never from the request: a token that the Kubernetes API vouches for,
//! or the certificate of the connection when it is renewed. It holds no state of its own: any number of replicas may run.
//!
//! ```text
//!   Secret cacerts | istio-ca-secret ──► root::obtain ──► Authority ──┬──► distribute: ConfigMap istio-ca-root-cert
//!                                                                     │                in every namespace
//!   proxy ──CSR + token, or certificate──► authenticate ──► sign ─────┘
//!                                          who calls?       what may it say?
//! ```
//!
//! Start reading at [`Service`], the one call.

mod authenticate;
mod config;
mod distribute;
mod metrics;
mod root;
mod service;
mod serving;
mod sign;

#[cfg(test)]
mod fake_api;

pub use authenticate::{Authenticator, Caller, Refusal, ReviewError, Reviewed, TokenReviewer, kubernetes_reviewer};
pub use config::Config;
pub use distribute::{IGNORED_NAMESPACES, ROOT_CONFIG_MAP, distribute};
pub use metrics::CaMetrics;
pub use root::{RootError, obtain};
pub use service::Service;
pub use serving::{ServingError, keep_serving_certificate};
pub use sign::{SignError, Signer};
