//! `lateenctl`: installs the mesh, and tells what it does. Verbs and flags are istioctl's wherever istioctl has them.
//!
//! It is no part of the mesh: nothing runs differently because it was used, and everything that it installs can be printed
//! (`manifest generate`) and applied with kubectl instead.
//!
//! ```text
//!   --set, -f ──► options::Options ──► manifests::all ──► install (server-side apply, in order, then wait)
//!                                            └──► manifest generate (YAML)
//!   pod ──port-forward 15000──► config_dump ──► proxy_config (pure) ──► tables
//!   pilot ──port-forward 15014──► syncz ──► proxy_status (pure) ──► table
//!                             └─► recordz ──► explain (pure): what the proxy does with a request, and why
//!                                        └──► egress (pure): what a label stands for
//!                                    └─ with the proxies' /lateen/scope ─► scope (pure): whom a workload really calls
//! ```
//!
//! Start reading at [`commands`], then [`manifests`].

pub mod cluster;
pub mod commands;
pub mod documents;
pub mod egress;
pub mod explain;
pub mod inject;
pub mod inspect;
pub mod install;
pub mod manifests;
pub mod options;
pub mod profile;
pub mod proxy_config;
pub mod proxy_status;
pub mod scope;
pub mod table;
