//! Real containers: processes in namespaces of their own, and people looking into them. Needs root; a run without it
//! says that nothing was tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail as the test does"
)]

mod bench;
mod containers;
mod streams;
