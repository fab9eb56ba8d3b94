//! What Lateen's programs need of Kubernetes: to follow objects, to answer webhooks, to agree on a leader, to write status.
//!
//! It is a thin layer over `kube`: no caches, no controllers, no opinion on what objects mean. `kube::Resource` is
//! implemented once in this house, for [`Object`], over the kinds of `istio-api`.
//!
//! ```text
//!   API server ──list, watch──► informer::changes ──► Applied │ Deleted │ Listed │ Absent
//!              ──AdmissionReview (HTTPS)──► webhook::serve ──► your function: Request -> Verdict
//!              ◄──renew a Lease── lease::Campaign ──► watch of "I lead"
//!              ◄──PATCH …/status── status::write  (only when a condition changed)
//! ```
//!
//! Start reading at [`informer`].

pub mod admission;
pub mod informer;
pub mod lease;
mod object;
pub mod status;
pub mod webhook;

pub use informer::{Change, Key};
pub use object::Object;
