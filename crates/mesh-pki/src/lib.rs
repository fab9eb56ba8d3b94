//! Keys, certificates and who they say one is.
//!
//! Everything here is a value or a function of values: the time is an argument, nothing is read or sent. Only the crypto
//! provider (aws-lc-rs) uses randomness of its own, for keys, signatures and serial numbers. There is no revocation and
//! no TLS here; TLS is in `mesh-tls`.
//!
//! ```text
//!   workload                                   ca
//!   Key::generate ─ csr::request ── PEM ─────► Csr::parse ──► Authority::issue(csr, grant, now)
//!   WorkloadCert::parse ◄──────────── PEM: chain, roots ───────────────┘
//!     proves: key match, one SPIFFE id, dates, chain to a root
//!   schedule::renew_at ──► when to ask again
//! ```
//!
//! Start reading at [`WorkloadCert`].

mod authority;
mod bundle;
pub mod csr;
mod key;
mod names;
mod pem;
pub mod schedule;
mod workload_cert;

pub use authority::{Authority, AuthorityError, AuthorityParts, Grant, IssueError, Issued, ROOT_LIFETIME, SKEW};
pub use bundle::{BundleError, TrustBundle};
pub use csr::{Csr, CsrError};
pub use key::{Key, KeyError, KeyKind};
pub use names::{NamesError, identity_of};
pub use pem::encode as pem_encode;
pub use workload_cert::{WorkloadCert, WorkloadCertError};
