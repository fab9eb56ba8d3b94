//! Pilot between a galley and an Envoy that are both played, over real connections.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, in helpers too")]

mod identity;
mod mesh;
mod promises;
mod stock;
mod support;
