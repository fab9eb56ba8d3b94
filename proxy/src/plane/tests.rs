//! The data plane at work: real sockets on the loopback address, one worker, resources as a control plane sends them.

mod certs;
mod dynamic;
mod http;
mod limits;
mod listeners;
mod log;
mod protocols;
mod reasons;
mod retries;
mod rig;
mod tcp;
mod tls;
