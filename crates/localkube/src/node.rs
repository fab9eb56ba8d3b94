//! A node: the agent that turns Pods bound to it into processes, and reports what became of them.

pub mod access;
pub mod agents;
pub mod backoff;
pub mod env;
pub mod fields;
pub mod handler;
pub mod images;
pub mod kubelet;
pub mod netfiles;
pub mod pod;
pub mod probe;
pub mod runtime;
pub mod security;
pub mod status;
pub mod volumes;
