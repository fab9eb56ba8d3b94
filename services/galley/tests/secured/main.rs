//! Both doors of galley with the certificates of a mesh: the webhooks, and the configuration that only pilot may read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test fail as the test does")]

mod certificates;
mod readers;
mod webhooks;
