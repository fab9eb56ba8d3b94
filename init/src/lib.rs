//! Traffic capture: the packet rules that lead a pod's connections through its proxy.
//!
//! The program `lateen-init` runs once in a pod, before everything else, as container `istio-init`. What it is to do
//! stands in its flags, which are those of Istio's `istio-iptables`. It is not a proxy, and it knows nothing of the mesh:
//! it reads flags, `/etc/resolv.conf` and the pod's addresses, and writes rules.
//!
//! ```text
//!   Flags ──parse──► Settings ──plan──► Plan (a value) ──┬─ --dry-run: print
//!                                                        └─ change(Plan, State) ──► iptables-restore ──► compare again
//!   iptables-save ──parse──► State ──────────────────────────┘
//! ```
//!
//! A rule is written exactly as `iptables-save` prints it, so that "is it there?" is a comparison, a second run changes
//! nothing, and a run with other flags replaces the first one's rules in one transaction a table.
//!
//! Start reading at [`plan()`](plan::plan), then [`state`].

pub mod apply;
pub mod check;
pub mod flags;
pub mod plan;
pub mod rule;
pub mod settings;
pub mod state;
