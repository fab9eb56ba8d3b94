//! DNS as a client: what the data plane resolves names by, and what the agent passes questions on with.
//!
//! Names are asked of the servers of `resolv.conf`, by UDP, and by TCP where an answer is too long for that. Files are read
//! anew for each question: questions are rare, and files change.
//!
//! ```text
//!   Resolver ─ /etc/hosts │ candidates of resolv.conf ─► Servers ─ UDP, TCP ─► addresses, and how long they hold
//! ```

pub(crate) mod conf;
mod resolver;
mod servers;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use self::{
    resolver::{Found, Resolver},
    servers::{Servers, read_framed, write_framed},
};
