//! localkube: a Kubernetes cluster on one Linux machine.
//!
//! It is the stage on which the mesh is tried, not the play: one process that serves the Kubernetes API from memory,
//! runs the usual controllers, and gives pods real network namespaces, real processes and real iptables rules.
//!
//! ```text
//!  kubectl, kube-rs ──TLS──► api::http ──► api::verbs ──► store            (memory only; one revision counter)
//!                                             ▲             │ watch
//!         controllers, node agent, proxy ── client ◄────────┘              (in-process callers use the same verbs)
//!
//!  node/  kubelet: pods -> containers (namespaces, mounts, cgroup-less)    net/  veths, routes, service rules, DNS
//!  life/  up, down, status, kubeconfig, rootless
//! ```
//!
//! What it is not: persistent, multi-machine, a scheduler of quality, or an authorizer (every authenticated caller may do all).
//!
//! Start reading at [`store`], then [`api`], then [`node`].

pub mod api;
pub mod client;
pub mod controllers;
pub mod kinds;
pub mod life;
pub mod net;
pub mod node;
pub mod object;
pub mod status;
pub mod store;
