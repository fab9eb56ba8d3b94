//! The protocol as values: no IO, no clock.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>
//!
//! [`Conversation`] is the server's half of one stream, [`Sink`] the client's.

mod conversation;
mod order;
mod request;
mod resource;
mod sink;
mod subscription;

pub use conversation::{Conversation, Push, Supply};
pub use order::{is_by_name_only, rank};
pub use request::{Names, Request};
pub use resource::{Resource, Wanted};
pub use sink::{Receipt, Refused, Sink};
pub use subscription::{Heard, Record, Rejection};

#[cfg(test)]
mod tests;
