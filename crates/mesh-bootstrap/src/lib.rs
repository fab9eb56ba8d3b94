//! What every program of the mesh needs before it can do its own work: logs, metrics, readiness, an admin server and a
//! gentle end.
//!
//! It is not a framework: nothing here calls the program. `main` takes the parts and puts them together.
//!
//! ```text
//!   LogOptions ──► logs::start ──► LogHandle ─────────────┐
//!   Metrics    ──► register("pilot_xds_pushes", ..) ──────┤
//!   Readiness  ──► gate("config received").open() ────────┼──► Admin ── /metrics /ready /version /logging
//!   Drain      ──► SIGTERM, SIGINT ──► requested().await ─┘        └── and the routes that the program adds
//! ```
//!
//! Start reading at [`Admin`].

mod admin;
mod causes;
mod drain;
mod logs;
mod metrics;
mod readiness;

pub use admin::{Admin, VERSION, bind, local_only, serve};
pub use causes::causes;
pub use drain::Drain;
pub use logs::{LogError, LogHandle, LogOptions, start as start_logs};
pub use metrics::{CONTENT_TYPE, Metrics};
pub use readiness::{Gate, Readiness};
