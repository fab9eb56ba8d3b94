//! Keeps a workload's certificate: makes the key, asks the ca, checks the answer, asks again in time.
//!
//! The key never leaves the process. The ca is asked with the service account's token, which is read anew each time, and
//! with the certificate in use. When the ca does not answer, the old certificate serves until it expires. What is not
//! here: signing (`ca`), handshakes (`mesh-tls`), and any opinion about who may talk to whom.
//!
//! ```text
//!   token file ─┐
//!   root file ──┼─► start(settings) ──CSR──► ca ──chain──► WorkloadCert::parse ─► Credentials (watches) ─► mesh-tls
//!   own key ────┘         ▲                                        │                                   └─► SDS
//!                         └──────────── when half of its life is left, or back off ────────────────┘
//! ```
//!
//! Start reading at [`start`].

mod ask;
mod backoff;
mod options;
mod rotate;

pub use ask::AskError;
pub use backoff::Backoff;
pub use mesh_tls::Credentials;
pub use options::{Options, Settings};
pub use rotate::start;
