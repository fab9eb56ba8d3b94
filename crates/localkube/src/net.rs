//! The network: nodes and pods as unnamed network namespaces on routed veths, service rules, DNS, the outside.
//!
//! ```text
//!  host (nothing added)   127.0.0.1:port: listeners, forwarded by sockets opened in a namespace below
//!
//!  outside 203.0.113.0/24   names, HTTP, HTTPS; also the wire between the nodes, and the route to 172.18.255.0/24
//!     ├─veth─ node-1 172.18.0.2 ─┬─veth─ pod 10.244.0.2
//!     │       services 10.96/16  └─veth─ pod 10.244.0.3
//!     └─veth─ node-2 172.18.0.3 ───veth─ pod 10.244.1.2
//! ```

mod balancer;
mod changes;
mod command;
pub mod dns;
pub mod echo;
pub mod forward;
mod httpd;
pub mod netns;
pub mod outside;
pub mod proxier;
pub mod topology;

#[cfg(test)]
mod tests;
