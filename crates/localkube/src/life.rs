//! Life of an instance: up, down, status, and what it leaves on disk.
//!
//! ```text
//!  localkube up ──(user namespace when not root)──► spawns `localkube run` as PID 1 of a new PID namespace
//!       ▲                                                │ own mount namespace, own /proc
//!       └── progress, then "ready" on a pipe ◄───────────┘ holds <state>/lock for as long as it lives
//! ```
//!
//! Everything hangs under that PID 1: when it ends, however it ends, the kernel ends every container, and with the last
//! process and handle the namespaces, veths and rules are gone. What stays on disk is the state folder, which the next
//! `up` clears when nobody holds its lock.

pub mod apply;
pub mod cluster;
pub mod control;
pub mod daemon;
pub mod down;
pub mod instance;
pub mod kubeconfig;
pub mod privileges;
pub mod shell;
pub mod status;
pub mod up;
