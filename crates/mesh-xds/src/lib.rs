//! xDS, both ends: the aggregated discovery service and its delta client.
//!
//! The server is generic over who supplies resources ([`server::Source`] opens a [`server::Session`] for each stream), so
//! pilot serves Envoy's types with it and galley serves MCP (registry records and configuration kinds). What may be sent
//! when, nonces, ACKs, NACKs and what a client already holds is decided by pure state machines in [`machine`]; tasks,
//! sockets and clocks are around them. It knows no kind of configuration and decodes no resource.
//!
//! ```text
//!   Source ─open(caller)─► Session ─changed()─► wakes ┐
//!                             └────resources(type)────┤
//!   DiscoveryRequest / DeltaDiscoveryRequest ─► machine::Conversation ─► Push ─► response
//!
//!   DeltaDiscoveryResponse ─► machine::Sink ─► client::Update{changed, removed} ─► your code ─► done(Ok | Err(refused))
//! ```
//!
//! **To serve** (galley): keep the world in a `tokio::sync::watch` of an immutable map; a `Session` holds a receiver.
//! `changed` awaits it and pins what it saw; `resources` answers a type with all that `wanted` admits, as
//! `Arc<Resource>` made by [`Resource::new`] (its version is a hash of its content). Only what differs from what this
//! stream was last *sent* goes out, so answering with everything is right and cheap. Then [`server::serve`].
//!
//! **To subscribe** (proxy, pilot): [`client::start`] with a [`client::Dial`] gives a [`client::Subscriber`] and
//! [`client::Events`]. Say what is wanted with `Subscriber::everything(type)` or `Subscriber::names(type, names)` (again
//! whenever the names change, such as EDS names after clusters came); take `Event::Update`, apply it, and call
//! `Update::done`: `Ok` acknowledges, `Err` lists the resources that were refused, each with its reason. What was
//! accepted is remembered over reconnects (`initial_resource_versions`); what was refused is not.
//!
//! Start reading at [`machine::Conversation`].

pub mod client;
pub mod machine;
pub mod server;
pub mod transport;

pub use machine::{Resource, Wanted};
